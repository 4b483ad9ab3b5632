/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statements of schema/queries on a connection.
 *
 * A query collects its errors: after the first one, further calls do nothing, and query_close
 * returns it.
 *
 *     struct query q = query_open(conn, SQL_THING_FIND, err);
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
    sqlite3_stmt *statement; /* NULL when it could not be prepared, and once it is closed */
    struct err *err;
    bool done; /* no row is left */
};

/* Each statement is prepared once per connection, so it can be open only once at a time. */
struct query query_open(struct conn *conn, enum sql_query which, struct err *err);

/* ---- parameters, by name ---- */

void query_int(struct query *q, const char *name, int64_t value);
/* NULL binds NULL. The text must stay until query_close. */
void query_text(struct query *q, const char *name, const char *text);
/* The bytes must stay until query_close. */
void query_blob(struct query *q, const char *name, const void *bytes, size_t n_bytes);

/* ---- rows ---- */

/* Steps to the next row; false at the end and after an error. */
bool query_row(struct query *q);
int64_t query_get_int(struct query *q, int column);
/* Copies at most size - 1 bytes. NULL becomes "". */
void query_get_text(struct query *q, int column, char *out, size_t size);
bool query_is_null(struct query *q, int column);
/* Borrowed until the next step. */
const void *query_get_blob(struct query *q, int column, size_t *n_bytes);
/* Copies, which the caller frees (mem_free). *out is NULL for NULL, and for a blob of no bytes. */
void query_copy_text(struct query *q, int column, char **out);
void query_copy_blob(struct query *q, int column, void **out, size_t *n_bytes);

/* ---- the end ---- */

/* Steps through the rows that are left, then resets. Returns the error collected, if any. */
enum err_code query_close(struct query *q);
/* The same without stepping, for a caller that has seen enough. */
enum err_code query_abandon(struct query *q);

/* How many rows the last statement changed. */
int64_t query_changes(struct conn *conn);

/* ---- whole queries ---- */

/* The number in the first column of the first row. Without a row *out stays as it is. */
enum err_code query_number(struct conn *conn, enum sql_query which, int64_t *out,
                           struct err *err) MUST_CHECK;
enum err_code query_run(struct conn *conn, enum sql_query which, struct err *err) MUST_CHECK;
/* The same with one number as a parameter. */
enum err_code query_number_for(struct conn *conn, enum sql_query which, const char *name,
                               int64_t value, int64_t *out, struct err *err) MUST_CHECK;
enum err_code query_run_for(struct conn *conn, enum sql_query which, const char *name,
                            int64_t value, struct err *err) MUST_CHECK;

#endif
