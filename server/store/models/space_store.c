/* SPDX-License-Identifier: Apache-2.0 */
#include "store/models/space_store.h"

#include "base/mem.h"
#include "store/models/model_find.h"
#include "store/sqlite/db_transaction.h"
#include "store/sqlite/query.h"

#include <string.h>

void space_row_release(struct space_row *row)
{
    mem_free(row->document);
    *row = (struct space_row){.document = NULL};
}

enum err_code space_store_hash(const char *document, char *digest, struct err *err)
{
    unsigned char sha256[SHA256_BYTES];
    if (digest_sha256(document, strlen(document), sha256, err) == ERR_OK) {
        digest_hex(sha256, digest);
    }
    return err->code;
}

enum err_code space_store_find(struct db *db, const char *model, struct space_row *out,
                               struct err *err)
{
    struct conn *conn;
    int64_t id = 0;
    *out = (struct space_row){.document = NULL};
    if (model_read_begin(db, model, &conn, &id, err) != ERR_OK) {
        return err->code;
    }
    struct query q = query_open(conn, SQL_SPACE_GET, err);
    query_int(&q, ":model", id);
    if (query_row(&q)) {
        query_copy_text(&q, 0, &out->document);
        query_get_text(&q, 1, out->digest, sizeof out->digest);
        query_get_text(&q, 2, out->origin, sizeof out->origin);
        out->changed_ms = query_get_int(&q, 3);
    }
    err_kept(query_close(&q));
    if (db_read_end(db, conn, err) != ERR_OK) {
        space_row_release(out);
    }
    return err->code;
}

enum err_code space_is_seen(struct conn *conn, int64_t model, const char *digest, bool *same,
                            struct err *err)
{
    char now[DIGEST_HEX_CHARS + 1] = "";
    struct query q = query_open(conn, SQL_SPACE_DIGEST, err);
    query_int(&q, ":model", model);
    if (query_row(&q)) {
        query_get_text(&q, 0, now, sizeof now);
    }
    *same = query_close(&q) == ERR_OK && strcmp(now, digest) == 0;
    return err->code;
}

enum err_code space_write(struct conn *conn, int64_t model, const char *document,
                          const char *origin, struct err *err)
{
    char digest[DIGEST_HEX_CHARS + 1];
    if (space_store_hash(document, digest, err) != ERR_OK) {
        return err->code;
    }
    struct query q = query_open(conn, SQL_SPACE_PUT, err);
    query_int(&q, ":model", model);
    query_text(&q, ":document", document);
    query_text(&q, ":digest", digest);
    query_text(&q, ":origin", origin);
    query_int(&q, ":now", db_now_ms());
    return query_close(&q);
}
