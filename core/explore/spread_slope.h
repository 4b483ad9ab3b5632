/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exact derivatives by the inputs of a number that depends on a point through its spread: through
 * the means of the outputs, and through their rows of A (spread.h). From draws f_j, with the
 * derivative b_j by A_j = (f_j - mean) / sqrt(m - 1) and c by the mean,
 *
 *   sum_j (c / m + (b_j - mean of b) / sqrt(m - 1)) df_j/dx
 *
 * and in closed form, where A is W = [J diag(std), J F] of the derivatives J by the parameters, a
 * derivative b by W is one along the parameters u = [diag(std), F] b: d(J u)/dx, by forward over
 * reverse mode (network/resnet_tangent.h).
 */
#ifndef SPREAD_SLOPE_H
#define SPREAD_SLOPE_H

#include "explore/spread.h"

struct resnet_tape;
struct resnet_tangent;

struct spread_slope {
    const struct model *model;
    struct resnet_tape *tape;
    struct resnet_tangent *tangent; /* NULL from draws */
    double *z;                      /* [d] */
    double *in;                     /* [d] dz/dx */
    double *y, *dy, *along;         /* [n_out] */
    double *by_z;                   /* [d] */
    double *jacobian;               /* [n_out x d] */
    double *scratch;                /* [n_out + d] */
    double *v;                      /* [K] */
    int *order;                     /* [m] the draw of each column of A */
};

/* For one thread, and a model without categories; what is in the arena goes with it. A slope that
 * failed, or is zeroed, may be released. ERR_NOMEM. */
enum err_code spread_slope_init(struct spread_slope *slope, const struct model *model,
                                struct arena *arena, struct err *err) MUST_CHECK;
void spread_slope_release(struct spread_slope *slope);

/* What is differentiated: n_outputs means and as many rows of A. */
struct spread_adjoint {
    int n_outputs;
    const int *outputs;
    const double *by_mean; /* [n_outputs] */
    const double *by_row;  /* [n_outputs x width] */
};

/* gradient [d] <- the derivatives by the inputs at x [d]. ERR_INVALID: a logarithm. */
enum err_code spread_slope_find(struct spread_slope *slope, const double *x,
                                const struct spread_adjoint *by, double *gradient,
                                struct err *err) MUST_CHECK;

/* The probability that a run succeeds, and its gradient [d]; of a model of the logit. */
enum err_code spread_slope_feasible(struct spread_slope *slope, const double *x, double *p,
                                    double *gradient, struct err *err) MUST_CHECK;

#endif
