/* SPDX-License-Identifier: Apache-2.0 */
/* A tile of rows predicted in closed form: predict_linear.c and predict_linear_member.c. */
#ifndef PREDICT_LINEAR_PRIV_H
#define PREDICT_LINEAR_PRIV_H

#include "network/resnet_tangent.h"
#include "predict/predict_priv.h"

/* M members, K parameters, n of them uncertain and `width` columns of W (the most over members). */
struct linear_tile {
    size_t first; /* row */
    size_t rows;
    double *z;     /* [rows x d] scaled inputs */
    double *f;     /* [M x rows x o] members' means, user's units */
    double *var;   /* [M x rows x o] their variances */
    double *y;     /* [rows x n_out] */
    double *dy;    /* [rows x n_out] */
    double *grad;  /* [rows x K] */
    double *jac;   /* [rows x o x n] by the uncertain parameters, user's units */
    double *jf;    /* [o x rank] J F of one row */
    double *white; /* [o x width] W of one row */
    struct resnet_tape *tape;

    /* With a Jacobian only; of one row but df. */
    double *df;        /* [M x rows x o x d] of the members' means */
    double *v;         /* [K] S J' of an output */
    double *input_jac; /* [n_out x d] of the network */
    double *change;    /* [d] */
    double *scratch;   /* [n_out + d] */
    struct resnet_tape *one;
    struct resnet_tangent *tangent;
};

/* Columns of W. */
static inline size_t predict_linear_width(const struct gauss *g)
{
    return (g->std != NULL ? (size_t)g->n : 0) + (size_t)g->rank;
}

/* The most over members. */
struct predict_linear_extent {
    size_t n;     /* uncertain parameters */
    size_t width; /* columns of W */
};
struct predict_linear_extent predict_linear_extent(const struct gauss_mixture *mixture);

/* A member enters the tile, out->covariance (sums), call->values, samples, noise, jacobian_std. */
void predict_linear_member(const struct predict_call *call, struct linear_tile *tile, int member);

#endif
