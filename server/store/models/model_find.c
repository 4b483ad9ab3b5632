/* SPDX-License-Identifier: Apache-2.0 */
#include "store/models/model_find.h"

#include "store/models/model_name.h"
#include "store/sqlite/db.h"
#include "store/sqlite/query.h"

enum err_code model_find(struct conn *conn, const char *name, int64_t *id, int64_t *default_version,
                         struct err *err)
{
    bool found = false;
    struct query q = query_open(conn, SQL_MODEL_FIND, err);
    query_text(&q, ":name", name);
    if (query_row(&q)) {
        found = true;
        *id = query_get_int(&q, 0);
        if (default_version != NULL) {
            *default_version = query_get_int(&q, 2);
        }
    }
    if (query_close(&q) == ERR_OK && !found) {
        return err_set(err, ERR_NOT_FOUND, "there is no model %.64s", name);
    }
    return err->code;
}

enum err_code model_find_or_add(struct conn *conn, const char *name, int64_t *id,
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
    return model_find(conn, name, id, default_version, err);
}

enum err_code model_get_places(struct conn *conn, int64_t model, struct model_places *out,
                               struct err *err)
{
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

enum err_code model_check_version(struct conn *conn, const char *name, int64_t model,
                                  int64_t version, struct err *err)
{
    bool found = false;
    bool damaged = false;
    struct version_ref ref = version_ref_number(version);
    struct query q = query_open(conn, SQL_VERSION_DIGEST, err);
    query_int(&q, ":model", model);
    query_int(&q, ":version", version);
    if (query_row(&q)) {
        found = true;
        damaged = !query_is_null(&q, 2);
    }
    if (query_close(&q) == ERR_OK && !found) {
        return version_ref_absent(&ref, name, err);
    }
    if (err->code == ERR_OK && damaged) {
        return err_set(err, ERR_CONFLICT, "version %lld of model %.64s is damaged",
                       (long long)version, name);
    }
    return err->code;
}
