/* SPDX-License-Identifier: Apache-2.0 */
/* What derivative.c prepares and derivative_networks.c computes with. */
#ifndef DERIVATIVE_PRIV_H
#define DERIVATIVE_PRIV_H

#include "network/plan_gradient.h"
#include "network/resnet_tangent.h"
#include "predict/derivative.h"

#include <math.h>

/* The two sorted values between which a quantile of an output lies. */
struct derivative_between {
    int low, high; /* networks */
    double share;  /* of the higher one */
};

struct derivation {
    const struct model *model;
    const struct predict_request *req;
    const struct derivative *what;
    int m;                              /* networks */
    size_t n_values;                    /* of the result */
    struct scaler *out;                 /* [o] in the units of model->exponents */
    double *sens;                       /* [n_values] for a result in these units; NULL: none */
    double *z;                          /* [d] */
    double *slope;                      /* [d] dz/dx */
    double *curve;                      /* [d] d2z/dx2 */
    double *dz;                         /* [d] along vec; NULL: there is none */
    double *y, *dy;                     /* [n_out] of the present network */
    double *c, *dc;                     /* [o] its weights */
    double *w, *dw;                     /* [n_out] the same by y */
    double *g, *dg;                     /* [d] by z */
    double *f, *df;                     /* [m x o] of all networks; NULL: not needed */
    double *mean, *dmean;               /* [o] */
    double *std, *dstd;                 /* [o] */
    struct derivative_between *between; /* [n_values] */
    int sample;
    int group;       /* draws whose gradients the plan computes together; 0: the tape does it */
    double *scratch; /* of plan_gradient_scratch; the next two are of a group, too */
    double *by_y;    /* [group x n_out] weights */
    double *by_z;    /* [group x d] gradients */
    double *values;  /* [group x o] */
    struct resnet_tape *tape;       /* NULL: group is not 0 */
    struct resnet_tangent *tangent; /* NULL: there is no direction */
};

/* In the result's unit: a variance is in the square of the output's. */
static inline double derivative_unit(const struct derivation *work, size_t value)
{
    int power = work->what->of == DERIVATIVE_OF_VARIANCE ? 2 : 1;
    return ldexp(1.0, power * model_exponent(work->model, (int)(value % (size_t)work->model->o)));
}

/* what->out <- the derivative, as a sum over the networks. ERR_NOMEM. */
enum err_code derivative_sum_networks(struct derivation *work, struct arena *scratch,
                                      struct err *err) MUST_CHECK;

#endif
