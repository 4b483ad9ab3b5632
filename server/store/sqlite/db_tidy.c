/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite/db_tidy.h"

#include "store/sqlite/db_priv.h"
#include "store/sqlite/db_transaction.h"
#include "store/sqlite/query.h"

#define TIDY_STEP_PAGES 256  /* as incremental_vacuum.sql says */
#define TIDY_MIN_PAGES  1000 /* fewer free ones are kept for what comes next */
#define TIDY_SHARE      4    /* tidied is from 1 / TIDY_SHARE of the file on */

struct space {
    int64_t n_pages;
    int64_t n_free;
    int64_t mode; /* 2: incremental */
};

static enum err_code read_space(struct conn *conn, struct space *space, struct err *err)
{
    *space = (struct space){.n_pages = 0};
    if (query_number(conn, SQL_AUTO_VACUUM, &space->mode, err) == ERR_OK &&
        query_number(conn, SQL_PAGE_COUNT, &space->n_pages, err) == ERR_OK) {
        err_kept(query_number(conn, SQL_FREELIST_COUNT, &space->n_free, err));
    }
    return err->code;
}

static bool is_worth_it(const struct space *space)
{
    return space->mode == 2 && space->n_free > TIDY_MIN_PAGES &&
           space->n_free > space->n_pages / TIDY_SHARE;
}

/* *n: the pages that went; 0: it is enough. */
static enum err_code tidy_step(struct db *db, int *n, struct err *err)
{
    struct conn *conn;
    struct space before;
    struct space after;
    *n = 0;
    if (db_write_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    if (read_space(conn, &before, err) == ERR_OK && is_worth_it(&before) &&
        query_run(conn, SQL_INCREMENTAL_VACUUM, err) == ERR_OK &&
        read_space(conn, &after, err) == ERR_OK) {
        *n = (int)(before.n_pages - after.n_pages);
    }
    return db_write_end(db, err);
}

/* The file becomes shorter when the log is folded in. */
static void checkpoint(struct db *db)
{
    pthread_mutex_lock(&db->write_lock);
    sqlite3_wal_checkpoint_v2(db->writer.sqlite, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    pthread_mutex_unlock(&db->write_lock);
}

enum err_code db_tidy(struct db *db, int max_pages, int *n_pages, struct err *err)
{
    int total = 0;
    int n = 1;
    while (!db->read_only && n > 0 && total + TIDY_STEP_PAGES <= max_pages &&
           tidy_step(db, &n, err) == ERR_OK) {
        total += n;
    }
    if (total > 0) {
        checkpoint(db);
    }
    if (n_pages != NULL && err->code == ERR_OK) {
        *n_pages = total;
    }
    return err->code;
}
