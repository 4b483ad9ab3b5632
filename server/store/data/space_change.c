/* SPDX-License-Identifier: Apache-2.0 */
#include "store/data/space_change.h"

#include "store/data/data_stats.h"
#include "store/models/model_find.h"
#include "store/models/space_store.h"
#include "store/sqlite/db_transaction.h"
#include "store/sqlite/query.h"

static enum err_code still_holds(struct conn *conn, int64_t model, const struct space_seen *seen,
                                 bool *holds, struct err *err)
{
    struct data_stats stats = {.generation = 0};
    if (space_is_seen(conn, model, seen->digest, holds, err) != ERR_OK || seen->n_rows < 0 ||
        data_stats_get(conn, model, &stats, err) != ERR_OK) {
        return err->code;
    }
    *holds = *holds && stats.n_rows == seen->n_rows;
    data_stats_release(&stats);
    return ERR_OK;
}

enum err_code space_change_put(struct db *db, const struct space_put *put, bool *done,
                               struct err *err)
{
    struct conn *conn;
    int64_t id = 0;
    *done = false;
    if (db_write_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    if (model_find_or_add(conn, put->model, &id, NULL, err) == ERR_OK &&
        still_holds(conn, id, &put->seen, done, err) == ERR_OK && *done) {
        err_kept(space_write(conn, id, put->document, put->origin, err));
    }
    return db_write_end(db, err);
}

enum err_code space_change_delete(struct db *db, const char *model, const struct space_seen *seen,
                                  bool *done, struct err *err)
{
    struct conn *conn;
    int64_t id = 0;
    *done = false;
    if (model_write_begin(db, model, &conn, &id, err) != ERR_OK) {
        return err->code;
    }
    if (still_holds(conn, id, seen, done, err) == ERR_OK && *done) {
        err_kept(query_run_for(conn, SQL_SPACE_DELETE, ":model", id, err));
    }
    return db_write_end(db, err);
}
