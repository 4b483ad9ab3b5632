/* SPDX-License-Identifier: Apache-2.0 */
#include "store/data/data_newest.h"

#include <string.h>

#include "base/mem.h"
#include "store/data/data_chunk.h"
#include "store/models/model_find.h"
#include "store/sqlite/db_transaction.h"
#include "store/sqlite/query.h"

/* The batch to begin at, and how many of its first rows are too many. */
static enum err_code find_start(struct conn *conn, int64_t model, int64_t after, int64_t limit,
                                int64_t *first, int64_t *total, struct err *err)
{
    struct query q = query_open(conn, SQL_BATCH_NEWEST_FROM, err);
    query_int(&q, ":model", model);
    query_int(&q, ":after", after);
    query_int(&q, ":n", limit);
    *total = 0;
    if (query_row(&q)) {
        *first = query_get_int(&q, 0);
        *total = query_get_int(&q, 1);
    }
    return query_close(&q);
}

/* Takes the rows of a chunk but for the first *skip. */
static enum err_code take(struct data_newest *out, const struct data_chunk *chunk, int64_t limit,
                          int64_t *skip, struct err *err)
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

static enum err_code read_newest(struct conn *conn, const char *name, int64_t after, int64_t limit,
                                 struct data_newest *out, struct err *err)
{
    int64_t model = 0;
    int64_t first = 0;
    int64_t total = 0;
    if (model_find(conn, name, &model, NULL, err) != ERR_OK ||
        find_start(conn, model, after, limit, &first, &total, err) != ERR_OK) {
        return err->code;
    }
    if (total == 0) {
        return err_set(err, ERR_NOT_FOUND, "model %.64s has no rows after batch %lld", name,
                       (long long)after);
    }
    int64_t skip = total > limit ? total - limit : 0;
    int64_t wanted = total - skip;
    struct query q = data_open_chunks(conn, model, first, -1, INT64_MAX, err);
    while (query_row(&q)) {
        struct data_chunk chunk;
        if (data_get_chunk(&q, &chunk, err) != ERR_OK ||
            take(out, &chunk, wanted, &skip, err) != ERR_OK) {
            break;
        }
    }
    return query_close(&q);
}

enum err_code data_store_newest(struct db *db, const char *model, int64_t after, int64_t limit,
                                struct data_newest *out, struct err *err)
{
    struct conn *conn;
    *out = (struct data_newest){.n = 0};
    if (db_read_begin(db, &conn, err) != ERR_OK) {
        return err->code;
    }
    err_kept(read_newest(conn, model, after, limit, out, err));
    if (db_read_end(db, conn, err) != ERR_OK) {
        mem_free(out->rows);
        out->rows = NULL;
    }
    return err->code;
}
