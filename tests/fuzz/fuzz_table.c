/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of numbers are the same whole and in pieces. */
#include "driver.h"

#include <stdlib.h>
#include <string.h>

#include "formats/text_record.h"
#include "formats/text/text_table.h"

static const struct text_dialect untold = {.separator = 0};

#define PIECE_RECORDS 2
#define FIRST_RECORDS 20 /* what the dialect is told from */

const struct seed fuzz_seeds[] = {SEED("a,b\n1,2\n3,4\n"),
                                  SEED("1.5,-2e-3\r\n\"3\",4\r\n5,6\n7,8"),
                                  SEED("\xef\xbb\xbf\"x\",\"y \"\"z\"\"\"\n1,2\n"),
                                  SEED("x;z;y\n0,1;0,2;1,0\n\n# c\n0,3;0,4;2\n"),
                                  SEED("%eval_id interface x f\n 1 NO_ID 0.5D+01 0.14-270\n"),
                                  SEED("1\t-1\t2\n1\t1.5\t3\n"),
                                  SEEDS_END};

const struct seed fuzz_words[] = {SEED("\r\n"), SEED("\"\""), SEED(",,"),     SEED("1e308"),
                                  SEED("nan"),  SEED("0x1"),  SEED("1e-400"), SEEDS_END};

/* Length of the first records. */
static size_t piece_length(const char *text, size_t len, bool first)
{
    enum text_record_place place = RECORD_START;
    int records = 0;
    size_t at = first ? text_record_mark_length(text, len) : 0;
    while (at < len && records < (first ? FIRST_RECORDS : PIECE_RECORDS)) {
        char byte = text[at++];
        if (text_record_step(&place, byte) == RECORD_END) {
            at += byte == '\r' && at < len && text[at] == '\n';
            records++;
        }
    }
    return at;
}

/* Reads as whoever has not all of the text; the values must be those of `whole`. */
static void check_pieces(const char *text, size_t len, const struct text_table *whole,
                         enum err_code code)
{
    struct arena arena = ARENA_INIT;
    struct arena names = ARENA_INIT;
    struct text_table_reader reader = text_table_reader(&untold, 1, &names);
    struct err err = ERR_INIT;
    size_t n = 0;
    for (size_t at = 0; at < len && err.code == ERR_OK;) {
        struct text_table piece;
        size_t size = piece_length(text + at, len - at, at == 0);
        if (text_table_read_piece(&reader, text + at, size, &arena, &piece, &err) == ERR_OK) {
            size_t count = (size_t)piece.n * (size_t)piece.k;
            if (code == ERR_OK && count > 0 &&
                memcmp(piece.values, whole->values + n, count * sizeof(double)) != 0) {
                abort();
            }
            n += count;
            at += size;
        }
    }
    if (code == ERR_OK && (err.code != ERR_OK || n != (size_t)whole->n * (size_t)whole->k)) {
        abort();
    }
    /* The whole is also refused when it has too many rows, or none. */
    if (code != ERR_OK && err.code == ERR_OK && reader.n_rows > 0 && code != ERR_TOO_LARGE) {
        abort();
    }
    arena_release(&arena);
    arena_release(&names);
}

/* Each row begins on a line of the text, behind that of the row before. */
static void check_lines(const struct text_table_reader *reader, const char *text, size_t len,
                        const struct text_table *table)
{
    const struct text_piece piece = {text, len, 1, true};
    int rows[100];
    int64_t lines[100];
    for (int i = 0; i < table->n; i++) {
        rows[i] = i;
    }
    text_table_lines(reader, &piece, rows, table->n, lines);
    for (int i = 0; i < table->n; i++) {
        if (lines[i] <= (i > 0 ? lines[i - 1] : 0) || lines[i] >= reader->line + 1) {
            abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct text_table table = {.n = 0};
    struct text_table_reader reader = text_table_reader(&untold, 1, &arena);
    reader.max_rows = 100;
    /* Request bodies end with a NUL that does not count. */
    char *text = arena_strndup(&arena, (const char *)data, size);
    enum err_code code = text_table_read(&reader, text, size, &arena, &table, &err);
    if (code == ERR_OK) {
        check_lines(&reader, text, size, &table);
    }
    check_pieces(text, size, &table, code);
    arena_release(&arena);
    return 0;
}
