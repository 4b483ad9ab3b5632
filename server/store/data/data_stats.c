/* SPDX-License-Identifier: Apache-2.0 */
#include "store/data/data_stats.h"

#include "base/mem.h"
#include "base/phrase.h"
#include "store/sqlite/query.h"

enum err_code data_stats_get(struct conn *conn, int64_t model, struct data_stats *stats,
                             struct err *err)
{
    *stats = (struct data_stats){.generation = 0};
    struct query q = query_open(conn, SQL_STATS_GET, err);
    query_int(&q, ":model", model);
    if (query_row(&q)) {
        size_t n_bytes = 0;
        void *columns = NULL;
        stats->generation = query_get_int(&q, 0);
        stats->n_rows = query_get_int(&q, 1);
        stats->n_batches = query_get_int(&q, 2);
        stats->d = (int)query_get_int(&q, 3);
        stats->o = (int)query_get_int(&q, 4);
        query_copy_blob(&q, 5, &columns, &n_bytes);
        stats->columns = columns;
        if (n_bytes != (size_t)(stats->d + stats->o) * sizeof *stats->columns) {
            err_set(err, ERR_CORRUPT, "stored statistics of rows have the wrong length");
        }
    }
    if (query_close(&q) != ERR_OK) {
        data_stats_release(stats);
    }
    return err->code;
}

enum err_code data_stats_put(struct conn *conn, int64_t model, const struct data_stats *stats,
                             struct err *err)
{
    size_t n_bytes = (size_t)(stats->d + stats->o) * sizeof *stats->columns;
    struct query q = query_open(conn, SQL_STATS_PUT, err);
    query_int(&q, ":model", model);
    query_int(&q, ":generation", stats->generation);
    query_int(&q, ":n_rows", stats->n_rows);
    query_int(&q, ":n_batches", stats->n_batches);
    query_int(&q, ":n_inputs", stats->d);
    query_int(&q, ":n_outputs", stats->o);
    query_blob(&q, ":columns", stats->columns, n_bytes);
    return query_close(&q);
}

enum err_code data_stats_add(struct data_stats *stats, int64_t n, int d, int o,
                             const struct column_stats *columns, struct err *err)
{
    size_t width = (size_t)(d + o);
    if (stats->n_rows == 0) {
        mem_free(stats->columns);
        stats->d = stats->o = 0;
        stats->columns = mem_zalloc_array(width, sizeof *stats->columns);
        if (stats->columns == NULL) {
            return err_set(err, ERR_NOMEM, "no memory for statistics of rows");
        }
        stats->d = d;
        stats->o = o;
    }
    if (stats->d != d || stats->o != o) {
        return err_set(err, ERR_CORRUPT, "stored rows have %s and %s, not %d and %d",
                       phrase_count(d, "input").text, phrase_count(o, "output").text, stats->d,
                       stats->o);
    }
    column_stats_join(stats->columns, columns, width);
    stats->n_rows += n;
    return ERR_OK;
}

void data_stats_release(struct data_stats *stats)
{
    mem_free(stats->columns);
    *stats = (struct data_stats){.generation = stats->generation};
}
