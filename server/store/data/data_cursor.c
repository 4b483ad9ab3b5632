/* SPDX-License-Identifier: Apache-2.0 */
#include "store/data/data_cursor.h"

#include <string.h>

#include "base/mem.h"
#include "store/data/batch_find.h"
#include "store/data/data_chunk.h"
#include "store/data/data_stats.h"
#include "store/models/model_find.h"
#include "store/sqlite/db_transaction.h"
#include "store/sqlite/query.h"

#define PIECE_BYTES ((size_t)256 * 1024) /* small chunks are gathered until a piece is so long */

static enum err_code find_batch(struct conn *conn, const char *model, int64_t batch,
                                struct data_cursor *cursor, struct err *err)
{
    struct batch_size size;
    if (batch_find(conn, model, cursor->model, batch, &size, err) == ERR_OK) {
        cursor->first_batch = cursor->last_batch = batch;
        cursor->n_rows = size.n_rows;
        cursor->d = size.d;
        cursor->o = size.o;
    }
    return err->code;
}

static enum err_code find_all_batches(struct conn *conn, const char *model,
                                      struct data_cursor *cursor, struct err *err)
{
    struct batch_span span;
    struct data_stats stats;
    if (data_stats_get(conn, cursor->model, &stats, err) != ERR_OK) {
        return err->code;
    }
    cursor->n_rows = stats.n_rows;
    cursor->d = stats.d;
    cursor->o = stats.o;
    data_stats_release(&stats);
    if (batch_get_span(conn, cursor->model, &span, err) != ERR_OK) {
        return err->code;
    }
    cursor->last_batch = span.last_batch;
    return cursor->n_rows > 0 ? ERR_OK
                              : err_set(err, ERR_NOT_FOUND, "model %.64s has no rows", model);
}

enum err_code data_cursor_open(struct db *db, const char *model, int64_t batch,
                               struct data_cursor *cursor, struct err *err)
{
    struct conn *conn;
    *cursor = (struct data_cursor){.db = db};
    if (model_read_begin(db, model, &conn, &cursor->model, err) != ERR_OK) {
        return err->code;
    }
    err_kept(batch > 0 ? find_batch(conn, model, batch, cursor, err)
                       : find_all_batches(conn, model, cursor, err));
    data_cursor_rewind(cursor);
    return db_read_end(db, conn, err);
}

size_t data_cursor_bytes(const struct data_cursor *cursor)
{
    size_t row_bytes = (size_t)(cursor->d + cursor->o) * sizeof *cursor->rows;
    size_t n_rows = (size_t)cursor->n_rows;
    size_t piece = PIECE_BYTES + DATA_CHUNK_BYTES;
    return 2 * (n_rows < piece / row_bytes ? n_rows * row_bytes : piece);
}

void data_cursor_rewind(struct data_cursor *cursor)
{
    cursor->batch = cursor->first_batch;
    cursor->seq = -1;
    cursor->n_read = 0;
}

/* n: the rows that are in the piece already. */
static enum err_code append_chunk(struct data_cursor *cursor, const struct data_chunk *chunk,
                                  int64_t n, struct err *err)
{
    size_t used = (size_t)n * (size_t)(cursor->d + cursor->o);
    size_t count = chunk->n_bytes / sizeof *cursor->rows;
    if (used + count > cursor->capacity) {
        if (used == 0) { /* the rows of the piece before are not needed: do not hold both */
            mem_free(cursor->rows);
            cursor->rows = NULL;
            cursor->capacity = 0;
        }
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

static enum err_code read_piece(struct data_cursor *cursor, struct conn *conn, int64_t *n,
                                struct err *err)
{
    size_t bytes = 0;
    struct data_chunk chunk;
    struct query q =
        data_chunk_open(conn, cursor->model, cursor->batch, cursor->seq, cursor->last_batch, err);
    while (bytes < PIECE_BYTES && query_row(&q) && data_chunk_get(&q, &chunk, err) == ERR_OK) {
        if (chunk.d != cursor->d || chunk.o != cursor->o) {
            err_set(err, ERR_CONFLICT, "rows were deleted and others came");
            break;
        }
        if (append_chunk(cursor, &chunk, *n, err) != ERR_OK) {
            break;
        }
        *n += chunk.n;
        bytes += chunk.n_bytes;
    }
    /* query_close would step through all the rows that are left. */
    return query_abandon(&q);
}

enum err_code data_cursor_next(struct data_cursor *cursor, int64_t *n, struct err *err)
{
    struct conn *conn;
    *n = 0;
    if (db_read_begin(cursor->db, &conn, err) != ERR_OK) {
        return err->code;
    }
    err_kept(read_piece(cursor, conn, n, err));
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
