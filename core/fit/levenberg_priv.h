/* SPDX-License-Identifier: Apache-2.0 */
/* Levenberg-Marquardt where the values of outputs are fewer than the parameters. */
#ifndef LEVENBERG_PRIV_H
#define LEVENBERG_PRIV_H

#include "fit/levenberg.h"

/* The prior's part of E's gradient, of parameter k. */
static inline double levenberg_pull(const struct levenberg *self, int k)
{
    double center = self->center != NULL ? self->center[k] : 0.0;
    return self->precision[k] * (self->params[k] - center);
}

#define LEVENBERG_BEND_ROWS 1024 /* whose second derivatives are held at a time */

/*
 * After the step d of a try, whose factor is there: trial <- theta - d - a / 2 with the acceleration
 * a; *trusted: is a short enough? ERR_CANCELLED.
 */
enum err_code levenberg_bend(struct levenberg *self, bool *trusted, struct err *err) MUST_CHECK;

/* Are the values so few that this is faster? */
bool levenberg_few(const struct levenberg_problem *problem);

/* Sets lines, errors and gradient. */
enum err_code levenberg_few_linearise(struct levenberg *self, struct err *err) MUST_CHECK;

/* sums <- white lines, factor <- G, its lower triangle, for scale. */
void levenberg_few_form(struct levenberg *self);

/* step <- (H + lambda I)^-1 (gradient + a theta), once factor is the Cholesky factor of G. */
void levenberg_few_step(struct levenberg *self);

/* v [K] <- M^-1 v, once factor is the Cholesky factor of M. */
void levenberg_many_solve(const struct levenberg *self, double *v);

/* white [K] <- white + W' G^-1 by_line, once factor is the Cholesky factor of G. */
void levenberg_few_solve(struct levenberg *self, double *white);

/* determined [K], once factor is the Cholesky factor of G; factor <- its inverse. */
enum err_code levenberg_few_determined(struct levenberg *self, double *determined,
                                       struct err *err) MUST_CHECK;

/* by_output [o], after levenberg_few_determined. */
void levenberg_few_by_output(const struct levenberg *self, double *by_output);

/* variances [o] on rows left out, over s_j^2, after levenberg_few_determined. */
void levenberg_few_left_out(const struct levenberg *self, double *variances);

/* h [K x K] <- diag(scale) J' L J diag(scale), its lower triangle, from the white lines. */
void levenberg_few_sums(const struct levenberg *self, double *h);

#endif
