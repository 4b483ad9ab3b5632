/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A long byte string in the rows of a table: numbered pieces, each with its SHA-256. Two columns of
 * the table say what the string belongs to.
 */
#ifndef CHUNKS_H
#define CHUNKS_H

#include <stddef.h>
#include <stdint.h>

#include "store/sqlite/conn.h"

struct chunks {
    struct conn *conn;
    /*
     * For writing an INSERT with the parameters :seq, :sha256 and :bytes besides the two keys; for
     * reading a SELECT of sha256 and bytes ordered by seq.
     */
    enum sql_query query;
    const char *keys[2]; /* names of the two parameters */
    int64_t of[2];       /* and their values */
    int64_t seq;         /* number of the next chunk to write; 0 at first */
};

/* Appends bytes in pieces of at most chunk_bytes, inside a transaction of the caller's. */
enum err_code chunks_write(struct chunks *chunks, size_t chunk_bytes, const void *bytes,
                           size_t n_bytes, struct err *err) MUST_CHECK;

/*
 * Reads the whole string, which must be n_bytes long, into out. ERR_CORRUPT: its length differs, or
 * a piece does not match its SHA-256.
 */
enum err_code chunks_read(const struct chunks *chunks, void *out, size_t n_bytes,
                          struct err *err) MUST_CHECK;

/* *good: bytes have this SHA-256, which is a stored blob of any length. */
enum err_code chunks_compare(const void *bytes, size_t n_bytes, const void *sha256, size_t n_sha256,
                             bool *good, struct err *err) MUST_CHECK;

#endif
