/* SPDX-License-Identifier: Apache-2.0 */
#include "store/data/data_newest.h"

#include <string.h>

#include "base/mem.h"
#include "store/data/data_chunk.h"
#include "store/models/model_find.h"
#include "store/sqlite/db_transaction.h"
#include "store/sqlite/query.h"

struct range {
    int64_t first_batch; /* where the newest rows begin */
    int64_t n_rows;      /* from there on */
};

/* The shortest range of whole batches after `after` that has `limit` rows, or all of them. */
static enum err_code find_range(struct conn *conn, int64_t model, int64_t after, int64_t limit,
                                struct range *out, struct err *err)
{
    struct query q = query_open(conn, SQL_BATCH_NEWEST_FROM, err);
    query_int(&q, ":model", model);
    query_int(&q, ":after", after);
    query_int(&q, ":n", limit);
    if (query_row(&q)) {
        out->first_batch = query_get_int(&q, 0);
        out->n_rows = query_get_int(&q, 1);
    }
    return query_close(&q);
}

/* Appends the rows of a chunk, except the first *skip. limit: how many rows there will be. */
static enum err_code append_chunk(struct data_newest *out, const struct data_chunk *chunk,
                                  int64_t limit, int64_t *skip, struct err *err)
{
    size_t width = (size_t)(chunk->d + chunk->o);
    int64_t from = *skip < chunk->n ? *skip : chunk->n;
    int64_t n = chunk->n - from;
    *skip -= from;
    if (n > limit - out->n || (out->n > 0 && (chunk->d != out->d || chunk->o != out->o))) {
        return err_set(err, ERR_CORRUPT, "stored rows do not agree with their totals");
    }
    out->d = chunk->d;
    out->o = chunk->o;
    if (out->rows == NULL) {
        out->rows = mem_alloc_array((size_t)limit * width, sizeof *out->rows);
        if (out->rows == NULL) {
            return err_set(err, ERR_NOMEM, "no memory for %lld rows", (long long)limit);
        }
    }
    memcpy(out->rows + (size_t)out->n * width,
           (const char *)chunk->bytes + (size_t)from * width * sizeof *out->rows,
           (size_t)n * width * sizeof *out->rows);
    out->n += n;
    return ERR_OK;
}

static enum err_code read_range(struct conn *conn, int64_t model, const struct range *range,
                                int64_t limit, struct data_newest *out, struct err *err)
{
    int64_t skip = range->n_rows > limit ? range->n_rows - limit : 0;
    int64_t n_wanted = range->n_rows - skip;
    struct query q = data_chunk_open(conn, model, range->first_batch, -1, INT64_MAX, err);
    while (query_row(&q)) {
        struct data_chunk chunk;
        if (data_chunk_get(&q, &chunk, err) != ERR_OK ||
            append_chunk(out, &chunk, n_wanted, &skip, err) != ERR_OK) {
            break;
        }
    }
    return query_close(&q);
}

enum err_code data_store_newest(struct db *db, const char *model, int64_t after, int64_t limit,
                                struct data_newest *out, struct err *err)
{
    struct conn *conn;
    int64_t id = 0;
    struct range range = {.n_rows = 0};
    *out = (struct data_newest){.n = 0};
    if (model_read_begin(db, model, &conn, &id, err) != ERR_OK) {
        return err->code;
    }
    if (find_range(conn, id, after, limit, &range, err) == ERR_OK && range.n_rows == 0) {
        err_set(err, ERR_NOT_FOUND, "model %.64s has no rows after batch %lld", model,
                (long long)after);
    }
    if (err->code == ERR_OK) {
        err_kept(read_range(conn, id, &range, limit, out, err));
    }
    if (db_read_end(db, conn, err) != ERR_OK) {
        mem_free(out->rows);
        out->rows = NULL;
    }
    return err->code;
}
