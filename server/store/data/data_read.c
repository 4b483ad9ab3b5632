/* SPDX-License-Identifier: Apache-2.0 */
/* Reading rows: whole in one view, in pieces for slow readers; summaries and lists of batches. */
#include "store/data/data_priv.h"

#include <string.h>

#include "base/mem.h"

#define PIECE_BYTES ((size_t)256 * 1024) /* small batches are gathered up to here */

/* ---- chunks ---- */

struct query data_open_chunks(struct conn *conn, int64_t model, int64_t batch, int64_t seq,
                              int64_t last, struct err *err)
{
    struct query q = query_open(conn, SQL_BATCH_ROWS, err);
    query_int(&q, ":model", model);
    query_int(&q, ":batch", batch);
    query_int(&q, ":seq", seq);
    query_int(&q, ":last", last);
    return q;
}

enum err_code data_get_chunk(struct query *q, struct data_chunk *chunk, struct err *err)
{
    size_t n_sha = 0;
    unsigned char found[SHA256_BYTES];
    *chunk = (struct data_chunk){.batch = query_get_int(q, 0),
                                 .seq = query_get_int(q, 1),
                                 .d = (int)query_get_int(q, 2),
                                 .o = (int)query_get_int(q, 3),
                                 .n = query_get_int(q, 4)};
    const void *sha = query_get_blob(q, 5, &n_sha);
    chunk->bytes = query_get_blob(q, 6, &chunk->n_bytes);
    if (chunk->bytes == NULL || sha == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for stored training rows");
    }
    if (digest_sha256(chunk->bytes, chunk->n_bytes, found, err) != ERR_OK) {
        return err->code;
    }
    if (n_sha != SHA256_BYTES || memcmp(sha, found, SHA256_BYTES) != 0 ||
        chunk->n_bytes !=
            (size_t)chunk->n * ((size_t)chunk->d + (size_t)chunk->o) * sizeof(double)) {
        return err_set(err, ERR_CORRUPT,
                       "stored training rows of batch %lld do not match their SHA-256",
                       (long long)chunk->batch);
    }
    return ERR_OK;
}

/* ---- summaries ---- */

static enum err_code summarise(struct conn *conn, int64_t model, struct data_summary *out,
                               struct column_stats **columns, struct err *err)
{
    struct data_stats stats = {.generation = 0};
    if (data_stats_get(conn, model, &stats, err) != ERR_OK) {
        return err->code;
    }
    *out = (struct data_summary){.n_rows = stats.n_rows,
                                 .n_batches = stats.n_batches,
                                 .n_inputs = stats.d,
                                 .n_outputs = stats.o};
    struct query q = query_open(conn, SQL_BATCH_SPAN, err);
    query_int(&q, ":model", model);
    if (query_row(&q)) {
        out->first_ms = query_get_int(&q, 0);
        out->last_ms = query_get_int(&q, 1);
    }
    if (query_close(&q) == ERR_OK && columns != NULL) {
        *columns = stats.columns;
        stats.columns = NULL;
    }
    data_stats_release(&stats);
    return err->code;
}

/* Of the batches up to `last`. */
static enum err_code fingerprint(struct conn *conn, int64_t model, int64_t last,
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
    if (db_read_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    if (model_find(conn, model, &id, NULL, err) == ERR_OK) {
        err_kept(summarise(conn, id, out, NULL, err));
    }
    return db_read_end(db, conn, err);
}

enum err_code data_store_describe(struct db *db, const char *model, struct data_summary *out,
                                  struct training_data *data, struct column_stats **columns,
                                  struct err *err)
{
    struct conn *conn;
    int64_t id = 0;
    struct column_stats *found = NULL;
    if (db_read_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    if (model_find(conn, model, &id, NULL, err) == ERR_OK &&
        summarise(conn, id, out, &found, err) == ERR_OK) {
        err_kept(fingerprint(conn, id, INT64_MAX, data, err));
    }
    if (db_read_end(db, conn, err) == ERR_OK) {
        *columns = found;
    } else {
        mem_free(found);
    }
    return err->code;
}

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

enum err_code data_store_batches(struct db *db, const char *model, int64_t after, int64_t limit,
                                 data_batch_visit *visit, void *ctx, struct err *err)
{
    struct conn *conn;
    int64_t id = 0;
    if (db_read_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    if (model_find(conn, model, &id, NULL, err) == ERR_OK) {
        struct query q = query_open(conn, SQL_BATCH_LIST, err);
        query_int(&q, ":model", id);
        query_int(&q, ":after", after);
        query_int(&q, ":limit", limit);
        while (query_row(&q)) {
            struct data_batch batch;
            get_batch(&q, &batch);
            visit(ctx, &batch);
        }
        err_kept(query_close(&q));
    }
    return db_read_end(db, conn, err);
}

/* ---- all rows in one view ---- */

static enum err_code visit_chunk(struct query *q, const struct data_reading *reading,
                                 struct err *err)
{
    struct data_chunk chunk;
    if (data_get_chunk(q, &chunk, err) != ERR_OK) {
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

static enum err_code read_rows(struct conn *conn, const char *model,
                               const struct data_reading *reading, struct err *err)
{
    int64_t id = 0;
    int64_t last = reading->last_batch > 0 ? reading->last_batch : INT64_MAX;
    struct data_summary summary;
    struct training_data data;
    if (model_find(conn, model, &id, NULL, err) != ERR_OK ||
        summarise(conn, id, &summary, NULL, err) != ERR_OK ||
        fingerprint(conn, id, last, &data, err) != ERR_OK ||
        reading->begin(reading->ctx, &summary, &data, err) != ERR_OK) {
        return err->code;
    }
    struct query q = data_open_chunks(conn, id, 0, -1, last, err);
    while (query_row(&q) && visit_chunk(&q, reading, err) == ERR_OK) {
        continue;
    }
    return query_close(&q);
}

enum err_code data_store_read(struct db *db, const char *model, const struct data_reading *reading,
                              struct err *err)
{
    struct conn *conn;
    if (db_read_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    err_kept(read_rows(conn, model, reading, err));
    return db_read_end(db, conn, err);
}

/* ---- pieces ---- */

static enum err_code find_rows(struct conn *conn, const char *model, int64_t batch,
                               struct data_cursor *cursor, struct err *err)
{
    struct data_stats stats = {.generation = 0};
    if (model_find(conn, model, &cursor->model, NULL, err) != ERR_OK) {
        return err->code;
    }
    if (batch > 0) {
        struct query q = query_open(conn, SQL_BATCH_ONE, err);
        query_int(&q, ":model", cursor->model);
        query_int(&q, ":batch", batch);
        if (query_row(&q)) {
            cursor->n_rows = query_get_int(&q, 0);
            cursor->d = (int)query_get_int(&q, 1);
            cursor->o = (int)query_get_int(&q, 2);
        }
        cursor->first_batch = cursor->last_batch = batch;
        if (query_close(&q) == ERR_OK && cursor->n_rows == 0) {
            err_set(err, ERR_NOT_FOUND, "model %.64s has no batch %lld", model, (long long)batch);
        }
        return err->code;
    }
    if (data_stats_get(conn, cursor->model, &stats, err) != ERR_OK) {
        return err->code;
    }
    cursor->n_rows = stats.n_rows;
    cursor->d = stats.d;
    cursor->o = stats.o;
    data_stats_release(&stats);
    struct query q = query_open(conn, SQL_BATCH_SPAN, err);
    query_int(&q, ":model", cursor->model);
    if (query_row(&q)) {
        cursor->last_batch = query_get_int(&q, 2);
    }
    if (query_close(&q) == ERR_OK && cursor->n_rows == 0) {
        err_set(err, ERR_NOT_FOUND, "model %.64s has no rows", model);
    }
    return err->code;
}

enum err_code data_cursor_open(struct db *db, const char *model, int64_t batch,
                               struct data_cursor *cursor, struct err *err)
{
    struct conn *conn;
    *cursor = (struct data_cursor){.db = db};
    if (db_read_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    err_kept(find_rows(conn, model, batch, cursor, err));
    data_cursor_rewind(cursor);
    return db_read_end(db, conn, err);
}

void data_cursor_rewind(struct data_cursor *cursor)
{
    cursor->batch = cursor->first_batch;
    cursor->seq = -1;
    cursor->n_read = 0;
}

static enum err_code take_chunk(struct data_cursor *cursor, const struct data_chunk *chunk,
                                int64_t n, struct err *err)
{
    size_t used = (size_t)n * (size_t)(cursor->d + cursor->o);
    size_t count = chunk->n_bytes / sizeof *cursor->rows;
    if (used + count > cursor->capacity) {
        double *rows = mem_realloc_array(cursor->rows, used + count, sizeof *rows);
        if (rows == NULL) {
            return err_set(err, ERR_NOMEM, "no memory for a piece of the rows");
        }
        cursor->rows = rows;
        cursor->capacity = used + count;
    }
    memcpy(cursor->rows + used, chunk->bytes, chunk->n_bytes);
    cursor->batch = chunk->batch;
    cursor->seq = chunk->seq;
    return ERR_OK;
}

static enum err_code next_piece(struct data_cursor *cursor, struct conn *conn, int64_t *n,
                                struct err *err)
{
    size_t bytes = 0;
    struct data_chunk chunk;
    struct query q =
        data_open_chunks(conn, cursor->model, cursor->batch, cursor->seq, cursor->last_batch, err);
    while (bytes < PIECE_BYTES && query_row(&q) && data_get_chunk(&q, &chunk, err) == ERR_OK) {
        if (chunk.d != cursor->d || chunk.o != cursor->o) {
            err_set(err, ERR_CONFLICT, "rows were deleted and others came");
            break;
        }
        if (take_chunk(cursor, &chunk, *n, err) != ERR_OK) {
            break;
        }
        *n += chunk.n;
        bytes += chunk.n_bytes;
    }
    /* query_close would run through the rows that are left. */
    return query_abandon(&q);
}

enum err_code data_cursor_next(struct data_cursor *cursor, int64_t *n, struct err *err)
{
    struct conn *conn;
    *n = 0;
    if (db_read_begin(cursor->db, &conn, err) != ERR_OK) {
        return err->code;
    }
    err_kept(next_piece(cursor, conn, n, err));
    if (db_read_end(cursor->db, conn, err) != ERR_OK) {
        return err->code;
    }
    cursor->n_read += *n;
    if (cursor->n_read > cursor->n_rows || (*n == 0 && cursor->n_read < cursor->n_rows)) {
        return err_set(err, ERR_CONFLICT, "rows were deleted while they were read");
    }
    return ERR_OK;
}

void data_cursor_close(struct data_cursor *cursor)
{
    mem_free(cursor->rows);
    *cursor = (struct data_cursor){.db = NULL};
}
