/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DATA_CURSOR_H
#define DATA_CURSOR_H

#include <stddef.h>
#include <stdint.h>

#include "store/sqlite/db.h"

/*
 * Rows a piece at a time for a slow reader: no view of the file is held between pieces, which keeps
 * connections free and the write-ahead log short. Batches do not change, so the rows are those of
 * the moment of opening unless a batch is deleted meanwhile: ERR_CONFLICT then.
 */
struct data_cursor {
    struct db *db;
    int64_t model;
    int64_t first_batch;
    int64_t last_batch;
    int64_t n_rows; /* in all */
    int d, o;
    int64_t batch; /* of the last chunk read */
    int64_t seq;
    int64_t n_read;
    double *rows;    /* [n x (d + o)] of the last piece, mem */
    size_t capacity; /* in numbers */
};

/* batch 0: all of the model. ERR_NOT_FOUND: no such model, batch, or no rows. */
enum err_code data_cursor_open(struct db *db, const char *model, int64_t batch,
                               struct data_cursor *cursor, struct err *err) MUST_CHECK;
/* The next piece in cursor->rows, about a chunk or many small batches; *n = 0 at the end. */
enum err_code data_cursor_next(struct data_cursor *cursor, int64_t *n, struct err *err) MUST_CHECK;
void data_cursor_rewind(struct data_cursor *cursor);
/* A zeroed cursor may be closed. */
void data_cursor_close(struct data_cursor *cursor);

#endif
