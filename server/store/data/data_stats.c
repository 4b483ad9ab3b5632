/* SPDX-License-Identifier: Apache-2.0 */
#include "store/data/data_stats.h"

#include "base/mem.h"
#include "base/phrase.h"
#include "store/sqlite/query.h"

#include <math.h>
#include <string.h>

/*
 * How many runs failed follows the columns as one more number, where any did. So statistics of
 * complete rows are the same bytes as before runs could fail, and a program of that time reads
 * them.
 */
static enum err_code read_columns(const void *bytes, size_t n_bytes, struct data_stats *stats,
                                  struct err *err)
{
    size_t n_columns = data_stats_width(stats->d, stats->o) * sizeof *stats->columns;
    double n_failed = 0.0;
    if (n_bytes == n_columns + sizeof n_failed) {
        memcpy(&n_failed, (const char *)bytes + n_columns, sizeof n_failed);
    } else if (n_bytes != n_columns) {
        return err_set(err, ERR_CORRUPT, "stored statistics of rows have the wrong length");
    }
    if (!(n_failed >= 0.0 && n_failed <= (double)stats->n_rows)) {
        return err_set(err, ERR_CORRUPT, "stored statistics count %g failed runs in %lld rows",
                       n_failed, (long long)stats->n_rows);
    }
    stats->n_failed = (int64_t)n_failed;
    return ERR_OK;
}

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
        if (err->code == ERR_OK) {
            err_kept(read_columns(columns, n_bytes, stats, err));
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
    size_t n_columns = data_stats_width(stats->d, stats->o) * sizeof *stats->columns;
    size_t n_bytes = n_columns + (stats->n_failed > 0 ? sizeof(double) : 0);
    const double n_failed = (double)stats->n_failed;
    char *bytes = stats->n_failed > 0 ? mem_alloc(n_bytes) : NULL;
    if (stats->n_failed > 0 && bytes == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for statistics of rows");
    }
    if (bytes != NULL) {
        memcpy(bytes, stats->columns, n_columns);
        memcpy(bytes + n_columns, &n_failed, sizeof n_failed);
    }
    struct query q = query_open(conn, SQL_STATS_PUT, err);
    query_int(&q, ":model", model);
    query_int(&q, ":generation", stats->generation);
    query_int(&q, ":n_rows", stats->n_rows);
    query_int(&q, ":n_batches", stats->n_batches);
    query_int(&q, ":n_inputs", stats->d);
    query_int(&q, ":n_outputs", stats->o);
    query_blob(&q, ":columns", bytes != NULL ? (const void *)bytes : stats->columns, n_bytes);
    err_kept(query_close(&q));
    mem_free(bytes);
    return err->code;
}

enum err_code data_stats_add(struct data_stats *stats, const struct data_stats_part *part,
                             struct err *err)
{
    size_t width = data_stats_width(part->d, part->o);
    if (stats->n_rows == 0) {
        mem_free(stats->columns);
        stats->d = stats->o = 0;
        stats->n_failed = 0;
        stats->columns = mem_zalloc_array(width, sizeof *stats->columns);
        if (stats->columns == NULL) {
            return err_set(err, ERR_NOMEM, "no memory for statistics of rows");
        }
        stats->d = part->d;
        stats->o = part->o;
    }
    if (stats->d != part->d || stats->o != part->o) {
        return err_set(err, ERR_CORRUPT, "stored rows have %s and %s, not %d and %d",
                       phrase_count(part->d, "input").text, phrase_count(part->o, "output").text,
                       stats->d, stats->o);
    }
    column_stats_join(stats->columns, part->columns, width);
    stats->n_rows += part->n;
    stats->n_failed += part->n_failed;
    return ERR_OK;
}

int data_stats_missing(const double *y, int o)
{
    int n = 0;
    for (int j = 0; j < o; j++) {
        n += isnan(y[j]) ? 1 : 0;
    }
    return n;
}

void data_stats_release(struct data_stats *stats)
{
    mem_free(stats->columns);
    *stats = (struct data_stats){.generation = stats->generation};
}
