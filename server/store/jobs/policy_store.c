/* SPDX-License-Identifier: Apache-2.0 */
#include "store/jobs/policy_store.h"

#include "base/mem.h"
#include "store/jobs/job_read.h"
#include "store/models/model_find.h"
#include "store/sqlite/db_transaction.h"
#include "store/sqlite/query_list.h"

static enum err_code policy_absent(const char *model, struct err *err)
{
    return err_set(err, ERR_NOT_FOUND, "model %.64s has no policy", model);
}

enum err_code policy_store_put(struct db *db, const char *model, const char *document,
                               struct err *err)
{
    struct conn *conn;
    int64_t id = 0;
    if (model_write_begin(db, model, &conn, &id, err) != ERR_OK) {
        return err->code;
    }
    struct query q = query_open(conn, SQL_POLICY_PUT, err);
    query_int(&q, ":model", id);
    query_text(&q, ":document", document);
    query_int(&q, ":now", db_now_ms());
    err_kept(query_close(&q));
    return db_write_end(db, err);
}

enum err_code policy_store_get(struct db *db, const char *model, char **document,
                               int64_t *changed_ms, struct err *err)
{
    struct conn *conn;
    int64_t id = 0;
    bool found = false;
    *document = NULL;
    if (model_read_begin(db, model, &conn, &id, err) != ERR_OK) {
        return err->code;
    }
    struct query q = query_open(conn, SQL_POLICY_GET, err);
    query_int(&q, ":model", id);
    if (query_row(&q)) {
        found = true;
        query_copy_text(&q, 0, document);
        *changed_ms = query_get_int(&q, 1);
    }
    if (query_close(&q) == ERR_OK && !found) {
        err_kept(policy_absent(model, err));
    }
    if (db_read_end(db, conn, err) != ERR_OK) {
        mem_free(*document);
        *document = NULL;
    }
    return err->code;
}

enum err_code policy_store_delete(struct db *db, const char *model, struct err *err)
{
    struct conn *conn;
    int64_t id = 0;
    if (model_write_begin(db, model, &conn, &id, err) != ERR_OK) {
        return err->code;
    }
    if (query_run_for(conn, SQL_POLICY_DELETE, ":model", id, err) == ERR_OK &&
        query_changes(conn) == 0) {
        err_kept(policy_absent(model, err));
    }
    return db_write_end(db, err);
}

static void get_policy_name(struct query *q, void *out)
{
    struct policy_name *name = out;
    query_get_text(q, 0, name->model, sizeof name->model);
}

enum err_code policy_store_list(struct db *db, struct policy_name **names, size_t *n_names,
                                struct err *err)
{
    struct conn *conn;
    struct query_list list = {.size = sizeof **names, .get = get_policy_name};
    if (db_read_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    struct query q = query_open(conn, SQL_POLICY_LIST, err);
    err_kept(query_list_read(&list, &q));
    if (db_read_end(db, conn, err) != ERR_OK) {
        mem_free(list.array);
        return err->code;
    }
    *names = list.array;
    *n_names = list.n;
    return ERR_OK;
}

/* ---- facts ---- */

/* The rows after a batch. */
struct later_rows {
    int64_t n_rows;
    int64_t last_batch;
    int64_t last_ms;
};

static enum err_code count_later_rows(struct conn *conn, int64_t model, int64_t after,
                                      struct later_rows *out, struct err *err)
{
    struct query q = query_open(conn, SQL_POLICY_NEW_ROWS, err);
    query_int(&q, ":model", model);
    query_int(&q, ":after", after);
    if (query_row(&q)) {
        out->n_rows = query_get_int(&q, 0);
        out->last_batch = query_get_int(&q, 1);
        out->last_ms = query_get_int(&q, 2);
    }
    return query_close(&q);
}

static enum err_code read_facts(struct conn *conn, const char *model, struct policy_facts *out,
                                struct err *err)
{
    int64_t id = 0;
    int64_t taken_to = 0;
    int64_t taken = 0;
    struct later_rows since = {.n_rows = 0};
    struct later_rows fresh = {.n_rows = 0};
    *out = (struct policy_facts){.default_version = 0};
    struct query q = query_open(conn, SQL_POLICY_FACTS, err);
    query_text(&q, ":name", model);
    if (query_row(&q)) {
        id = query_get_int(&q, 0);
        out->default_version = query_get_int(&q, 1);
        out->n_active = query_get_int(&q, 2);
        out->last_job_ms = query_get_int(&q, 3);
        out->last_end_ms = query_get_int(&q, 4);
        out->last_failed = query_get_int(&q, 5) == JOB_FAILED;
        taken_to = query_get_int(&q, 6);
        out->known_to = query_get_int(&q, 7);
        out->n_rows = query_get_int(&q, 8);
        taken = query_get_int(&q, 9);
    }
    if (query_close(&q) != ERR_OK || id == 0) {
        return err->code != ERR_OK ? err->code : model_absent(model, err);
    }
    if (count_later_rows(conn, id, taken_to, &since, err) != ERR_OK ||
        count_later_rows(conn, id, out->known_to, &fresh, err) != ERR_OK) {
        return err->code;
    }
    out->n_new = since.n_rows;
    out->last_batch = since.last_batch;
    out->last_row_ms = since.last_ms;
    out->n_fresh = fresh.n_rows;
    /* With fewer rows than the job took, some were deleted. */
    out->changed = since.n_rows > 0 || (taken > 0 && out->n_rows < taken);
    return ERR_OK;
}

enum err_code policy_store_facts(struct db *db, const char *model, struct policy_facts *out,
                                 struct err *err)
{
    struct conn *conn;
    if (db_read_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    err_kept(read_facts(conn, model, out, err));
    return db_read_end(db, conn, err);
}
