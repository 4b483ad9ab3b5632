/* SPDX-License-Identifier: Apache-2.0 */
#include "store/models/model_admin.h"

#include "store/models/model_find.h"
#include "store/models/model_name.h"
#include "store/models/promotion_store.h"
#include "store/sqlite/db_reserve.h"
#include "store/sqlite/db_transaction.h"
#include "store/sqlite/query.h"

#include <stdio.h>

/* Runs a change of one version. damage: the parameter of that name, NULL: it has none. */
static enum err_code change_version(struct conn *conn, enum sql_query which, int64_t model,
                                    int64_t version, const char *damage, struct err *err)
{
    struct query q = query_open(conn, which, err);
    query_int(&q, ":model", model);
    query_int(&q, ":version", version);
    if (damage != NULL) {
        query_text(&q, ":damage", damage);
    }
    return query_close(&q);
}

enum err_code model_store_mark_damaged(struct db *db, const char *model, int64_t version,
                                       const char *reason, struct err *err)
{
    struct conn *conn;
    int64_t id = 0;
    if (model_write_begin(db, model, &conn, &id, err) != ERR_OK) {
        return err->code;
    }
    if (change_version(conn, SQL_VERSION_MARK_DAMAGED, id, version, reason, err) == ERR_OK &&
        query_changes(conn) == 0) {
        err_kept(version_number_absent(version, model, err));
    }
    return db_write_end(db, err);
}

static enum err_code check_no_job(struct conn *conn, const char *name, int64_t model,
                                  struct err *err)
{
    int64_t n_jobs = 0;
    if (query_number_for(conn, SQL_JOB_ACTIVE_COUNT, ":model", model, &n_jobs, err) != ERR_OK) {
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

/* Refuses to delete a version that has an alias, or that a job starts from. */
static enum err_code check_unused(struct conn *conn, const char *name, int64_t model,
                                  int64_t version, struct err *err)
{
    char alias[ALIAS_MAX_CHARS + 1] = "";
    struct query q = query_open(conn, SQL_ALIAS_OF_VERSION, err);
    query_int(&q, ":model", model);
    query_int(&q, ":version", version);
    if (query_row(&q)) {
        query_get_text(&q, 0, alias, sizeof alias);
    }
    if (query_close(&q) == ERR_OK && alias[0] != '\0') {
        return err_set(err, ERR_CONFLICT,
                       "version %lld of model %.64s has the alias %s; delete or move the alias "
                       "first",
                       (long long)version, name, alias);
    }
    q = query_open(conn, SQL_JOB_FROM_VERSION, err);
    query_int(&q, ":model", model);
    query_int(&q, ":version", version);
    int64_t job = query_row(&q) ? query_get_int(&q, 0) : 0;
    if (query_close(&q) == ERR_OK && job != 0) {
        return err_set(err, ERR_CONFLICT,
                       "job %lld starts from version %lld of model %.64s; cancel it first",
                       (long long)job, (long long)version, name);
    }
    return err->code;
}

static enum err_code delete_version(struct conn *conn, const char *name,
                                    const struct version_ref *ref, struct err *err)
{
    int64_t id = 0;
    int64_t default_version = 0;
    int64_t version = 0;
    int64_t n_versions = 0;
    if (model_find(conn, name, &id, &default_version, err) != ERR_OK ||
        model_resolve(conn, name, id, ref, &version, err) != ERR_OK ||
        query_number_for(conn, SQL_VERSION_COUNT, ":model", id, &n_versions, err) != ERR_OK) {
        return err->code;
    }
    if (version == default_version && n_versions > 1) {
        return err_set(err, ERR_CONFLICT,
                       "version %lld is the default of model %.64s; make another "
                       "one the default first",
                       (long long)version, name);
    }
    if (check_unused(conn, name, id, version, err) != ERR_OK ||
        change_version(conn, SQL_MODEL_FORGET_PREVIOUS, id, version, NULL, err) != ERR_OK ||
        change_version(conn, SQL_VERSION_DELETE, id, version, NULL, err) != ERR_OK) {
        return err->code;
    }
    if (query_changes(conn) == 0) {
        return version_number_absent(version, name, err);
    }
    struct default_change none = {.model = id, .origin = PROMOTION_REQUEST};
    return version == default_version ? model_change_default(conn, &none, err) : ERR_OK;
}

struct version_deletion {
    const char *model;
    const struct version_ref *ref;
};

static enum err_code delete_version_alone(struct db *db, void *ctx, struct err *err)
{
    const struct version_deletion *deletion = ctx;
    struct conn *conn;
    if (db_write_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    err_kept(delete_version(conn, deletion->model, deletion->ref, err));
    return db_write_end(db, err);
}

enum err_code model_store_delete_version(struct db *db, const char *model,
                                         const struct version_ref *ref, struct err *err)
{
    struct version_deletion deletion = {model, ref};
    return db_free_room(db, delete_version_alone, &deletion, err);
}

/* name: of the model. */
static enum err_code delete_model(struct db *db, void *name, struct err *err)
{
    /* Whatever refers to a version is deleted before the versions. */
    static const enum sql_query steps[] = {
        SQL_JOB_DELETE_ALL,       SQL_BATCH_DELETE_ALL,   SQL_RUN_DELETE_ALL,
        SQL_STATS_RESET,          SQL_KEY_DELETE_ALL,     SQL_POLICY_DELETE,
        SQL_SPACE_DELETE,         SQL_PENDING_DELETE_ALL, SQL_ALIAS_DELETE_ALL,
        SQL_PROMOTION_DELETE_ALL, SQL_VERSION_DELETE_ALL, SQL_MODEL_MARK_DELETED};
    const char *model = name;
    struct conn *conn;
    int64_t id = 0;
    if (model_write_begin(db, model, &conn, &id, err) != ERR_OK) {
        return err->code;
    }
    err_kept(check_no_job(conn, model, id, err));
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        err_kept(query_run_for(conn, steps[i], ":model", id, err));
    }
    return db_write_end(db, err);
}

enum err_code model_store_delete(struct db *db, const char *model, struct err *err)
{
    char name[NAME_MAX_CHARS + 1];
    snprintf(name, sizeof name, "%s", model);
    return db_free_room(db, delete_model, name, err);
}
