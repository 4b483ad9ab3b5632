/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mixture, with equal weights, of Gaussian posteriors of the K parameters, one for each member:
 *
 *   theta = mean + std * z1 + factor z2        z1, z2 independent standard normal
 *   covariance = diag(std^2) + factor factor'
 *
 * Only the parameters [first, first + n) are uncertain; the others are known exactly. Mean-field
 * posteriors have only std, a full covariance only a square factor, SWAG has both.
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
    double *std;    /* [n]; NULL: none */
    int rank;       /* columns of factor */
    double *factor; /* [n x rank]; NULL: none */
    bool upper;     /* below the diagonal the factor is known to be 0 (gauss_find_upper) */
};

struct gauss_mixture {
    int n_members;         /* 0: the model has no Gaussian posterior */
    struct gauss *members; /* mem */
    int n_draws;           /* of each member: draw j comes from member j / n_draws */
    int64_t seed;          /* of the draws */
    bool linearised; /* predictions use a closed form, from the derivatives at the means, where
                        there is one; otherwise draws */
};

/* A zeroed Gaussian, or mixture, may be released. */
void gauss_release(struct gauss *g);
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

/* Makes a copy of the members [first, first + n), which must have the same shape. ERR_NOMEM. */
enum err_code gauss_mixture_copy(struct gauss_mixture *to, const struct gauss_mixture *from,
                                 int n_params, int first, int n, struct err *err) MUST_CHECK;

/* Looks whether the factor is an upper triangle, by which products with it take half of the work.
 */
void gauss_find_upper(struct gauss *g);

/*
 * Checks that all numbers are finite, that no std is negative and that the uncertain parameters lie
 * within the K. ERR_INVALID or ERR_NONFINITE, naming the member.
 */
enum err_code gauss_mixture_check(const struct gauss_mixture *mixture, int n_params,
                                  struct err *err) MUST_CHECK;

/*
 * theta [K] <- draw j of the n_members * n_draws. It comes from the random stream (seed, RNG_DRAW,
 * j), so that it is the same wherever and in whatever order it is drawn.
 */
void gauss_mixture_draw(const struct gauss_mixture *mixture, int n_params, int j, double *theta);

#endif
