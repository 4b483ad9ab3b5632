/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections, transactions and statements, for the files of this folder.
 *
 * A query collects its errors: after the first one its calls do nothing, and query_close tells.
 *
 *     struct query q = query_open(conn, SQL_MODEL_FIND, err);
 *     query_text(&q, ":name", name);
 *     if (query_row(&q)) { id = query_get_int(&q, 0); }
 *     return query_close(&q);
 */
#ifndef DB_PRIV_H
#define DB_PRIV_H

#include <sqlite3.h>

#include "base/digest.h"
#include "store/sqlite/db.h"
#include "sql.h"

#define DB_APPLICATION_ID 0x53524754 /* "SRGT" */

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

/* The first column of the first row, a number; *out stays as it is without a row. */
enum err_code conn_number(struct conn *conn, enum sql_query which, int64_t *out,
                          struct err *err) MUST_CHECK;

/* Runs a statement without parameters to its end. */
enum err_code conn_run(struct conn *conn, enum sql_query which, struct err *err) MUST_CHECK;

/* SQLite's last error on the connection as ours. */
enum err_code conn_error(struct conn *conn, int status, const char *what, struct err *err);

/* The registry's write connection inside a transaction, under the one write lock. */
enum err_code db_write_begin(struct db *db, struct conn **conn, struct err *err) MUST_CHECK;
/* Commits when err holds none, else rolls back; gives the lock back. Returns what stands. */
enum err_code db_write_end(struct db *db, struct err *err) MUST_CHECK;

/* A read connection inside a transaction: one consistent view. */
enum err_code db_read_begin(struct db *db, struct conn **conn, struct err *err) MUST_CHECK;
enum err_code db_read_end(struct db *db, struct conn *conn, struct err *err) MUST_CHECK;

/* Bytes of a stored chunk: 64 MiB, less in tests. */
size_t db_chunk_bytes(const struct db *db);

struct query {
    struct conn *conn;
    sqlite3_stmt *statement;
    struct err *err;
    bool done; /* stepped to its end */
};

struct query query_open(struct conn *conn, enum sql_query which, struct err *err);
void query_int(struct query *q, const char *name, int64_t value);
/* NULL binds NULL. The text must stay until query_close. */
void query_text(struct query *q, const char *name, const char *text);
void query_blob(struct query *q, const char *name, const void *bytes, size_t n_bytes);
/* Steps; true: there is a row. */
bool query_row(struct query *q);
int64_t query_get_int(struct query *q, int column);
/* Copies at most size - 1 bytes; a NULL becomes "". */
void query_get_text(struct query *q, int column, char *out, size_t size);
bool query_is_null(struct query *q, int column);
/* Borrowed until the next step. */
const void *query_get_blob(struct query *q, int column, size_t *n_bytes);
/* Runs what is left and resets. Returns what stands in err. */
enum err_code query_close(struct query *q);
/* The same without running: for readers that have seen enough. */
enum err_code query_abandon(struct query *q);
/* Rows the last closed change touched. */
int64_t query_changes(struct conn *conn);

/* Row id of a model that is there; ERR_NOT_FOUND. The rest may be NULL. */
enum err_code model_find(struct conn *conn, const char *name, int64_t *id, int64_t *default_version,
                         struct err *err) MUST_CHECK;
/* The same, made when it is not there. */
enum err_code model_find_or_add(struct conn *conn, const char *name, int64_t *id,
                                int64_t *default_version, struct err *err) MUST_CHECK;

struct put_request;
struct put_result;
/* model_store_put inside a transaction of the caller's. */
enum err_code model_put(struct db *db, struct conn *conn, const struct put_request *put,
                        struct put_result *out, struct err *err) MUST_CHECK;

#endif
