/* SPDX-License-Identifier: Apache-2.0 */
#include "store/data/data_chunk.h"

#include <string.h>

#include "base/digest.h"

struct query data_open_chunks(struct conn *conn, int64_t model, int64_t batch, int64_t seq,
                              int64_t last, struct err *err)
{
    struct query q = query_open(conn, SQL_BATCH_ROWS, err);
    query_int(&q, ":model", model);
    query_int(&q, ":batch", batch);
    query_int(&q, ":seq", seq);
    query_int(&q, ":last", last);
    return q;
}

enum err_code data_get_chunk(struct query *q, struct data_chunk *chunk, struct err *err)
{
    size_t n_sha = 0;
    unsigned char found[SHA256_BYTES];
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
    if (digest_sha256(chunk->bytes, chunk->n_bytes, found, err) != ERR_OK) {
        return err->code;
    }
    if (n_sha != SHA256_BYTES || memcmp(sha, found, SHA256_BYTES) != 0 ||
        chunk->n_bytes !=
            (size_t)chunk->n * ((size_t)chunk->d + (size_t)chunk->o) * sizeof(double)) {
        return err_set(err, ERR_CORRUPT,
                       "stored training rows of batch %lld do not match their SHA-256",
                       (long long)chunk->batch);
    }
    return ERR_OK;
}
