/* SPDX-License-Identifier: Apache-2.0 */
#include "store/models/alias_store.h"

#include <stdio.h>

#include "store/models/model_find.h"
#include "store/sqlite/db_transaction.h"
#include "store/sqlite/query.h"

static enum err_code check_alias(const char *alias, struct err *err)
{
    if (!alias_name_is_valid(alias)) {
        return err_set(err, ERR_INVALID,
                       "\"%.70s\" is no alias: 1 to %d lower-case letters, digits, '.', '_' or "
                       "'-' that begin with a letter are needed, not default or previous",
                       alias, ALIAS_MAX_CHARS);
    }
    return ERR_OK;
}

static enum err_code check_room(struct conn *conn, const char *name, int64_t model, struct err *err)
{
    int64_t n = 0;
    if (query_number_for(conn, SQL_ALIAS_COUNT, ":model", model, &n, err) == ERR_OK &&
        n >= ALIAS_MAX_COUNT) {
        return err_set(err, ERR_LIMIT, "model %.64s has %lld aliases already, %d is the most", name,
                       (long long)n, ALIAS_MAX_COUNT);
    }
    return err->code;
}

static enum err_code set_alias(struct conn *conn, const char *name, const char *alias,
                               const struct version_ref *ref, struct alias_put *out,
                               struct err *err)
{
    int64_t model = 0;
    if (model_find(conn, name, &model, NULL, err) != ERR_OK ||
        model_resolve(conn, name, model, ref, &out->version, err) != ERR_OK ||
        model_check_version(conn, name, model, out->version, err) != ERR_OK ||
        model_get_alias(conn, model, alias, &out->before, err) != ERR_OK ||
        (out->before == 0 && check_room(conn, name, model, err) != ERR_OK)) {
        return err->code;
    }
    struct query q = query_open(conn, SQL_ALIAS_PUT, err);
    query_int(&q, ":model", model);
    query_text(&q, ":name", alias);
    query_int(&q, ":version", out->version);
    query_int(&q, ":now", db_now_ms());
    return query_close(&q);
}

enum err_code alias_store_set(struct db *db, const char *model, const char *alias,
                              const struct version_ref *ref, struct alias_put *out, struct err *err)
{
    struct conn *conn;
    if (check_alias(alias, err) != ERR_OK || db_write_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    err_kept(set_alias(conn, model, alias, ref, out, err));
    return db_write_end(db, err);
}

enum err_code alias_store_delete(struct db *db, const char *model, const char *alias,
                                 struct err *err)
{
    struct conn *conn;
    int64_t id = 0;
    if (check_alias(alias, err) != ERR_OK ||
        model_write_begin(db, model, &conn, &id, err) != ERR_OK) {
        return err->code;
    }
    struct query q = query_open(conn, SQL_ALIAS_DELETE, err);
    query_int(&q, ":model", id);
    query_text(&q, ":name", alias);
    if (query_close(&q) == ERR_OK && query_changes(conn) == 0) {
        struct version_ref ref = {.kind = VERSION_ALIAS};
        snprintf(ref.alias, sizeof ref.alias, "%s", alias);
        err_kept(version_ref_absent(&ref, model, err));
    }
    return db_write_end(db, err);
}
