/* SPDX-License-Identifier: Apache-2.0 */
#include "store/models/model_find.h"

#include "store/models/model_name.h"
#include "store/sqlite/db_transaction.h"
#include "store/sqlite/query.h"

enum err_code model_absent(const char *name, struct err *err)
{
    return err_set(err, ERR_NOT_FOUND, "there is no model %.64s", name);
}

enum err_code model_find(struct conn *conn, const char *name, int64_t *model,
                         int64_t *default_version, struct err *err)
{
    bool found = false;
    struct query q = query_open(conn, SQL_MODEL_FIND, err);
    query_text(&q, ":name", name);
    if (query_row(&q)) {
        found = true;
        *model = query_get_int(&q, 0);
        if (default_version != NULL) {
            *default_version = query_get_int(&q, 2);
        }
    }
    return query_close(&q) == ERR_OK && !found ? model_absent(name, err) : err->code;
}

enum err_code model_find_or_add(struct conn *conn, const char *name, int64_t *model,
                                int64_t *default_version, struct err *err)
{
    if (!model_name_is_valid(name)) {
        return err_set(err, ERR_INVALID, "\"%.64s\" is not a model name", name);
    }
    struct query q = query_open(conn, SQL_MODEL_INSERT, err);
    query_text(&q, ":name", name);
    query_int(&q, ":now", db_now_ms());
    if (query_close(&q) != ERR_OK) {
        return err->code;
    }
    return model_find(conn, name, model, default_version, err);
}

enum err_code model_read_begin(struct db *db, const char *name, struct conn **conn, int64_t *model,
                               struct err *err)
{
    if (db_read_begin(db, conn, err) != ERR_OK) {
        return err->code;
    }
    return model_find(*conn, name, model, NULL, err) == ERR_OK ? ERR_OK
                                                               : db_read_end(db, *conn, err);
}

enum err_code model_write_begin(struct db *db, const char *name, struct conn **conn, int64_t *model,
                                struct err *err)
{
    if (db_write_begin(db, conn, err) != ERR_OK) {
        return err->code;
    }
    return model_find(*conn, name, model, NULL, err) == ERR_OK ? ERR_OK : db_write_end(db, err);
}

enum err_code model_get_places(struct conn *conn, int64_t model, struct model_places *out,
                               struct err *err)
{
    *out = (struct model_places){.default_version = 0};
    struct query q = query_open(conn, SQL_MODEL_PLACES, err);
    query_int(&q, ":model", model);
    if (query_row(&q)) {
        out->default_version = query_get_int(&q, 0);
        out->previous_version = query_get_int(&q, 1);
        out->keep_versions = query_get_int(&q, 2);
    }
    return query_close(&q);
}

enum err_code model_get_alias(struct conn *conn, int64_t model, const char *alias, int64_t *version,
                              struct err *err)
{
    struct query q = query_open(conn, SQL_ALIAS_GET, err);
    query_int(&q, ":model", model);
    query_text(&q, ":name", alias);
    *version = query_row(&q) ? query_get_int(&q, 0) : 0;
    return query_close(&q);
}

enum err_code model_resolve(struct conn *conn, const char *name, int64_t model,
                            const struct version_ref *ref, int64_t *version, struct err *err)
{
    struct model_places places = {.default_version = 0};
    int64_t found = ref->number;
    if (ref->kind == VERSION_ALIAS) {
        err_kept(model_get_alias(conn, model, ref->alias, &found, err));
    } else if (ref->kind != VERSION_NUMBER &&
               model_get_places(conn, model, &places, err) == ERR_OK) {
        found = ref->kind == VERSION_DEFAULT ? places.default_version : places.previous_version;
    }
    if (err->code == ERR_OK && found == 0) {
        return version_ref_absent(ref, name, err);
    }
    *version = found;
    return err->code;
}

enum err_code model_get_version(struct conn *conn, int64_t model, int64_t version,
                                struct stored_version *out, struct err *err)
{
    *out = (struct stored_version){.found = false};
    struct query q = query_open(conn, SQL_VERSION_DIGEST, err);
    query_int(&q, ":model", model);
    query_int(&q, ":version", version);
    if (query_row(&q)) {
        out->found = true;
        query_get_text(&q, 0, out->digest, sizeof out->digest);
        out->n_bytes = query_get_int(&q, 1);
        out->damaged = !query_is_null(&q, 2);
    }
    return query_close(&q);
}

enum err_code model_check_version(struct conn *conn, const char *name, int64_t model,
                                  int64_t version, struct err *err)
{
    struct stored_version stored;
    if (model_get_version(conn, model, version, &stored, err) != ERR_OK) {
        return err->code;
    }
    if (!stored.found) {
        return version_number_absent(version, name, err);
    }
    return stored.damaged ? err_set(err, ERR_CONFLICT, "version %lld of model %.64s is damaged",
                                    (long long)version, name)
                          : ERR_OK;
}
