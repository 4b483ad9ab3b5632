/* SPDX-License-Identifier: Apache-2.0 */
/* What the ways to second derivatives share. */
#ifndef CURVATURE_PRIV_H
#define CURVATURE_PRIV_H

#include "fit/curvature.h"

/* Threads that will run: within what core/base/par allows, at least 1. */
int curvature_threads(const struct curvature_problem *problem);

/* Adds the prior's second derivatives to a diagonal whose elements are `stride` apart. */
void curvature_add_prior(const struct curvature_problem *problem, size_t stride, double *diagonal);

/* Sums over rows, v [rows x columns], of which row i counts from column i / block * block on. */
struct curvature_sums {
    double *v;
    size_t rows, columns;
    size_t block; /* 0: from the first on */
};

/*
 * Reads what an interrupted run has left, if anything: *n_done rows are in the sums. Else both stay
 * as they are. ERR_CORRUPT, ERR_NOMEM.
 */
enum err_code curvature_resume(const struct curvature_problem *problem,
                               const struct curvature_sums *sums, int *n_done,
                               struct err *err) MUST_CHECK;

/*
 * Saves the sums over n_done rows when it is time. ERR_NOMEM; but when there is no memory for the
 * bytes of large sums the work goes on without: nobody who has room for a matrix need have it for
 * two.
 */
enum err_code curvature_save_if_due(const struct curvature_problem *problem,
                                    const struct curvature_sums *sums, int n_done,
                                    struct err *err) MUST_CHECK;

/* ERR_NUMERIC when a number of v [n] is not finite. */
enum err_code curvature_check(const double *v, size_t n, struct err *err) MUST_CHECK;

#endif
