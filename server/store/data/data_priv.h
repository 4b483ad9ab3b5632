/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the rows' store share: totals of a model, reading chunks. */
#ifndef DATA_PRIV_H
#define DATA_PRIV_H

#include "store/data/data_store.h"
#include "store/data/row_index.h"
#include "store/sqlite/db_priv.h"

/*
 * Chunks of new batches: an export holds one, and a damaged one loses no more. Files of earlier
 * programs have chunks of up to 64 MiB.
 */
#define DATA_CHUNK_BYTES ((size_t)4 << 20)

/* The row of data_stats; zero when there is none yet. */
struct data_stats {
    int64_t generation;
    int64_t n_rows;
    int64_t n_batches;
    int d, o;
    struct column_stats *columns; /* [d + o], mem; NULL without rows */
};

enum err_code data_stats_get(struct conn *conn, int64_t model, struct data_stats *stats,
                             struct err *err) MUST_CHECK;
enum err_code data_stats_put(struct conn *conn, int64_t model, const struct data_stats *stats,
                             struct err *err) MUST_CHECK;
/* Adds a batch's rows; columns: [d + o]. */
enum err_code data_stats_add(struct data_stats *stats, int64_t n, int d, int o,
                             const struct column_stats *columns, struct err *err) MUST_CHECK;
/* A zeroed struct may be released. */
void data_stats_release(struct data_stats *stats);

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

/* Totals and columns of the rows of batches in (after, INT64_MAX], except `skip`, into stats. */
enum err_code data_gather_stats(struct conn *conn, int64_t model, int64_t after, int64_t skip,
                                struct data_stats *stats, struct err *err) MUST_CHECK;

/* Gives batches of older files their digests, and their models statistics and an index. */
enum err_code data_upgrade(struct conn *conn, const char *path, struct err *err) MUST_CHECK;

#endif
