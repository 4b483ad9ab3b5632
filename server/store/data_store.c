/* SPDX-License-Identifier: Apache-2.0 */
#include "data_store.h"

#include "db_priv.h"

#include <string.h>

#include "mem.h"

static enum err_code check_shape(struct conn *conn, const char *name, int64_t model, int d, int o,
                                 struct err *err)
{
    struct query q = query_open(conn, SQL_BATCH_SHAPE, err);
    query_int(&q, ":model", model);
    if (query_row(&q)) {
        int64_t has_d = query_get_int(&q, 0);
        int64_t has_o = query_get_int(&q, 1);
        if (has_d != d || has_o != o) {
            err_set(
                err, ERR_SHAPE,
                "the rows have %d inputs and %d outputs, those of model %.64s have %lld and %lld",
                d, o, name, (long long)has_d, (long long)has_o);
        }
    }
    return query_close(&q);
}

static enum err_code insert_chunk(struct conn *conn, int64_t batch, int64_t seq, int64_t n_rows,
                                  const double *rows, size_t n_bytes, struct err *err)
{
    unsigned char sha256[SHA256_BYTES];
    if (digest_sha256(rows, n_bytes, sha256, err) != ERR_OK) {
        return err->code;
    }
    struct query q = query_open(conn, SQL_BATCH_CHUNK_INSERT, err);
    query_int(&q, ":batch", batch);
    query_int(&q, ":seq", seq);
    query_int(&q, ":n_rows", n_rows);
    query_blob(&q, ":sha256", sha256, sizeof sha256);
    query_blob(&q, ":bytes", rows, n_bytes);
    return query_close(&q);
}

static enum err_code insert_batch(struct conn *conn, int64_t model, int64_t n, int d, int o,
                                  int64_t *batch, struct err *err)
{
    struct query q = query_open(conn, SQL_BATCH_INSERT, err);
    query_int(&q, ":model", model);
    query_int(&q, ":n_rows", n);
    query_int(&q, ":n_inputs", d);
    query_int(&q, ":n_outputs", o);
    query_int(&q, ":now", db_now_ms());
    if (query_row(&q)) {
        *batch = query_get_int(&q, 0);
    }
    return query_close(&q);
}

static enum err_code summarise(struct conn *conn, int64_t model, struct data_summary *out,
                               struct err *err)
{
    struct query q = query_open(conn, SQL_BATCH_SUMMARY, err);
    query_int(&q, ":model", model);
    if (query_row(&q)) {
        *out = (struct data_summary){
            .n_rows = query_get_int(&q, 0),
            .n_batches = query_get_int(&q, 1),
            .n_inputs = (int)query_get_int(&q, 2),
            .n_outputs = (int)query_get_int(&q, 3),
            .first_ms = query_get_int(&q, 4),
            .last_ms = query_get_int(&q, 5),
        };
    }
    return query_close(&q);
}

static enum err_code append(struct db *db, struct conn *conn, const char *name, int64_t n, int d,
                            int o, const double *rows, struct data_append_result *out,
                            struct err *err)
{
    int64_t model = 0;
    size_t row_bytes = ((size_t)d + (size_t)o) * sizeof *rows;
    int64_t rows_per_chunk = (int64_t)(db_chunk_bytes(db) / row_bytes);
    struct data_summary summary = {.n_rows = 0};
    rows_per_chunk = rows_per_chunk > 0 ? rows_per_chunk : 1;
    if (model_find_or_add(conn, name, &model, NULL, err) != ERR_OK ||
        check_shape(conn, name, model, d, o, err) != ERR_OK ||
        insert_batch(conn, model, n, d, o, &out->batch, err) != ERR_OK) {
        return err->code;
    }
    int64_t seq = 0;
    for (int64_t first = 0; first < n; first += rows_per_chunk, seq++) {
        int64_t count = n - first < rows_per_chunk ? n - first : rows_per_chunk;
        if (insert_chunk(conn, out->batch, seq, count, rows + first * (d + o),
                         (size_t)count * row_bytes, err) != ERR_OK) {
            return err->code;
        }
    }
    if (summarise(conn, model, &summary, err) == ERR_OK) {
        out->total_rows = summary.n_rows;
    }
    return err->code;
}

enum err_code data_store_append(struct db *db, const char *model, int64_t n, int d, int o,
                                const double *rows, struct data_append_result *out, struct err *err)
{
    struct conn *conn;
    if (n < 1 || d < 1 || o < 1) {
        return err_set(err, ERR_SHAPE, "a batch needs rows, inputs and outputs");
    }
    if (db_write_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    err_kept(append(db, conn, model, n, d, o, rows, out, err));
    return db_write_end(db, err);
}

enum err_code data_store_summary(struct db *db, const char *model, struct data_summary *out,
                                 struct err *err)
{
    struct conn *conn;
    int64_t id = 0;
    if (db_read_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    if (model_find(conn, model, &id, NULL, err) == ERR_OK) {
        err_kept(summarise(conn, id, out, err));
    }
    return db_read_end(db, conn, err);
}

/* One stored chunk, checked, to the visitor. */
static enum err_code visit_chunk(struct query *q, data_visit *visit, void *ctx, struct err *err)
{
    size_t n_sha = 0;
    size_t n_bytes = 0;
    int d = (int)query_get_int(q, 0);
    int o = (int)query_get_int(q, 1);
    int64_t n = query_get_int(q, 2);
    const void *sha = query_get_blob(q, 3, &n_sha);
    const void *bytes = query_get_blob(q, 4, &n_bytes);
    unsigned char found[SHA256_BYTES];
    if (digest_sha256(bytes, n_bytes, found, err) != ERR_OK) {
        return err->code;
    }
    if (n_sha != SHA256_BYTES || memcmp(sha, found, SHA256_BYTES) != 0 ||
        n_bytes != (size_t)n * ((size_t)d + (size_t)o) * sizeof(double)) {
        return err_set(err, ERR_CORRUPT, "stored training rows do not match their SHA-256");
    }
    /* SQLite promises no alignment of blobs. */
    double *rows = mem_dup(bytes, n_bytes);
    if (rows == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for %zu bytes of training rows", n_bytes);
    }
    enum err_code code = visit(ctx, n, d, o, rows, err);
    mem_free(rows);
    return code;
}

enum err_code data_store_read(struct db *db, const char *model, data_visit *visit, void *ctx,
                              struct err *err)
{
    struct conn *conn;
    int64_t id = 0;
    if (db_read_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    if (model_find(conn, model, &id, NULL, err) == ERR_OK) {
        struct query q = query_open(conn, SQL_BATCH_ROWS, err);
        query_int(&q, ":model", id);
        while (query_row(&q) && visit_chunk(&q, visit, ctx, err) == ERR_OK) {
            continue;
        }
        err_kept(query_close(&q));
    }
    return db_read_end(db, conn, err);
}

enum err_code data_store_delete(struct db *db, const char *model, int64_t *n_rows, struct err *err)
{
    struct conn *conn;
    int64_t id = 0;
    struct data_summary summary = {.n_rows = 0};
    if (db_write_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    if (model_find(conn, model, &id, NULL, err) == ERR_OK &&
        summarise(conn, id, &summary, err) == ERR_OK) {
        struct query q = query_open(conn, SQL_BATCH_DELETE_ALL, err);
        query_int(&q, ":model", id);
        err_kept(query_close(&q));
    }
    if (db_write_end(db, err) == ERR_OK) {
        *n_rows = summary.n_rows;
    }
    return err->code;
}
