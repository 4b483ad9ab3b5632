/* SPDX-License-Identifier: Apache-2.0 */
/* Moments of activations of Gaussians, with derivatives. */
#ifndef PBP_ACTIVATION_H
#define PBP_ACTIVATION_H

#include "math/activation.h"
#include "math/pbp_tanh.h"

#include <stddef.h>

/* Gaussians; each [n]. */
struct pbp_normal {
    const double *mean, *variance;
};

/* Doubles of scratch of pbp_activation_eval for n Gaussians. */
size_t pbp_activation_scratch(enum activation act, int n);

/* E act, Var act and E act' of n Gaussians, and their derivatives; not for the identity. A Gaussian
 * of variance 0 is a point. */
void pbp_activation_eval(enum activation act, int n, struct pbp_normal in,
                         const struct pbp_tanh *out, double *scratch);

#endif
