/* SPDX-License-Identifier: Apache-2.0 */
/* The posterior of a calibration as a density for samplers. */
#ifndef CALIBRATE_DENSITY_H
#define CALIBRATE_DENSITY_H

#include "analyse/calibrate.h"
#include "sample/target.h"

/* The mean of the replicates of one output in one experiment. */
struct calibrate_number {
    int experiment, output;
    int n;         /* replicates */
    double mean;   /* of them */
    double within; /* sum of squares around it */
};

struct calibrate_density {
    const struct calibrate_run *run;
    int first, m; /* draws of the surrogate that are used */
    int k;        /* calibrated inputs */
    int *inputs;  /* [k] */
    int n_parameters;
    int n_numbers;
    struct calibrate_number *numbers;
    double *x;         /* [E x d] */
    double *slope;     /* [k] d input / d score */
    double *y;         /* [m x E x o] */
    double *jac;       /* [m x E x o x d] */
    double *mean;      /* [E x o] over the draws */
    double *v;         /* [N x N] covariance, then its inverse */
    double *l;         /* [N x N] its Cholesky factor */
    double *r, *alpha; /* [N] residuals, and V^-1 of them */
    double *deviation; /* [N] of a draw */
    double *weighted;  /* [N] */
    double beta;       /* the power of the likelihood in the density: 1, unless it is set */
    double likelihood; /* logarithm of the whole one, of the last state that was looked at */
    struct arena scratch;
    struct err err; /* the first failure; the density is NaN from then on */
};

/* For one thread, with draws [first, first + m) of the field; its memory is in the arena. A zeroed
 * one may be released. ERR_NOMEM, ERR_INVALID, ERR_LIMIT. */
enum err_code calibrate_density_init(struct calibrate_density *density,
                                     const struct calibrate_run *run, int first, int m,
                                     struct arena *arena, struct err *err) MUST_CHECK;
void calibrate_density_release(struct calibrate_density *density);

/* The target over it, of scores and logarithms; it must stay. */
struct target calibrate_density_target(struct calibrate_density *density);

/* Parameters in the user's units. */
void calibrate_density_parameters(const struct calibrate_density *density, const double *q,
                                  double *out);

#endif
