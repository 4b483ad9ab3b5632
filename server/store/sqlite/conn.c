/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite/conn.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "store/sqlite/db_file.h"
#include "store/sqlite/query.h"

/* What the system said to SQLite; 0: nothing, or it was not the system. */
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

static int on_commit(void *ctx, sqlite3 *sqlite, const char *name, int pages)
{
    struct conn *conn = ctx;
    (void)sqlite;
    (void)name;
    conn->wal_pages = pages;
    return SQLITE_OK;
}

/* WAL is a property of the file; the answer tells whether it was granted. */
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

static int open_file(struct conn *conn, const char *path, int flags, int busy_timeout_ms)
{
    int status = sqlite3_open_v2(path, &conn->sqlite, flags | SQLITE_OPEN_NOMUTEX, NULL);
    if (status == SQLITE_OK) {
        sqlite3_extended_result_codes(conn->sqlite, 1);
        sqlite3_busy_timeout(conn->sqlite, busy_timeout_ms);
    }
    return status;
}

/* "file:PATH?immutable=1", in the memory of the caller (mem_free); NULL: no memory. */
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

static enum err_code probe(struct conn *conn, const char *path, struct err *err)
{
    return conn_exec(conn, "PRAGMA schema_version", path, err);
}

static enum err_code open_immutable(struct conn *conn, const char *path, int busy_timeout_ms,
                                    struct err *err)
{
    char *uri = immutable_uri(path);
    if (uri == NULL) {
        return err_set(err, ERR_NOMEM, "no memory to open the registry");
    }
    sqlite3_close(conn->sqlite);
    conn->sqlite = NULL;
    int status = open_file(conn, uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, busy_timeout_ms);
    mem_free(uri);
    return status == SQLITE_OK ? probe(conn, path, err) : conn_error(conn, status, path, err);
}

/* The first read tells whether the files of a write-ahead log can be had. */
static enum err_code open_read_only(struct conn *conn, const char *path, int busy_timeout_ms,
                                    struct err *err)
{
    int status = open_file(conn, path, SQLITE_OPEN_READONLY, busy_timeout_ms);
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
    return open_immutable(conn, path, busy_timeout_ms, err);
}

/*
 * Only a file that has no page yet can be told, at no cost, to give space back later; an older one
 * is told by VACUUM (backup_compact).
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
 * Without secure_delete, which some builds of SQLite turn on: it writes zeros over all that is
 * deleted, through the log, so that the deletion of rows took as long as their upload.
 */
enum err_code conn_use_as_writer(struct conn *conn, const char *path, struct err *err)
{
    if (make_shrinkable(conn, path, err) != ERR_OK || use_wal(conn, err) != ERR_OK ||
        conn_exec(conn, "PRAGMA synchronous=FULL", path, err) != ERR_OK ||
        conn_exec(conn, "PRAGMA foreign_keys=ON", path, err) != ERR_OK ||
        conn_exec(conn, "PRAGMA secure_delete=OFF", path, err) != ERR_OK) {
        return err->code;
    }
    /* Takes the place of automatic checkpoints, which would run outside our lock's view. */
    sqlite3_wal_hook(conn->sqlite, on_commit, conn);
    return ERR_OK;
}

/* SQLite opens a file that it may not write to all the same, for reading. */
static enum err_code open_to_write(struct conn *conn, const char *path, int flags,
                                   int busy_timeout_ms, struct err *err)
{
    int status = open_file(conn, path, SQLITE_OPEN_READWRITE | flags, busy_timeout_ms);
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

enum err_code conn_open(struct conn *conn, const char *path, enum conn_mode mode,
                        int busy_timeout_ms, struct err *err)
{
    memset(conn, 0, sizeof *conn);
    switch (mode) {
    case CONN_WRITER:
        err_kept(open_to_write(conn, path, SQLITE_OPEN_CREATE, busy_timeout_ms, err));
        break;
    case CONN_READER:
        err_kept(open_to_write(conn, path, 0, busy_timeout_ms, err));
        break;
    case CONN_READ_ONLY:
        err_kept(open_read_only(conn, path, busy_timeout_ms, err));
        break;
    case CONN_IMMUTABLE:
        err_kept(open_immutable(conn, path, busy_timeout_ms, err));
        break;
    }
    /* Pages are read once, blobs in order: what a connection keeps is memory for nothing. */
    if (err->code != ERR_OK || conn_exec(conn, "PRAGMA trusted_schema=OFF", path, err) != ERR_OK ||
        conn_exec(conn, "PRAGMA cache_size=-512", path, err) != ERR_OK) {
        return err->code;
    }
    if (mode == CONN_READER) {
        return conn_exec(conn, "PRAGMA query_only=ON", path, err);
    }
    return ERR_OK;
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
