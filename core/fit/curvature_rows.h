/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gauss-Newton matrices that are computed again and again, at changing parameters and noise, in
 * memory that is allocated once. curvature_gauss_newton (fit/curvature.h) computes one.
 */
#ifndef CURVATURE_ROWS_H
#define CURVATURE_ROWS_H

#include "fit/curvature.h"

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
 *   sums [K x K] <- J' L J, upper triangle; what stands below it is undefined
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

#endif
