/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Levenberg-Marquardt for a network f with Gaussian noise and Gaussian prior: it minimises
 *
 *   E(theta) = 1/2 sum_j |e_j|^2 / s_j^2 + 1/2 sum_k a_k (theta_k - c_k)^2,  e_j = f_j(x; theta) -
 * y_j
 *
 * over the K parameters, where s_j is the noise of output j, a_k the prior's precision and c_k its
 * mean. With the
 * Gauss-Newton matrix H = sum_j J_j' J_j / s_j^2 + diag(a), a step is (H + lambda I)^-1 times the
 * gradient, and what the second order adds to it (core/fit/levenberg_bend.c); lambda falls after a
 * step that lowers E and rises before another try.
 *
 * Noise and precisions may change between two steps. H also gives the Gaussian of Laplace's
 * approximation, and what its evidence needs.
 */
#ifndef LEVENBERG_H
#define LEVENBERG_H

#include "fit/curvature.h"
#include "fit/residuals.h"

#define LEVENBERG_MAX_PARAMS 8000 /* of a square matrix: 512 MB */

#define LEVENBERG_DAMPING 1e-2 /* the first lambda, of outputs and inputs scaled to about 1 */

struct levenberg_problem {
    const struct resnet *net;
    struct data rows;
    int n_threads;
    const struct cancel *cancel; /* may be NULL */
};

struct levenberg {
    double *params;       /* [K] theta */
    double *precision;    /* [K] a_k > 0; steps alone also take 0 */
    const double *center; /* [K] c_k; NULL: 0; borrowed */
    double *sigmas;       /* [o] s_j > 0 */
    double damping;       /* lambda */
    double *squares;      /* [o] |e_j|^2 at theta: of the last levenberg_linearise or step */

    /* The rest is of levenberg.c and levenberg_few.c. */
    const struct levenberg_problem *problem;
    struct objective objective;
    struct curvature_problem curvature;
    struct curvature_rows *rows;
    struct residuals residuals;
    bool few;              /* fewer values of outputs than parameters */
    int size;              /* rows of factor: K, or N = n o when they are few */
    double *sums;          /* many: [K x K] J' L J, lower triangle; few: [N x K] white lines */
    double *factor;        /* [size x size] */
    const double *lines;   /* few: of curvature_rows_lines */
    const double *errors;  /* few: the same */
    double *gradient;      /* [K] of the likelihood */
    double *scale;         /* [K] scratch */
    double *step;          /* [K] scratch */
    double *trial;         /* [K] scratch */
    double *trial_squares; /* [o] scratch */
    double *by_line;       /* [N] scratch, where they are few */
    double *bend;          /* [up to LEVENBERG_BEND_ROWS x o] scratch */
    double *acceleration;  /* [K] scratch */
    double *bent;          /* [K] scratch */
    double *memory;        /* of all vectors; mem */
};

/* Keeps the problem; must not move. The caller sets params, precision, sigmas and damping. Release
 * in any case. ERR_NOMEM. */
enum err_code levenberg_init(struct levenberg *self, const struct levenberg_problem *problem,
                             struct err *err) MUST_CHECK;
void levenberg_release(struct levenberg *self);

/* Numbers that each of n fits side by side holds, in all. */
double levenberg_values(const struct resnet *net, int n);

/* E at theta, of squares [o]. */
double levenberg_loss(const struct levenberg *self, const double *params, const double *squares);

/* Computes squares, and derivatives for the next two functions. ERR_NUMERIC when they are not
 * finite; ERR_CANCELLED; ERR_NOMEM in the first call. */
enum err_code levenberg_linearise(struct levenberg *self, struct err *err) MUST_CHECK;

/*
 * After levenberg_linearise: takes one step that lowers E, and sets params, squares and damping.
 * *moved is false, and nothing changes, when no such step was found: theta is a minimum, to
 * rounding. ERR_CANCELLED.
 */
enum err_code levenberg_step(struct levenberg *self, bool *moved, struct err *err) MUST_CHECK;

/*
 * After levenberg_linearise, and before a step: *logdet <- log det H; determined [K] <-
 * 1 - a_k (H^-1)_kk, the share of each parameter that the rows determine. ERR_NUMERIC when H is
 * singular to rounding, ERR_CANCELLED.
 */
enum err_code levenberg_posterior(struct levenberg *self, double *logdet, double *determined,
                                  struct err *err) MUST_CHECK;

/* After levenberg_posterior: by_output [o] <- the number of parameters that each output determines,
 * tr(H^-1 J_j' J_j) / s_j^2. ERR_CANCELLED, ERR_NOMEM. */
enum err_code levenberg_by_output(struct levenberg *self, double *by_output,
                                  struct err *err) MUST_CHECK;

/*
 * After levenberg_posterior: variances [o] <- for each output the sum over rows of the variance of
 * its value when all other rows train, s_j^2 / (1 - h) with the row's leverage h, of the linearised
 * network and for the same noise and precisions. Rows that miss the output add nothing. Unlike the
 * errors on rows left out, e / (1 - h), these keep their digits where all rows are interpolated.
 * ERR_CANCELLED, ERR_NOMEM.
 */
enum err_code levenberg_left_out(struct levenberg *self, double *variances,
                                 struct err *err) MUST_CHECK;

/* After levenberg_posterior: factor [K x K] <- F with F F' = H^-1. ERR_NUMERIC, ERR_CANCELLED. */
enum err_code levenberg_covariance(const struct levenberg *self, double *factor,
                                   struct err *err) MUST_CHECK;

#endif
