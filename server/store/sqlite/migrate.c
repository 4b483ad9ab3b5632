/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite/migrate.h"

/* Brings the file from schema `from` to the next. */
static enum err_code migrate_once(struct conn *conn, const char *path, int from, struct err *err)
{
    if (conn_begin(conn, path, err) != ERR_OK) {
        return err->code;
    }
    err_kept(conn_exec(conn, sql_migrations[from], path, err));
    if (conn_end(conn, path, err) != ERR_OK) {
        err_prefix(err, "schema %d", from + 1);
    }
    return err->code;
}

enum err_code migrate_run(struct conn *conn, const char *path, int schema, struct err *err)
{
    for (int from = schema; from < SQL_N_MIGRATIONS; from++) {
        if (migrate_once(conn, path, from, err) != ERR_OK) {
            return err->code;
        }
    }
    return ERR_OK;
}
