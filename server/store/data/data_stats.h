/* SPDX-License-Identifier: Apache-2.0 */
/* The row of data_stats: totals of a model's rows and what is known of their columns. */
#ifndef DATA_STATS_H
#define DATA_STATS_H

#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "store/data/column_stats.h"

struct conn;

/* The row of data_stats; zero when there is none yet. */
struct data_stats {
    int64_t generation;
    int64_t n_rows;
    int64_t n_batches;
    int d, o;
    struct column_stats *columns; /* [d + o], mem; NULL without rows */
};

enum err_code data_stats_get(struct conn *conn, int64_t model, struct data_stats *stats,
                             struct err *err) MUST_CHECK;
enum err_code data_stats_put(struct conn *conn, int64_t model, const struct data_stats *stats,
                             struct err *err) MUST_CHECK;
/* Adds a batch's rows; columns: [d + o]. */
enum err_code data_stats_add(struct data_stats *stats, int64_t n, int d, int o,
                             const struct column_stats *columns, struct err *err) MUST_CHECK;
/* A zeroed struct may be released. */
void data_stats_release(struct data_stats *stats);

#endif
