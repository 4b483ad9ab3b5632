/* SPDX-License-Identifier: Apache-2.0 */
#include "registry_check.h"

#include <string.h>

#include "store/sqlite/db_transaction.h"
#include "store/sqlite/query.h"

enum err_code registry_check(struct db *db, struct err *err)
{
    struct conn *conn;
    char finding[160] = "";
    if (db_read_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    struct query q = query_open(conn, SQL_INTEGRITY_CHECK, err);
    if (query_row(&q)) {
        query_get_text(&q, 0, finding, sizeof finding);
    }
    if (query_close(&q) == ERR_OK && strcmp(finding, "ok") != 0) {
        err_set(err, ERR_CORRUPT, "integrity check: %s", finding);
    }
    q = query_open(conn, SQL_FOREIGN_KEY_CHECK, err);
    if (query_row(&q)) {
        query_get_text(&q, 0, finding, sizeof finding);
        err_set(err, ERR_CORRUPT, "a row of %s refers to what is not there", finding);
    }
    err_kept(query_close(&q));
    return db_read_end(db, conn, err);
}
