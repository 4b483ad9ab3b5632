/* SPDX-License-Identifier: Apache-2.0 */
#include "store/data/data_read.h"

#include "base/mem.h"
#include "store/data/batch_find.h"
#include "store/data/data_chunk.h"
#include "store/data/data_stats.h"
#include "store/models/model_find.h"
#include "store/sqlite/db_transaction.h"
#include "store/sqlite/query.h"

/* ---- totals ---- */

/* *columns is the caller's; NULL: they are not wanted. */
static enum err_code read_summary(struct conn *conn, int64_t model, struct data_summary *out,
                                  struct column_stats **columns, struct err *err)
{
    struct data_stats stats;
    struct batch_span span;
    if (data_stats_get(conn, model, &stats, err) != ERR_OK) {
        return err->code;
    }
    *out = (struct data_summary){.n_rows = stats.n_rows,
                                 .n_batches = stats.n_batches,
                                 .n_failed = stats.n_failed,
                                 .n_inputs = stats.d,
                                 .n_outputs = stats.o};
    if (batch_get_span(conn, model, &span, err) == ERR_OK) {
        out->first_ms = span.first_ms;
        out->last_ms = span.last_ms;
        if (columns != NULL) {
            *columns = stats.columns;
            stats.columns = NULL;
        }
    }
    data_stats_release(&stats);
    return err->code;
}

/* Of the batches up to `last`. */
static enum err_code read_fingerprint(struct conn *conn, int64_t model, int64_t last,
                                      struct training_data *out, struct err *err)
{
    struct digest digest = {.state = NULL};
    unsigned char sha256[SHA256_BYTES];
    *out = (struct training_data){.n_rows = 0};
    if (digest_open(&digest, err) != ERR_OK) {
        return err->code;
    }
    struct query q = query_open(conn, SQL_BATCH_DIGESTS, err);
    query_int(&q, ":model", model);
    query_int(&q, ":last", last);
    while (query_row(&q)) {
        size_t n_bytes = 0;
        const void *bytes = query_get_blob(&q, 2, &n_bytes);
        out->last_batch = query_get_int(&q, 0);
        out->n_rows += query_get_int(&q, 1);
        out->n_batches++;
        if (digest_add(&digest, bytes, n_bytes, err) != ERR_OK) {
            break;
        }
    }
    err_kept(query_close(&q));
    digest_close(&digest, sha256);
    digest_hex(sha256, out->fingerprint);
    return err->code;
}

enum err_code data_store_rows_until(struct db *db, const char *model, int64_t last_batch,
                                    int64_t *n_rows, struct err *err)
{
    struct conn *conn;
    if (db_read_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    struct query q = query_open(conn, SQL_BATCH_ROWS_UNTIL, err);
    query_text(&q, ":name", model);
    query_int(&q, ":last", last_batch);
    if (query_row(&q)) {
        *n_rows = query_get_int(&q, 0);
    }
    err_kept(query_close(&q));
    return db_read_end(db, conn, err);
}

enum err_code data_store_summary(struct db *db, const char *model, struct data_summary *out,
                                 struct err *err)
{
    struct conn *conn;
    int64_t id = 0;
    if (model_read_begin(db, model, &conn, &id, err) != ERR_OK) {
        return err->code;
    }
    err_kept(read_summary(conn, id, out, NULL, err));
    return db_read_end(db, conn, err);
}

enum err_code data_store_columns(struct db *db, const char *model, struct data_summary *out,
                                 struct column_stats **columns, struct err *err)
{
    struct conn *conn;
    int64_t id = 0;
    struct column_stats *found = NULL;
    if (model_read_begin(db, model, &conn, &id, err) != ERR_OK) {
        return err->code;
    }
    err_kept(read_summary(conn, id, out, &found, err));
    if (db_read_end(db, conn, err) == ERR_OK) {
        *columns = found;
    } else {
        mem_free(found);
    }
    return err->code;
}

enum err_code data_store_describe(struct db *db, const char *model, struct data_summary *out,
                                  struct training_data *data, struct column_stats **columns,
                                  struct err *err)
{
    struct conn *conn;
    int64_t id = 0;
    struct column_stats *found = NULL;
    if (model_read_begin(db, model, &conn, &id, err) != ERR_OK) {
        return err->code;
    }
    if (read_summary(conn, id, out, &found, err) == ERR_OK) {
        err_kept(read_fingerprint(conn, id, INT64_MAX, data, err));
    }
    if (db_read_end(db, conn, err) == ERR_OK) {
        *columns = found;
    } else {
        mem_free(found);
    }
    return err->code;
}

/* ---- rows ---- */

static enum err_code visit_chunk(struct query *q, const struct data_reading *reading,
                                 struct err *err)
{
    struct data_chunk chunk;
    if (data_chunk_get(q, &chunk, err) != ERR_OK) {
        return err->code;
    }
    /* SQLite promises no alignment of blobs. */
    double *rows = mem_dup(chunk.bytes, chunk.n_bytes);
    if (rows == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for %zu bytes of training rows", chunk.n_bytes);
    }
    struct data_run run = {.n = chunk.n, .d = chunk.d, .o = chunk.o, .rows = rows};
    enum err_code code = reading->visit(reading->ctx, &run, err);
    mem_free(rows);
    return code;
}

static enum err_code read_rows(struct conn *conn, int64_t model, const struct data_reading *reading,
                               struct err *err)
{
    int64_t last = reading->last_batch > 0 ? reading->last_batch : INT64_MAX;
    struct data_summary summary;
    struct training_data data;
    if (read_summary(conn, model, &summary, NULL, err) != ERR_OK ||
        read_fingerprint(conn, model, last, &data, err) != ERR_OK ||
        reading->begin(reading->ctx, &summary, &data, err) != ERR_OK) {
        return err->code;
    }
    struct query q = data_chunk_open(conn, model, 0, -1, last, err);
    while (query_row(&q) && visit_chunk(&q, reading, err) == ERR_OK) {
        continue;
    }
    return query_close(&q);
}

enum err_code data_store_read(struct db *db, const char *model, const struct data_reading *reading,
                              struct err *err)
{
    struct conn *conn;
    int64_t id = 0;
    if (model_read_begin(db, model, &conn, &id, err) != ERR_OK) {
        return err->code;
    }
    err_kept(read_rows(conn, id, reading, err));
    return db_read_end(db, conn, err);
}

/* ---- batches ---- */

static void get_batch(struct query *q, struct data_batch *batch)
{
    size_t n_digest = 0;
    *batch = (struct data_batch){.id = query_get_int(q, 0),
                                 .n_rows = query_get_int(q, 1),
                                 .n_inputs = (int)query_get_int(q, 2),
                                 .n_outputs = (int)query_get_int(q, 3),
                                 .created_ms = query_get_int(q, 4),
                                 .n_duplicates = query_get_int(q, 9),
                                 .n_outliers = query_get_int(q, 10)};
    query_get_text(q, 5, batch->format, sizeof batch->format);
    query_get_text(q, 6, batch->source, sizeof batch->source);
    batch->provenance = query_get_blob(q, 7, &batch->n_provenance);
    const unsigned char *digest = query_get_blob(q, 8, &n_digest);
    if (n_digest == SHA256_BYTES) {
        digest_hex(digest, batch->digest);
    }
}

enum err_code data_store_batches(struct db *db, const char *model,
                                 const struct data_listing *listing, struct err *err)
{
    struct conn *conn;
    int64_t id = 0;
    if (model_read_begin(db, model, &conn, &id, err) != ERR_OK) {
        return err->code;
    }
    struct query q = query_open(conn, SQL_BATCH_LIST, err);
    query_int(&q, ":model", id);
    query_int(&q, ":after", listing->after);
    query_int(&q, ":limit", listing->limit);
    while (query_row(&q)) {
        struct data_batch batch;
        get_batch(&q, &batch);
        listing->visit(listing->ctx, &batch);
    }
    err_kept(query_close(&q));
    return db_read_end(db, conn, err);
}
