/* SPDX-License-Identifier: Apache-2.0 */
/* Moments of the tanh of Gaussians, with derivatives. */
#ifndef PBP_TANH_H
#define PBP_TANH_H

#include <stddef.h>

/* Moments of tanh of n Gaussians, and derivatives; each [n]. */
struct pbp_tanh {
    double *mean, *variance, *slope;       /* E tanh, Var tanh, E tanh' */
    double *mean_m, *variance_m, *slope_m; /* by the Gaussian's mean */
    double *mean_v, *variance_v, *slope_v; /* by its variance */
};

/* The rule's nodes and weights, with moments 1, 0, 1 as the normal density has; each [PBP_NODES].
 */
#define PBP_NODES 32
void pbp_rule(double *nodes, double *weights);

/* Doubles of scratch of pbp_tanh_eval for n Gaussians. */
size_t pbp_tanh_scratch(int n);
void pbp_tanh_eval(int n, const double *mean, const double *variance, const struct pbp_tanh *out,
                   double *scratch);

#endif
