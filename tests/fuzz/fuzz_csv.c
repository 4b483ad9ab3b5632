/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of numbers: finite ones only, and the same whole and in pieces. */
#include "driver.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "formats/csv.h"

#define PIECE_RECORDS 2

const struct seed fuzz_seeds[] = {SEED("a,b\n1,2\n3,4\n"), SEED("1.5,-2e-3\r\n\"3\",4\r\n5,6\n7,8"),
                                  SEED("\xef\xbb\xbf\"x\",\"y \"\"z\"\"\"\n1,2\n"), SEEDS_END};

const struct seed fuzz_words[] = {SEED("\r\n"), SEED("\"\""), SEED(",,"),     SEED("1e308"),
                                  SEED("nan"),  SEED("0x1"),  SEED("1e-400"), SEEDS_END};

/* Length of the first records. */
static size_t piece_length(const char *text, size_t len, bool first)
{
    enum csv_place place = CSV_FIELD_START;
    int records = 0;
    size_t at = first ? csv_mark_length(text, len) : 0;
    while (at < len && records < PIECE_RECORDS) {
        char byte = text[at++];
        if (csv_step(&place, byte) == CSV_RECORD_END) {
            at += byte == '\r' && at < len && text[at] == '\n';
            records++;
        }
    }
    return at;
}

/* Reads as whoever has not all of the text; the values must be those of `whole`. */
static void check_pieces(const char *text, size_t len, const struct csv *whole, enum err_code code)
{
    struct arena arena = ARENA_INIT;
    struct csv_reader reader = {.n_rows = 0};
    struct err err = ERR_INIT;
    size_t n = 0;
    for (size_t at = 0; at < len && err.code == ERR_OK;) {
        struct csv csv;
        size_t size = piece_length(text + at, len - at, at == 0);
        if (csv_read_piece(&reader, text + at, size, &arena, &csv, &err) == ERR_OK) {
            size_t count = (size_t)csv.n * (size_t)csv.k;
            if (code == ERR_OK &&
                memcmp(csv.values, whole->values + n, count * sizeof(double)) != 0) {
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
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct csv csv;
    /* Request bodies end with a NUL that does not count. */
    char *text = arena_strndup(&arena, (const char *)data, size);
    enum err_code code = csv_parse(text, size, 100, &arena, &csv, &err);
    for (size_t i = 0; code == ERR_OK && i < (size_t)csv.n * (size_t)csv.k; i++) {
        if (!isfinite(csv.values[i])) {
            abort();
        }
    }
    check_pieces(text, size, &csv, code);
    arena_release(&arena);
    return 0;
}
