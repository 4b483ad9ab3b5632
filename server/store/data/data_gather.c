/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statistics from stored rows are needed after a deletion, and for files of schema 1, whose batches
 * have no digest either. Such a file is read through once when it is opened, in one transaction per
 * model; after a crash the model that was being read is begun again.
 *
 * A damaged chunk is left out of the statistics. It prevents neither the registry from being opened
 * nor another batch from being deleted; whoever reads its rows is told of the damage.
 */
#include "store/data/data_gather.h"

#include "base/digest.h"
#include "base/mem.h"
#include "store/data/data_chunk.h"
#include "store/data/row_index.h"
#include "store/sqlite/query_list.h"

struct gathering {
    struct data_stats *stats;
    struct digest *digest;         /* of all bytes read; NULL: not wanted */
    const struct row_index *index; /* to add the rows to; NULL: none */
};

static enum err_code index_rows(const struct gathering *g, int64_t batch, const double *rows,
                                size_t n, struct err *err)
{
    size_t width = (size_t)(g->stats->d + g->stats->o);
    struct row_entry *entries = mem_alloc_array(n, sizeof *entries);
    if (entries == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the index of rows");
    }
    if (row_index_hash(rows, n, width, entries, err) == ERR_OK) {
        err_kept(row_index_add(g->index, batch, entries, n, g->stats->n_rows, err));
    }
    mem_free(entries);
    return err->code;
}

/* Of the rows of a chunk, whose columns are known already. */
static int64_t count_failed(const struct data_chunk *chunk, const double *rows,
                            const struct column_stats *columns)
{
    int64_t n = 0;
    for (size_t j = (size_t)chunk->d; j < data_stats_width(chunk->d, chunk->o); j++) {
        if (columns[j].n == (double)chunk->n) {
            return 0; /* each row has at least this output */
        }
    }
    for (int64_t i = 0; i < chunk->n; i++) {
        const double *row = rows + (size_t)i * (size_t)(chunk->d + chunk->o);
        n += data_stats_missing(row + chunk->d, chunk->o) == chunk->o;
    }
    return n;
}

static enum err_code gather_chunk(const struct gathering *g, const struct data_chunk *chunk,
                                  struct err *err)
{
    size_t width = (size_t)(chunk->d + chunk->o);
    double *rows = mem_dup(chunk->bytes, chunk->n_bytes);
    size_t n_columns = data_stats_width(chunk->d, chunk->o);
    struct column_stats *columns = mem_alloc_array(n_columns, sizeof *columns);
    if (rows == NULL || columns == NULL) {
        err_set(err, ERR_NOMEM, "no memory for %zu bytes of training rows", chunk->n_bytes);
        goto done;
    }
    column_stats_of(rows, chunk->n, width, n_columns, columns);
    const struct data_stats_part part = {chunk->n, count_failed(chunk, rows, columns), chunk->d,
                                         chunk->o, columns};
    if (data_stats_add(g->stats, &part, err) != ERR_OK) {
        goto done;
    }
    if (g->digest != NULL) {
        err_kept(digest_add(g->digest, chunk->bytes, chunk->n_bytes, err));
    }
    if (g->index != NULL && err->code == ERR_OK) {
        err_kept(index_rows(g, chunk->batch, rows, (size_t)chunk->n, err));
    }
done:
    mem_free(rows);
    mem_free(columns);
    return err->code;
}

enum err_code data_gather_stats(struct conn *conn, int64_t model, int64_t after, int64_t skip,
                                struct data_stats *stats, struct err *err)
{
    struct gathering g = {.stats = stats};
    int64_t batch = 0;
    struct query q = data_chunk_open(conn, model, after + 1, -1, INT64_MAX, err);
    while (query_row(&q)) {
        struct data_chunk chunk;
        if (query_get_int(&q, 0) == skip) {
            continue; /* without a look at its bytes */
        }
        enum err_code code = data_chunk_get(&q, &chunk, err);
        stats->n_batches += chunk.batch != batch;
        batch = chunk.batch;
        if (code == ERR_CORRUPT) {
            err_clear(err);
        } else if (code != ERR_OK || gather_chunk(&g, &chunk, err) != ERR_OK) {
            break;
        }
    }
    return query_close(&q);
}

/* ---- files of schema 1 ---- */

static enum err_code upgrade_chunk(const struct gathering *g, struct query *q, struct err *err)
{
    struct data_chunk chunk;
    enum err_code code = data_chunk_get(q, &chunk, err);
    if (code == ERR_CORRUPT) {
        err_clear(err);
        return digest_add(g->digest, chunk.bytes, chunk.n_bytes, err);
    }
    return code == ERR_OK ? gather_chunk(g, &chunk, err) : code;
}

static enum err_code store_digest(struct conn *conn, int64_t batch, const unsigned char *sha256,
                                  struct err *err)
{
    struct query q = query_open(conn, SQL_BATCH_SET_DIGEST, err);
    query_int(&q, ":batch", batch);
    query_blob(&q, ":digest", sha256, SHA256_BYTES);
    return query_close(&q);
}

static enum err_code upgrade_batch(const struct row_index *index, int64_t batch,
                                   struct data_stats *stats, struct err *err)
{
    struct digest digest = {.state = NULL};
    struct gathering g = {.stats = stats, .digest = &digest, .index = index};
    unsigned char sha256[SHA256_BYTES];
    if (digest_open(&digest, err) != ERR_OK) {
        return err->code;
    }
    struct query q = data_chunk_open(index->conn, index->model, batch, -1, batch, err);
    while (query_row(&q) && upgrade_chunk(&g, &q, err) == ERR_OK) {
        continue;
    }
    err_kept(query_close(&q));
    digest_close(&digest, sha256);
    stats->n_batches++;
    return store_digest(index->conn, batch, sha256, err);
}

static void get_number(struct query *q, void *out)
{
    *(int64_t *)out = query_get_int(q, 0);
}

/* Numbers of the model's batches, of older and newer ones alike. */
static enum err_code list_batches(const struct row_index *index, struct query_list *list,
                                  struct err *err)
{
    struct query q = query_open(index->conn, SQL_BATCH_IDS, err);
    query_int(&q, ":model", index->model);
    return query_list_read(list, &q);
}

static enum err_code upgrade_model(struct conn *conn, int64_t model, struct err *err)
{
    struct row_index index = {.conn = conn, .model = model};
    struct query_list batches = {.size = sizeof(int64_t), .get = get_number};
    struct data_stats stats = {.generation = 0};
    if (query_run_for(conn, SQL_RUN_DELETE_ALL, ":model", model, err) == ERR_OK &&
        data_stats_get(conn, model, &stats, err) == ERR_OK) {
        data_stats_release(&stats); /* all but the generation is computed anew */
        err_kept(list_batches(&index, &batches, err));
    }
    const int64_t *numbers = batches.array;
    for (size_t i = 0; i < batches.n && err->code == ERR_OK; i++) {
        err_kept(upgrade_batch(&index, numbers[i], &stats, err));
    }
    if (err->code == ERR_OK) {
        err_kept(data_stats_put(conn, model, &stats, err));
    }
    data_stats_release(&stats);
    mem_free(batches.array);
    return err->code;
}

enum err_code data_upgrade(struct conn *conn, const char *path, struct err *err)
{
    for (;;) {
        int64_t model = 0;
        if (query_number(conn, SQL_BATCH_TO_UPGRADE, &model, err) != ERR_OK || model == 0 ||
            conn_begin(conn, path, err) != ERR_OK) {
            return err->code;
        }
        err_kept(upgrade_model(conn, model, err));
        if (conn_end(conn, path, err) != ERR_OK) {
            err_prefix(err, "training rows of an older registry");
            return err->code;
        }
    }
}
