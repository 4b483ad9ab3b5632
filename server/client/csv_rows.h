/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of numbers from a CSV stream, as JSON, by the rules of formats/text_table.h. */
#ifndef CSV_ROWS_H
#define CSV_ROWS_H

#include "base/err.h"
#include "client/parts.h"
#include "formats/json_write.h"
#include "formats/text_table.h"

#include <stdint.h>
#include <stdio.h>

struct csv_rows {
    struct parts parts;
    struct text_table_reader reader;
    int64_t n_rows;      /* read so far */
    struct arena names;  /* of the columns */
    struct arena values; /* of a part */
};

/* The file is borrowed. ERR_NOMEM. */
enum err_code csv_rows_open(FILE *file, struct csv_rows *out, struct err *err) MUST_CHECK;
void csv_rows_release(struct csv_rows *rows);

/*
 * Writes up to max rows as an array of arrays; key as in json_write.h, *n: how many rows, fewer
 * only at the end. Errors are those of text_table_read_piece, with ERR_SYNTAX for
 * ERR_INVALID, of parts_next, and ERR_NONFINITE; lines are counted from the beginning of the
 * stream. Memory that runs out is told by the writer's buffer.
 */
enum err_code csv_rows_read(struct csv_rows *rows, int max, struct json_write *json,
                            const char *key, int *n, struct err *err) MUST_CHECK;

#endif
