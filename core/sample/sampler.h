/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Markov chains that leave a target density invariant.
 *
 *   amcmc  adaptive Metropolis [1]: Gaussian proposals of covariance gamma 2.4^2/n (C + 1e-8 I),
 *          C the covariance of the chain so far, used from step t0 on, renewed every tadapt steps
 *   mala   Langevin proposals with Metropolis correction [2]: one leapfrog step
 *   hmc    Hamiltonian Monte Carlo [3]: `leapfrog_steps` leapfrog steps
 *   nuts   No-U-Turn sampler with multinomial draws from the trajectory [4, 5]
 *
 * The last three learn step size and diagonal mass matrix in their warm-up (core/sample/adapt);
 * amcmc never stops adapting, but adapts ever less, which [1] proves to be valid.
 *
 * [1] H. Haario, E. Saksman, J. Tamminen, An adaptive Metropolis algorithm, Bernoulli 7, 2001.
 * [2] G. O. Roberts, R. L. Tweedie, Exponential convergence of Langevin distributions, 1996.
 * [3] R. M. Neal, MCMC using Hamiltonian dynamics, 2011.
 * [4] M. D. Hoffman, A. Gelman, The No-U-Turn Sampler, JMLR 15, 2014.
 * [5] M. Betancourt, A conceptual introduction to Hamiltonian Monte Carlo, arXiv:1701.02434.
 */
#ifndef SAMPLER_H
#define SAMPLER_H

#include "base/bytes.h"
#include "base/err.h"
#include "sample/adapt.h"
#include "sample/leapfrog.h"

enum sampler_kind {
#define SAMPLER(code, name, ops) SAMPLER_##code,
#include "sample/sampler.def"
#undef SAMPLER
};

const char *sampler_name(enum sampler_kind kind);

/* core/solve/solver_settings.def has their defaults and limits. */
struct sampler_settings {
    enum sampler_kind kind;
    int warmup;           /* steps in which step size and mass matrix are learnt */
    double epsilon;       /* first step size; 0: found by a search */
    double target_accept; /* (0, 1) */
    bool adapt_step;      /* learn the step size */
    bool adapt_mass;      /* learn the mass matrix; else the identity */
    int leapfrog_steps;   /* hmc: L */
    double jitter;        /* hmc: each path's step size is drawn from (1 -+ jitter) of it */
    int max_depth;        /* nuts: trajectories of at most 2^max_depth - 1 steps */
    double gamma;         /* amcmc */
    int t0, tadapt;       /* amcmc */
};

/* What is known of one step. */
struct sampler_info {
    double accept;  /* mean acceptance probability, [0, 1] */
    double energy;  /* H of the path, with its fresh momenta; amcmc: -log density */
    int depth;      /* nuts: doublings */
    int n_leapfrog; /* gradients */
    bool divergent; /* the energy error was too large */
    bool moved;
};

/* Where a chain begins, and what an earlier chain has learnt. Borrowed. */
struct sampler_start {
    const double *q0;       /* [n]; its density must not be 0 */
    double epsilon;         /* step size; 0: found by a search. settings.epsilon has priority */
    const double *inv_mass; /* [n]; NULL: the identity */
    int count;              /* amcmc: earlier states, of which the next two are; 0: none */
    const double *mean;     /* [n] */
    const double *cov;      /* [n x n] */
};

struct sampler_ops;

struct sampler {
    const struct sampler_ops *ops;
    struct sampler_settings settings;
    int n;
    long t;           /* steps done, warm-up included */
    double *q;        /* [n] the present state */
    double *grad;     /* [n] */
    double logp;      /* at q */
    double epsilon;   /* step size now */
    double *inv_mass; /* [n] */
    struct dual_averaging da;
    struct mass_window window;
    size_t n_work;
    double *work; /* [n_work] the method's own */
    double *memory;
};

/*
 * A chain from q0 [n], whose density must not be 0. rng: the chain's own. A zeroed sampler may be
 * released. ERR_NUMERIC (the start is impossible), ERR_NOMEM.
 */
enum err_code sampler_init(struct sampler *sampler, const struct sampler_settings *settings,
                           const struct target *target, const double *q0, struct rng *rng,
                           struct err *err) MUST_CHECK;
void sampler_release(struct sampler *sampler);

/* The same from a start that may say more. */
enum err_code sampler_begin(struct sampler *sampler, const struct sampler_settings *settings,
                            const struct target *target, const struct sampler_start *start,
                            struct rng *rng, struct err *err) MUST_CHECK;

/* Appends all that the chain's next steps depend on, but for rng and target. */
void sampler_save(const struct sampler *sampler, struct bytes_writer *writer);

/*
 * The chain that sampler_save left, of the same settings and dimension n: its steps are those of
 * the saved one, bit for bit. Errors of reading stay in the reader, and the sampler must then
 * not be stepped. ERR_NOMEM.
 */
enum err_code sampler_load(struct sampler *sampler, const struct sampler_settings *settings, int n,
                           struct bytes_reader *reader, struct err *err) MUST_CHECK;

/* Does the method use gradients, and so have a step size, momenta and energies? */
bool sampler_uses_gradients(enum sampler_kind kind);

/* Does it build a trajectory by doubling, up to max_depth times? */
bool sampler_builds_trees(enum sampler_kind kind);

/* One step; the new state is sampler->q. Does not allocate. */
void sampler_step(struct sampler *sampler, const struct target *target, struct rng *rng,
                  struct sampler_info *info);

#endif
