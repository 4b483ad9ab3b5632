/* SPDX-License-Identifier: Apache-2.0 */
/* The stored chunks of a model's rows, in order of arrival. */
#ifndef DATA_CHUNK_H
#define DATA_CHUNK_H

#include <stddef.h>
#include <stdint.h>

#include "store/sqlite/query.h"

/*
 * The longest chunk of a batch. An export holds one in memory, and damage costs no more rows than
 * those of one. Files of earlier programs have chunks of up to 64 MiB.
 */
#define DATA_CHUNK_BYTES ((size_t)4 << 20)

struct data_chunk {
    int64_t batch;
    int64_t seq; /* number of the chunk in its batch, from 0 */
    int64_t n;
    int d, o;
    const void *bytes; /* [n x (d + o)] doubles, not aligned; borrowed until the next step */
    size_t n_bytes;
};

/*
 * Opens a query for the chunks after chunk `seq` of `batch`, up to batch `last`. With seq -1 it
 * begins with the first chunk of the batch.
 */
struct query data_chunk_open(struct conn *conn, int64_t model, int64_t batch, int64_t seq,
                             int64_t last, struct err *err);
/* The chunk of the present row, verified. ERR_CORRUPT: it does not match its SHA-256. */
enum err_code data_chunk_get(struct query *q, struct data_chunk *chunk, struct err *err) MUST_CHECK;

#endif
