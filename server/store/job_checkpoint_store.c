/* SPDX-License-Identifier: Apache-2.0 */
/* What a running job keeps for its next attempt, and the losses it has told. */
#include "job_store.h"

#include "db_priv.h"

#include <string.h>

#include "mem.h"

static enum err_code insert_state(struct db *db, struct conn *conn, int64_t id,
                                  const struct job_state_bytes *state, struct err *err)
{
    const unsigned char *bytes = state->bytes;
    size_t chunk = db_chunk_bytes(db);
    int64_t seq = 0;
    for (size_t at = 0; at < state->n_bytes; at += chunk, seq++) {
        size_t size = state->n_bytes - at < chunk ? state->n_bytes - at : chunk;
        unsigned char sha256[SHA256_BYTES];
        if (digest_sha256(bytes + at, size, sha256, err) != ERR_OK) {
            return err->code;
        }
        struct query q = query_open(conn, SQL_JOB_CHECKPOINT_INSERT, err);
        query_int(&q, ":id", id);
        query_int(&q, ":task", state->task);
        query_int(&q, ":seq", seq);
        query_blob(&q, ":sha256", sha256, sizeof sha256);
        query_blob(&q, ":bytes", bytes + at, size);
        if (query_close(&q) != ERR_OK) {
            return err->code;
        }
    }
    return ERR_OK;
}

static enum err_code set_curves(struct conn *conn, int64_t id, const void *bytes, size_t n_bytes,
                                bool progress, struct err *err)
{
    struct query q = query_open(conn, SQL_JOB_CURVES_SET, err);
    query_int(&q, ":id", id);
    query_blob(&q, ":curves", bytes, n_bytes);
    query_int(&q, ":progress", progress);
    return query_close(&q);
}

enum err_code job_store_save_checkpoint(struct db *db, int64_t id,
                                        const struct job_state_bytes *state, struct err *err)
{
    struct conn *conn;
    if (db_write_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    struct query q = query_open(conn, SQL_JOB_CHECKPOINT_DELETE, err);
    query_int(&q, ":id", id);
    query_int(&q, ":task", state->task);
    if (query_close(&q) == ERR_OK && insert_state(db, conn, id, state, err) == ERR_OK &&
        state->curves != NULL) {
        err_kept(set_curves(conn, id, state->curves, state->n_curves, true, err));
    }
    return db_write_end(db, err);
}

static enum err_code state_size(struct conn *conn, int64_t id, int task, size_t *n_bytes,
                                struct err *err)
{
    int64_t n_chunks = 0;
    struct query q = query_open(conn, SQL_JOB_CHECKPOINT_SIZE, err);
    query_int(&q, ":id", id);
    query_int(&q, ":task", task);
    if (query_row(&q)) {
        *n_bytes = (size_t)query_get_int(&q, 0);
        n_chunks = query_get_int(&q, 1);
    }
    if (query_close(&q) == ERR_OK && n_chunks == 0) {
        err->code = ERR_NOT_FOUND; /* the usual case: no message */
    }
    return err->code;
}

static enum err_code read_state(struct conn *conn, int64_t id, int task, unsigned char *out,
                                size_t n_bytes, struct err *err)
{
    size_t have = 0;
    struct query q = query_open(conn, SQL_JOB_CHECKPOINT_GET, err);
    query_int(&q, ":id", id);
    query_int(&q, ":task", task);
    while (query_row(&q)) {
        size_t n_sha = 0;
        size_t n = 0;
        unsigned char found[SHA256_BYTES];
        const void *sha = query_get_blob(&q, 0, &n_sha);
        const void *bytes = query_get_blob(&q, 1, &n);
        if (digest_sha256(bytes, n, found, err) != ERR_OK) {
            break;
        }
        if (n_sha != SHA256_BYTES || memcmp(sha, found, SHA256_BYTES) != 0 || n > n_bytes - have) {
            err_set(err, ERR_CORRUPT, "a checkpoint of job %lld does not match its SHA-256",
                    (long long)id);
            break;
        }
        memcpy(out + have, bytes, n);
        have += n;
    }
    return query_close(&q);
}

enum err_code job_store_load_checkpoint(struct db *db, int64_t id, int task, void **bytes,
                                        size_t *n_bytes, struct err *err)
{
    struct conn *conn;
    unsigned char *found = NULL;
    size_t size = 0;
    if (db_read_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    if (state_size(conn, id, task, &size, err) == ERR_OK) {
        found = mem_alloc(size);
        if (found == NULL) {
            err_set(err, ERR_NOMEM, "no memory for a checkpoint of %zu bytes", size);
        } else {
            err_kept(read_state(conn, id, task, found, size, err));
        }
    }
    if (db_read_end(db, conn, err) != ERR_OK) {
        mem_free(found);
        return err->code;
    }
    *bytes = found;
    *n_bytes = size;
    return ERR_OK;
}

enum err_code job_store_drop_checkpoints(struct db *db, int64_t id, struct err *err)
{
    struct conn *conn;
    if (db_write_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    struct query q = query_open(conn, SQL_JOB_CHECKPOINT_CLEAR, err);
    query_int(&q, ":id", id);
    err_kept(query_close(&q));
    return db_write_end(db, err);
}

enum err_code job_store_set_curves(struct db *db, int64_t id, const void *bytes, size_t n_bytes,
                                   struct err *err)
{
    struct conn *conn;
    if (db_write_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    err_kept(set_curves(conn, id, bytes, n_bytes, false, err));
    return db_write_end(db, err);
}

enum err_code job_store_curves(struct db *db, int64_t id, void **bytes, size_t *n_bytes,
                               struct err *err)
{
    struct conn *conn;
    bool found = false;
    *bytes = NULL;
    *n_bytes = 0;
    if (db_read_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    struct query q = query_open(conn, SQL_JOB_CURVES_GET, err);
    query_int(&q, ":id", id);
    if (query_row(&q)) {
        size_t n = 0;
        const void *stored = query_get_blob(&q, 0, &n);
        found = true;
        if (n > 0) {
            *bytes = mem_dup(stored, n);
            *n_bytes = n;
            if (*bytes == NULL) {
                err_set(err, ERR_NOMEM, "no memory for the curves of a job");
            }
        }
    }
    if (query_close(&q) == ERR_OK && !found) {
        err_set(err, ERR_NOT_FOUND, "there is no job %lld", (long long)id);
    }
    if (db_read_end(db, conn, err) != ERR_OK) {
        mem_free(*bytes);
        *bytes = NULL;
    }
    return err->code;
}
