/* SPDX-License-Identifier: Apache-2.0 */
/* What the computations of second derivatives share. */
#ifndef CURVATURE_PRIV_H
#define CURVATURE_PRIV_H

#include "fit/curvature.h"

/* The number of threads to run: at least 1, and no more than core/base/par allows. */
int curvature_threads(const struct curvature_problem *problem);

/* Adds the prior's second derivatives to a diagonal whose elements are `stride` apart. */
void curvature_add_prior(const struct curvature_problem *problem, size_t stride, double *diagonal);

/* Sums over rows, v [rows x columns]; row i is used from column i / block * block on. */
struct curvature_sums {
    double *v;
    size_t rows, columns;
    size_t block; /* 0: whole rows are used */
};

/*
 * Reads the sums that an interrupted run has saved, of which *n_done rows are a part. Without such
 * a state the sums and *n_done stay as they are. ERR_CORRUPT, ERR_NOMEM.
 */
enum err_code curvature_resume(const struct curvature_problem *problem,
                               const struct curvature_sums *sums, int *n_done,
                               struct err *err) MUST_CHECK;

/*
 * Saves the sums over n_done rows when the checkpoint is due. ERR_NOMEM; but when there is no
 * memory for a copy of large sums, nothing is saved and that is no error: a machine with room for
 * one such matrix need not have room for two.
 */
enum err_code curvature_save_if_due(const struct curvature_problem *problem,
                                    const struct curvature_sums *sums, int n_done,
                                    struct err *err) MUST_CHECK;

/* ERR_NUMERIC when a number of v [n] is not finite. */
enum err_code curvature_check(const double *v, size_t n, struct err *err) MUST_CHECK;

#endif
