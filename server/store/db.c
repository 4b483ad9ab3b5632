/* SPDX-License-Identifier: Apache-2.0 */
#include "db_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "data_priv.h"
#include "mem.h"
#include "migrate.h"

#define DEFAULT_READERS     4
#define MAX_READERS         64
#define DEFAULT_BUSY_MS     5000
#define CHECKPOINT_PAGES    1000 /* 4 MB of log, SQLite's own default */
#define DEFAULT_CHUNK_BYTES ((size_t)64 << 20)

struct db {
    char *path;
    int lock_file;              /* flock'ed while we have the registry */
    pthread_mutex_t write_lock; /* guards `writer`: every write and every checkpoint */
    struct conn writer;
    pthread_mutex_t pool_lock;
    pthread_cond_t pool_free;
    struct conn readers[MAX_READERS];
    struct conn *idle[MAX_READERS]; /* guarded by pool_lock */
    int n_idle;                     /* guarded by pool_lock */
    int n_readers;
    size_t chunk_bytes;
    int wal_pages;
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

/* ---- opening ---- */

static enum err_code lock_registry(struct db *db, struct err *err)
{
    size_t size = strlen(db->path) + sizeof ".lock";
    char *path = mem_alloc(size);
    if (path == NULL) {
        return err_set(err, ERR_NOMEM, "no memory to open the registry");
    }
    snprintf(path, size, "%s.lock", db->path);
    db->lock_file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (db->lock_file < 0) {
        int reason = errno;
        err_set(err, ERR_IO, "registry %s cannot be opened: %s%s", db->path, strerror(reason),
                reason == ENOENT ? "; make its folder first" : "");
    } else if (flock(db->lock_file, LOCK_EX | LOCK_NB) != 0) {
        err_set(err, ERR_CONFLICT, "registry %s is in use by another surrogated", db->path);
    }
    mem_free(path);
    return err->code;
}

static enum err_code read_number(struct conn *conn, enum sql_query which, int64_t *out,
                                 struct err *err)
{
    struct query q = query_open(conn, which, err);
    if (query_row(&q)) {
        *out = query_get_int(&q, 0);
    }
    return query_close(&q);
}

/* Is the file new, or ours? */
static enum err_code check_owner(struct db *db, struct err *err)
{
    int64_t application = 0;
    int64_t tables = 0;
    if (read_number(&db->writer, SQL_APPLICATION_ID, &application, err) != ERR_OK ||
        read_number(&db->writer, SQL_TABLE_COUNT, &tables, err) != ERR_OK) {
        err_prefix(err, "registry %s", db->path);
        return err->code;
    }
    if (application == DB_APPLICATION_ID) {
        return ERR_OK;
    }
    if (application != 0 || tables != 0) {
        return err_set(err, ERR_INVALID, "%s is a database of another program; name another file",
                       db->path);
    }
    char sql[64];
    snprintf(sql, sizeof sql, "PRAGMA application_id=%d", DB_APPLICATION_ID);
    return conn_exec(&db->writer, sql, db->path, err);
}

static enum err_code open_readers(struct db *db, const struct db_settings *settings,
                                  int busy_timeout_ms, struct err *err)
{
    int n = settings->n_readers > 0 ? settings->n_readers : DEFAULT_READERS;
    n = n < MAX_READERS ? n : MAX_READERS;
    for (int i = 0; i < n; i++) {
        db->n_readers = i + 1;
        if (conn_open(&db->readers[i], db->path, true, busy_timeout_ms, err) != ERR_OK) {
            return err->code;
        }
        db->idle[db->n_idle++] = &db->readers[i];
    }
    return ERR_OK;
}

enum err_code db_open(struct db **out, const struct db_settings *settings, struct err *err)
{
    int busy = settings->busy_timeout_ms > 0 ? settings->busy_timeout_ms : DEFAULT_BUSY_MS;
    struct db *db = mem_zalloc(sizeof *db);
    if (db == NULL) {
        return err_set(err, ERR_NOMEM, "no memory to open the registry");
    }
    db->lock_file = -1;
    db->chunk_bytes = settings->chunk_bytes > 0 ? settings->chunk_bytes : DEFAULT_CHUNK_BYTES;
    db->wal_pages = settings->wal_pages > 0 ? settings->wal_pages : CHECKPOINT_PAGES;
    pthread_mutex_init(&db->write_lock, NULL);
    pthread_mutex_init(&db->pool_lock, NULL);
    pthread_cond_init(&db->pool_free, NULL);
    db->path = mem_strdup(settings->path);
    if (db->path == NULL) {
        err_set(err, ERR_NOMEM, "no memory to open the registry");
        goto done;
    }
    if (lock_registry(db, err) != ERR_OK ||
        conn_open(&db->writer, db->path, false, busy, err) != ERR_OK ||
        check_owner(db, err) != ERR_OK || migrate_run(&db->writer, db->path, err) != ERR_OK ||
        data_upgrade(&db->writer, db->path, err) != ERR_OK ||
        open_readers(db, settings, busy, err) != ERR_OK) {
        goto done;
    }
    db->writer.is_ours = true;
    *out = db;
done:
    if (err->code != ERR_OK) {
        db_close(db);
    }
    return err->code;
}

void db_close(struct db *db)
{
    if (db == NULL) {
        return;
    }
    for (int i = 0; i < db->n_readers; i++) {
        conn_close(&db->readers[i]);
    }
    if (db->writer.sqlite != NULL) {
        sqlite3_wal_checkpoint_v2(db->writer.sqlite, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    }
    conn_close(&db->writer);
    if (db->lock_file >= 0) {
        close(db->lock_file);
    }
    pthread_cond_destroy(&db->pool_free);
    pthread_mutex_destroy(&db->pool_lock);
    pthread_mutex_destroy(&db->write_lock);
    mem_free(db->path);
    mem_free(db);
}

/* ---- transactions ---- */

static enum err_code run_plain(struct conn *conn, enum sql_query which, struct err *err)
{
    struct query q = query_open(conn, which, err);
    return query_close(&q);
}

/* What the last transaction could not roll back at its end is rolled back now. */
static enum err_code begin(struct conn *conn, enum sql_query which, struct err *err)
{
    if (sqlite3_get_autocommit(conn->sqlite) == 0 && run_plain(conn, SQL_ROLLBACK, err) != ERR_OK) {
        return err->code;
    }
    return run_plain(conn, which, err);
}

/* Ends a transaction that is not, or was not, committed. */
static void roll_back(struct conn *conn, const struct err *why)
{
    /* A failed statement may have ended it by itself. */
    if (sqlite3_get_autocommit(conn->sqlite) == 0) {
        struct err ignored = ERR_INIT;
        err_kept(run_plain(conn, SQL_ROLLBACK, &ignored));
    }
    if (why->code == ERR_CORRUPT) {
        /* The pages may be good and only their reading was not: they are read again next time. */
        sqlite3_db_release_memory(conn->sqlite);
    }
}

enum err_code db_write_begin(struct db *db, struct conn **conn, struct err *err)
{
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
        err_kept(run_plain(conn, SQL_COMMIT, err));
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

static void give_back(struct db *db, struct conn *conn)
{
    pthread_mutex_lock(&db->pool_lock);
    db->idle[db->n_idle++] = conn;
    pthread_cond_signal(&db->pool_free);
    pthread_mutex_unlock(&db->pool_lock);
}

enum err_code db_read_begin(struct db *db, struct conn **conn, struct err *err)
{
    pthread_mutex_lock(&db->pool_lock);
    while (db->n_idle == 0) {
        pthread_cond_wait(&db->pool_free, &db->pool_lock);
    }
    *conn = db->idle[--db->n_idle];
    pthread_mutex_unlock(&db->pool_lock);
    if (begin(*conn, SQL_BEGIN_READ, err) != ERR_OK) {
        give_back(db, *conn);
    }
    return err->code;
}

enum err_code db_read_end(struct db *db, struct conn *conn, struct err *err)
{
    roll_back(conn, err);
    give_back(db, conn);
    return err->code;
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
    err_kept(read_number(conn, SQL_PING, &count, &err));
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
