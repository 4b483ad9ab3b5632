/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sketch cannot forget rows, so after the deletion of a batch it is made anew from all others.
 * That is done in a read transaction; under the write lock only batches that came meanwhile are
 * added. When another deletion came in between (the generation tells) it is done again, and only
 * after many times under the lock: ten million rows take half a minute, in which nobody could
 * write.
 */
#include "store/data/data_delete.h"

#include "store/data/data_gather.h"
#include "store/data/data_stats.h"
#include "store/data/row_index.h"
#include "store/models/model_find.h"
#include "store/sqlite/db_transaction.h"
#include "store/sqlite/query.h"

static enum err_code run_for_model(struct conn *conn, enum sql_query which, int64_t model,
                                   struct err *err)
{
    struct query q = query_open(conn, which, err);
    query_int(&q, ":model", model);
    return query_close(&q);
}

enum err_code data_store_delete(struct db *db, const char *model, int64_t *n_rows, struct err *err)
{
    struct conn *conn;
    int64_t id = 0;
    struct data_stats stats = {.generation = 0};
    if (db_write_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    int64_t n = 0;
    if (model_find(conn, model, &id, NULL, err) == ERR_OK &&
        data_stats_get(conn, id, &stats, err) == ERR_OK &&
        run_for_model(conn, SQL_BATCH_DELETE_ALL, id, err) == ERR_OK &&
        run_for_model(conn, SQL_RUN_DELETE_ALL, id, err) == ERR_OK &&
        run_for_model(conn, SQL_STATS_RESET, id, err) == ERR_OK) {
        n = stats.n_rows;
    }
    data_stats_release(&stats);
    if (db_write_end(db, err) == ERR_OK) {
        *n_rows = n;
    }
    return err->code;
}

#define DELETE_TRIES 8 /* times that all others are read outside the write lock */

struct deletion {
    const char *model;
    int64_t batch;
    int tries;
    bool overtaken;          /* by another deletion: nothing was done */
    int64_t n_rows;          /* deleted */
    int64_t generation;      /* of the model's rows when the others were read */
    int64_t last;            /* the last of the others */
    struct data_stats stats; /* of the others */
};

static enum err_code last_batch(struct conn *conn, int64_t model, int64_t *last, struct err *err)
{
    struct query q = query_open(conn, SQL_BATCH_SPAN, err);
    query_int(&q, ":model", model);
    if (query_row(&q)) {
        *last = query_get_int(&q, 2);
    }
    return query_close(&q);
}

/* ERR_NOT_FOUND before much is read. */
static enum err_code check_batch(struct conn *conn, int64_t model, const struct deletion *deletion,
                                 struct err *err)
{
    bool found = false;
    struct query q = query_open(conn, SQL_BATCH_ONE, err);
    query_int(&q, ":model", model);
    query_int(&q, ":batch", deletion->batch);
    found = query_row(&q);
    if (query_close(&q) == ERR_OK && !found) {
        err_set(err, ERR_NOT_FOUND, "model %.64s has no batch %lld", deletion->model,
                (long long)deletion->batch);
    }
    return err->code;
}

static enum err_code read_others(struct db *db, struct deletion *deletion, struct err *err)
{
    struct conn *conn;
    int64_t id = 0;
    struct data_stats now = {.generation = 0};
    if (db_read_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    if (model_find(conn, deletion->model, &id, NULL, err) == ERR_OK &&
        check_batch(conn, id, deletion, err) == ERR_OK &&
        data_stats_get(conn, id, &now, err) == ERR_OK &&
        last_batch(conn, id, &deletion->last, err) == ERR_OK) {
        deletion->generation = now.generation;
        err_kept(data_gather_stats(conn, id, 0, deletion->batch, &deletion->stats, err));
    }
    data_stats_release(&now);
    return db_read_end(db, conn, err);
}

static enum err_code delete_batch(struct conn *conn, struct deletion *deletion, struct err *err)
{
    int64_t id = 0;
    struct data_stats now = {.generation = 0};
    if (model_find(conn, deletion->model, &id, NULL, err) != ERR_OK ||
        check_batch(conn, id, deletion, err) != ERR_OK ||
        data_stats_get(conn, id, &now, err) != ERR_OK) {
        return err->code;
    }
    int64_t generation = now.generation;
    data_stats_release(&now);
    if (generation != deletion->generation) {
        data_stats_release(&deletion->stats);
        deletion->last = 0;
        deletion->overtaken = ++deletion->tries < DELETE_TRIES;
        if (deletion->overtaken) {
            return ERR_OK;
        }
    }
    if (data_gather_stats(conn, id, deletion->last, deletion->batch, &deletion->stats, err) !=
        ERR_OK) {
        return err->code;
    }
    struct query q = query_open(conn, SQL_BATCH_DELETE, err);
    query_int(&q, ":model", id);
    query_int(&q, ":batch", deletion->batch);
    if (query_row(&q)) {
        deletion->n_rows = query_get_int(&q, 0);
    }
    if (query_close(&q) != ERR_OK) {
        return err->code;
    }
    deletion->stats.generation = generation + 1;
    if (data_stats_put(conn, id, &deletion->stats, err) == ERR_OK) {
        err_kept(row_index_tidy(conn, id, deletion->stats.n_rows, err));
    }
    return err->code;
}

enum err_code data_store_delete_batch(struct db *db, const char *model, int64_t batch,
                                      int64_t *n_rows, struct err *err)
{
    struct conn *conn;
    struct deletion deletion = {.model = model, .batch = batch, .overtaken = true};
    while (deletion.overtaken && read_others(db, &deletion, err) == ERR_OK &&
           db_write_begin(db, &conn, err) == ERR_OK) {
        deletion.overtaken = false;
        err_kept(delete_batch(conn, &deletion, err));
        if (db_write_end(db, err) != ERR_OK) {
            break;
        }
    }
    if (err->code == ERR_OK) {
        *n_rows = deletion.n_rows;
    }
    data_stats_release(&deletion.stats);
    return err->code;
}
