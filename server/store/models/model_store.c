/* SPDX-License-Identifier: Apache-2.0 */
#include "store/models/model_store.h"

#include <string.h>

#include "base/mem.h"
#include "store/models/model_admin.h"
#include "store/models/model_find.h"
#include "store/sqlite/chunks.h"
#include "store/sqlite/db_transaction.h"
#include "store/sqlite/query.h"

/* ---- put ---- */

/* "": no such version. */
static enum err_code get_digest(struct conn *conn, int64_t model, int64_t version, char *digest,
                                struct err *err)
{
    digest[0] = '\0';
    struct query q = query_open(conn, SQL_VERSION_DIGEST, err);
    query_int(&q, ":model", model);
    query_int(&q, ":version", version);
    if (query_row(&q)) {
        query_get_text(&q, 0, digest, DIGEST_HEX_CHARS + 1);
    }
    return query_close(&q);
}

/* Does a header's list name this digest? A digest is too long to stand in another tag by chance. */
static bool names_digest(const char *header, const char *digest)
{
    return digest[0] != '\0' && (strcmp(header, "*") == 0 || strstr(header, digest) != NULL);
}

static enum err_code check_conditions(struct conn *conn, const struct put_request *put,
                                      int64_t model, int64_t default_version, struct err *err)
{
    char digest[DIGEST_HEX_CHARS + 1];
    if (get_digest(conn, model, default_version, digest, err) != ERR_OK) {
        return err->code;
    }
    if (put->if_match != NULL && !names_digest(put->if_match, digest)) {
        return err_set(err, ERR_PRECONDITION,
                       "the default version of model %s is none that If-Match names", put->model);
    }
    if (put->if_none_match != NULL && names_digest(put->if_none_match, digest)) {
        return err_set(err, ERR_PRECONDITION,
                       "the default version of model %s is one that If-None-Match names",
                       put->model);
    }
    return ERR_OK;
}

static enum err_code insert_version(struct db *db, struct conn *conn, const struct put_request *put,
                                    int64_t model, struct put_result *out, struct err *err)
{
    struct query q = query_open(conn, SQL_MODEL_TAKE_VERSION, err);
    query_int(&q, ":model", model);
    if (query_row(&q)) {
        out->version = query_get_int(&q, 0);
    }
    if (query_close(&q) != ERR_OK) {
        return err->code;
    }
    q = query_open(conn, SQL_VERSION_INSERT, err);
    query_int(&q, ":model", model);
    query_int(&q, ":version", out->version);
    query_text(&q, ":digest", out->digest);
    query_int(&q, ":n_bytes", (int64_t)put->n_bytes);
    query_int(&q, ":now", db_now_ms());
    if (query_close(&q) != ERR_OK) {
        return err->code;
    }
    struct chunks chunks = {.conn = conn,
                            .query = SQL_VERSION_CHUNK_INSERT,
                            .keys = {":model", ":version"},
                            .of = {model, out->version}};
    return chunks_write(&chunks, db_chunk_bytes(db), put->bytes, put->n_bytes, err);
}

enum err_code model_put(struct db *db, struct conn *conn, const struct put_request *put,
                        struct put_result *out, struct err *err)
{
    int64_t model = 0;
    int64_t default_version = 0;
    unsigned char sha256[SHA256_BYTES];
    *out = (struct put_result){.created = true};
    if (digest_sha256(put->bytes, put->n_bytes, sha256, err) != ERR_OK) {
        return err->code;
    }
    digest_hex(sha256, out->digest);
    if (model_find_or_add(conn, put->model, &model, &default_version, err) != ERR_OK ||
        check_conditions(conn, put, model, default_version, err) != ERR_OK) {
        return err->code;
    }
    struct query q = query_open(conn, SQL_VERSION_FIND_DIGEST, err);
    query_int(&q, ":model", model);
    query_text(&q, ":digest", out->digest);
    if (query_row(&q)) {
        out->version = query_get_int(&q, 0);
        out->created = false;
    }
    if (query_close(&q) != ERR_OK) {
        return err->code;
    }
    if (out->created && insert_version(db, conn, put, model, out, err) != ERR_OK) {
        return err->code;
    }
    struct default_change change = {
        .model = model, .version = out->version, .origin = put->origin, .job = put->job};
    bool first = default_version == 0 && put->origin == PROMOTION_REGISTER;
    if ((put->promote || first) && model_change_default(conn, &change, err) != ERR_OK) {
        return err->code;
    }
    /* Content that was there before may be old, and its version is the answer: it must stay. */
    return out->created ? model_prune(conn, model, NULL, err) : ERR_OK;
}

enum err_code model_store_put(struct db *db, const struct put_request *put, struct put_result *out,
                              struct err *err)
{
    struct conn *conn;
    if (db_write_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    err_kept(model_put(db, conn, put, out, err));
    return db_write_end(db, err);
}

/* ---- load ---- */

struct content {
    unsigned char *bytes;
    size_t n_bytes;
    char digest[DIGEST_HEX_CHARS + 1];
};

static enum err_code verify(const struct content *content, struct err *err)
{
    unsigned char sha256[SHA256_BYTES];
    char hex[DIGEST_HEX_CHARS + 1];
    if (digest_sha256(content->bytes, content->n_bytes, sha256, err) != ERR_OK) {
        return err->code;
    }
    digest_hex(sha256, hex);
    return strcmp(hex, content->digest) == 0
               ? ERR_OK
               : err_set(err, ERR_CORRUPT, "the stored content does not match its SHA-256");
}

static enum err_code read_content(struct conn *conn, const char *name, int64_t version,
                                  struct content *content, struct err *err)
{
    int64_t model = 0;
    bool found = false;
    if (model_find(conn, name, &model, NULL, err) != ERR_OK) {
        return err->code;
    }
    struct query q = query_open(conn, SQL_VERSION_DIGEST, err);
    query_int(&q, ":model", model);
    query_int(&q, ":version", version);
    if (query_row(&q)) {
        found = true;
        query_get_text(&q, 0, content->digest, sizeof content->digest);
        content->n_bytes = (size_t)query_get_int(&q, 1);
    }
    if (query_close(&q) != ERR_OK) {
        return err->code;
    }
    if (!found) {
        return err_set(err, ERR_NOT_FOUND, "model %.64s has no version %lld", name,
                       (long long)version);
    }
    content->bytes = mem_alloc(content->n_bytes);
    if (content->bytes == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a version of %zu bytes", content->n_bytes);
    }
    struct chunks chunks = {.conn = conn,
                            .query = SQL_VERSION_CHUNKS,
                            .keys = {":model", ":version"},
                            .of = {model, version}};
    return chunks_read(&chunks, content->bytes, content->n_bytes, err) == ERR_OK
               ? verify(content, err)
               : err->code;
}

static enum err_code load_once(struct db *db, const char *model, int64_t version,
                               struct content *content, struct err *err)
{
    struct conn *conn;
    if (db_read_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    err_kept(read_content(conn, model, version, content, err));
    if (db_read_end(db, conn, err) != ERR_OK) {
        mem_free(content->bytes);
        content->bytes = NULL;
    }
    return err->code;
}

enum err_code model_store_load(struct db *db, const char *model, int64_t version, void **bytes,
                               size_t *n_bytes, struct err *err)
{
    struct content content = {.bytes = NULL};
    if (load_once(db, model, version, &content, err) == ERR_CORRUPT) {
        /* A version is damaged for good, so it must be seen twice: reading can go wrong, too. */
        err_clear(err);
        content = (struct content){.bytes = NULL};
        err_kept(load_once(db, model, version, &content, err));
    }
    if (err->code == ERR_OK) {
        *bytes = content.bytes;
        *n_bytes = content.n_bytes;
    } else if (err->code == ERR_CORRUPT) {
        struct err marking = ERR_INIT; /* a mark that cannot be set is set at the next load */
        err_kept(model_store_mark_damaged(db, model, version, err_msg(err), &marking));
    }
    return err->code;
}
