/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of a column of training rows: count, mean, spread, extremes, and a sketch of its
 * quantiles. Two of them are joined without looking at rows again, so an upload costs its own rows.
 *
 * Plain arrays of doubles: they are stored as they are.
 */
#ifndef COLUMN_STATS_H
#define COLUMN_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COLUMN_POINTS   32 /* centroids of the sketch */
#define COLUMN_MIN_ROWS 20 /* with fewer rows nothing is called unusual */
#define COLUMN_FENCE    10 /* interquartile ranges outside the quartiles that are still usual */

struct column_stats {
    double n;
    double mean;
    double m2; /* sum of squared deviations */
    double low;
    double high;
    double n_points;
    double at[COLUMN_POINTS]; /* centroids, ascending */
    double weight[COLUMN_POINTS];
};

/* stats: [k], of rows [n x k], n >= 1. */
void column_stats_of(const double *rows, int64_t n, size_t k, struct column_stats *stats);

/* into, from: [k]. A zeroed struct holds no rows. */
void column_stats_join(struct column_stats *into, const struct column_stats *from, size_t k);

/* Estimated; level in [0, 1]. The column must have rows. */
double column_stats_quantile(const struct column_stats *stats, double level);

/* Standard deviation with ddof 1; 0 for one row. */
double column_stats_deviation(const struct column_stats *stats);

/*
 * range: [2]: COLUMN_FENCE interquartile ranges (standard deviations where more than half of the
 * values are equal) below the first and above the third quartile. False when there are too few
 * rows or all are equal.
 */
bool column_stats_usual(const struct column_stats *stats, double *range);

#endif
