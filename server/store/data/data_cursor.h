/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading rows a piece at a time, for a slow reader. Each piece is a transaction of its own, so a
 * reader who pauses neither occupies a connection nor keeps the write-ahead log from being folded
 * in. Batches do not change, so the rows read are those of the moment of opening, unless a batch is
 * deleted meanwhile: then data_cursor_next returns ERR_CONFLICT.
 */
#ifndef DATA_CURSOR_H
#define DATA_CURSOR_H

#include <stddef.h>
#include <stdint.h>

#include "store/sqlite/db.h"

struct data_cursor {
    struct db *db;
    int64_t model;
    int64_t first_batch;
    int64_t last_batch;
    int64_t n_rows; /* in total */
    int d, o;
    int64_t batch; /* batch and number of the last chunk read */
    int64_t seq;
    int64_t n_read;  /* rows */
    double *rows;    /* [n x (d + o)], the last piece; mem */
    size_t capacity; /* numbers that fit into rows */
};

/* batch 0: all rows of the model. ERR_NOT_FOUND: no such model or batch, or no rows. */
enum err_code data_cursor_open(struct db *db, const char *model, int64_t batch,
                               struct data_cursor *cursor, struct err *err) MUST_CHECK;
/* Reads the next piece, about one chunk or many small batches, into rows. *n: 0 at the end. */
enum err_code data_cursor_next(struct data_cursor *cursor, int64_t *n, struct err *err) MUST_CHECK;
/* Memory that reading takes, at most: of a piece, and of the one before it while it grows. */
size_t data_cursor_bytes(const struct data_cursor *cursor);
void data_cursor_rewind(struct data_cursor *cursor);
/* A zeroed cursor may be closed. */
void data_cursor_close(struct data_cursor *cursor);

#endif
