/* SPDX-License-Identifier: Apache-2.0 */
/* What is stored about a model's rows as a whole, so that an upload need not read them. */
#ifndef DATA_STATS_H
#define DATA_STATS_H

#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "store/data/column_stats.h"

struct conn;

#define DATA_STATS_OUTPUTS 4096 /* of wider rows the first outputs have statistics */

/* Columns that have statistics: the inputs and so many outputs. */
static inline size_t data_stats_width(int d, int o)
{
    return (size_t)d + (size_t)(o < DATA_STATS_OUTPUTS ? o : DATA_STATS_OUTPUTS);
}

struct data_stats {
    int64_t generation; /* grows with each deletion */
    int64_t n_rows;
    int64_t n_batches;
    int64_t n_failed;             /* rows without any output */
    int d, o;                     /* 0: no rows yet */
    struct column_stats *columns; /* [data_stats_width], mem; NULL without rows */
};

/* All zero when nothing is stored yet. ERR_CORRUPT. */
enum err_code data_stats_get(struct conn *conn, int64_t model, struct data_stats *stats,
                             struct err *err) MUST_CHECK;
enum err_code data_stats_put(struct conn *conn, int64_t model, const struct data_stats *stats,
                             struct err *err) MUST_CHECK;
/* Rows that are added. */
struct data_stats_part {
    int64_t n;
    int64_t n_failed;
    int d, o;
    const struct column_stats *columns; /* [data_stats_width] */
};
/* ERR_CORRUPT: d or o differ from the rows before. n_batches is left to the caller. */
enum err_code data_stats_add(struct data_stats *stats, const struct data_stats_part *part,
                             struct err *err) MUST_CHECK;
/* How many of the outputs y [o] of a row are missing. */
int data_stats_missing(const double *y, int o);
/* A zeroed struct may be released. Keeps the generation. */
void data_stats_release(struct data_stats *stats);

#endif
