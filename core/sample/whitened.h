/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A target in the coordinates of a Gaussian that is near it,
 *
 *   theta = mean + F z,  F F' the Gaussian's covariance
 *
 * in which the Gaussian itself is N(0, I). A posterior of networks is narrow in a few directions,
 * which are those of no parameter, by factors of thousands; a mass for each parameter cannot follow
 * them, and trajectories are then short or endless. In these coordinates they have one scale [R. M.
 * Neal, MCMC using Hamiltonian dynamics, 2011, section 4.1: the same as a full mass matrix, H].
 *
 * Of n parameters the first k have the factor F [k x k], the others a deviation each.
 */
#ifndef WHITENED_H
#define WHITENED_H

#include "base/compiler.h"
#include "base/err.h"
#include "sample/target.h"

struct whitened {
    int n, k;
    const double *factor; /* [k x k] F; borrowed; NULL: there is no Gaussian */
    struct target inner;  /* of theta */
    double *mean;         /* [n]; mem, with all that follows */
    double *spread;       /* [n - k] */
    double *theta, *grad; /* [n] scratch */
};

/* The caller then sets factor, inner, mean and spread. A zeroed one may be released. ERR_NOMEM. */
enum err_code whitened_init(struct whitened *self, int n, int k, struct err *err) MUST_CHECK;
void whitened_release(struct whitened *self);

/* theta [n] of z [n]. */
void whitened_point(const struct whitened *self, const double *z, double *theta);

/* The target of z, up to a constant; self must stay. */
struct target whitened_target(struct whitened *self);

#endif
