/* SPDX-License-Identifier: Apache-2.0 */
/* Stored chunks of rows, read one after the other. */
#ifndef DATA_CHUNK_H
#define DATA_CHUNK_H

#include <stddef.h>
#include <stdint.h>

#include "store/sqlite/query.h"

/* A row of SQL_BATCH_ROWS. */
struct data_chunk {
    int64_t batch;
    int64_t seq;
    int64_t n;
    int d, o;
    const void *bytes; /* not aligned, until the next step */
    size_t n_bytes;
};

/* Opens SQL_BATCH_ROWS behind a place, up to batch `last`. */
struct query data_open_chunks(struct conn *conn, int64_t model, int64_t batch, int64_t seq,
                              int64_t last, struct err *err);
/* The chunk of the present row; ERR_CORRUPT when it is not what its SHA-256 says. */
enum err_code data_get_chunk(struct query *q, struct data_chunk *chunk, struct err *err) MUST_CHECK;

#endif
