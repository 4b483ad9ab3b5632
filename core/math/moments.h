/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moments over posterior draws in one pass: Welford's update, draw after draw, so that no
 * [m x n x o] array is held and nothing cancels. variance has ddof 1; one draw gives 0.
 */
#ifndef MOMENTS_H
#define MOMENTS_H

#include <stddef.h>

/* Takes draw number `count` (1 for the first) of k values into mean [k] and m2 [k]. */
void moments_add(long count, size_t k, const double *value, double *mean, double *m2);

/*
 * The same with the covariance of outputs at each of n rows: co [n x o x o], lower triangle.
 * scratch: [o].
 */
void moments_add_covariance(long count, size_t n, size_t o, const double *value, double *mean,
                            double *co, double *scratch);

/* m2 -> variance in place; co's lower triangle -> full covariance. */
void moments_finish(long count, size_t k, double *m2);
void moments_finish_covariance(long count, size_t n, size_t o, double *co);

/*
 * Covariance between rows for each output: values [m x n x o] -> cov [o x n x n]. values are
 * only read. mean: [n x o].
 */
void moments_row_covariance(long m, size_t n, size_t o, const double *values, const double *mean,
                            double *cov, double *scratch /* [m x n] */);

/* Quantiles by linear interpolation (numpy's default) of m values, sorted in place. levels in
 * [0, 1]. */
void moments_quantiles(long m, double *values, int n_levels, const double *levels, double *out);

#endif
