/* SPDX-License-Identifier: Apache-2.0 */
#include "store/models/model_store.h"

#include <string.h>

#include "base/mem.h"
#include "store/models/model_admin.h"
#include "store/models/model_find.h"
#include "store/sqlite/chunks.h"
#include "store/sqlite/db_transaction.h"
#include "store/sqlite/query.h"

static struct chunks chunks_of(struct conn *conn, enum sql_query query, int64_t model,
                               int64_t version)
{
    return (struct chunks){
        .conn = conn, .query = query, .keys = {":model", ":version"}, .of = {model, version}};
}

/* hex: [DIGEST_HEX_CHARS + 1] */
static enum err_code hash_content(const void *bytes, size_t n_bytes, char *hex, struct err *err)
{
    unsigned char sha256[SHA256_BYTES];
    if (digest_sha256(bytes, n_bytes, sha256, err) == ERR_OK) {
        digest_hex(sha256, hex);
    }
    return err->code;
}

/* ---- put ---- */

/* Does a header's list contain this digest? Within another tag it cannot occur by chance. */
static bool names_digest(const char *header, const char *digest)
{
    return digest[0] != '\0' && (strcmp(header, "*") == 0 || strstr(header, digest) != NULL);
}

static enum err_code check_conditions(struct conn *conn, const struct put_request *put,
                                      int64_t model, int64_t default_version, struct err *err)
{
    struct stored_version now;
    if (model_get_version(conn, model, default_version, &now, err) != ERR_OK) {
        return err->code;
    }
    if (put->if_match != NULL && !names_digest(put->if_match, now.digest)) {
        return err_set(err, ERR_PRECONDITION,
                       "the default version of model %s is none that If-Match names", put->model);
    }
    if (put->if_none_match != NULL && names_digest(put->if_none_match, now.digest)) {
        return err_set(err, ERR_PRECONDITION,
                       "the default version of model %s is one that If-None-Match names",
                       put->model);
    }
    return ERR_OK;
}

static enum err_code insert_version(struct db *db, struct conn *conn, const struct put_request *put,
                                    int64_t model, struct put_result *out, struct err *err)
{
    if (query_number_for(conn, SQL_MODEL_TAKE_VERSION, ":model", model, &out->version, err) !=
        ERR_OK) {
        return err->code;
    }
    struct query q = query_open(conn, SQL_VERSION_INSERT, err);
    query_int(&q, ":model", model);
    query_int(&q, ":version", out->version);
    query_text(&q, ":digest", out->digest);
    query_int(&q, ":n_bytes", (int64_t)put->n_bytes);
    query_int(&q, ":now", db_now_ms());
    if (query_close(&q) != ERR_OK) {
        return err->code;
    }
    struct chunks chunks = chunks_of(conn, SQL_VERSION_CHUNK_INSERT, model, out->version);
    return chunks_write(&chunks, db_chunk_bytes(db), put->bytes, put->n_bytes, err);
}

enum err_code model_put(struct db *db, struct conn *conn, const struct put_request *put,
                        struct put_result *out, struct err *err)
{
    int64_t model = 0;
    int64_t default_version = 0;
    *out = (struct put_result){.created = true};
    if (hash_content(put->bytes, put->n_bytes, out->digest, err) != ERR_OK ||
        model_find_or_add(conn, put->model, &model, &default_version, err) != ERR_OK ||
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
    const struct version_place place = {model, out->version};
    if (put->rows != NULL && version_rows_put(db, conn, &place, put->rows, err) != ERR_OK) {
        return err->code;
    }
    struct default_change change = {.model = model,
                                    .version = out->version,
                                    .origin = put->origin,
                                    .job = put->job,
                                    .rows_used = put->rows_used};
    bool first = default_version == 0 && put->origin == PROMOTION_REGISTER;
    if ((put->promote || first) && model_change_default(conn, &change, err) != ERR_OK) {
        return err->code;
    }
    /* If the content existed, its version may be an old one; as the answer, it must stay. */
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
    const char *name;     /* of the model */
    unsigned char *bytes; /* [n_bytes], mem */
    size_t n_bytes;
};

static enum err_code check_digest(const struct content *content, const char *digest,
                                  struct err *err)
{
    char hex[DIGEST_HEX_CHARS + 1];
    if (hash_content(content->bytes, content->n_bytes, hex, err) != ERR_OK) {
        return err->code;
    }
    return strcmp(hex, digest) == 0
               ? ERR_OK
               : err_set(err, ERR_CORRUPT, "the stored content does not match its SHA-256");
}

static enum err_code read_content(struct conn *conn, int64_t model, int64_t version,
                                  struct content *content, struct err *err)
{
    struct stored_version stored;
    if (model_get_version(conn, model, version, &stored, err) != ERR_OK) {
        return err->code;
    }
    if (!stored.found) {
        return version_number_absent(version, content->name, err);
    }
    content->n_bytes = (size_t)stored.n_bytes;
    content->bytes = mem_alloc(content->n_bytes);
    if (content->bytes == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a version of %zu bytes", content->n_bytes);
    }
    struct chunks chunks = chunks_of(conn, SQL_VERSION_CHUNKS, model, version);
    return chunks_read(&chunks, content->bytes, content->n_bytes, err) == ERR_OK
               ? check_digest(content, stored.digest, err)
               : err->code;
}

static enum err_code load_once(struct db *db, int64_t version, struct content *content,
                               struct err *err)
{
    struct conn *conn;
    int64_t model = 0;
    content->bytes = NULL;
    if (model_read_begin(db, content->name, &conn, &model, err) != ERR_OK) {
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
    struct content content = {.name = model};
    if (load_once(db, version, &content, err) == ERR_CORRUPT) {
        /* The mark is for good, and the reading itself may have failed: only twice is proof. */
        err_clear(err);
        err_kept(load_once(db, version, &content, err));
    }
    if (err->code == ERR_OK) {
        *bytes = content.bytes;
        *n_bytes = content.n_bytes;
    } else if (err->code == ERR_CORRUPT) {
        struct err marking = ERR_INIT; /* if it cannot be marked now, the next load does it */
        err_kept(model_store_mark_damaged(db, model, version, err_msg(err), &marking));
    }
    return err->code;
}
