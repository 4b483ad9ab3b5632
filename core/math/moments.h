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

/* Mean and covariance of o outputs at each of n rows, while draws are being added. */
struct moments_covariance {
    size_t n, o;
    double *mean;    /* [n x o] */
    double *co;      /* [n x o x o], of which the lower triangles are used */
    double *scratch; /* [o] */
};

/* The same with the covariance of the outputs; value: [n x o]. */
void moments_add_covariance(const struct moments_covariance *sums, long count, const double *value);

/* m2 -> variance in place; co's lower triangle -> full covariance. */
void moments_finish(long count, size_t k, double *m2);
void moments_finish_covariance(long count, size_t n, size_t o, double *co);

/* m draws of o outputs at each of n rows, and the mean of the draws. */
struct moments_draws {
    long m;
    size_t n, o;
    const double *values; /* [m x n x o] */
    const double *mean;   /* [n x o] */
};

/* cov [o x n x n] <- the covariance between rows, for each output. scratch: [m x n]. */
void moments_row_covariance(const struct moments_draws *draws, double *cov, double *scratch);

/* Quantiles by linear interpolation (numpy's default) of m values, sorted in place. levels in
 * [0, 1]. */
void moments_quantiles(long m, double *values, int n_levels, const double *levels, double *out);

#endif
