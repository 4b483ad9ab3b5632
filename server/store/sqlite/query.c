/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite/query.h"

#include <string.h>

#include "base/mem.h"

struct query query_open(struct conn *conn, enum sql_query which, struct err *err)
{
    struct query q = {.conn = conn, .err = err};
    if (err->code != ERR_OK) {
        return q;
    }
    sqlite3_stmt **statement = &conn->statements[which];
    if (*statement == NULL) {
        int status = sqlite3_prepare_v3(conn->sqlite, sql_queries[which], -1,
                                        SQLITE_PREPARE_PERSISTENT, statement, NULL);
        if (status != SQLITE_OK) {
            conn_error(conn, status, "registry", err);
            return q;
        }
    }
    q.statement = *statement;
    return q;
}

static bool is_open_and_good(const struct query *q)
{
    return q->statement != NULL && q->err->code == ERR_OK;
}

static void collect_error(struct query *q, int status)
{
    if (status != SQLITE_OK) {
        conn_error(q->conn, status, "registry", q->err);
    }
}

static int parameter_index(const struct query *q, const char *name)
{
    return sqlite3_bind_parameter_index(q->statement, name);
}

void query_int(struct query *q, const char *name, int64_t value)
{
    if (is_open_and_good(q)) {
        collect_error(q, sqlite3_bind_int64(q->statement, parameter_index(q, name), value));
    }
}

void query_text(struct query *q, const char *name, const char *text)
{
    if (is_open_and_good(q)) {
        collect_error(
            q, sqlite3_bind_text(q->statement, parameter_index(q, name), text, -1, SQLITE_STATIC));
    }
}

void query_blob(struct query *q, const char *name, const void *bytes, size_t n_bytes)
{
    if (is_open_and_good(q)) {
        /* A zero-length blob needs a pointer, or it would be NULL. */
        collect_error(q, sqlite3_bind_blob64(q->statement, parameter_index(q, name),
                                             n_bytes > 0 ? bytes : "", n_bytes, SQLITE_STATIC));
    }
}

bool query_row(struct query *q)
{
    if (!is_open_and_good(q) || q->done) {
        return false;
    }
    int status = sqlite3_step(q->statement);
    if (status == SQLITE_ROW) {
        return true;
    }
    q->done = true;
    collect_error(q, status == SQLITE_DONE ? SQLITE_OK : status);
    return false;
}

int64_t query_get_int(struct query *q, int column)
{
    return sqlite3_column_int64(q->statement, column);
}

void query_get_text(struct query *q, int column, char *out, size_t size)
{
    const char *text = (const char *)sqlite3_column_text(q->statement, column);
    size_t len = text != NULL ? strlen(text) : 0;
    len = len < size ? len : size - 1;
    if (len > 0) {
        memcpy(out, text, len);
    }
    out[len] = '\0';
}

bool query_is_null(struct query *q, int column)
{
    return sqlite3_column_type(q->statement, column) == SQLITE_NULL;
}

const void *query_get_blob(struct query *q, int column, size_t *n_bytes)
{
    const void *bytes = sqlite3_column_blob(q->statement, column);
    *n_bytes = (size_t)sqlite3_column_bytes(q->statement, column);
    return bytes;
}

void query_copy_text(struct query *q, int column, char **out)
{
    size_t n = 0;
    *out = NULL;
    if (!query_is_null(q, column)) {
        const char *text = query_get_blob(q, column, &n);
        *out = mem_strndup(text != NULL ? text : "", n);
        if (*out == NULL) {
            err_set(q->err, ERR_NOMEM, "no memory for a text of the registry");
        }
    }
}

void query_copy_blob(struct query *q, int column, void **out, size_t *n_bytes)
{
    const void *bytes = query_get_blob(q, column, n_bytes);
    *out = NULL;
    if (*n_bytes > 0) {
        *out = mem_dup(bytes, *n_bytes);
        if (*out == NULL) {
            err_set(q->err, ERR_NOMEM, "no memory for %zu bytes of the registry", *n_bytes);
        }
    }
}

enum err_code query_close(struct query *q)
{
    while (query_row(q)) {
        continue;
    }
    return query_abandon(q);
}

enum err_code query_abandon(struct query *q)
{
    if (q->statement != NULL) {
        sqlite3_reset(q->statement);
        sqlite3_clear_bindings(q->statement);
        q->statement = NULL;
    }
    return q->err->code;
}

int64_t query_changes(struct conn *conn)
{
    return sqlite3_changes64(conn->sqlite);
}

enum err_code query_number(struct conn *conn, enum sql_query which, int64_t *out, struct err *err)
{
    struct query q = query_open(conn, which, err);
    if (query_row(&q)) {
        *out = query_get_int(&q, 0);
    }
    return query_close(&q);
}

enum err_code query_run(struct conn *conn, enum sql_query which, struct err *err)
{
    struct query q = query_open(conn, which, err);
    return query_close(&q);
}

enum err_code query_number_for(struct conn *conn, enum sql_query which, const char *name,
                               int64_t value, int64_t *out, struct err *err)
{
    struct query q = query_open(conn, which, err);
    query_int(&q, name, value);
    if (query_row(&q)) {
        *out = query_get_int(&q, 0);
    }
    return query_close(&q);
}

enum err_code query_run_for(struct conn *conn, enum sql_query which, const char *name,
                            int64_t value, struct err *err)
{
    struct query q = query_open(conn, which, err);
    query_int(&q, name, value);
    return query_close(&q);
}
