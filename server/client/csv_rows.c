/* SPDX-License-Identifier: Apache-2.0 */
#include "client/csv_rows.h"

enum err_code csv_rows_open(FILE *file, struct csv_rows *out, struct err *err)
{
    *out = (struct csv_rows){.values = ARENA_INIT};
    return parts_open(file, &out->parts, err);
}

void csv_rows_release(struct csv_rows *rows)
{
    parts_release(&rows->parts);
    arena_release(&rows->values);
}

enum err_code csv_rows_read(struct csv_rows *rows, int max, struct json_write *json,
                            const char *key, int *n, struct err *err)
{
    const char *text;
    size_t len;
    *n = 0;
    json_write_array(json, key);
    while (*n < max) {
        struct csv csv;
        if (parts_next(&rows->parts, max - *n, &text, &len, err) != ERR_OK) {
            return err->code;
        }
        if (len == 0) {
            break;
        }
        if (csv_read_piece(&rows->reader, text, len, &rows->values, &csv, err) != ERR_OK) {
            /* To a command ERR_INVALID means that it was called in a wrong way. */
            err->code = err->code == ERR_INVALID ? ERR_SYNTAX : err->code;
            return err->code;
        }
        for (int i = 0; i < csv.n; i++) {
            json_write_reals(json, NULL, csv.values + (size_t)i * (size_t)csv.k, (size_t)csv.k);
        }
        arena_clear(&rows->values);
        *n += csv.n;
    }
    json_write_array_end(json);
    rows->n_rows = rows->reader.n_rows;
    return ERR_OK;
}
