/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite/conn.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "store/sqlite/db_file.h"
#include "store/sqlite/query.h"

#define BUSY_MS 5000 /* how long to wait for the lock of another process */

/* The errno that SQLite met; 0 when the failure was not one of the system. */
static int system_reason(struct conn *conn, int status)
{
    int primary = status & 0xff;
    bool system = primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN;
    return system && conn->sqlite != NULL ? sqlite3_system_errno(conn->sqlite) : 0;
}

enum err_code conn_error(struct conn *conn, int status, const char *what, struct err *err)
{
    int reason = system_reason(conn, status);
    const char *text = conn->sqlite != NULL ? sqlite3_errmsg(conn->sqlite) : sqlite3_errstr(status);
    switch (status == SQLITE_IOERR_NOMEM ? SQLITE_NOMEM : status & 0xff) {
    case SQLITE_NOMEM:
        return err_set(err, ERR_NOMEM, "%s: out of memory", what);
    case SQLITE_FULL:
        return err_set(err, ERR_FULL, "%s: the disk is full", what);
    case SQLITE_CORRUPT:
        return err_set(err, ERR_CORRUPT, "%s: the registry file is damaged", what);
    case SQLITE_NOTADB:
        return err_set(err, conn->is_ours ? ERR_CORRUPT : ERR_INVALID,
                       "%s: the file is no registry", what);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return err_set(err, ERR_BUSY, "%s: another process holds the registry file", what);
    case SQLITE_CONSTRAINT:
        return err_set(err, ERR_CONFLICT, "%s: %s", what, text);
    case SQLITE_INTERRUPT:
        return err_set(err, ERR_CANCELLED, "%s: interrupted", what);
    default:
        break;
    }
    switch (reason) {
    case 0:
        return err_set(err, ERR_IO, "%s: %s", what, text);
    case EDQUOT:
    case EFBIG:
    case ENOSPC:
        return err_set(err, ERR_FULL, "%s: no more can be stored: %s", what, strerror(reason));
    default:
        return err_set(err, ERR_IO, "%s: %s: %s", what, text, strerror(reason));
    }
}

enum err_code conn_exec(struct conn *conn, const char *sql, const char *what, struct err *err)
{
    int status = sqlite3_exec(conn->sqlite, sql, NULL, NULL, NULL);
    return status == SQLITE_OK ? ERR_OK : conn_error(conn, status, what, err);
}

enum err_code conn_begin(struct conn *conn, const char *what, struct err *err)
{
    return conn_exec(conn, "BEGIN IMMEDIATE", what, err);
}

enum err_code conn_end(struct conn *conn, const char *what, struct err *err)
{
    if (err->code != ERR_OK || conn_exec(conn, "COMMIT", what, err) != ERR_OK) {
        struct err ignored = ERR_INIT; /* the failure may have ended the transaction already */
        err_kept(conn_exec(conn, "ROLLBACK", what, &ignored));
    }
    return err->code;
}

static int note_log_length(void *ctx, sqlite3 *sqlite, const char *name, int pages)
{
    struct conn *conn = ctx;
    (void)sqlite;
    (void)name;
    conn->wal_pages = pages;
    return SQLITE_OK;
}

/* The journal mode belongs to the file; the answer tells whether it could be changed. */
static enum err_code use_wal(struct conn *conn, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    int status = sqlite3_prepare_v2(conn->sqlite, "PRAGMA journal_mode=WAL", -1, &statement, NULL);
    if (status == SQLITE_OK) {
        status = sqlite3_step(statement);
    }
    if (status != SQLITE_ROW) {
        conn_error(conn, status, "write-ahead log", err);
    } else if (strcmp((const char *)sqlite3_column_text(statement, 0), "wal") != 0) {
        err_set(err, ERR_IO, "the file system of the registry does not allow a write-ahead log");
    }
    sqlite3_finalize(statement);
    return err->code;
}

/* ---- opening ---- */

static int open_file(struct conn *conn, const char *path, int flags)
{
    int status = sqlite3_open_v2(path, &conn->sqlite, flags | SQLITE_OPEN_NOMUTEX, NULL);
    if (status == SQLITE_OK) {
        sqlite3_extended_result_codes(conn->sqlite, 1);
        sqlite3_busy_timeout(conn->sqlite, BUSY_MS);
    }
    return status;
}

/* "file:PATH?immutable=1", which the caller frees (mem_free). NULL: no memory. */
static char *immutable_uri(const char *path)
{
    size_t size = 3 * strlen(path) + sizeof "file:?immutable=1";
    char *uri = mem_alloc(size);
    if (uri == NULL) {
        return NULL;
    }
    size_t at = (size_t)snprintf(uri, size, "file:");
    for (; *path != '\0'; path++) {
        bool special = strchr("%?#", *path) != NULL;
        at += (size_t)snprintf(uri + at, size - at, special ? "%%%02X" : "%c", *path);
    }
    snprintf(uri + at, size - at, "?immutable=1");
    return uri;
}

/* SQLite opens any file; the first read finds out what is wrong with it. */
static enum err_code read_once(struct conn *conn, const char *path, struct err *err)
{
    return conn_exec(conn, "PRAGMA schema_version", path, err);
}

static enum err_code open_immutable(struct conn *conn, const char *path, struct err *err)
{
    char *uri = immutable_uri(path);
    if (uri == NULL) {
        return err_set(err, ERR_NOMEM, "no memory to open the registry");
    }
    sqlite3_close(conn->sqlite);
    conn->sqlite = NULL;
    int status = open_file(conn, uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
    mem_free(uri);
    return status == SQLITE_OK ? read_once(conn, path, err) : conn_error(conn, status, path, err);
}

/* Here the first read finds out whether the files of a write-ahead log can be made. */
static enum err_code open_read_only(struct conn *conn, const char *path, struct err *err)
{
    int status = open_file(conn, path, SQLITE_OPEN_READONLY);
    if (status != SQLITE_OK) {
        return conn_error(conn, status, path, err);
    }
    sqlite3_db_config(conn->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    status = sqlite3_exec(conn->sqlite, "PRAGMA schema_version", NULL, NULL, NULL);
    switch (status & 0xff) {
    case SQLITE_OK:
        return ERR_OK;
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
        break;
    default:
        return conn_error(conn, status, path, err);
    }
    if (db_file_has_log(path, 0)) {
        return err_set(err, ERR_IO,
                       "%s: its write-ahead log (-wal) or index of it (-shm) cannot be used by "
                       "this user, and without them the file is not whole",
                       path);
    }
    return open_immutable(conn, path, err);
}

/*
 * Lets the file give free pages back later (db_tidy). This costs nothing as long as the file has no
 * page; afterwards only VACUUM can change it (backup_compact).
 */
static enum err_code make_shrinkable(struct conn *conn, const char *path, struct err *err)
{
    int64_t n_pages = 0;
    if (query_number(conn, SQL_PAGE_COUNT, &n_pages, err) != ERR_OK || n_pages > 0) {
        return err->code;
    }
    return conn_exec(conn, "PRAGMA auto_vacuum=INCREMENTAL", path, err);
}

/*
 * secure_delete, which some builds of SQLite turn on, is turned off: it overwrites all deleted
 * content with zeros, through the log, which makes deleting rows take as long as uploading them.
 */
enum err_code conn_use_as_writer(struct conn *conn, const char *path, struct err *err)
{
    if (make_shrinkable(conn, path, err) != ERR_OK || use_wal(conn, err) != ERR_OK ||
        conn_exec(conn, "PRAGMA synchronous=FULL", path, err) != ERR_OK ||
        conn_exec(conn, "PRAGMA foreign_keys=ON", path, err) != ERR_OK ||
        conn_exec(conn, "PRAGMA secure_delete=OFF", path, err) != ERR_OK) {
        return err->code;
    }
    /* Replaces automatic checkpoints, which would run outside the write lock (db.h). */
    sqlite3_wal_hook(conn->sqlite, note_log_length, conn);
    return ERR_OK;
}

/* SQLite opens a file without permission to write too, and silently only reads it. */
static enum err_code open_to_write(struct conn *conn, const char *path, int flags, struct err *err)
{
    int status = open_file(conn, path, SQLITE_OPEN_READWRITE | flags);
    if (status != SQLITE_OK) {
        return conn_error(conn, status, path, err);
    }
    if (sqlite3_db_readonly(conn->sqlite, "main") == 1) {
        return err_set(err, ERR_IO,
                       "registry %s cannot be written to: permission denied; give this user the "
                       "right to, or serve with --read-only true",
                       path);
    }
    return ERR_OK;
}

enum err_code conn_open(struct conn *conn, const char *path, enum conn_mode mode, struct err *err)
{
    memset(conn, 0, sizeof *conn);
    switch (mode) {
    case CONN_WRITER:
        err_kept(open_to_write(conn, path, SQLITE_OPEN_CREATE, err));
        break;
    case CONN_READER:
        err_kept(open_to_write(conn, path, 0, err));
        break;
    case CONN_READ_ONLY:
        err_kept(open_read_only(conn, path, err));
        break;
    case CONN_IMMUTABLE:
        err_kept(open_immutable(conn, path, err));
        break;
    }
    /* Blobs are read once and in order, so a large page cache would only cost memory. */
    if (err->code != ERR_OK || conn_exec(conn, "PRAGMA trusted_schema=OFF", path, err) != ERR_OK ||
        conn_exec(conn, "PRAGMA cache_size=-512", path, err) != ERR_OK) {
        return err->code;
    }
    if (mode == CONN_READER) {
        return conn_exec(conn, "PRAGMA query_only=ON", path, err);
    }
    return ERR_OK;
}

void conn_fold_log(struct conn *conn)
{
    sqlite3_busy_timeout(conn->sqlite, 0);
    sqlite3_wal_checkpoint_v2(conn->sqlite, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    sqlite3_busy_timeout(conn->sqlite, BUSY_MS);
}

void conn_close(struct conn *conn)
{
    for (int i = 0; i < SQL_N_QUERIES; i++) {
        sqlite3_finalize(conn->statements[i]);
        conn->statements[i] = NULL;
    }
    sqlite3_close(conn->sqlite);
    conn->sqlite = NULL;
}

enum err_code conn_get_space(struct conn *conn, struct conn_space *out, struct err *err)
{
    *out = (struct conn_space){.page_bytes = 0};
    if (query_number(conn, SQL_PAGE_SIZE, &out->page_bytes, err) == ERR_OK &&
        query_number(conn, SQL_PAGE_COUNT, &out->n_pages, err) == ERR_OK) {
        err_kept(query_number(conn, SQL_FREELIST_COUNT, &out->n_free, err));
    }
    return err->code;
}
