/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mean and variance of a network's outputs when its K parameters are independent Gaussians, and
 * their derivatives with respect to the parameters' means and variances (reverse mode). The
 * formulas and what they neglect: pbp_moments.c. Only networks with final none.
 */
#ifndef PBP_MOMENTS_H
#define PBP_MOMENTS_H

#include "network/resnet.h"

struct pbp_moments;

/* Scratch of one thread; keeps net. NULL when memory is short. */
struct pbp_moments *pbp_moments_new(const struct resnet *net) MUST_CHECK;
void pbp_moments_free(struct pbp_moments *self);

/* Independent Gaussian numbers. */
struct gaussians {
    const double *mean;
    const double *variance; /* NULL: the numbers are known */
};

/*
 * mean, variance [o] <- moments of the outputs at one row of inputs [d], with parameters [K], whose
 * variances are needed. What both point to must stay until the backward pass.
 */
void pbp_moments_forward(struct pbp_moments *self, struct gaussians params, struct gaussians inputs,
                         double *mean, double *variance);

/*
 * After pbp_moments_forward, for a scalar F of the moments with derivatives d_mean, d_variance [o]:
 * gm <- dF/dm, gv <- dF/dv, [K].
 */
void pbp_moments_backward(struct pbp_moments *self, const double *d_mean, const double *d_variance,
                          double *gm, double *gv);

#endif
