/* SPDX-License-Identifier: Apache-2.0 */
#include "store/models/promotion_store.h"

#include "base/mem.h"
#include "store/models/model_find.h"
#include "store/sqlite/db_transaction.h"
#include "store/sqlite/query_list.h"

static const char *const origins[] = {
    [PROMOTION_REGISTER] = "register",
    [PROMOTION_REQUEST] = "request",
    [PROMOTION_JOB] = "job",
};

/* ---- the default ---- */

static enum err_code insert_promotion(struct conn *conn, const struct default_change *change,
                                      int64_t previous, struct err *err)
{
    struct query q = query_open(conn, SQL_PROMOTION_INSERT, err);
    query_int(&q, ":model", change->model);
    query_int(&q, ":version", change->version);
    query_int(&q, ":previous", previous);
    query_text(&q, ":origin", origins[change->origin]);
    query_int(&q, ":job", change->job);
    query_text(&q, ":rows_used", change->rows_used);
    query_int(&q, ":now", db_now_ms());
    return query_close(&q);
}

enum err_code model_change_default(struct conn *conn, const struct default_change *change,
                                   struct err *err)
{
    struct model_places places;
    if (model_get_places(conn, change->model, &places, err) != ERR_OK ||
        places.default_version == change->version) {
        return err->code;
    }
    struct query q = query_open(conn, SQL_MODEL_SET_DEFAULT, err);
    query_int(&q, ":model", change->model);
    query_int(&q, ":version", change->version);
    /* A model loses its default only with its last version: there is nothing to go back to. */
    query_int(&q, ":previous", change->version == 0 ? 0 : places.default_version);
    if (query_close(&q) != ERR_OK) {
        return err->code;
    }
    return insert_promotion(conn, change, places.default_version, err);
}

static enum err_code set_default(struct conn *conn, const char *name, const struct version_ref *ref,
                                 int64_t *version, struct err *err)
{
    struct default_change change = {.origin = PROMOTION_REQUEST};
    if (model_find(conn, name, &change.model, NULL, err) != ERR_OK ||
        model_resolve(conn, name, change.model, ref, &change.version, err) != ERR_OK ||
        model_check_version(conn, name, change.model, change.version, err) != ERR_OK) {
        return err->code;
    }
    *version = change.version;
    return model_change_default(conn, &change, err);
}

enum err_code model_store_set_default(struct db *db, const char *model,
                                      const struct version_ref *ref, int64_t *version,
                                      struct err *err)
{
    struct conn *conn;
    if (db_write_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    err_kept(set_default(conn, model, ref, version, err));
    return db_write_end(db, err);
}

/* ---- how many are kept ---- */

enum err_code model_prune(struct conn *conn, int64_t model, int64_t *n_deleted, struct err *err)
{
    struct model_places places;
    if (model_get_places(conn, model, &places, err) != ERR_OK || places.keep_versions == 0) {
        return err->code;
    }
    struct query q = query_open(conn, SQL_VERSION_PRUNE, err);
    query_int(&q, ":model", model);
    query_int(&q, ":keep", places.keep_versions);
    if (query_close(&q) == ERR_OK && n_deleted != NULL) {
        *n_deleted = query_changes(conn);
    }
    return err->code;
}

enum err_code model_store_set_keep(struct db *db, const char *model, int64_t keep_versions,
                                   int64_t *n_deleted, struct err *err)
{
    struct conn *conn;
    int64_t id = 0;
    *n_deleted = 0;
    if (model_write_begin(db, model, &conn, &id, err) != ERR_OK) {
        return err->code;
    }
    struct query q = query_open(conn, SQL_MODEL_SET_KEEP, err);
    query_int(&q, ":model", id);
    query_int(&q, ":keep", keep_versions);
    if (query_close(&q) == ERR_OK) {
        err_kept(model_prune(conn, id, n_deleted, err));
    }
    return db_write_end(db, err);
}

/* ---- the history ---- */

static void get_promotion_row(struct query *q, void *out)
{
    struct promotion_row *row = out;
    row->id = query_get_int(q, 0);
    row->version = query_get_int(q, 1);
    row->previous = query_get_int(q, 2);
    query_get_text(q, 3, row->origin, sizeof row->origin);
    row->job = query_get_int(q, 4);
    row->at_ms = query_get_int(q, 5);
    query_get_text(q, 6, row->rows_used, sizeof row->rows_used);
}

enum err_code model_store_promotions(struct db *db, const char *model, size_t limit,
                                     struct promotion_row **rows, size_t *n_rows, struct err *err)
{
    struct conn *conn;
    int64_t id = 0;
    struct query_list list = {.size = sizeof **rows, .get = get_promotion_row};
    if (model_read_begin(db, model, &conn, &id, err) != ERR_OK) {
        return err->code;
    }
    struct query q = query_open(conn, SQL_PROMOTION_LIST, err);
    query_int(&q, ":model", id);
    query_int(&q, ":limit", (int64_t)limit);
    err_kept(query_list_read(&list, &q));
    if (db_read_end(db, conn, err) != ERR_OK) {
        mem_free(list.array);
        return err->code;
    }
    *rows = list.array;
    *n_rows = list.n;
    return ERR_OK;
}
