/* SPDX-License-Identifier: Apache-2.0 */
#include "store/data/data_chunk.h"

#include "store/sqlite/chunks.h"

struct query data_chunk_open(struct conn *conn, int64_t model, int64_t batch, int64_t seq,
                             int64_t last, struct err *err)
{
    struct query q = query_open(conn, SQL_BATCH_ROWS, err);
    query_int(&q, ":model", model);
    query_int(&q, ":batch", batch);
    query_int(&q, ":seq", seq);
    query_int(&q, ":last", last);
    return q;
}

enum err_code data_chunk_get(struct query *q, struct data_chunk *chunk, struct err *err)
{
    size_t n_sha = 0;
    bool good = false;
    *chunk = (struct data_chunk){.batch = query_get_int(q, 0),
                                 .seq = query_get_int(q, 1),
                                 .d = (int)query_get_int(q, 2),
                                 .o = (int)query_get_int(q, 3),
                                 .n = query_get_int(q, 4)};
    const void *sha = query_get_blob(q, 5, &n_sha);
    chunk->bytes = query_get_blob(q, 6, &chunk->n_bytes);
    if (chunk->bytes == NULL || sha == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for stored training rows");
    }
    if (chunks_compare(chunk->bytes, chunk->n_bytes, sha, n_sha, &good, err) != ERR_OK) {
        return err->code;
    }
    size_t width = (size_t)chunk->d + (size_t)chunk->o;
    if (!good || chunk->n_bytes != (size_t)chunk->n * width * sizeof(double)) {
        return err_set(err, ERR_CORRUPT,
                       "stored training rows of batch %lld do not match their SHA-256",
                       (long long)chunk->batch);
    }
    return ERR_OK;
}
