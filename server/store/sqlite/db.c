/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite/db_priv.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/sqlite/db_file.h"
#include "store/sqlite/migrate.h"
#include "store/sqlite/pool.h"

#define DEFAULT_READERS     4
#define DEFAULT_BUSY_MS     5000
#define CHECKPOINT_PAGES    1000 /* 4 MB of log, SQLite's own default */
#define DEFAULT_CHUNK_BYTES ((size_t)64 << 20)
#define TIDY_STEP_PAGES     256  /* as incremental_vacuum.sql says */
#define TIDY_MIN_PAGES      1000 /* fewer free ones are kept for what comes next */
#define TIDY_SHARE          4    /* tidied is from 1 / TIDY_SHARE of the file on */

struct db {
    char *path;
    bool read_only;
    int busy_timeout_ms;
    struct db_lock lock;        /* held while we have the registry, unless read-only */
    pthread_mutex_t write_lock; /* guards `writer`: every write and every checkpoint */
    struct conn writer;         /* not open when read-only */
    struct pool pool;
    size_t chunk_bytes;
    int wal_pages; /* of the log until it is folded in */
    /* Of db_poll's thread. */
    struct conn watcher;    /* open when read-only */
    int64_t data_version;   /* the watcher's, when last looked at */
    struct db_stamp seen;   /* the file when last looked at */
    struct db_stamp opened; /* the file the connections are to */
    enum conn_mode mode;    /* of those connections */
    ino_t log_index;        /* of the log they read; 0: they read none */
    ino_t stale_index;      /* of a log that is of a file before this one; 0: there is none */
};

int64_t db_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

const char *db_library_version(void)
{
    return sqlite3_libversion();
}

size_t db_chunk_bytes(const struct db *db)
{
    return db->chunk_bytes;
}

bool db_is_read_only(const struct db *db)
{
    return db->read_only;
}

/* ---- opening ---- */

static enum err_code claim(struct db *db, bool is_new, struct err *err)
{
    char sql[64];
    snprintf(sql, sizeof sql, "PRAGMA application_id=%d", DB_APPLICATION_ID);
    return is_new ? conn_exec(&db->writer, sql, db->path, err) : ERR_OK;
}

static enum err_code open_writable(struct db *db, db_upgrade *upgrade, struct err *err)
{
    bool is_new = false;
    int schema = 0;
    if (db_file_refuse(db->path, false, err) != ERR_OK ||
        db_file_lock(db->path, &db->lock, err) != ERR_OK) {
        return err->code;
    }
    if (conn_open(&db->writer, db->path, CONN_WRITER, db->busy_timeout_ms, err) != ERR_OK ||
        db_file_lock_made(db->path, &db->lock, err) != ERR_OK ||
        db_file_identify(&db->writer, db->path, &is_new, &schema, err) != ERR_OK ||
        conn_use_as_writer(&db->writer, db->path, err) != ERR_OK ||
        claim(db, is_new, err) != ERR_OK || migrate_run(&db->writer, db->path, err) != ERR_OK ||
        upgrade(&db->writer, db->path, err) != ERR_OK) {
        return err->code;
    }
    db->writer.is_ours = true;
    return pool_replace(&db->pool, db->path, CONN_READER, err);
}

/* A watcher on the file as it is, if it is one that can be served. */
static enum err_code open_watcher(struct db *db, struct conn *watcher, enum conn_mode mode,
                                  bool examine, struct err *err)
{
    int schema = 0;
    char finding[160] = "";
    if (db_file_open(watcher, db->path, mode, &schema, err) != ERR_OK) {
        return err->code;
    }
    if (schema < SQL_N_MIGRATIONS) {
        return err_set(err, ERR_UNSUPPORTED,
                       "registry %s has schema %d, a replica needs %d; open it once with a "
                       "writable server",
                       db->path, schema, SQL_N_MIGRATIONS);
    }
    if (!examine) {
        return ERR_OK;
    }
    struct query q = query_open(watcher, SQL_QUICK_CHECK, err);
    if (query_row(&q)) {
        query_get_text(&q, 0, finding, sizeof finding);
    }
    if (query_close(&q) == ERR_OK && strcmp(finding, "ok") != 0) {
        return err_set(err, ERR_CORRUPT, "registry %s is damaged: %s", db->path, finding);
    }
    return err->code;
}

static bool same_file(const struct db_stamp *a, const struct db_stamp *b)
{
    return a->device == b->device && a->inode == b->inode;
}

/*
 * Opens watcher and readers; the stamp comes first, so that a later change is seen as one.
 *
 * A file with no log beside it is at rest: nobody on this host writes to it. It is then read
 * without locks and without making a log's files, for two reasons: its folder may not be ours to
 * write to, and SQLite finds a log by name. Once our own connections had made one, a file renamed
 * to that name would be taken to have it too, and its index, shared in memory, would be begun anew
 * under those who still read the old file. For the same reason the log that was read with the old
 * file is not read with one that came in its place.
 */
static enum err_code open_read_only(struct db *db, struct err *err)
{
    struct conn watcher = {.sqlite = NULL};
    struct db_stamp stamp;
    int64_t data_version = 0;
    ino_t stale = db->stale_index;
    if (db_file_stamp(db->path, &stamp, err) != ERR_OK) {
        return err->code;
    }
    /* Reads the whole file: not at start, when there is nothing better to go on with. */
    bool examine = db->opened.inode != 0 && !same_file(&stamp, &db->opened);
    if (!same_file(&stamp, &db->opened) && db->log_index != 0) {
        stale = db->log_index;
    }
    enum conn_mode mode = db_file_has_log(db->path, stale) ? CONN_READ_ONLY : CONN_IMMUTABLE;
    if (open_watcher(db, &watcher, mode, examine, err) != ERR_OK ||
        conn_number(&watcher, SQL_DATA_VERSION, &data_version, err) != ERR_OK ||
        pool_replace(&db->pool, db->path, mode, err) != ERR_OK) {
        conn_close(&watcher);
        return err->code;
    }
    conn_close(&db->watcher);
    db->watcher = watcher;
    db->watcher.is_ours = true;
    db->data_version = data_version;
    db->opened = stamp;
    db->mode = mode;
    db->log_index = mode == CONN_READ_ONLY ? db_file_log_index(db->path) : 0;
    db->stale_index = stale;
    db->seen = stamp;
    return ERR_OK;
}

enum err_code db_open(struct db **out, const struct db_settings *settings, db_upgrade *upgrade,
                      struct err *err)
{
    int n_readers = settings->n_readers > 0 ? settings->n_readers : DEFAULT_READERS;
    struct db *db = mem_zalloc(sizeof *db);
    if (db == NULL) {
        return err_set(err, ERR_NOMEM, "no memory to open the registry");
    }
    db->read_only = settings->read_only;
    db->busy_timeout_ms =
        settings->busy_timeout_ms > 0 ? settings->busy_timeout_ms : DEFAULT_BUSY_MS;
    db->lock = (struct db_lock)DB_LOCK_NONE;
    db->chunk_bytes = settings->chunk_bytes > 0 ? settings->chunk_bytes : DEFAULT_CHUNK_BYTES;
    db->wal_pages = settings->wal_pages > 0 ? settings->wal_pages : CHECKPOINT_PAGES;
    pthread_mutex_init(&db->write_lock, NULL);
    pool_init(&db->pool, n_readers, db->busy_timeout_ms);
    db->path = mem_strdup(settings->path);
    if (db->path == NULL) {
        err_set(err, ERR_NOMEM, "no memory to open the registry");
    } else {
        err_kept(db->read_only ? open_read_only(db, err) : open_writable(db, upgrade, err));
    }
    if (err->code != ERR_OK) {
        db_close(db);
        return err->code;
    }
    *out = db;
    return ERR_OK;
}

void db_close(struct db *db)
{
    if (db == NULL) {
        return;
    }
    pool_release(&db->pool);
    conn_close(&db->watcher);
    if (db->writer.sqlite != NULL) {
        sqlite3_wal_checkpoint_v2(db->writer.sqlite, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    }
    conn_close(&db->writer);
    if (db->read_only) {
        db_file_remove_empty_log(db->path); /* it may have been the last to read */
    }
    db_file_unlock(&db->lock);
    pthread_mutex_destroy(&db->write_lock);
    mem_free(db->path);
    mem_free(db);
}

/* ---- transactions ---- */

/* What the last transaction could not roll back at its end is rolled back now. */
static enum err_code begin(struct conn *conn, enum sql_query which, struct err *err)
{
    if (sqlite3_get_autocommit(conn->sqlite) == 0 && conn_run(conn, SQL_ROLLBACK, err) != ERR_OK) {
        return err->code;
    }
    return conn_run(conn, which, err);
}

/* Ends a transaction that is not, or was not, committed. */
static void roll_back(struct conn *conn, const struct err *why)
{
    /* A failed statement may have ended it by itself. */
    if (sqlite3_get_autocommit(conn->sqlite) == 0) {
        struct err ignored = ERR_INIT;
        err_kept(conn_run(conn, SQL_ROLLBACK, &ignored));
    }
    if (why->code == ERR_CORRUPT) {
        /* The pages may be good and only their reading was not: they are read again next time. */
        sqlite3_db_release_memory(conn->sqlite);
    }
}

enum err_code db_write_begin(struct db *db, struct conn **conn, struct err *err)
{
    if (db->read_only) {
        return err_set(err, ERR_READ_ONLY,
                       "this server is a read-only replica; send changes to the primary");
    }
    pthread_mutex_lock(&db->write_lock);
    if (begin(&db->writer, SQL_BEGIN_WRITE, err) != ERR_OK) {
        pthread_mutex_unlock(&db->write_lock);
        return err->code;
    }
    *conn = &db->writer;
    return ERR_OK;
}

enum err_code db_write_end(struct db *db, struct err *err)
{
    struct conn *conn = &db->writer;
    if (err->code == ERR_OK) {
        err_kept(conn_run(conn, SQL_COMMIT, err));
    }
    if (err->code != ERR_OK) {
        roll_back(conn, err);
    } else if (conn->wal_pages >= db->wal_pages) {
        /* Committed already: a checkpoint that cannot finish is tried again at the next commit. */
        sqlite3_wal_checkpoint_v2(conn->sqlite, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    }
    pthread_mutex_unlock(&db->write_lock);
    return err->code;
}

enum err_code db_read_begin(struct db *db, struct conn **conn, struct err *err)
{
    *conn = pool_take(&db->pool);
    if (begin(*conn, SQL_BEGIN_READ, err) != ERR_OK) {
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

/* ---- giving space back ---- */

struct space {
    int64_t n_pages;
    int64_t n_free;
    int64_t mode; /* 2: incremental */
};

static enum err_code read_space(struct conn *conn, struct space *space, struct err *err)
{
    *space = (struct space){.n_pages = 0};
    if (conn_number(conn, SQL_AUTO_VACUUM, &space->mode, err) == ERR_OK &&
        conn_number(conn, SQL_PAGE_COUNT, &space->n_pages, err) == ERR_OK) {
        err_kept(conn_number(conn, SQL_FREELIST_COUNT, &space->n_free, err));
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
        conn_run(conn, SQL_INCREMENTAL_VACUUM, err) == ERR_OK &&
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

/* ---- following ---- */

enum err_code db_poll(struct db *db, enum db_change *out, struct err *err)
{
    struct db_stamp now;
    int64_t data_version = 0;
    if (!db->read_only) {
        *out = DB_SAME;
        return ERR_OK;
    }
    if (db_file_stamp(db->path, &now, err) != ERR_OK) {
        db->seen = (struct db_stamp){.n_bytes = 0}; /* whatever comes is another file */
        return err->code;
    }
    if (!same_file(&now, &db->seen)) {
        db->seen = now;
        *out = DB_REPLACED;
        return ERR_OK;
    }
    if (same_file(&now, &db->opened) &&
        conn_number(&db->watcher, SQL_DATA_VERSION, &data_version, err) != ERR_OK) {
        return err->code;
    }
    bool committed = data_version != db->data_version && same_file(&now, &db->opened);
    /* A writer has come: what it commits does not show without the log. */
    bool log = db->mode == CONN_IMMUTABLE && db_file_has_log(db->path, db->stale_index);
    bool touched =
        log || now.n_bytes != db->seen.n_bytes || now.modified_ns != db->seen.modified_ns;
    db->data_version = committed ? data_version : db->data_version;
    db->seen = now;
    *out = committed ? DB_CHANGED : touched ? DB_REPLACED : DB_SAME;
    return ERR_OK;
}

enum err_code db_reopen(struct db *db, struct err *err)
{
    return db->read_only ? open_read_only(db, err)
                         : err_set(err, ERR_INTERNAL, "a writable registry is not opened again");
}

/* ---- care ---- */

bool db_is_alive(struct db *db)
{
    struct err err = ERR_INIT;
    struct conn *conn;
    if (db_read_begin(db, &conn, &err) != ERR_OK) {
        return false;
    }
    int64_t count = 0;
    err_kept(conn_number(conn, SQL_TABLE_COUNT, &count, &err));
    return db_read_end(db, conn, &err) == ERR_OK;
}

enum err_code db_check(struct db *db, struct err *err)
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
