/* SPDX-License-Identifier: Apache-2.0 */
/* What is done to models and versions once they are there: list, promote, mark, delete. */
#include "model_store.h"

#include "db_priv.h"

#include <string.h>

#include "mem.h"

/* ---- changes ---- */

/* A change of one version inside a transaction; ERR_NOT_FOUND when it touches no row. */
static enum err_code change_version(struct conn *conn, enum sql_query which, const char *name,
                                    int64_t model, int64_t version, const char *damage,
                                    struct err *err)
{
    struct query q = query_open(conn, which, err);
    query_int(&q, ":model", model);
    query_int(&q, ":version", version);
    if (damage != NULL) {
        query_text(&q, ":damage", damage);
    }
    if (query_close(&q) == ERR_OK && query_changes(conn) == 0) {
        return err_set(err, ERR_NOT_FOUND, "model %.64s has no version %lld", name,
                       (long long)version);
    }
    return err->code;
}

enum err_code model_store_mark_damaged(struct db *db, const char *model, int64_t version,
                                       const char *reason, struct err *err)
{
    struct conn *conn;
    int64_t id = 0;
    if (db_write_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    if (model_find(conn, model, &id, NULL, err) == ERR_OK) {
        err_kept(change_version(conn, SQL_VERSION_MARK_DAMAGED, model, id, version, reason, err));
    }
    return db_write_end(db, err);
}

/* One number about a model. */
static enum err_code count(struct conn *conn, enum sql_query which, int64_t model, int64_t *out,
                           struct err *err)
{
    struct query q = query_open(conn, which, err);
    query_int(&q, ":model", model);
    if (query_row(&q)) {
        *out = query_get_int(&q, 0);
    }
    return query_close(&q);
}

static enum err_code promote(struct conn *conn, const char *name, int64_t version, struct err *err)
{
    int64_t id = 0;
    bool found = false;
    bool damaged = false;
    if (model_find(conn, name, &id, NULL, err) != ERR_OK) {
        return err->code;
    }
    struct query q = query_open(conn, SQL_VERSION_DIGEST, err);
    query_int(&q, ":model", id);
    query_int(&q, ":version", version);
    if (query_row(&q)) {
        found = true;
        damaged = !query_is_null(&q, 2);
    }
    if (query_close(&q) != ERR_OK) {
        return err->code;
    }
    if (!found) {
        return err_set(err, ERR_NOT_FOUND, "model %.64s has no version %lld", name,
                       (long long)version);
    }
    if (damaged) {
        return err_set(err, ERR_CONFLICT, "version %lld of model %.64s is damaged",
                       (long long)version, name);
    }
    q = query_open(conn, SQL_MODEL_SET_DEFAULT, err);
    query_int(&q, ":model", id);
    query_int(&q, ":version", version);
    return query_close(&q);
}

enum err_code model_store_set_default(struct db *db, const char *model, int64_t version,
                                      struct err *err)
{
    struct conn *conn;
    if (db_write_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    err_kept(promote(conn, model, version, err));
    return db_write_end(db, err);
}

static enum err_code check_idle(struct conn *conn, const char *name, int64_t model, struct err *err)
{
    int64_t n_jobs = 0;
    if (count(conn, SQL_JOB_ACTIVE_COUNT, model, &n_jobs, err) != ERR_OK) {
        return err->code;
    }
    if (n_jobs > 0) {
        return err_set(err, ERR_CONFLICT,
                       "model %.64s has %lld queued or running jobs; cancel them "
                       "first",
                       name, (long long)n_jobs);
    }
    return ERR_OK;
}

static enum err_code delete_version(struct conn *conn, const char *name, int64_t version,
                                    struct err *err)
{
    int64_t id = 0;
    int64_t default_version = 0;
    int64_t n_versions = 0;
    if (model_find(conn, name, &id, &default_version, err) != ERR_OK ||
        count(conn, SQL_VERSION_COUNT, id, &n_versions, err) != ERR_OK) {
        return err->code;
    }
    if (version == default_version && n_versions > 1) {
        return err_set(err, ERR_CONFLICT,
                       "version %lld is the default of model %.64s; make another "
                       "one the default first",
                       (long long)version, name);
    }
    if (change_version(conn, SQL_VERSION_DELETE, name, id, version, NULL, err) != ERR_OK ||
        version != default_version) {
        return err->code;
    }
    struct query q = query_open(conn, SQL_MODEL_SET_DEFAULT, err);
    query_int(&q, ":model", id); /* :version stays NULL */
    return query_close(&q);
}

enum err_code model_store_delete_version(struct db *db, const char *model, int64_t version,
                                         struct err *err)
{
    struct conn *conn;
    if (db_write_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    err_kept(delete_version(conn, model, version, err));
    return db_write_end(db, err);
}

enum err_code model_store_delete(struct db *db, const char *model, struct err *err)
{
    static const enum sql_query steps[] = {
        SQL_JOB_DELETE_ALL, SQL_BATCH_DELETE_ALL,   SQL_RUN_DELETE_ALL,    SQL_STATS_RESET,
        SQL_KEY_DELETE_ALL, SQL_VERSION_DELETE_ALL, SQL_MODEL_MARK_DELETED};
    struct conn *conn;
    int64_t id = 0;
    if (db_write_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    if (model_find(conn, model, &id, NULL, err) == ERR_OK &&
        check_idle(conn, model, id, err) == ERR_OK) {
        for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
            struct query q = query_open(conn, steps[i], err);
            query_int(&q, ":model", id);
            err_kept(query_close(&q));
        }
    }
    return db_write_end(db, err);
}

/* ---- lists ---- */

/* Room for one more element of `size` bytes; the array doubles. */
static bool grow(void **array, size_t *capacity, size_t used, size_t size)
{
    if (used < *capacity) {
        return true;
    }
    size_t next = *capacity == 0 ? 16 : 2 * *capacity;
    void *grown = mem_realloc_array(*array, next, size);
    if (grown == NULL) {
        return false;
    }
    *array = grown;
    *capacity = next;
    return true;
}

static void get_model_row(struct query *q, struct model_row *row)
{
    query_get_text(q, 0, row->model, sizeof row->model);
    row->created_ms = query_get_int(q, 1);
    row->default_version = query_get_int(q, 2);
    row->n_versions = query_get_int(q, 3);
    row->n_rows = query_get_int(q, 4);
}

static void get_version_row(struct query *q, struct version_row *row)
{
    query_get_text(q, 0, row->model, sizeof row->model);
    row->version = query_get_int(q, 1);
    row->created_ms = query_get_int(q, 2);
    row->n_bytes = query_get_int(q, 3);
    query_get_text(q, 4, row->digest, sizeof row->digest);
    row->is_default = query_get_int(q, 5) != 0;
    row->damaged = !query_is_null(q, 6);
    query_get_text(q, 6, row->reason, sizeof row->reason);
}

enum err_code model_store_list(struct db *db, struct model_row **rows, size_t *n_rows,
                               struct err *err)
{
    struct conn *conn;
    void *array = NULL;
    size_t capacity = 0;
    size_t n = 0;
    if (db_read_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    struct query q = query_open(conn, SQL_MODEL_LIST, err);
    query_text(&q, ":name", NULL);
    while (query_row(&q)) {
        if (!grow(&array, &capacity, n, sizeof **rows)) {
            err_set(err, ERR_NOMEM, "no memory for the list of models");
            break;
        }
        get_model_row(&q, &((struct model_row *)array)[n++]);
    }
    err_kept(query_close(&q));
    if (db_read_end(db, conn, err) != ERR_OK) {
        mem_free(array);
        return err->code;
    }
    *rows = array;
    *n_rows = n;
    return ERR_OK;
}

enum err_code model_store_get(struct db *db, const char *model, struct model_row *row,
                              struct err *err)
{
    struct conn *conn;
    bool found = false;
    if (db_read_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    struct query q = query_open(conn, SQL_MODEL_LIST, err);
    query_text(&q, ":name", model);
    if (query_row(&q)) {
        found = true;
        get_model_row(&q, row);
    }
    if (query_close(&q) == ERR_OK && !found) {
        err_set(err, ERR_NOT_FOUND, "there is no model %.64s", model);
    }
    return db_read_end(db, conn, err);
}

enum err_code model_store_versions(struct db *db, const char *model, struct version_row **rows,
                                   size_t *n_rows, struct err *err)
{
    struct conn *conn;
    void *array = NULL;
    size_t capacity = 0;
    size_t n = 0;
    int64_t id;
    if (db_read_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    if (model == NULL || model_find(conn, model, &id, NULL, err) == ERR_OK) {
        struct query q = query_open(conn, SQL_VERSION_LIST, err);
        query_text(&q, ":name", model);
        while (query_row(&q)) {
            if (!grow(&array, &capacity, n, sizeof **rows)) {
                err_set(err, ERR_NOMEM, "no memory for the list of versions");
                break;
            }
            get_version_row(&q, &((struct version_row *)array)[n++]);
        }
        err_kept(query_close(&q));
    }
    if (db_read_end(db, conn, err) != ERR_OK) {
        mem_free(array);
        return err->code;
    }
    *rows = array;
    *n_rows = n;
    return ERR_OK;
}
