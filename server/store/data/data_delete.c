/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sketch of a column cannot forget rows, so after the deletion of a batch the statistics are
 * computed anew from all other batches. For ten million rows that takes half a minute, in which
 * nobody could write if it were done under the write lock. So it is done in a read transaction
 * first; under the lock only batches that have arrived meanwhile are added. If another deletion has
 * come in between (the generation shows it), all begins again, and only after many such tries is
 * everything read under the lock.
 */
#include "store/data/data_delete.h"

#include "store/data/batch_find.h"
#include "store/data/data_gather.h"
#include "store/data/data_stats.h"
#include "store/data/row_index.h"
#include "store/models/model_find.h"
#include "store/sqlite/db_reserve.h"
#include "store/sqlite/db_transaction.h"
#include "store/sqlite/query.h"

#define MAX_TRIES 8 /* how often the others are read outside the write lock */

struct deletion_of_all {
    const char *model;
    int64_t n_rows; /* out */
};

static enum err_code delete_all(struct db *db, void *ctx, struct err *err)
{
    struct deletion_of_all *all = ctx;
    struct conn *conn;
    int64_t id = 0;
    int64_t n = 0;
    struct data_stats stats;
    if (model_write_begin(db, all->model, &conn, &id, err) != ERR_OK) {
        return err->code;
    }
    if (data_stats_get(conn, id, &stats, err) == ERR_OK) {
        n = stats.n_rows;
        data_stats_release(&stats);
        if (query_run_for(conn, SQL_BATCH_DELETE_ALL, ":model", id, err) == ERR_OK &&
            query_run_for(conn, SQL_RUN_DELETE_ALL, ":model", id, err) == ERR_OK) {
            err_kept(query_run_for(conn, SQL_STATS_RESET, ":model", id, err));
        }
    }
    if (db_write_end(db, err) == ERR_OK) {
        all->n_rows = n;
    }
    return err->code;
}

enum err_code data_store_delete(struct db *db, const char *model, int64_t *n_rows, struct err *err)
{
    struct deletion_of_all all = {.model = model};
    if (db_free_room(db, delete_all, &all, err) == ERR_OK) {
        *n_rows = all.n_rows;
    }
    return err->code;
}

/* ---- one batch ---- */

struct deletion {
    const char *model;
    int64_t batch;
    int tries;
    bool overtaken;           /* by another deletion, so that nothing was done */
    int64_t n_rows;           /* deleted */
    int64_t generation;       /* of the model's rows when the others were read */
    int64_t last;             /* the last batch that was read */
    struct data_stats others; /* statistics of all batches but this one */
};

static enum err_code get_generation(struct conn *conn, int64_t model, int64_t *generation,
                                    struct err *err)
{
    struct data_stats stats;
    if (data_stats_get(conn, model, &stats, err) == ERR_OK) {
        *generation = stats.generation;
        data_stats_release(&stats);
    }
    return err->code;
}

static enum err_code read_others(struct db *db, struct deletion *deletion, struct err *err)
{
    struct conn *conn;
    int64_t id = 0;
    struct batch_size size;
    struct batch_span span;
    if (model_read_begin(db, deletion->model, &conn, &id, err) != ERR_OK) {
        return err->code;
    }
    /* The batch is looked for first, because the rest takes time. */
    if (batch_find(conn, deletion->model, id, deletion->batch, &size, err) == ERR_OK &&
        get_generation(conn, id, &deletion->generation, err) == ERR_OK &&
        batch_get_span(conn, id, &span, err) == ERR_OK) {
        deletion->last = span.last_batch;
        err_kept(data_gather_stats(conn, id, 0, deletion->batch, &deletion->others, err));
    }
    return db_read_end(db, conn, err);
}

static enum err_code remove_batch(struct conn *conn, int64_t model, struct deletion *deletion,
                                  struct err *err)
{
    struct row_index index = {.conn = conn, .model = model};
    struct query q = query_open(conn, SQL_BATCH_DELETE, err);
    query_int(&q, ":model", model);
    query_int(&q, ":batch", deletion->batch);
    if (query_row(&q)) {
        deletion->n_rows = query_get_int(&q, 0);
    }
    if (query_close(&q) == ERR_OK &&
        data_stats_put(conn, model, &deletion->others, err) == ERR_OK) {
        err_kept(row_index_tidy(&index, deletion->others.n_rows, err));
    }
    return err->code;
}

/* Under the write lock. */
static enum err_code delete_batch(struct conn *conn, int64_t model, struct deletion *deletion,
                                  struct err *err)
{
    struct batch_size size;
    int64_t generation = 0;
    if (batch_find(conn, deletion->model, model, deletion->batch, &size, err) != ERR_OK ||
        get_generation(conn, model, &generation, err) != ERR_OK) {
        return err->code;
    }
    if (generation != deletion->generation) {
        data_stats_release(&deletion->others);
        deletion->last = 0;
        deletion->overtaken = ++deletion->tries < MAX_TRIES;
        if (deletion->overtaken) {
            return ERR_OK;
        }
    }
    if (data_gather_stats(conn, model, deletion->last, deletion->batch, &deletion->others, err) !=
        ERR_OK) {
        return err->code;
    }
    deletion->others.generation = generation + 1;
    return remove_batch(conn, model, deletion, err);
}

static enum err_code delete_one(struct db *db, void *ctx, struct err *err)
{
    struct deletion *deletion = ctx;
    struct conn *conn;
    int64_t id = 0;
    deletion->overtaken = true;
    while (deletion->overtaken && read_others(db, deletion, err) == ERR_OK &&
           model_write_begin(db, deletion->model, &conn, &id, err) == ERR_OK) {
        deletion->overtaken = false;
        err_kept(delete_batch(conn, id, deletion, err));
        if (db_write_end(db, err) != ERR_OK) {
            break;
        }
    }
    data_stats_release(&deletion->others);
    return err->code;
}

enum err_code data_store_delete_batch(struct db *db, const char *model, int64_t batch,
                                      int64_t *n_rows, struct err *err)
{
    struct deletion deletion = {.model = model, .batch = batch};
    if (db_free_room(db, delete_one, &deletion, err) == ERR_OK) {
        *n_rows = deletion.n_rows;
    }
    return err->code;
}
