/* SPDX-License-Identifier: Apache-2.0 */
#include "store/jobs/job_result_store.h"

#include "base/mem.h"
#include "store/jobs/job_store.h"
#include "store/models/model_find.h"
#include "store/sqlite/chunks.h"
#include "store/sqlite/db_transaction.h"
#include "store/sqlite/query.h"

#define DOCUMENT 0 /* the part */

static struct chunks chunks_of(struct conn *conn, enum sql_query query, int64_t id)
{
    return (struct chunks){
        .conn = conn, .query = query, .keys = {":id", ":part"}, .of = {id, DOCUMENT}};
}

/* Ids [n], or null without any, at the end of the object. */
static void append_ids(struct textbuf *document, const int64_t *ids, int n)
{
    document->len -= document->failed ? 0 : 1; /* the brace */
    textbuf_puts(document, n > 0 ? ",\"ids\":[" : ",\"ids\":null");
    for (int i = 0; i < n; i++) {
        textbuf_puts(document, i > 0 ? "," : "");
        textbuf_put_int(document, ids[i]);
    }
    textbuf_puts(document, n > 0 ? "]}" : "}");
}

static enum err_code add_points(struct conn *conn, const char *model,
                                const struct pending_points *points, struct textbuf *document,
                                struct err *err)
{
    int64_t id = 0;
    int64_t default_version = 0;
    int n = points->n;
    int64_t *ids = mem_alloc_array((size_t)n + 1, sizeof *ids);
    if (ids == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the ids of the points");
    }
    if (n > 0 && model_find(conn, model, &id, &default_version, err) == ERR_OK &&
        pending_add(conn, id, model, points, ids, err) == ERR_LIMIT) {
        err_clear(err); /* the result is worth more than the reservation */
        n = 0;
    }
    if (err->code == ERR_OK) {
        append_ids(document, ids, n);
    }
    mem_free(ids);
    return err->code;
}

enum err_code job_store_put_result(struct db *db, int64_t id, struct textbuf *document,
                                   const struct pending_points *points, struct err *err)
{
    struct conn *conn;
    struct job_row row;
    if (db_write_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    /* A cancellation that was confirmed before this moment holds. */
    if (job_get(conn, id, &row, err) == ERR_OK && row.cancel_requested) {
        err_set(err, ERR_CANCELLED, "job %lld was cancelled", (long long)id);
    }
    if (err->code == ERR_OK && points != NULL) {
        err_kept(add_points(conn, row.model, points, document, err));
    }
    if (err->code == ERR_OK && textbuf_failed(document)) {
        err_set(err, ERR_NOMEM, "no memory for the result of an analysis");
    }
    if (err->code == ERR_OK && job_succeed(conn, id, err) == ERR_OK) {
        struct chunks chunks = chunks_of(conn, SQL_JOB_RESULT_INSERT, id);
        err_kept(chunks_write(&chunks, db_chunk_bytes(db), document->data, document->len, err));
    }
    return db_write_end(db, err);
}

static enum err_code get_size(struct conn *conn, int64_t id, size_t *n_bytes, struct err *err)
{
    int64_t n_chunks = 0;
    struct query q = query_open(conn, SQL_JOB_RESULT_SIZE, err);
    query_int(&q, ":id", id);
    query_int(&q, ":part", DOCUMENT);
    if (query_row(&q)) {
        *n_bytes = (size_t)query_get_int(&q, 0);
        n_chunks = query_get_int(&q, 1);
    }
    if (query_close(&q) == ERR_OK && n_chunks == 0) {
        err->code = ERR_NOT_FOUND; /* without a message, which the caller knows better */
    }
    return err->code;
}

enum err_code job_store_result(struct db *db, int64_t id, char **document, size_t *n_bytes,
                               struct err *err)
{
    struct conn *conn;
    char *found = NULL;
    size_t size = 0;
    if (db_read_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    if (get_size(conn, id, &size, err) == ERR_OK) {
        const struct chunks chunks = chunks_of(conn, SQL_JOB_RESULT_GET, id);
        found = mem_alloc(size + 1);
        if (found == NULL) {
            err_set(err, ERR_NOMEM, "no memory for a result of %zu bytes", size);
        } else if (chunks_read(&chunks, found, size, err) != ERR_OK) {
            err_prefix(err, "result of job %lld", (long long)id);
        } else {
            found[size] = '\0';
        }
    }
    if (db_read_end(db, conn, err) != ERR_OK) {
        mem_free(found);
        return err->code;
    }
    *document = found;
    *n_bytes = size;
    return ERR_OK;
}
