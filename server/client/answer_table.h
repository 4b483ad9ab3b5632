/* SPDX-License-Identifier: Apache-2.0 */
/* The answer to a prediction as CSV: a line for each row of inputs, a column for each result and
 * output. */
#ifndef ANSWER_TABLE_H
#define ANSWER_TABLE_H

#include "base/arena.h"
#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct answer_table {
    FILE *out;
    bool begun;               /* the header is written */
    int64_t n_rows;           /* written */
    int64_t n_outside;        /* rows outside the range of the training rows */
    char warning[240];        /* about the first of those; empty: there are none */
    int64_t n_outside_bounds; /* rows outside the bounds of the model's space */
};

/*
 * Appends an answer of the server, decoded with JSON_DECODE_INT_AS_REAL; the first one decides the
 * columns. Numbers have the shortest form that reads back as the same double. ERR_UNSUPPORTED: a
 * result that is not a table; ERR_CORRUPT: the answer is malformed; ERR_NOMEM.
 */
enum err_code answer_table_add(struct answer_table *table, const json_t *answer,
                               struct arena *scratch, struct err *err) MUST_CHECK;

#endif
