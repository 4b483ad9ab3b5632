/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection to the registry file, with the settings that the project relies on and the
 * statements prepared on it. A connection is used by one thread at a time.
 */
#ifndef CONN_H
#define CONN_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "sql.h"

struct conn {
    sqlite3 *sqlite;
    sqlite3_stmt *statements[SQL_N_QUERIES]; /* NULL until the first use */
    int wal_pages; /* length of the write-ahead log after the last commit */
    bool is_ours;  /* the file was a registry when it was opened; if it no longer is one, it is
                      damaged */
};

enum conn_mode {
    CONN_WRITER,    /* creates the file when it is absent; conn_use_as_writer must follow */
    CONN_READER,    /* reads beside the writer of this process */
    CONN_READ_ONLY, /* writes nothing, not even a checkpoint; another process may be writing */
    CONN_IMMUTABLE  /* nobody writes: takes no locks, makes no files, reads no write-ahead log */
};

/*
 * Opens a connection and sets its PRAGMAs. *conn may be closed even after a failure.
 *
 * SQLite cannot use CONN_READ_ONLY in a folder that it may not write to, because it would have to
 * make the files of a write-ahead log there. When no log is present, the file is opened as
 * CONN_IMMUTABLE instead; when one is, the error is ERR_IO.
 */
enum err_code conn_open(struct conn *conn, const char *path, enum conn_mode mode,
                        struct err *err) MUST_CHECK;
/* A zeroed connection may be closed. */
void conn_close(struct conn *conn);

/*
 * Prepares a CONN_WRITER for writing and puts the file into write-ahead mode. Call it only after
 * the file is known to be a registry.
 */
enum err_code conn_use_as_writer(struct conn *conn, const char *path, struct err *err) MUST_CHECK;

/* Runs statements that return no rows. `what` begins the message of an error. */
enum err_code conn_exec(struct conn *conn, const char *sql, const char *what,
                        struct err *err) MUST_CHECK;

/* A transaction of a writer that is only being opened; later ones are those of db_transaction.h. */
enum err_code conn_begin(struct conn *conn, const char *what, struct err *err) MUST_CHECK;
/* Commits when err holds no error, rolls back otherwise. Returns the error that stands. */
enum err_code conn_end(struct conn *conn, const char *what, struct err *err) MUST_CHECK;

/* Sizes of the file as this connection sees it. */
struct conn_space {
    int64_t page_bytes;
    int64_t n_pages;
    int64_t n_free; /* pages that hold nothing */
};
enum err_code conn_get_space(struct conn *conn, struct conn_space *out, struct err *err) MUST_CHECK;

/* Translates SQLite's last error on the connection. Returns the code. */
enum err_code conn_error(struct conn *conn, int status, const char *what, struct err *err);

/*
 * Folds the write-ahead log into the file and, if nobody reads from it, empties it, so that its
 * room returns to the disk. Waits for nobody. On the connection that writes, outside a transaction.
 */
void conn_fold_log(struct conn *conn);

#endif
