/* SPDX-License-Identifier: Apache-2.0 */
/* A table that the client sends in parts is read by a server as the whole is. */
#include "driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/pieces/csv_head.h"
#include "client/pieces/parts.h"
#include "formats/text/text_table.h"

#define PART_RECORDS 20 /* the first part decides how all are read, and has what is looked at */
#define MAX_ROWS     400

const struct seed fuzz_seeds[] = {
    SEED("a,b\n1,2\n3,4\n"),
    SEED("# k T y\n1 2 3\n1 2 3\n1 2 3\n1 2 3\n1 2 3\n1 2 3\n1 2 3\n1 2 3\n1 2 3\n1 2 3\n1 2 3\n"
         "1 2 3\n1 2 3\n1 2 3\n1 2 3\n1 2 3\n1 2 3\n1 2 3\n1 2 3\n1 2 3\n1 2 3\n4 5 6\n# end\n\n"),
    SEED("\xef\xbb\xbf\"x \"\"z\"\"\";y\r\n1;2\r\n1;2\r\n1;2\r\n1;2\r\n1;2\r\n1;2\r\n1;2\r\n1;2\r\n"
         "1;2\r\n1;2\r\n1;2\r\n1;2\r\n1;2\r\n1;2\r\n1;2\r\n1;2\r\n1;2\r\n1;2\r\n1;2\r\n1;2\r\n1,5;"
         "2"),
    SEED("%eval_id interface x f\n1 NO_ID 0.5D+01 0.14-270\n1 N 2 3\n1 N 2 3\n1 N 2 3\n1 N 2 3\n"
         "1 N 2 3\n1 N 2 3\n1 N 2 3\n1 N 2 3\n1 N 2 3\n1 N 2 3\n1 N 2 3\n1 N 2 3\n1 N 2 3\n"
         "1 N 2 3\n1 N 2 3\n1 N 2 3\n1 N 2 3\n1 N 2 3\n1 N 2 3\n1 N 2 3\n1 N 2 4\n"),
    SEEDS_END};

const struct seed fuzz_words[] = {
    SEED("\r\n"),
    SEED("\"\""),
    SEED(",,"),
    SEED("1,5;"),
    SEED("1.5;"),
    SEED("nan"),
    SEED("\n# "),
    SEED("1;2\n1;2\n1;2\n1;2\n1;2\n1;2\n1;2\n1;2\n1;2\n1;2\n1;2\n1;2\n1;2\n1;2\n1;2\n1;2\n"),
    SEED("1,2\n1,2\n1,2\n1,2\n1,2\n1,2\n1,2\n1,2\n1,2\n1,2\n1,2\n1,2\n1,2\n1,2\n1,2\n1,2\n"),
    SEEDS_END};

/* What a server makes of one request. */
struct reading {
    enum err_code code;
    struct text_table table;
    int64_t line; /* of the refusal; 0: none */
};

static struct reading read_text(const char *type, const char *text, size_t len, int64_t first_line,
                                struct arena *arena)
{
    struct reading out = {.code = ERR_OK};
    struct text_dialect dialect;
    struct err err = ERR_INIT;
    if (text_dialect_parse(type, &dialect, &err) == ERR_OK) {
        struct text_table_reader reader = text_table_reader(&dialect, first_line, arena);
        reader.max_rows = MAX_ROWS;
        err_kept(text_table_read(&reader, text, len, arena, &out.table, &err));
    }
    out.code = err.code;
    out.line = err.line;
    return out;
}

static struct reading read_part(const struct payload *payload, int64_t line, struct arena *arena)
{
    size_t n_before = payload->before != NULL ? strlen(payload->before) : 0;
    char *text = arena_alloc(arena, n_before + payload->n_bytes + 1);
    memcpy(text, n_before > 0 ? payload->before : "", n_before);
    memcpy(text + n_before, payload->bytes, payload->n_bytes);
    text[n_before + payload->n_bytes] = '\0';
    return read_text(payload->type, text, n_before + payload->n_bytes, line - (n_before > 0),
                     arena);
}

/* All parts; stops the process when they are not the whole. */
static void check_parts(FILE *file, const struct reading *whole, struct arena *arena)
{
    struct parts parts;
    struct csv_head head;
    struct err err = ERR_INIT;
    struct reading part = {.code = ERR_OK};
    const char *text = NULL;
    size_t len = 0;
    size_t n = 0; /* numbers */
    if (csv_head_init("text/csv", &head, &err) != ERR_OK ||
        parts_open(file, &parts, &err) != ERR_OK) {
        abort();
    }
    while (part.code == ERR_OK && parts_next(&parts, PART_RECORDS, &text, &len, &err) == ERR_OK &&
           (parts.n_records > 0 || !head.begun)) {
        struct payload payload;
        if (csv_head_next(&head, text, len, arena, &payload, &err) != ERR_OK) {
            abort();
        }
        part = read_part(&payload, parts.line, arena);
        size_t count = (size_t)part.table.n * (size_t)part.table.k;
        if (whole->code == ERR_OK && part.code == ERR_OK &&
            memcmp(part.table.values, whole->table.values + n, count * sizeof(double)) != 0) {
            abort();
        }
        n += part.code == ERR_OK ? count : 0;
    }
    bool quote_open = err.code == ERR_TOO_LARGE; /* the client cannot tell where it ends */
    if (!quote_open &&
        ((part.code == ERR_OK) != (whole->code == ERR_OK) || part.line != whole->line)) {
        abort();
    }
    parts_release(&parts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = ARENA_INIT;
    char *text = arena_strndup(&arena, (const char *)data, size);
    const struct reading whole = read_text("text/csv", text, size, 1, &arena);
    FILE *file = size > 0 ? fmemopen(text, size, "r") : NULL;
    if (file != NULL && whole.code != ERR_TOO_LARGE) {
        check_parts(file, &whole, &arena);
    }
    if (file != NULL) {
        fclose(file);
    }
    arena_release(&arena);
    return 0;
}
