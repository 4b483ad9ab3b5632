/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite/db_tidy.h"

#include "store/sqlite/db_priv.h"
#include "store/sqlite/db_transaction.h"
#include "store/sqlite/query.h"

#define STEP_PAGES       256  /* as in incremental_vacuum.sql */
#define MIN_FREE_PAGES   1000 /* fewer are kept for what comes next */
#define MIN_FREE_SHARE   4    /* of the file, as a divisor: more than a quarter must be free */
#define MODE_INCREMENTAL 2    /* PRAGMA auto_vacuum */

static bool is_worthwhile(const struct conn_space *space)
{
    return space->n_free > MIN_FREE_PAGES && space->n_free > space->n_pages / MIN_FREE_SHARE;
}

/* *n: the pages that one step has given back; 0 when no step is worthwhile. *left: those that the
 * file has then. */
static enum err_code shorten_once(struct db *db, bool always, int *n, struct conn_space *left,
                                  struct err *err)
{
    struct conn *conn;
    struct conn_space before;
    int64_t mode = 0;
    *n = 0;
    if (db_write_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    if (query_number(conn, SQL_AUTO_VACUUM, &mode, err) == ERR_OK &&
        conn_get_space(conn, &before, err) == ERR_OK && mode == MODE_INCREMENTAL &&
        (always || is_worthwhile(&before)) &&
        query_run(conn, SQL_INCREMENTAL_VACUUM, err) == ERR_OK &&
        conn_get_space(conn, left, err) == ERR_OK) {
        *n = (int)(before.n_pages - left->n_pages);
    }
    return db_write_end(db, err);
}

/* The file itself becomes shorter when the log is folded into it. */
static void fold_log_in(struct db *db)
{
    pthread_mutex_lock(&db->write_lock);
    sqlite3_wal_checkpoint_v2(db->writer.sqlite, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    pthread_mutex_unlock(&db->write_lock);
}

enum err_code db_tidy_step(struct db *db, int *n, int64_t *n_bytes, struct err *err)
{
    struct conn_space left = {.n_pages = 0};
    err_kept(shorten_once(db, true, n, &left, err));
    *n_bytes = left.n_pages * left.page_bytes;
    return err->code;
}

enum err_code db_tidy(struct db *db, int max_pages, int *n_pages, struct err *err)
{
    int total = 0;
    int n = 1;
    struct conn_space left;
    while (!db->read_only && n > 0 && total + STEP_PAGES <= max_pages &&
           shorten_once(db, false, &n, &left, err) == ERR_OK) {
        total += n;
    }
    if (total > 0) {
        fold_log_in(db);
    }
    if (n_pages != NULL && err->code == ERR_OK) {
        *n_pages = total;
    }
    return err->code;
}
