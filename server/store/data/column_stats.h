/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statistics of a column of training rows: count, mean, spread, extremes, and a sketch of its
 * quantiles. The statistics of two sets of rows can be joined without reading the rows again, so an
 * upload costs no more than reading its own rows.
 *
 * A value may be missing (NaN): statistics are of those that are there, and count them.
 *
 * The struct is an array of doubles and is stored as it is.
 */
#ifndef COLUMN_STATS_H
#define COLUMN_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COLUMN_POINTS   32 /* centroids of the sketch */
#define COLUMN_MIN_ROWS 20 /* with fewer rows no value is called an outlier */
#define COLUMN_FENCE    10 /* how far from the quartiles a value is usual, in interquartile ranges */

struct column_stats {
    double n; /* values that are there; 0: all numbers that follow are 0 */
    double mean;
    double m2; /* sum of squared deviations from the mean */
    double low;
    double high;
    double n_points;
    double at[COLUMN_POINTS]; /* [n_points] centroids, ascending */
    double weight[COLUMN_POINTS];
};

/* stats: [k], of the first k columns of rows [n x width], n >= 1. */
void column_stats_of(const double *rows, int64_t n, size_t width, size_t k,
                     struct column_stats *stats);

/* into, from: [k]. A zeroed struct stands for no rows. */
void column_stats_join(struct column_stats *into, const struct column_stats *from, size_t k);

/* An estimate; level in [0, 1]. The column must have values. */
double column_stats_quantile(const struct column_stats *stats, double level);

/* Sample standard deviation (divided by n - 1); 0 for one row. */
double column_stats_deviation(const struct column_stats *stats);

/*
 * range: [2], the usual range. It extends COLUMN_FENCE interquartile ranges below the first and
 * above the third quartile, or as many standard deviations when the quartiles are equal. False when
 * there are too few rows or all values are equal.
 */
bool column_stats_usual(const struct column_stats *stats, double *range);

#endif
