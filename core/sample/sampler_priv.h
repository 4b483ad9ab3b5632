/* SPDX-License-Identifier: Apache-2.0 */
/* One sampling method. */
#ifndef SAMPLER_PRIV_H
#define SAMPLER_PRIV_H

#include "sample/sampler.h"

#include <stddef.h>

/* An energy error beyond this is a divergence (Stan's). */
#define SAMPLER_DIVERGENCE 1000.0

struct sampler_ops {
    /* Doubles of work. */
    size_t (*work)(int n, const struct sampler_settings *settings);
    void (*init)(struct sampler *sampler); /* may be NULL; work is cleared before */
    /* Takes what the start knows of earlier states; NULL: the method has no use for that. */
    void (*go_on)(struct sampler *sampler, const struct sampler_start *start);
    void (*step)(struct sampler *sampler, const struct target *target, struct rng *rng,
                 struct sampler_info *info);
    bool gradient;  /* learns step size and mass matrix */
    bool trees;     /* builds a trajectory by doubling */
    bool remembers; /* work is state, not just scratch of one step */
};

extern const struct sampler_ops sampler_amcmc_ops;
extern const struct sampler_ops sampler_mala_ops;
extern const struct sampler_ops sampler_hmc_ops;
extern const struct sampler_ops sampler_nuts_ops;

/* Metropolis: is a proposal with this log ratio accepted? NaN: no. */
bool sampler_accepts(double log_ratio, struct rng *rng, double *accept);

/* Mean and covariance of the states of a chain. */
struct sampler_moments {
    int n;
    double *mean;  /* [n] */
    double *cov;   /* [n x n] */
    double *delta; /* [n] scratch */
};

/* Moments of states 0 .. t, from those of 0 .. t-1 and state t = 1, 2, .., which is x. */
void sampler_observe(const struct sampler_moments *moments, double t, const double *x);

/* The factor on the covariance of proposals: gamma 2.4^2 / n. */
double sampler_amcmc_scale(double gamma, int n);

#endif
