/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a curvature H at a mode to the factor of the covariance (scale H)^-1, and log det H.
 * Matrices are row-major [n x n], in place: the curvature goes in, the factor comes out.
 */
#ifndef LAPLACE_H
#define LAPLACE_H

#include "base/cancel.h"
#include "base/compiler.h"
#include "base/err.h"

/*
 * h <- F with F F' = (scale H)^-1 by Cholesky. ERR_NUMERIC when H is not positive definite beyond
 * rounding. ERR_CANCELLED.
 */
enum err_code laplace_cholesky(int n, double scale, double *h, double *logdet,
                               const struct cancel *cancel, struct err *err) MUST_CHECK;

struct laplace_eigen {
    double scale;
    const double *prior; /* [n] standard deviations of the prior that H includes; NULL: none */
    const struct cancel *cancel;
};

/*
 * The same by eigenvectors, for an H that need not be positive definite. In the coordinates
 * w_k / prior_k eigenvalues below 1, the prior's own precision, are raised to 1: *n_raised of them.
 * Without a prior nothing is raised and such an H is ERR_NUMERIC. ERR_NOMEM, ERR_CANCELLED.
 */
enum err_code laplace_eigen(int n, const struct laplace_eigen *how, double *h, double *logdet,
                            int *n_raised, struct err *err) MUST_CHECK;

/* std [n] <- (scale diagonal)^-1/2; may be in place. ERR_NUMERIC naming an entry that is not
 * positive. */
enum err_code laplace_diagonal(int n, double scale, const double *diagonal, double *std,
                               double *logdet, struct err *err) MUST_CHECK;

#endif
