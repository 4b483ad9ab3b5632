/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Second derivatives of an objective (core/fit/objective) at a parameter vector of P =
 * objective_n_params numbers. Matrices are row-major [P x P] and symmetric, with both triangles
 * filled. The prior's part is included, for the rows' share of n_total; mse has no prior.
 *
 * The work is shared by n_threads threads, on whose number the results do not depend.
 * ERR_CANCELLED, ERR_NUMERIC (not finite), ERR_NOMEM.
 *
 * Rows are taken group by group, and between two groups the sums so far are saved when the
 * checkpoint is due, because with many rows and parameters they are hours of work. They are as
 * large as the result, or half as large for Gauss-Newton.
 */
#ifndef CURVATURE_H
#define CURVATURE_H

#include "base/cancel.h"
#include "base/checkpoint.h"
#include "fit/data.h"
#include "fit/objective.h"

struct curvature_problem {
    const struct objective *objective;
    const struct resnet *net;
    struct data rows;
    const double *params; /* [P] */
    int n_threads;
    const struct cancel *cancel;         /* may be NULL */
    const struct checkpoint *checkpoint; /* may be NULL */
    int task;                            /* of the checkpoint */
    int stage;      /* a state that another stage of the same task has saved is ignored */
    int group_rows; /* rows of a group, by which sums round; 0: a few seconds' work */
};

/* h [P x P] <- the exact Hessian. */
enum err_code curvature_hessian(const struct curvature_problem *problem, double *h,
                                struct err *err) MUST_CHECK;

/*
 * h [P x P] <- the generalised Gauss-Newton matrix, which is positive semi-definite: the sum over
 * rows of J' L J, where J are the derivatives of the outputs with respect to the parameters, and L
 * the objective's second derivatives with respect to the outputs (their expectation for predicted
 * noise). The diagonal of a learned log s_j is its Fisher information, 2 n_j for the
 * n_j rows that have the output.
 */
enum err_code curvature_gauss_newton(const struct curvature_problem *problem, double *h,
                                     struct err *err) MUST_CHECK;

/* diagonal [P] <- the empirical Fisher (the sum over rows of squared gradients) and the prior's. */
enum err_code curvature_fisher_diagonal(const struct curvature_problem *problem, double *diagonal,
                                        struct err *err) MUST_CHECK;

#endif
