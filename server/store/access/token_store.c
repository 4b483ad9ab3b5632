/* SPDX-License-Identifier: Apache-2.0 */
#include "store/access/token_store.h"

#include "store/sqlite/db_transaction.h"
#include "store/sqlite/query.h"
#include "store/sqlite/query_list.h"

#include <string.h>

/* In the order of access/limits.def, as the columns of token_list.sql are. */
static const char *const limit_parameters[LIMIT_N] = {
    [LIMIT_REQUESTS] = ":max_rate",     [LIMIT_ROWS] = ":max_rows",
    [LIMIT_BYTES] = ":max_bytes",       [LIMIT_CONCURRENT] = ":max_concurrent",
    [LIMIT_QUEUE] = ":max_queue_share",
};

static enum err_code check_token(const struct token *token, struct err *err)
{
    if (!token_id_is_valid(token->id)) {
        return err_set(err, ERR_INVALID,
                       "the id of a token has 1 to %d letters, digits and '-', not \"%.40s\"",
                       TOKEN_ID_CHARS, token->id);
    }
    if (!name_patterns_are_valid(token->models)) {
        return err_set(err, ERR_INVALID,
                       "models is \"%.60s\"; names of models are needed, with * and ?, separated "
                       "by commas",
                       token->models);
    }
    return ERR_OK;
}

static enum err_code make_room(struct conn *conn, struct err *err)
{
    int64_t n = 0;
    if (query_number(conn, SQL_TOKEN_COUNT, &n, err) != ERR_OK || n <= TOKEN_MAX_COUNT) {
        return err->code;
    }
    if (query_run(conn, SQL_TOKEN_PRUNE, err) == ERR_OK && query_changes(conn) == 0) {
        err_set(err, ERR_LIMIT, "there are %d tokens; revoke one first", TOKEN_MAX_COUNT);
    }
    return err->code;
}

static enum err_code insert_token(struct conn *conn, const struct token *token, struct err *err)
{
    struct query q = query_open(conn, SQL_TOKEN_INSERT, err);
    query_text(&q, ":id", token->id);
    query_int(&q, ":role", (int64_t)token->role);
    query_blob(&q, ":salt", token->salt, sizeof token->salt);
    query_blob(&q, ":digest", token->digest, sizeof token->digest);
    query_text(&q, ":models", token->models);
    for (int i = 0; i < LIMIT_N; i++) {
        query_int(&q, limit_parameters[i], token->limits.max[i]);
    }
    query_int(&q, ":created", db_now_ms());
    query_int(&q, ":expires", token->expires_ms);
    if (query_close(&q) == ERR_OK && query_changes(conn) == 0) {
        err_set(err, ERR_EXISTS, "there is or was a token \"%s\" already; choose another id",
                token->id);
    }
    /* After the insertion: if the token with the highest number of a change left before, that
     * number would be given out again. */
    return err->code == ERR_OK ? make_room(conn, err) : err->code;
}

enum err_code token_store_add(struct db *db, const struct token *token, struct err *err)
{
    struct conn *conn;
    if (check_token(token, err) != ERR_OK || db_write_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    err_kept(insert_token(conn, token, err));
    return db_write_end(db, err);
}

enum err_code token_store_revoke(struct db *db, const char *id, struct err *err)
{
    struct conn *conn;
    if (db_write_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    struct query q = query_open(conn, SQL_TOKEN_REVOKE, err);
    query_text(&q, ":id", id);
    query_int(&q, ":now", db_now_ms());
    if (query_close(&q) == ERR_OK && query_changes(conn) == 0) {
        err_set(err, ERR_NOT_FOUND, "no token \"%.40s\" is in use", id);
    }
    return db_write_end(db, err);
}

static void copy_bytes(struct query *q, int column, unsigned char *out, size_t size)
{
    size_t n = 0;
    const void *bytes = query_get_blob(q, column, &n);
    if (n == size) {
        memcpy(out, bytes, size);
    }
}

static void get_token(struct query *q, void *element)
{
    struct token *token = element;
    query_get_text(q, 0, token->id, sizeof token->id);
    token->role = (enum role)query_get_int(q, 1);
    copy_bytes(q, 2, token->salt, sizeof token->salt);
    copy_bytes(q, 3, token->digest, sizeof token->digest);
    query_get_text(q, 4, token->models, sizeof token->models);
    for (int i = 0; i < LIMIT_N; i++) {
        token->limits.max[i] = query_get_int(q, 5 + i);
    }
    token->created_ms = query_get_int(q, 5 + LIMIT_N);
    token->expires_ms = query_get_int(q, 6 + LIMIT_N);
    token->revoked_ms = query_get_int(q, 7 + LIMIT_N);
}

enum err_code token_store_list(struct db *db, struct token **out, size_t *n, struct err *err)
{
    struct conn *conn;
    struct query_list list = {.size = sizeof **out, .get = get_token};
    *out = NULL;
    *n = 0;
    if (db_read_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    struct query q = query_open(conn, SQL_TOKEN_LIST, err);
    err_kept(query_list_read(&list, &q));
    *out = list.array;
    *n = list.n;
    return db_read_end(db, conn, err);
}

enum err_code token_store_change(struct db *db, int64_t *out, struct err *err)
{
    struct conn *conn;
    if (db_read_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    err_kept(query_number(conn, SQL_TOKEN_CHANGE, out, err));
    return db_read_end(db, conn, err);
}
