/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One long byte string in the rows of a table: pieces of at most a chunk's size, numbered, each
 * with its SHA-256. Whoever owns it is named by two keys of the table.
 */
#ifndef CHUNKS_H
#define CHUNKS_H

#include <stddef.h>
#include <stdint.h>

#include "store/sqlite/conn.h"

struct chunks {
    struct conn *conn;
    /*
     * To write: an INSERT with :seq, :sha256 and :bytes beside the keys. To read: a SELECT of
     * sha256 and bytes in the order of seq.
     */
    enum sql_query query;
    const char *keys[2]; /* names of parameters */
    int64_t of[2];       /* and their values */
    int64_t seq;         /* of the next chunk; 0 at first */
};

/* Appends bytes, in pieces of at most chunk_bytes, inside the caller's transaction. */
enum err_code chunks_write(struct chunks *chunks, size_t chunk_bytes, const void *bytes,
                           size_t n_bytes, struct err *err) MUST_CHECK;

/* All of it into out, which has room for the n_bytes that it must be. ERR_CORRUPT: it is longer or
 * shorter, or a piece does not match its SHA-256. */
enum err_code chunks_read(const struct chunks *chunks, void *out, size_t n_bytes,
                          struct err *err) MUST_CHECK;

#endif
