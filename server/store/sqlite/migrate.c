/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite/migrate.h"

#include "store/sqlite/query.h"

static enum err_code step(struct conn *conn, int version, const char *path, struct err *err)
{
    struct err ignored = ERR_INIT;
    if (conn_exec(conn, "BEGIN IMMEDIATE", path, err) != ERR_OK) {
        return err->code;
    }
    if (conn_exec(conn, sql_migrations[version], path, err) != ERR_OK ||
        conn_exec(conn, "COMMIT", path, err) != ERR_OK) {
        err_prefix(err, "schema %d", version + 1);
        if (conn_exec(conn, "ROLLBACK", path, &ignored) != ERR_OK) {
            err_clear(&ignored); /* the failure had ended the transaction */
        }
    }
    return err->code;
}

enum err_code migrate_run(struct conn *conn, const char *path, struct err *err)
{
    int64_t version = 0;
    struct query q = query_open(conn, SQL_USER_VERSION, err);
    if (query_row(&q)) {
        version = query_get_int(&q, 0);
    }
    if (query_close(&q) != ERR_OK) {
        return err->code;
    }
    if (version < 0 || version > SQL_N_MIGRATIONS) {
        return err_set(err, ERR_UNSUPPORTED,
                       "registry %s has schema %lld, this program knows up to %d; use a newer one",
                       path, (long long)version, SQL_N_MIGRATIONS);
    }
    for (int v = (int)version; v < SQL_N_MIGRATIONS; v++) {
        if (step(conn, v, path, err) != ERR_OK) {
            return err->code;
        }
    }
    return ERR_OK;
}
