/* SPDX-License-Identifier: Apache-2.0 */
/*
 * As much as possible is done before the write lock is taken: hashing rows, computing the sketch of
 * the upload's columns and the digests of chunks, and looking for outliers by the statistics of a
 * moment ago. Under the lock remain the search for the key, the search for duplicates, which must
 * see every row that came before, and the writing.
 *
 * If duplicates are skipped and another upload has just stored some of the rows, the rows are
 * prepared once more under the lock.
 */
#include "store/data/data_append.h"

#include <limits.h>
#include <string.h>

#include "base/digest.h"
#include "base/mem.h"
#include "base/phrase.h"
#include "store/data/data_chunk.h"
#include "store/data/data_key.h"
#include "store/data/pending_store.h"
#include "store/data/data_stats.h"
#include "store/data/row_index.h"
#include "store/models/model_find.h"
#include "store/models/space_store.h"
#include "store/sqlite/db_transaction.h"
#include "store/sqlite/query.h"

struct work {
    struct db *db;
    const struct data_upload *up;
    size_t width;
    struct row_entry *entries; /* [n_entries], mem: of the rows that will be stored */
    size_t n_entries;
    unsigned char *marks; /* [up->n], mem: duplicates */
    double *kept;         /* mem: rows without the duplicates; NULL: all are stored */
    const double *rows;   /* [n x width]: the rows that will be stored */
    int64_t n;
    struct column_stats *columns; /* [n_columns], mem: of these rows */
    size_t n_columns;             /* that have statistics: the first ones */
    unsigned char *chunks;        /* [n_chunks x 32], mem: their digests */
    int64_t rows_per_chunk;
    unsigned char digest[SHA256_BYTES];
    struct data_append_result result;
};

static enum err_code no_memory(struct err *err)
{
    return err_set(err, ERR_NOMEM, "no memory for the rows of an upload");
}

static void work_release(struct work *work)
{
    mem_free(work->entries);
    mem_free(work->marks);
    mem_free(work->kept);
    mem_free(work->columns);
    mem_free(work->chunks);
}

static int64_t count_marks(const struct work *work)
{
    int64_t n = 0;
    for (int64_t i = 0; i < work->up->n; i++) {
        n += work->marks[i];
    }
    return n;
}

/* ---- before the lock ---- */

static enum err_code hash_rows(struct work *work, struct err *err)
{
    size_t n = (size_t)work->up->n;
    work->entries = mem_alloc_array(n, sizeof *work->entries);
    work->marks = mem_zalloc(n);
    work->n_columns = data_stats_width(work->up->d, work->up->o);
    work->columns = mem_alloc_array(work->n_columns, sizeof *work->columns);
    if (work->entries == NULL || work->marks == NULL || work->columns == NULL) {
        return no_memory(err);
    }
    if (row_index_hash(work->up->rows, n, work->width, work->entries, err) == ERR_OK) {
        work->n_entries = n;
        row_index_mark_own(work->entries, n, work->marks);
    }
    return err->code;
}

/* The place that a row had in what the client sent. */
static int64_t sent_row(const struct data_upload *up, int64_t row)
{
    return up->origin != NULL ? up->origin[row] : row;
}

/* Lists the values outside the usual range. columns: [n_columns] */
static void find_outliers(struct work *work, const struct column_stats *columns)
{
    struct data_append_result *out = &work->result;
    for (size_t j = 0; j < work->n_columns; j++) {
        double usual[2];
        bool place = work->up->places != NULL && work->up->places[j];
        if (place || !column_stats_usual(&columns[j], usual)) {
            continue;
        }
        for (int64_t i = 0; i < work->up->n; i++) {
            double value = work->up->rows[(size_t)i * work->width + j];
            if (!(value < usual[0] || value > usual[1])) {
                continue; /* as is one that is missing */
            }
            if (out->n_outliers < DATA_PLACES) {
                out->outliers[out->n_outliers] = (struct data_outlier){
                    sent_row(work->up, i), (int64_t)j, value, {usual[0], usual[1]}};
            }
            out->n_outliers++;
        }
    }
}

/* Compares the upload with what is stored of the model at this moment. */
static enum err_code compare_with_stored(struct work *work, const char *model, struct err *err)
{
    struct conn *conn;
    struct data_stats stats = {.generation = 0};
    struct err absent = ERR_INIT;
    int64_t id = 0;
    if (db_read_begin(work->db, &conn, err) != ERR_OK) {
        return err->code;
    }
    if (model_find(conn, model, &id, NULL, &absent) == ERR_OK &&
        data_stats_get(conn, id, &stats, err) == ERR_OK && work->up->skip_duplicates &&
        (size_t)(stats.d + stats.o) == work->width) {
        struct row_index index = {.conn = conn, .model = id};
        err_kept(row_index_mark(&index, work->entries, work->n_entries, work->marks, err));
    }
    if (absent.code != ERR_NOT_FOUND && absent.code != ERR_OK) {
        *err = absent;
    }
    if (db_read_end(work->db, conn, err) == ERR_OK) {
        bool judged =
            stats.n_rows >= COLUMN_MIN_ROWS && stats.d == work->up->d && stats.o == work->up->o;
        if (!judged) {
            column_stats_of(work->up->rows, work->up->n, work->width, work->n_columns,
                            work->columns);
        }
        find_outliers(work, judged ? stats.columns : work->columns);
    }
    data_stats_release(&stats);
    return err->code;
}

/* Keeps the rows without marks, in order, and their entries. */
static enum err_code skip_marked(struct work *work, struct err *err)
{
    int64_t n = work->up->n - count_marks(work);
    size_t k = 0;
    mem_free(work->kept);
    work->kept = mem_alloc_array((size_t)n * work->width, sizeof *work->kept);
    if (work->kept == NULL) {
        return no_memory(err);
    }
    work->n = 0;
    for (int64_t i = 0; i < work->up->n; i++) {
        if (work->marks[i] == 0) {
            memcpy(work->kept + (size_t)work->n++ * work->width,
                   work->up->rows + (size_t)i * work->width, work->width * sizeof *work->kept);
        }
    }
    for (size_t i = 0; i < work->n_entries; i++) {
        if (work->marks[work->entries[i].tag] == 0) {
            work->entries[k++] = work->entries[i];
        }
    }
    work->n_entries = k;
    work->rows = work->kept;
    return ERR_OK;
}

/* Counts what is missing in the rows to store. */
static void count_holes(struct work *work)
{
    const struct data_upload *up = work->up;
    struct data_append_result *out = &work->result;
    out->n_failed = out->n_missing = 0;
    for (int64_t i = 0; up->holes && i < work->n; i++) {
        const double *y = work->rows + (size_t)i * work->width + up->d;
        int missing = data_stats_missing(y, up->o);
        out->n_failed += missing == up->o;
        out->n_missing += missing < up->o ? missing : 0;
    }
}

/* Chooses the rows to store, and computes their statistics and digests. */
static enum err_code prepare_rows(struct work *work, struct err *err)
{
    size_t row_bytes = work->width * sizeof(double);
    size_t chunk = db_chunk_bytes(work->db);
    chunk = chunk < DATA_CHUNK_BYTES ? chunk : DATA_CHUNK_BYTES;
    work->rows = work->up->rows;
    work->n = work->up->n;
    if (work->up->skip_duplicates && skip_marked(work, err) != ERR_OK) {
        return err->code;
    }
    count_holes(work);
    if (work->n == 0) {
        return ERR_OK;
    }
    work->rows_per_chunk = (int64_t)(chunk / row_bytes > 0 ? chunk / row_bytes : 1);
    int64_t n_chunks = (work->n + work->rows_per_chunk - 1) / work->rows_per_chunk;
    mem_free(work->chunks);
    work->chunks = mem_alloc_array((size_t)n_chunks, SHA256_BYTES);
    if (work->chunks == NULL) {
        return no_memory(err);
    }
    for (int64_t i = 0; i < n_chunks && err->code == ERR_OK; i++) {
        int64_t first = i * work->rows_per_chunk;
        int64_t left = work->n - first;
        int64_t count = left < work->rows_per_chunk ? left : work->rows_per_chunk;
        err_kept(digest_sha256(work->rows + (size_t)first * work->width, (size_t)count * row_bytes,
                               work->chunks + i * SHA256_BYTES, err));
    }
    if (n_chunks == 1) {
        memcpy(work->digest, work->chunks, SHA256_BYTES);
    } else if (err->code == ERR_OK) {
        err_kept(digest_sha256(work->rows, (size_t)work->n * row_bytes, work->digest, err));
    }
    column_stats_of(work->rows, work->n, work->width, work->n_columns, work->columns);
    return err->code;
}

/* ---- under the lock ---- */

static enum err_code check_shape(const char *name, const struct data_stats *stats,
                                 const struct data_upload *up, struct err *err)
{
    if (stats->n_rows > 0 && up->space_first) {
        return err_set(
            err, ERR_CONFLICT,
            "model %.64s has rows already; PUT /v1/models/%.64s/space gives them a space", name,
            name);
    }
    if (stats->n_rows > 0 && (stats->d != up->d || stats->o != up->o)) {
        return err_set(err, ERR_SHAPE,
                       "the rows have %s and %s, those of model %.64s have %d and %d",
                       phrase_count(up->d, "input").text, phrase_count(up->o, "output").text, name,
                       stats->d, stats->o);
    }
    return ERR_OK;
}

static enum err_code check_space(struct conn *conn, int64_t model, const struct data_upload *up,
                                 struct err *err)
{
    bool same = true;
    if (up->space_digest == NULL ||
        space_is_seen(conn, model, up->space_digest, &same, err) != ERR_OK || same) {
        return err->code;
    }
    return err_set(err, ERR_PRECONDITION, "the space of the model has been changed meanwhile");
}

static enum err_code insert_batch(struct conn *conn, int64_t model, struct work *work,
                                  struct err *err)
{
    const struct data_upload *up = work->up;
    struct query q = query_open(conn, SQL_BATCH_INSERT, err);
    query_int(&q, ":model", model);
    query_int(&q, ":n_rows", work->n);
    query_int(&q, ":n_inputs", up->d);
    query_int(&q, ":n_outputs", up->o);
    query_int(&q, ":now", db_now_ms());
    query_text(&q, ":format", up->format);
    query_text(&q, ":source", up->source);
    query_text(&q, ":provenance", up->provenance);
    query_blob(&q, ":digest", work->digest, SHA256_BYTES);
    query_int(&q, ":n_duplicates", work->result.n_duplicates);
    query_int(&q, ":n_outliers", work->result.n_outliers);
    if (query_row(&q)) {
        work->result.batch = query_get_int(&q, 0);
    }
    return query_close(&q);
}

static enum err_code insert_chunks(struct conn *conn, const struct work *work, struct err *err)
{
    size_t row_bytes = work->width * sizeof(double);
    int64_t seq = 0;
    for (int64_t first = 0; first < work->n; first += work->rows_per_chunk, seq++) {
        int64_t left = work->n - first;
        int64_t count = left < work->rows_per_chunk ? left : work->rows_per_chunk;
        struct query q = query_open(conn, SQL_BATCH_CHUNK_INSERT, err);
        query_int(&q, ":batch", work->result.batch);
        query_int(&q, ":seq", seq);
        query_int(&q, ":n_rows", count);
        query_blob(&q, ":sha256", work->chunks + seq * SHA256_BYTES, SHA256_BYTES);
        query_blob(&q, ":bytes", work->rows + (size_t)first * work->width,
                   (size_t)count * row_bytes);
        if (query_close(&q) != ERR_OK) {
            return err->code;
        }
    }
    return ERR_OK;
}

/* Marks the duplicates finally, and lists them. */
static enum err_code find_duplicates(struct conn *conn, int64_t model, struct work *work,
                                     struct err *err)
{
    struct data_append_result *out = &work->result;
    int64_t before = count_marks(work);
    int64_t n = 0;
    struct row_index index = {.conn = conn, .model = model};
    if (row_index_mark(&index, work->entries, work->n_entries, work->marks, err) != ERR_OK) {
        return err->code;
    }
    for (int64_t i = 0; i < work->up->n; i++) {
        if (work->marks[i] != 0 && n++ < DATA_PLACES) {
            out->duplicates[n - 1] = sent_row(work->up, i);
        }
    }
    out->n_duplicates = n;
    out->skipped = work->up->skip_duplicates;
    return work->up->skip_duplicates && n > before ? prepare_rows(work, err) : ERR_OK;
}

static enum err_code store_rows(struct conn *conn, int64_t model, struct work *work,
                                struct data_stats *stats, struct err *err)
{
    struct row_index index = {.conn = conn, .model = model};
    const struct data_stats_part part = {work->n, work->result.n_failed, work->up->d, work->up->o,
                                         work->columns};
    if (insert_batch(conn, model, work, err) != ERR_OK ||
        insert_chunks(conn, work, err) != ERR_OK || data_stats_add(stats, &part, err) != ERR_OK ||
        row_index_add(&index, work->result.batch, work->entries, work->n_entries, stats->n_rows,
                      err) != ERR_OK) {
        return err->code;
    }
    stats->n_batches++;
    return data_stats_put(conn, model, stats, err);
}

static enum err_code append_in_transaction(struct conn *conn, const char *name, struct work *work,
                                           struct err *err)
{
    int64_t model = 0;
    struct data_stats stats = {.generation = 0};
    struct err key = ERR_INIT;
    if (data_key_sweep(conn, err) != ERR_OK ||
        model_find_or_add(conn, name, &model, NULL, err) != ERR_OK) {
        return err->code;
    }
    if (work->up->key != NULL) {
        enum err_code code =
            data_key_find(conn, model, work->up->key, work->up->payload, &work->result, &key);
        if (code != ERR_NOT_FOUND) {
            *err = key;
            return code;
        }
    }
    if (check_space(conn, model, work->up, err) != ERR_OK ||
        data_stats_get(conn, model, &stats, err) != ERR_OK ||
        check_shape(name, &stats, work->up, err) != ERR_OK ||
        find_duplicates(conn, model, work, err) != ERR_OK) {
        goto done;
    }
    if (work->n > 0 && store_rows(conn, model, work, &stats, err) != ERR_OK) {
        goto done;
    }
    if (work->up->space != NULL &&
        space_write(conn, model, work->up->space, "upload", err) != ERR_OK) {
        goto done;
    }
    int64_t n_closed = 0;
    if (pending_close(conn, model, work->up->n_ids, work->up->ids, &n_closed, err) != ERR_OK) {
        goto done;
    }
    if (work->up->n_closed != NULL) {
        *work->up->n_closed = n_closed;
    }
    work->result.n_rows = work->n;
    work->result.n_discarded = work->up->n_discarded;
    work->result.total_rows = stats.n_rows;
    if (work->up->key != NULL) {
        err_kept(
            data_key_insert(conn, model, work->up->key, work->up->payload, &work->result, err));
    }
done:
    data_stats_release(&stats);
    return err->code;
}

enum err_code data_store_append(struct db *db, const char *model, const struct data_upload *upload,
                                struct data_append_result *out, struct err *err)
{
    struct conn *conn;
    struct work work = {.db = db, .up = upload};
    if (upload->n < 1 || upload->d < 1 || upload->o < 1) {
        return err_set(err, ERR_SHAPE, "a batch needs rows, inputs and outputs");
    }
    if (upload->n > UINT_MAX) {
        return err_set(err, ERR_LIMIT, "a batch has at most %u rows", UINT_MAX);
    }
    work.width = (size_t)upload->d + (size_t)upload->o;
    if (hash_rows(&work, err) != ERR_OK || compare_with_stored(&work, model, err) != ERR_OK ||
        prepare_rows(&work, err) != ERR_OK || db_write_begin(db, &conn, err) != ERR_OK) {
        goto done;
    }
    err_kept(append_in_transaction(conn, model, &work, err));
    if (db_write_end(db, err) == ERR_OK) {
        *out = work.result;
    }
done:
    work_release(&work);
    return err->code;
}
