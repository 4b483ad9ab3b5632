/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statistics from stored rows: after a deletion, and of files of schema 1, whose batches have no
 * digest either. Such a file is read once when it is opened, one transaction a model; after a crash
 * the model at hand is begun again.
 *
 * A damaged chunk is not counted, and keeps neither the registry from opening nor another batch
 * from being deleted: whoever reads its rows is told.
 */
#include "store/data/data_gather.h"

#include "base/digest.h"
#include "base/mem.h"
#include "store/data/data_chunk.h"
#include "store/data/row_index.h"
#include "store/sqlite/query.h"

struct gathering {
    struct data_stats *stats;
    struct digest *digest; /* NULL: not wanted */
    struct conn *conn;     /* NULL: no index is made */
    int64_t model;
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
        err_kept(row_index_add(g->conn, g->model, batch, entries, n, g->stats->n_rows, err));
    }
    mem_free(entries);
    return err->code;
}

static enum err_code gather_chunk(const struct gathering *g, const struct data_chunk *chunk,
                                  struct err *err)
{
    size_t width = (size_t)(chunk->d + chunk->o);
    double *rows = mem_dup(chunk->bytes, chunk->n_bytes);
    struct column_stats *columns = mem_alloc_array(width, sizeof *columns);
    if (rows == NULL || columns == NULL) {
        err_set(err, ERR_NOMEM, "no memory for %zu bytes of training rows", chunk->n_bytes);
        goto done;
    }
    column_stats_of(rows, chunk->n, width, columns);
    if (data_stats_add(g->stats, chunk->n, chunk->d, chunk->o, columns, err) != ERR_OK) {
        goto done;
    }
    if (g->digest != NULL) {
        err_kept(digest_add(g->digest, chunk->bytes, chunk->n_bytes, err));
    }
    if (g->conn != NULL && err->code == ERR_OK) {
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
    struct query q = data_open_chunks(conn, model, after + 1, -1, INT64_MAX, err);
    while (query_row(&q)) {
        struct data_chunk chunk;
        if (query_get_int(&q, 0) == skip) {
            continue;
        }
        enum err_code code = data_get_chunk(&q, &chunk, err);
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

/* ---- older files ---- */

struct batch_list {
    int64_t *ids; /* [n], mem */
    size_t n;
};

static enum err_code list_batches(struct conn *conn, int64_t model, struct batch_list *list,
                                  struct err *err)
{
    size_t capacity = 0;
    struct query q = query_open(conn, SQL_BATCH_IDS, err);
    query_int(&q, ":model", model);
    while (query_row(&q)) {
        if (list->n == capacity) {
            capacity = capacity > 0 ? 2 * capacity : 64;
            int64_t *ids = mem_realloc_array(list->ids, capacity, sizeof *ids);
            if (ids == NULL) {
                err_set(err, ERR_NOMEM, "no memory for the list of batches");
                break;
            }
            list->ids = ids;
        }
        list->ids[list->n++] = query_get_int(&q, 0);
    }
    return query_close(&q);
}

static enum err_code upgrade_chunk(struct gathering *g, struct query *q, struct err *err)
{
    struct data_chunk chunk;
    enum err_code code = data_get_chunk(q, &chunk, err);
    if (code == ERR_CORRUPT) {
        err_clear(err);
        return digest_add(g->digest, chunk.bytes, chunk.n_bytes, err);
    }
    return code == ERR_OK ? gather_chunk(g, &chunk, err) : code;
}

static enum err_code upgrade_batch(struct gathering *g, int64_t batch, struct err *err)
{
    struct digest digest = {.state = NULL};
    unsigned char sha256[SHA256_BYTES];
    if (digest_open(&digest, err) != ERR_OK) {
        return err->code;
    }
    g->digest = &digest;
    struct query q = data_open_chunks(g->conn, g->model, batch, -1, batch, err);
    while (query_row(&q) && upgrade_chunk(g, &q, err) == ERR_OK) {
        continue;
    }
    err_kept(query_close(&q));
    digest_close(&digest, sha256);
    q = query_open(g->conn, SQL_BATCH_SET_DIGEST, err);
    query_int(&q, ":batch", batch);
    query_blob(&q, ":digest", sha256, sizeof sha256);
    g->stats->n_batches++;
    return query_close(&q);
}

static enum err_code upgrade_model(struct conn *conn, int64_t model, struct err *err)
{
    struct data_stats stats = {.generation = 0};
    struct batch_list list = {.ids = NULL};
    struct gathering g = {.stats = &stats, .conn = conn, .model = model};
    struct query q = query_open(conn, SQL_RUN_DELETE_ALL, err);
    query_int(&q, ":model", model);
    if (query_close(&q) == ERR_OK && data_stats_get(conn, model, &stats, err) == ERR_OK) {
        data_stats_release(&stats);
        err_kept(list_batches(conn, model, &list, err));
    }
    for (size_t i = 0; i < list.n && err->code == ERR_OK; i++) {
        err_kept(upgrade_batch(&g, list.ids[i], err));
    }
    if (err->code == ERR_OK) {
        err_kept(data_stats_put(conn, model, &stats, err));
    }
    data_stats_release(&stats);
    mem_free(list.ids);
    return err->code;
}

enum err_code data_upgrade(struct conn *conn, const char *path, struct err *err)
{
    for (;;) {
        struct err ignored = ERR_INIT;
        int64_t model = 0;
        struct query q = query_open(conn, SQL_BATCH_TO_UPGRADE, err);
        if (query_row(&q)) {
            model = query_get_int(&q, 0);
        }
        if (query_close(&q) != ERR_OK || model == 0) {
            return err->code;
        }
        if (conn_exec(conn, "BEGIN IMMEDIATE", path, err) != ERR_OK) {
            return err->code;
        }
        if (upgrade_model(conn, model, err) != ERR_OK ||
            conn_exec(conn, "COMMIT", path, err) != ERR_OK) {
            err_prefix(err, "training rows of an older registry");
            if (conn_exec(conn, "ROLLBACK", path, &ignored) != ERR_OK) {
                err_clear(&ignored); /* the failure had ended the transaction */
            }
            return err->code;
        }
    }
}
