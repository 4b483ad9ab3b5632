/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moments over posterior draws in one pass: Welford's update takes one draw after the other, so
 * that no [m x n x o] array is needed and no digits cancel. Variances are divided by m - 1; the
 * variance of a single draw is 0.
 */
#ifndef MOMENTS_H
#define MOMENTS_H

#include <stddef.h>

/* Adds draw number `count` (1 for the first one) of k values to mean [k] and m2 [k]. */
void moments_add(long count, size_t k, const double *value, double *mean, double *m2);

/* Mean and covariance of o outputs at each of n rows, while draws are being added. */
struct moments_covariance {
    size_t n, o;
    double *mean;    /* [n x o] */
    double *co;      /* [n x o x o], of which the lower triangles are used */
    double *scratch; /* [o] */
};

/* Adds draw number `count` with the covariance of its outputs. value: [n x o]. */
void moments_add_covariance(const struct moments_covariance *sums, long count, const double *value);

/* In place: m2 becomes the variance, and the lower triangles of co the full covariance. */
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

/*
 * out [n_levels] <- quantiles of m values, which are sorted in place, at levels in [0, 1]. They are
 * interpolated linearly, as numpy does by default.
 */
void moments_quantiles(long m, double *values, int n_levels, const double *levels, double *out);

#endif
