/* SPDX-License-Identifier: Apache-2.0 */
/* What a Markov chain takes from an earlier posterior: a state, a step size, a spread. */
#ifndef SOLVER_CHAIN_START_H
#define SOLVER_CHAIN_START_H

#include "sample/sampler.h"
#include "solve/solver.h"
#include "sample/whitened.h"

/* The start of one chain. A zeroed one may be released. */
struct solver_chain_start {
    struct sampler_start start; /* its arrays lie in memory, but for q0 */
    double *q0;                 /* [n]; the caller may move it */
    bool alike;                 /* other chains begin at the same place */
    double *memory;
};

/* Which chain is to start. */
struct solver_chain {
    enum sampler_kind kind;
    int n_params;         /* sampled: the network's K, and learned log s_j */
    int number, n_chains; /* it is chain `number` of n_chains */
};

/* ERR_NOMEM. */
enum err_code solver_chain_start_init(struct solver_chain_start *self,
                                      const struct solver_problem *problem,
                                      const struct solver_chain *chain, struct err *err) MUST_CHECK;
void solver_chain_start_release(struct solver_chain_start *self);

/*
 * The coordinates of the earlier posterior's Gaussian, of chain `number` (whitened.h), in which the
 * chain starts near 0, when that Gaussian is one of all parameters that is predicted in closed
 * form; else coordinates->factor stays NULL. ERR_NOMEM.
 */
enum err_code solver_chain_start_whiten(const struct solver_problem *problem,
                                        const struct solver_chain *chain,
                                        struct whitened *coordinates, struct err *err) MUST_CHECK;

/*
 * *factor <- L [n x n] (mem) of a given covariance L L'; NULL: none is given. ERR_INVALID: it is
 * not positive definite; ERR_NOMEM.
 */
enum err_code solver_chain_given_factor(const struct solver_given *given, double **factor,
                                        struct err *err) MUST_CHECK;

/* What a given covariance is to amcmc. */
struct solver_chain_proposals {
    const struct solver_given *given;
    const struct sampler_settings *settings;
    const double *point; /* [n] where the chain begins */
    struct rng *rng;
};

/*
 * Begins amcmc with proposals N(0, C) of the given covariance C, until what it has seen of the
 * chain takes their place, as QUiNN's with cov_ini. Errors of sampler_begin.
 */
enum err_code solver_chain_given_begin(const struct solver_chain_proposals *proposals,
                                       const struct target *target, struct sampler *sampler,
                                       struct err *err) MUST_CHECK;

/* Does the start know more of the posterior's spread than that many warm-up steps would show? */
bool solver_chain_start_knows(const struct solver_start *start, int warmup);

#endif
