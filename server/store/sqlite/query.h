/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prepared statements of a connection.
 *
 * A query collects its errors: after the first one its calls do nothing, and query_close tells.
 *
 *     struct query q = query_open(conn, SQL_MODEL_FIND, err);
 *     query_text(&q, ":name", name);
 *     if (query_row(&q)) { id = query_get_int(&q, 0); }
 *     return query_close(&q);
 */
#ifndef QUERY_H
#define QUERY_H

#include <stddef.h>
#include <stdint.h>

#include "store/sqlite/conn.h"

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

/* The first column of the first row, a number; *out stays as it is without a row. */
enum err_code query_number(struct conn *conn, enum sql_query which, int64_t *out,
                           struct err *err) MUST_CHECK;

/* Runs a statement without parameters to its end. */
enum err_code query_run(struct conn *conn, enum sql_query which, struct err *err) MUST_CHECK;

#endif
