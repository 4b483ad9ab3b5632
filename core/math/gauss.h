/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gaussian posteriors of the K parameters, one a member, mixed with equal weights:
 *
 *   theta = mean + std * z1 + factor z2        z1, z2 independent standard normal
 *   covariance = diag(std^2) + factor factor'
 *
 * Both parts concern parameters [first, first + n); the others are known exactly. Mean-field
 * posteriors have only std, a full covariance only a square factor, SWAG both.
 */
#ifndef GAUSS_H
#define GAUSS_H

#include "base/compiler.h"
#include "base/err.h"
#include "base/rng.h"

#include <stdbool.h>
#include <stddef.h>

struct gauss {
    double *mean;   /* [K]; mem, as are the next two */
    int first, n;   /* the uncertain parameters */
    double *std;    /* [n]; NULL: no such part */
    int rank;       /* columns of factor */
    double *factor; /* [n x rank]; NULL: no such part */
};

struct gauss_mixture {
    int n_members;         /* 0: there is none */
    struct gauss *members; /* mem */
    int n_draws;           /* of each member: draw j is of member j / n_draws */
    int64_t seed;          /* of the draws */
    bool linearised;       /* predicted in closed form through the derivatives at the means, where
                              that is possible; else through draws */
};

/* A zeroed mixture may be released. */
void gauss_mixture_release(struct gauss_mixture *mixture);

/* What the members of a mixture have in common. */
struct gauss_shape {
    int n_params;  /* K */
    int first, n;  /* the uncertain parameters are [first, first + n) */
    bool with_std; /* whether the members have a std */
    int rank;      /* columns of their factors; 0: they have none */
};

/*
 * Makes n_members members of that shape, whose arrays are zeroed; n_draws becomes 1. ERR_INVALID,
 * ERR_LIMIT, ERR_NOMEM.
 */
enum err_code gauss_mixture_new(struct gauss_mixture *mixture, int n_members,
                                const struct gauss_shape *shape, struct err *err) MUST_CHECK;

/* An independent copy of members [first, first + n) alone, which must be of one shape. ERR_NOMEM.
 */
enum err_code gauss_mixture_copy(struct gauss_mixture *to, const struct gauss_mixture *from,
                                 int n_params, int first, int n, struct err *err) MUST_CHECK;

/* Finite numbers, std >= 0, ranges within K. ERR_INVALID, ERR_NONFINITE naming the member. */
enum err_code gauss_mixture_check(const struct gauss_mixture *mixture, int n_params,
                                  struct err *err) MUST_CHECK;

/*
 * Draw number j of n_members * n_draws, from the stream (seed, RNG_DRAW, j), so that it is the same
 * whoever draws it. theta: [K].
 */
void gauss_mixture_draw(const struct gauss_mixture *mixture, int n_params, int j, double *theta);

#endif
