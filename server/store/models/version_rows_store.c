/* SPDX-License-Identifier: Apache-2.0 */
#include "store/models/version_rows_store.h"

#include "base/mem.h"
#include "store/models/model_find.h"
#include "store/sqlite/chunks.h"
#include "store/sqlite/db_transaction.h"
#include "store/sqlite/query.h"

void version_rows_release(struct version_rows *rows)
{
    row_set_release(&rows->trained);
    row_set_release(&rows->kept);
    rows->unsure_to = 0;
}

static struct chunks chunks_of(struct conn *conn, enum sql_query query,
                               const struct version_place *place)
{
    return (struct chunks){.conn = conn,
                           .query = query,
                           .keys = {":model", ":version"},
                           .of = {place->model, place->version}};
}

/* ---- reading ---- */

struct record {
    bool found;
    int64_t n_trained, n_kept, n_bytes, unsure_to;
};

static enum err_code get_record(struct conn *conn, const struct version_place *place,
                                struct record *out, struct err *err)
{
    *out = (struct record){.found = false};
    struct query q = query_open(conn, SQL_VERSION_ROWS_GET, err);
    query_int(&q, ":model", place->model);
    query_int(&q, ":version", place->version);
    if (query_row(&q)) {
        *out = (struct record){true, query_get_int(&q, 0), query_get_int(&q, 1),
                               query_get_int(&q, 2), query_get_int(&q, 3)};
    }
    return query_close(&q);
}

static enum err_code read_bytes(struct conn *conn, const struct version_place *place,
                                struct record *record, void **bytes, struct err *err)
{
    if (get_record(conn, place, record, err) != ERR_OK) {
        return err->code;
    }
    if (!record->found) {
        return err_set(err, ERR_NOT_FOUND, "the rows of version %lld are not recorded",
                       (long long)place->version);
    }
    *bytes = mem_alloc((size_t)record->n_bytes);
    if (*bytes == NULL && record->n_bytes > 0) {
        return err_set(err, ERR_NOMEM, "no memory for the rows of a version");
    }
    const struct chunks chunks = chunks_of(conn, SQL_VERSION_ROW_CHUNKS, place);
    return chunks_read(&chunks, *bytes, (size_t)record->n_bytes, err);
}

static enum err_code decode(const struct record *record, const void *bytes,
                            struct version_rows *out, struct err *err)
{
    struct bytes_reader reader = {.data = bytes, .left = (size_t)record->n_bytes};
    *out = (struct version_rows){.unsure_to = record->unsure_to};
    if (row_set_decode(&reader, (size_t)record->n_trained, &out->trained, err) == ERR_OK &&
        row_set_decode(&reader, (size_t)record->n_kept, &out->kept, err) == ERR_OK &&
        reader.left > 0) {
        err_set(err, ERR_CORRUPT, "the stored rows of a version are longer than they were");
    }
    if (err->code != ERR_OK) {
        version_rows_release(out);
    }
    return err->code;
}

enum err_code version_rows_store_find(struct db *db, const char *model, int64_t version,
                                      struct version_rows *out, struct err *err)
{
    struct conn *conn;
    struct version_place place = {.version = version};
    struct record record = {.found = false};
    void *bytes = NULL;
    *out = (struct version_rows){.unsure_to = 0};
    if (model_read_begin(db, model, &conn, &place.model, err) != ERR_OK) {
        return err->code;
    }
    err_kept(read_bytes(conn, &place, &record, &bytes, err));
    if (db_read_end(db, conn, err) == ERR_OK) {
        err_kept(decode(&record, bytes, out, err));
    }
    mem_free(bytes);
    return err->code;
}

enum err_code version_rows_store_last_before(struct db *db, const char *model, int64_t version,
                                             int64_t *batch, struct err *err)
{
    struct conn *conn;
    *batch = 0;
    if (db_read_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    struct query q = query_open(conn, SQL_BATCH_LAST_BEFORE, err);
    query_text(&q, ":name", model);
    query_int(&q, ":version", version);
    if (query_row(&q)) {
        *batch = query_get_int(&q, 0);
    }
    err_kept(query_close(&q));
    return db_read_end(db, conn, err);
}

/* ---- writing ---- */

enum err_code version_rows_encode(const struct version_rows *rows, struct version_rows_text *out,
                                  struct err *err)
{
    *out = (struct version_rows_text){.n_trained = (int64_t)rows->trained.n,
                                      .n_kept = (int64_t)rows->kept.n,
                                      .unsure_to = rows->unsure_to};
    row_set_encode(&rows->trained, &out->bytes);
    row_set_encode(&rows->kept, &out->bytes);
    return out->bytes.failed ? err_set(err, ERR_NOMEM, "no memory for the rows of a version")
                             : ERR_OK;
}

enum err_code version_rows_put(struct db *db, struct conn *conn, const struct version_place *place,
                               const struct version_rows_text *rows, struct err *err)
{
    struct query q = query_open(conn, SQL_VERSION_ROWS_INSERT, err);
    query_int(&q, ":model", place->model);
    query_int(&q, ":version", place->version);
    query_int(&q, ":n_trained", rows->n_trained);
    query_int(&q, ":n_kept", rows->n_kept);
    query_int(&q, ":n_bytes", (int64_t)rows->bytes.size);
    query_int(&q, ":unsure_to", rows->unsure_to);
    if (query_close(&q) != ERR_OK || query_changes(conn) == 0) {
        return err->code;
    }
    struct chunks chunks = chunks_of(conn, SQL_VERSION_ROW_CHUNK_INSERT, place);
    return chunks_write(&chunks, db_chunk_bytes(db), rows->bytes.data, rows->bytes.size, err);
}
