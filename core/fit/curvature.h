/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Second derivatives of an objective (core/fit/objective) at a parameter vector, P =
 * objective_n_params. Matrices are row-major [P x P], symmetric, both triangles filled. The prior's
 * part, with n_total taken as it stands, is included; mse has none.
 *
 * Work is shared by n_threads threads; results do not depend on their number. ERR_CANCELLED,
 * ERR_UNSUPPORTED, ERR_NUMERIC (not finite), ERR_NOMEM.
 *
 * Rows are taken in group by group, and between two groups the sums so far go to the checkpoint
 * when it is due: of many rows and parameters they are hours of work. They are as large as the
 * result, half of it for Gauss-Newton.
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
    int stage;      /* a state that was left at another stage of the same task is not looked at */
    int group_rows; /* of a group; 0: some seconds' work. Other groups round otherwise */
};

/* h <- the exact Hessian: products with unit vectors, forward over reverse, columns in parallel. */
enum err_code curvature_hessian(const struct curvature_problem *problem, double *h,
                                struct err *err) MUST_CHECK;

/*
 * h <- the generalised Gauss-Newton matrix: sum over rows of J' L J, J the outputs' derivative by
 * the parameters, L the objective's second derivative by the outputs (Fisher's for predicted
 * noise); positive semi-definite. Learned log s_j: their Fisher information 2 n on the diagonal.
 */
enum err_code curvature_gauss_newton(const struct curvature_problem *problem, double *h,
                                     struct err *err) MUST_CHECK;

/* diagonal [P] <- sum over rows of squared gradients (the empirical Fisher), plus the prior's. */
enum err_code curvature_fisher_diagonal(const struct curvature_problem *problem, double *diagonal,
                                        struct err *err) MUST_CHECK;

#endif
