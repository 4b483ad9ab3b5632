/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite/chunks.h"

#include <string.h>

#include "base/digest.h"
#include "store/sqlite/query.h"

static struct query open_query(const struct chunks *chunks, struct err *err)
{
    struct query q = query_open(chunks->conn, chunks->query, err);
    query_int(&q, chunks->keys[0], chunks->of[0]);
    query_int(&q, chunks->keys[1], chunks->of[1]);
    return q;
}

static enum err_code write_chunk(struct chunks *chunks, const void *bytes, size_t n_bytes,
                                 struct err *err)
{
    unsigned char sha256[SHA256_BYTES];
    if (digest_sha256(bytes, n_bytes, sha256, err) != ERR_OK) {
        return err->code;
    }
    struct query q = open_query(chunks, err);
    query_int(&q, ":seq", chunks->seq++);
    query_blob(&q, ":sha256", sha256, sizeof sha256);
    query_blob(&q, ":bytes", bytes, n_bytes);
    return query_close(&q);
}

enum err_code chunks_write(struct chunks *chunks, size_t chunk_bytes, const void *bytes,
                           size_t n_bytes, struct err *err)
{
    const unsigned char *from = bytes;
    for (size_t at = 0; at < n_bytes; at += chunk_bytes) {
        size_t size = n_bytes - at < chunk_bytes ? n_bytes - at : chunk_bytes;
        if (write_chunk(chunks, from + at, size, err) != ERR_OK) {
            return err->code;
        }
    }
    return ERR_OK;
}

enum err_code chunks_compare(const void *bytes, size_t n_bytes, const void *sha256, size_t n_sha256,
                             bool *good, struct err *err)
{
    unsigned char found[SHA256_BYTES];
    if (digest_sha256(bytes, n_bytes, found, err) == ERR_OK) {
        *good = n_sha256 == SHA256_BYTES && memcmp(sha256, found, SHA256_BYTES) == 0;
    }
    return err->code;
}

enum err_code chunks_read(const struct chunks *chunks, void *out, size_t n_bytes, struct err *err)
{
    unsigned char *to = out;
    size_t left = n_bytes;
    struct query q = open_query(chunks, err);
    while (query_row(&q)) {
        size_t n_sha = 0;
        size_t n = 0;
        bool good = false;
        const void *sha = query_get_blob(&q, 0, &n_sha);
        const void *bytes = query_get_blob(&q, 1, &n);
        if (chunks_compare(bytes, n, sha, n_sha, &good, err) != ERR_OK) {
            break;
        }
        if (!good) {
            err_set(err, ERR_CORRUPT, "a stored chunk does not match its SHA-256");
        } else if (n > left) {
            err_set(err, ERR_CORRUPT, "the stored content is longer than it was written");
        } else if (n > 0) {
            memcpy(to, bytes, n);
            to += n;
            left -= n;
        }
    }
    if (query_close(&q) == ERR_OK && left > 0) {
        err_set(err, ERR_CORRUPT, "the stored content is shorter than it was written");
    }
    return err->code;
}
