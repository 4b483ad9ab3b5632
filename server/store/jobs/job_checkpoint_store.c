/* SPDX-License-Identifier: Apache-2.0 */
#include "store/jobs/job_checkpoint_store.h"

#include "base/mem.h"
#include "store/jobs/job_read.h"
#include "store/sqlite/chunks.h"
#include "store/sqlite/db_transaction.h"
#include "store/sqlite/query.h"

static struct chunks chunks_of(struct conn *conn, enum sql_query query, int64_t id, int task)
{
    return (struct chunks){
        .conn = conn, .query = query, .keys = {":id", ":task"}, .of = {id, task}};
}

static enum err_code insert_chunks(struct db *db, struct conn *conn, int64_t id,
                                   const struct job_state_bytes *state, struct err *err)
{
    size_t max = db_chunk_bytes(db);
    struct chunks chunks = chunks_of(conn, SQL_JOB_CHECKPOINT_INSERT, id, state->task);
    return chunks_write(&chunks, max, state->head, state->n_head, err) == ERR_OK
               ? chunks_write(&chunks, max, state->bytes, state->n_bytes, err)
               : err->code;
}

/* progress: the attempt has got somewhere (JOB_MAX_STALLED). */
static enum err_code store_curves(struct conn *conn, int64_t id, const void *bytes, size_t n_bytes,
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
    if (query_close(&q) == ERR_OK && insert_chunks(db, conn, id, state, err) == ERR_OK &&
        state->curves != NULL) {
        err_kept(store_curves(conn, id, state->curves, state->n_curves, true, err));
    }
    return db_write_end(db, err);
}

static enum err_code get_state_size(struct conn *conn, int64_t id, int task, size_t *n_bytes,
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
        err->code = ERR_NOT_FOUND; /* without a message, because this is the usual case */
    }
    return err->code;
}

static enum err_code read_state(struct conn *conn, int64_t id, int task, unsigned char *out,
                                size_t n_bytes, struct err *err)
{
    struct chunks chunks = chunks_of(conn, SQL_JOB_CHECKPOINT_GET, id, task);
    if (chunks_read(&chunks, out, n_bytes, err) != ERR_OK) {
        err_prefix(err, "checkpoint of job %lld", (long long)id);
    }
    return err->code;
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
    if (get_state_size(conn, id, task, &size, err) == ERR_OK) {
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

enum err_code job_drop_checkpoints(struct conn *conn, int64_t id, struct err *err)
{
    return query_run_for(conn, SQL_JOB_CHECKPOINT_CLEAR, ":id", id, err);
}

enum err_code job_store_drop_checkpoints(struct db *db, int64_t id, struct err *err)
{
    struct conn *conn;
    if (db_write_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    err_kept(job_drop_checkpoints(conn, id, err));
    return db_write_end(db, err);
}

enum err_code job_store_set_curves(struct db *db, int64_t id, const void *bytes, size_t n_bytes,
                                   struct err *err)
{
    struct conn *conn;
    if (db_write_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    err_kept(store_curves(conn, id, bytes, n_bytes, false, err));
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
        found = true;
        query_copy_blob(&q, 0, bytes, n_bytes);
    }
    if (query_close(&q) == ERR_OK && !found) {
        err_kept(job_absent(id, err));
    }
    if (db_read_end(db, conn, err) != ERR_OK) {
        mem_free(*bytes);
        *bytes = NULL;
    }
    return err->code;
}
