/* SPDX-License-Identifier: Apache-2.0 */
#include "store/data/data_key.h"

#include <string.h>

#include "base/digest.h"
#include "store/models/model_find.h"
#include "store/sqlite/db_transaction.h"
#include "store/sqlite/query.h"

/* Keys of that time or older are too old to be found. */
static int64_t age_limit_ms(void)
{
    return db_now_ms() - (int64_t)DATA_KEY_HOURS * 3600 * 1000;
}

enum err_code data_key_find(struct conn *conn, int64_t model, const char *key,
                            const unsigned char *payload, struct data_append_result *out,
                            struct err *err)
{
    bool found = false;
    struct query q = query_open(conn, SQL_KEY_GET, err);
    query_int(&q, ":model", model);
    query_text(&q, ":key", key);
    query_int(&q, ":oldest", age_limit_ms());
    if (query_row(&q)) {
        size_t n_payload = 0;
        size_t n_answer = 0;
        const void *stored = query_get_blob(&q, 0, &n_payload);
        const void *answer = query_get_blob(&q, 1, &n_answer);
        if (n_payload != SHA256_BYTES || memcmp(stored, payload, SHA256_BYTES) != 0) {
            err_set(err, ERR_REUSED, "the Idempotency-Key was used with another upload");
        } else if (n_answer != sizeof *out && n_answer != DATA_APPEND_FIRST_BYTES) {
            err_set(err, ERR_CONFLICT,
                    "the upload with this Idempotency-Key was taken by another version of the "
                    "server");
        } else {
            *out = (struct data_append_result){.batch = 0};
            memcpy(out, answer, n_answer);
            out->repeated = 1;
            found = true;
        }
    }
    if (query_close(&q) == ERR_OK && !found) {
        err_set(err, ERR_NOT_FOUND, "the Idempotency-Key is new");
    }
    return err->code;
}

enum err_code data_store_find_key(struct db *db, const char *model, const char *key,
                                  const unsigned char *payload, struct data_append_result *out,
                                  struct err *err)
{
    struct conn *conn;
    int64_t id = 0;
    if (model_read_begin(db, model, &conn, &id, err) != ERR_OK) {
        return err->code;
    }
    err_kept(data_key_find(conn, id, key, payload, out, err));
    return db_read_end(db, conn, err);
}

enum err_code data_key_insert(struct conn *conn, int64_t model, const char *key,
                              const unsigned char *payload, const struct data_append_result *answer,
                              struct err *err)
{
    struct query q = query_open(conn, SQL_KEY_INSERT, err);
    query_int(&q, ":model", model);
    query_text(&q, ":key", key);
    query_blob(&q, ":payload", payload, SHA256_BYTES);
    query_blob(&q, ":answer", answer, sizeof *answer);
    query_int(&q, ":now", db_now_ms());
    return query_close(&q);
}

/* Not all at once: after a quiet day there may be a million of them, and other writes wait. */
enum err_code data_key_sweep(struct conn *conn, struct err *err)
{
    return query_run_for(conn, SQL_KEY_SWEEP, ":oldest", age_limit_ms(), err);
}
