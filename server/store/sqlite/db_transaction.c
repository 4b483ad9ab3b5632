/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite/db_transaction.h"

#include "store/sqlite/db_presence.h"
#include "store/sqlite/db_priv.h"
#include "store/sqlite/db_version.h"
#include "store/sqlite/query.h"

/* A transaction that could not be rolled back at its end is rolled back now. */
static enum err_code begin_transaction(struct conn *conn, enum sql_query which, struct err *err)
{
    if (sqlite3_get_autocommit(conn->sqlite) == 0 && query_run(conn, SQL_ROLLBACK, err) != ERR_OK) {
        return err->code;
    }
    return query_run(conn, which, err);
}

static void roll_back(struct conn *conn, const struct err *why)
{
    /* SQLite may have ended the transaction when a statement failed. */
    if (sqlite3_get_autocommit(conn->sqlite) == 0) {
        struct err ignored = ERR_INIT;
        err_kept(query_run(conn, SQL_ROLLBACK, &ignored));
    }
    if (why->code == ERR_CORRUPT) {
        /* Perhaps only the reading went wrong: next time the pages are read from the file again. */
        sqlite3_db_release_memory(conn->sqlite);
    }
}

enum err_code db_refuse_change(struct err *err)
{
    return err_set(err, ERR_READ_ONLY,
                   "this server is a read-only replica; send changes to the primary");
}

enum err_code db_write_begin(struct db *db, struct conn **conn, struct err *err)
{
    if (db->read_only) {
        return db_refuse_change(err);
    }
    pthread_mutex_lock(&db->write_lock);
    if (db_reserve_refuses(db)) {
        pthread_mutex_unlock(&db->write_lock);
        return err_set(err, ERR_FULL,
                       "the disk of the registry is full, and the room kept for deletions is in "
                       "use; delete more, or make room on the disk");
    }
    if (begin_transaction(&db->writer, SQL_BEGIN_WRITE, err) != ERR_OK) {
        pthread_mutex_unlock(&db->write_lock);
        return err->code;
    }
    db->changes = sqlite3_total_changes(db->writer.sqlite);
    *conn = &db->writer;
    return ERR_OK;
}

/*
 * Gives the change its number. The number is told before the commit, so that nobody sees the change
 * and is told an older number. One whose commit fails is not used again while the process runs.
 */
static enum err_code number_change(struct db *db, struct err *err)
{
    if (sqlite3_total_changes(db->writer.sqlite) == db->changes) {
        return ERR_OK;
    }
    int64_t number = atomic_fetch_add(&db->version, 1) + 1;
    return query_run_for(&db->writer, SQL_REGISTRY_VERSION_SET, ":n", number, err);
}

enum err_code db_write_end(struct db *db, struct err *err)
{
    struct conn *conn = &db->writer;
    if (err->code == ERR_OK && number_change(db, err) == ERR_OK &&
        db_check_presence(db, err) == ERR_OK) {
        err_kept(query_run(conn, SQL_COMMIT, err));
    }
    if (err->code == ERR_OK) {
        err_kept(db_check_presence(db, err)); /* what went into a file that is gone is not kept */
    }
    if (err->code != ERR_OK) {
        roll_back(conn, err);
    } else if (conn->wal_pages >= db->wal_pages) {
        /* The change is safe; a checkpoint that fails is tried again at the next commit. */
        sqlite3_wal_checkpoint_v2(conn->sqlite, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    }
    pthread_mutex_unlock(&db->write_lock);
    return err->code;
}

enum err_code db_read_begin(struct db *db, struct conn **conn, struct err *err)
{
    *conn = pool_take(&db->pool);
    if (begin_transaction(*conn, SQL_BEGIN_READ, err) != ERR_OK) {
        pool_give(&db->pool, *conn);
    }
    return err->code;
}

enum err_code db_read_end(struct db *db, struct conn *conn, struct err *err)
{
    roll_back(conn, err);
    pool_give(&db->pool, conn);
    return err->code;
}
