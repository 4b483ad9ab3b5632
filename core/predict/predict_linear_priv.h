/* SPDX-License-Identifier: Apache-2.0 */
/* What predict_linear.c and predict_linear_member.c share: a tile of rows in closed form. */
#ifndef PREDICT_LINEAR_PRIV_H
#define PREDICT_LINEAR_PRIV_H

#include "math/kernels.h"
#include "network/resnet_tangent.h"
#include "predict/predict_priv.h"

/* M members, K parameters, n of them uncertain, `width` columns of W: the largest of any member. */
struct linear_tile {
    size_t first; /* row */
    size_t rows;
    size_t stride; /* of columns: rows, rounded up to whole vectors */
    const struct kernels *kernels;
    double *z;     /* [rows x d] scaled inputs */
    double *f;     /* [M x rows x o] the members' means, user's units */
    double *var;   /* [M x rows x o] the members' variances */
    double *y;     /* [rows x n_out] */
    double *dy;    /* [rows x n_out] */
    double *grad;  /* [K x stride] of an output, user's units; J is the part of the uncertain */
    double *white; /* [width x stride] W' of an output; of all, [o][width x stride], for a
                      covariance between outputs */
    double *sums;  /* [stride] */
    float *single; /* [n x single_stride] J in float; NULL: products are in double */
    float *block;  /* [KERNELS_OUT x single_stride] of W' in float */
    size_t single_stride;
    double *gap;   /* [n] from the mean to a draw; NULL: no samples */
    double *noise; /* [M x rows x o] predicted variances at the members' means; NULL: not needed */
    double *total; /* [M] */
    struct resnet_tape *tape;

    /* For a Jacobian; all but df at one row. */
    double *df;        /* [M x rows x o x d] derivatives of the members' means */
    double *jac;       /* [n] J of an output */
    double *jf;        /* [rank] J F of an output */
    double *v;         /* [K] S J' of an output */
    double *input_jac; /* [n_out x d] of the network */
    double *change;    /* [d] */
    double *scratch;   /* [n_out + d] */
    struct resnet_tape *one;
    struct resnet_tangent *tangent;
};

/* The number of columns of W. */
static inline size_t predict_linear_width(const struct gauss *g)
{
    return (g->std != NULL ? (size_t)g->n : 0) + (size_t)g->rank;
}

/* The largest of any member. */
struct predict_linear_extent {
    size_t n;     /* uncertain parameters */
    size_t width; /* columns of W */
};
struct predict_linear_extent predict_linear_extent(const struct gauss_mixture *mixture);

/* Does anything that is wanted need the variance, by far the largest part of the work? */
static inline bool predict_linear_needs_variance(unsigned want)
{
    return (want & ~(unsigned)(PREDICT_MEAN | PREDICT_NOISE_VARIANCE | PREDICT_SAMPLES |
                               PREDICT_FEASIBLE)) != 0;
}

/*
 * Are the variances of the request from products in float? Results that need W itself have it in
 * double, and their variances with it.
 */
static inline bool predict_linear_is_single(const struct predict_call *call)
{
    return call->model->plan.precision == PRECISION_FLOAT32 &&
           !(call->req->want &
             (PREDICT_COVARIANCE_OUTPUTS | PREDICT_COVARIANCE_ROWS | PREDICT_JACOBIAN));
}

/*
 * Sets a member's parts of the tile, of call->values and of the samples, and adds the member to
 * out->covariance, call->noise and part two of the Jacobian.
 */
void predict_linear_member(const struct predict_call *call, struct linear_tile *tile, int member);

#endif
