/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite/db_version.h"

#include "store/sqlite/db_priv.h"
#include "store/sqlite/db_transaction.h"
#include "store/sqlite/query.h"

int64_t db_version(const struct db *db)
{
    return atomic_load(&db->version);
}

enum err_code db_version_in_file(struct db *db, int64_t *out, struct err *err)
{
    struct conn *conn;
    int64_t version = 0;
    if (db_read_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    err_kept(query_number(conn, SQL_REGISTRY_VERSION_GET, &version, err));
    if (db_read_end(db, conn, err) == ERR_OK) {
        *out = version;
    }
    return err->code;
}

enum err_code db_version_look(struct db *db, int64_t *out, struct err *err)
{
    return query_number(&db->watcher, SQL_REGISTRY_VERSION_GET, out, err);
}

void db_version_reached(struct db *db, int64_t version)
{
    atomic_store(&db->version, version);
}
