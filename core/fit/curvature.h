/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Second derivatives of an objective (core/losses/objective) at a parameter vector of P =
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
#include "losses/objective.h"

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

/*
 * ---- Gauss-Newton matrices that are computed again and again, at changing parameters and noise,
 * in memory that is allocated once (core/fit/curvature_rows.c) ----
 */

struct curvature_rows;

/*
 * For a problem whose noise is given. Keeps the problem, whose parameters and noise may change
 * between two sums; its checkpoint is not used. ERR_NOMEM.
 */
enum err_code curvature_rows_new(struct curvature_rows **out,
                                 const struct curvature_problem *problem,
                                 struct err *err) MUST_CHECK;
void curvature_rows_free(struct curvature_rows *self);

/*
 * With J the derivatives of the outputs by the parameters, L the objective's second derivatives by
 * the outputs and first its first ones, summed over the rows:
 *
 *   sums [K x K] <- J' L J, lower triangle; what stands above it is undefined
 *   gradient [K] <- J' first
 *
 * Neither includes the prior. ERR_CANCELLED, ERR_NOMEM (in the first call).
 */
enum err_code curvature_rows_normal(struct curvature_rows *self, double *sums, double *gradient,
                                    struct err *err) MUST_CHECK;

/*
 * Lines of a problem whose rows are one group (curvature_problem.group_rows: all of them): *lines
 * [n o x K] is J with each line multiplied by the root l^1/2 of its second derivative, and *errors
 * [n o] is first / l^1/2, so that J' first = lines' errors. Both are 0 where a row misses an
 * output. Borrowed until the next call. ERR_CANCELLED, ERR_NOMEM (in the first call).
 */
enum err_code curvature_rows_lines(struct curvature_rows *self, const double **lines,
                                   const double **errors, struct err *err) MUST_CHECK;

/*
 * leverages [o] <- for each output the sum over rows of its l |T J'|^2, with its line of J, its
 * second derivative l, and a lower triangle T [K x K]. With T'T the covariance of the parameters,
 * that is how many parameters the output determines. ERR_CANCELLED, ERR_NOMEM.
 */
enum err_code curvature_rows_leverage(struct curvature_rows *self, const double *t,
                                      double *leverages, struct err *err) MUST_CHECK;

/* The same, but variances [o] <- the sum over rows of 1 / (1 - l |T J'|^2): the variance of each
 * value, in units of its noise's, when the other rows train. A row that misses an output adds 1. */
enum err_code curvature_rows_left_out(struct curvature_rows *self, const double *t,
                                      double *variances, struct err *err) MUST_CHECK;

#endif
