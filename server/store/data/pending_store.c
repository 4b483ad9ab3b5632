/* SPDX-License-Identifier: Apache-2.0 */
#include "store/data/pending_store.h"

#include "base/mem.h"
#include "store/models/model_find.h"
#include "store/sqlite/db_transaction.h"
#include "store/sqlite/query.h"

#include <string.h>

static enum err_code check_room(struct conn *conn, const char *name, int64_t model, int n,
                                struct err *err)
{
    int64_t count = 0;
    struct query q = query_open(conn, SQL_PENDING_COUNT, err);
    query_int(&q, ":model", model);
    query_int(&q, ":now", db_now_ms());
    if (query_row(&q)) {
        count = query_get_int(&q, 0);
    }
    if (query_close(&q) == ERR_OK && count + n > PENDING_MAX_POINTS) {
        return err_set(err, ERR_LIMIT,
                       "model %.64s has %lld pending points, and at most %d are possible; send "
                       "hold_s 0, or wait until some expire",
                       name, (long long)count, PENDING_MAX_POINTS);
    }
    return err->code;
}

static enum err_code insert_point(struct conn *conn, int64_t model,
                                  const struct pending_points *points, int i, int64_t *id,
                                  struct err *err)
{
    size_t d = (size_t)points->d;
    struct query q = query_open(conn, SQL_PENDING_INSERT, err);
    query_int(&q, ":model", model);
    query_int(&q, ":n_inputs", points->d);
    query_blob(&q, ":inputs", points->x + (size_t)i * d, d * sizeof *points->x);
    query_text(&q, ":origin", points->origin);
    query_int(&q, ":now", db_now_ms());
    query_int(&q, ":expires", points->expires_ms);
    if (query_row(&q)) {
        *id = query_get_int(&q, 0);
    }
    return query_close(&q);
}

enum err_code pending_add(struct conn *conn, int64_t model, const char *name,
                          const struct pending_points *points, int64_t *ids, struct err *err)
{
    if (query_run_for(conn, SQL_PENDING_SWEEP, ":now", db_now_ms(), err) == ERR_OK &&
        check_room(conn, name, model, points->n, err) == ERR_OK) {
        for (int i = 0; i < points->n && err->code == ERR_OK; i++) {
            err_kept(insert_point(conn, model, points, i, &ids[i], err));
        }
    }
    return err->code;
}

enum err_code pending_store_add(struct db *db, const char *model,
                                const struct pending_points *points, int64_t *ids, struct err *err)
{
    struct conn *conn;
    int64_t id = 0;
    if (model_write_begin(db, model, &conn, &id, err) != ERR_OK) {
        return err->code;
    }
    err_kept(pending_add(conn, id, model, points, ids, err));
    return db_write_end(db, err);
}

/* Reads the points of an open query into x [limit x d]; n of them. */
static int read_points(struct query *q, int d, int limit, double *x)
{
    int n = 0;
    while (n < limit && query_row(q)) {
        size_t n_bytes = 0;
        const void *bytes = query_get_blob(q, 1, &n_bytes);
        if (n_bytes == (size_t)d * sizeof *x) {
            memcpy(x + (size_t)n * (size_t)d, bytes, n_bytes);
            n++;
        }
    }
    return n;
}

enum err_code pending_store_list(struct db *db, const char *model, struct pending_list *list,
                                 struct err *err)
{
    struct conn *conn;
    int64_t id = 0;
    struct err absent = ERR_INIT;
    list->n = 0;
    list->x = NULL;
    if (model_read_begin(db, model, &conn, &id, &absent) != ERR_OK) {
        return absent.code == ERR_NOT_FOUND ? ERR_OK : err_set(err, absent.code, "%s", absent.msg);
    }
    double *x = mem_alloc_array((size_t)list->limit * (size_t)list->d + 1, sizeof *x);
    int n = 0;
    if (x == NULL) {
        err_set(err, ERR_NOMEM, "no memory for the pending points");
    } else {
        struct query q = query_open(conn, SQL_PENDING_LIST, err);
        query_int(&q, ":model", id);
        query_int(&q, ":now", db_now_ms());
        query_int(&q, ":n_inputs", list->d);
        query_int(&q, ":limit", list->limit);
        n = read_points(&q, list->d, list->limit, x);
        err_kept(query_abandon(&q));
    }
    if (db_read_end(db, conn, err) != ERR_OK) {
        mem_free(x);
        return err->code;
    }
    list->n = n;
    list->x = x;
    return ERR_OK;
}

enum err_code pending_close(struct conn *conn, int64_t model, int n, const int64_t *ids,
                            int64_t *n_closed, struct err *err)
{
    int64_t closed = 0;
    for (int i = 0; i < n && err->code == ERR_OK; i++) {
        struct query q = query_open(conn, SQL_PENDING_CLOSE, err);
        query_int(&q, ":model", model);
        query_int(&q, ":id", ids[i]);
        if (query_close(&q) == ERR_OK) {
            closed += query_changes(conn);
        }
    }
    if (err->code == ERR_OK) {
        *n_closed = closed;
    }
    return err->code;
}
