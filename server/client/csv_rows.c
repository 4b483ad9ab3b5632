/* SPDX-License-Identifier: Apache-2.0 */
#include "client/csv_rows.h"

#include "formats/nonfinite.h"

#include <inttypes.h>
#include <math.h>

enum err_code csv_rows_open(FILE *file, struct csv_rows *out, struct err *err)
{
    *out = (struct csv_rows){.names = ARENA_INIT, .values = ARENA_INIT};
    return parts_open(file, &out->parts, err);
}

void csv_rows_release(struct csv_rows *rows)
{
    parts_release(&rows->parts);
    arena_release(&rows->values);
    arena_release(&rows->names);
}

static enum err_code check_finite(const struct csv_rows *rows, const struct text_table *table,
                                  const char *text, size_t len, struct err *err)
{
    struct nonfinite found;
    char place[96];
    nonfinite_find(table->values, table->n, table->k, &found);
    if (found.n == 0) {
        return ERR_OK;
    }
    bool first = rows->reader.n_rows == table->n;
    const struct text_piece piece = {text, len, rows->parts.line, first};
    int64_t line;
    text_table_lines(&rows->reader, &piece, found.rows, 1, &line);
    text_table_place(&rows->reader, line, found.column, place, sizeof place);
    return err_set(err, ERR_NONFINITE, "%s is %s", place,
                   isnan(found.value) ? "missing" : "not a finite number");
}

/* Reads the next part of at most max rows; table->n is 0 at the end. */
static enum err_code read_part(struct csv_rows *rows, int max, struct text_table *table,
                               bool *ended, struct err *err)
{
    const char *text;
    size_t len;
    *table = (struct text_table){.n = 0};
    if (parts_next(&rows->parts, max, &text, &len, err) != ERR_OK) {
        return err->code;
    }
    *ended = len == 0;
    if (rows->reader.arena == NULL) {
        rows->reader = text_table_reader(&(struct text_dialect){0}, 1, &rows->names);
    }
    if (text_table_read_piece(&rows->reader, text, len, &rows->values, table, err) != ERR_OK) {
        /* To a command ERR_INVALID means that it was called in a wrong way. */
        err->code = err->code == ERR_INVALID ? ERR_SYNTAX : err->code;
        return err->code;
    }
    return check_finite(rows, table, text, len, err);
}

enum err_code csv_rows_read(struct csv_rows *rows, int max, struct json_write *json,
                            const char *key, int *n, struct err *err)
{
    bool ended = false;
    *n = 0;
    json_write_array(json, key);
    while (*n < max && !ended) {
        struct text_table table;
        if (read_part(rows, max - *n, &table, &ended, err) != ERR_OK) {
            return err->code;
        }
        for (int i = 0; i < table.n; i++) {
            json_write_reals(json, NULL, table.values + (size_t)i * (size_t)table.k,
                             (size_t)table.k);
        }
        arena_clear(&rows->values);
        *n += table.n;
    }
    json_write_array_end(json);
    rows->n_rows = rows->reader.n_rows;
    return ERR_OK;
}
