/* SPDX-License-Identifier: Apache-2.0 */
/* One connection to the registry file, with the settings that the project relies on. */
#ifndef CONN_H
#define CONN_H

#include <sqlite3.h>
#include <stdbool.h>

#include "base/compiler.h"
#include "base/err.h"
#include "sql.h"

/* One SQLite connection with its prepared statements; used by one thread at a time. */
struct conn {
    sqlite3 *sqlite;
    sqlite3_stmt *statements[SQL_N_QUERIES];
    int wal_pages; /* of the log after the last commit */
    bool is_ours;  /* it was a registry when it was opened: if it is none now, it is damaged */
};

enum conn_mode {
    CONN_WRITER,    /* makes the file when it is absent; see conn_use_as_writer */
    CONN_READER,    /* beside the writer of this process */
    CONN_READ_ONLY, /* writes nothing, not even a checkpoint; another process may be writing */
    CONN_IMMUTABLE /* nobody writes: no locks, no files beside it, and no write-ahead log is read */
};

/*
 * Opens a connection with our PRAGMAs. *conn may be closed even after a failure.
 *
 * CONN_READ_ONLY in a folder that cannot be written to: SQLite then cannot make the files that go
 * with a write-ahead log. When there is no such log the file is read as one that nobody changes;
 * when there is one, ERR_IO says so.
 */
enum err_code conn_open(struct conn *conn, const char *path, enum conn_mode mode,
                        int busy_timeout_ms, struct err *err) MUST_CHECK;
void conn_close(struct conn *conn);

/*
 * Makes a CONN_WRITER ready to write, and the file one with a write-ahead log: after it is known to
 * be ours.
 */
enum err_code conn_use_as_writer(struct conn *conn, const char *path, struct err *err) MUST_CHECK;

/* Runs statements that give no rows; `what` for the message. */
enum err_code conn_exec(struct conn *conn, const char *sql, const char *what,
                        struct err *err) MUST_CHECK;

/* SQLite's last error on the connection as ours. */
enum err_code conn_error(struct conn *conn, int status, const char *what, struct err *err);

#endif
