/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite/db_follow.h"

#include <string.h>

#include "store/sqlite/db_priv.h"
#include "store/sqlite/query.h"

/* Looks for damage in all pages of the file, so it takes time. */
static enum err_code examine_pages(struct conn *conn, const char *path, struct err *err)
{
    char finding[160] = "";
    struct query q = query_open(conn, SQL_QUICK_CHECK, err);
    if (query_row(&q)) {
        query_get_text(&q, 0, finding, sizeof finding);
    }
    if (query_close(&q) == ERR_OK && strcmp(finding, "ok") != 0) {
        return err_set(err, ERR_CORRUPT, "registry %s is damaged: %s", path, finding);
    }
    return err->code;
}

/* Opens the file if it is one that can be served. */
static enum err_code open_watcher(struct db *db, struct conn *watcher, enum conn_mode mode,
                                  struct err *err)
{
    int schema = 0;
    if (db_file_open(watcher, db->path, mode, &schema, err) != ERR_OK) {
        return err->code;
    }
    if (schema < SQL_N_MIGRATIONS) {
        return err_set(err, ERR_UNSUPPORTED,
                       "registry %s has schema %d, a replica needs %d; open it once with a "
                       "writable server",
                       db->path, schema, SQL_N_MIGRATIONS);
    }
    return ERR_OK;
}

static bool same_file(const struct db_stamp *a, const struct db_stamp *b)
{
    return a->device == b->device && a->inode == b->inode;
}

/*
 * The stamp is taken first, so that a change during the opening is noticed afterwards.
 *
 * A file without a write-ahead log is at rest: nobody on this host writes to it. It is then read
 * without locks and without making the files of a log, for two reasons. Its folder may not be ours
 * to write to. And SQLite finds a log by the file's name: if our own connections had made one, a
 * file that is renamed to that name would seem to belong to it, and the log's index, which is
 * shared in memory, would be initialised anew under those who still read the old file. For the same
 * reason, the log that was read with an old file is not read with the file that took its place.
 */
enum err_code db_open_read_only(struct db *db, struct err *err)
{
    struct conn watcher = {.sqlite = NULL};
    struct db_stamp stamp;
    int64_t data_version = 0;
    int64_t version = 0;
    ino_t stale = db->stale_index;
    if (db_file_stamp(db->path, &stamp, err) != ERR_OK) {
        return err->code;
    }
    bool replaced = db->opened.inode != 0 && !same_file(&stamp, &db->opened);
    if (replaced && db->log_index != 0) {
        stale = db->log_index;
    }
    enum conn_mode mode = db_file_has_log(db->path, stale) ? CONN_READ_ONLY : CONN_IMMUTABLE;
    /* Only a replacement is examined: at the start there is no older file to stay with. */
    if (open_watcher(db, &watcher, mode, err) != ERR_OK ||
        (replaced && examine_pages(&watcher, db->path, err) != ERR_OK) ||
        query_number(&watcher, SQL_DATA_VERSION, &data_version, err) != ERR_OK ||
        query_number(&watcher, SQL_REGISTRY_VERSION_GET, &version, err) != ERR_OK ||
        pool_replace(&db->pool, db->path, mode, err) != ERR_OK) {
        conn_close(&watcher);
        return err->code;
    }
    conn_close(&db->watcher);
    db->watcher = watcher;
    db->watcher.is_ours = true;
    db->data_version = data_version;
    if (db->opened.inode == 0) {
        atomic_store(&db->version, version); /* of a later file only when it has been taken over */
    }
    db->opened = stamp;
    db->mode = mode;
    db->log_index = mode == CONN_READ_ONLY ? db_file_log_index(db->path) : 0;
    db->stale_index = stale;
    db->seen = stamp;
    return ERR_OK;
}

enum err_code db_poll(struct db *db, enum db_change *out, struct err *err)
{
    struct db_stamp now;
    int64_t data_version = 0;
    if (!db->read_only) {
        *out = DB_SAME;
        return ERR_OK;
    }
    if (db_file_stamp(db->path, &now, err) != ERR_OK) {
        db->seen = (struct db_stamp){.n_bytes = 0}; /* whatever file comes next is another one */
        return err->code;
    }
    if (!same_file(&now, &db->seen)) {
        db->seen = now;
        *out = DB_REPLACED;
        return ERR_OK;
    }
    if (same_file(&now, &db->opened) &&
        query_number(&db->watcher, SQL_DATA_VERSION, &data_version, err) != ERR_OK) {
        return err->code;
    }
    bool committed = data_version != db->data_version && same_file(&now, &db->opened);
    /* A writer has come. Its commits are in a log that these connections do not read. */
    bool has_log = db->mode == CONN_IMMUTABLE && db_file_has_log(db->path, db->stale_index);
    bool touched =
        has_log || now.n_bytes != db->seen.n_bytes || now.modified_ns != db->seen.modified_ns;
    db->data_version = committed ? data_version : db->data_version;
    db->seen = now;
    *out = committed ? DB_CHANGED : touched ? DB_REPLACED : DB_SAME;
    return ERR_OK;
}

enum err_code db_reopen(struct db *db, struct err *err)
{
    return db->read_only ? db_open_read_only(db, err)
                         : err_set(err, ERR_INTERNAL, "a writable registry is not opened again");
}
