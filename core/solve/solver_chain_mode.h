/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mode near which chains begin: a fit of their target or, with hyperparameters by evidence, the
 * best of EVIDENCE_STARTS starts at a maximum of the evidence. This then also says what the target
 * is, for its precisions and its noise become the prior and the noise of the chains, and in which
 * coordinates they run: those of the Gaussian of the curvature there (core/sample/whitened.h).
 */
#ifndef SOLVER_CHAIN_MODE_H
#define SOLVER_CHAIN_MODE_H

#include "solve/solver_chain_start.h"
#include "solve/solver_priv.h"

/* A zeroed one may be released; arrays are mem. */
struct solver_chain_mode {
    double *params; /* [n] */
    double *factor; /* [K x K] of the Gaussian; NULL, as the next two: not by evidence */
    double *prior;  /* [K] standard deviations */
    double *sigmas; /* [o] */
};

/* How many tasks it is, which follow those of the chains. */
int solver_chain_mode_tasks(const struct solver_settings *settings);

/* n: parameters of a chain. Adds to the report. ERR_NUMERIC, ERR_CANCELLED, ERR_NOMEM. */
enum err_code solver_chain_mode_find(struct solver_chain_mode *mode, struct solver_tasks *tasks,
                                     const struct solver_settings *settings, int n,
                                     struct report *report, struct err *err) MUST_CHECK;

/* The coordinates of a Gaussian near the posterior of a chain: of the mode, or of an earlier
 * posterior; factor stays NULL when there is none. white: a zeroed one. ERR_NOMEM. */
enum err_code solver_chain_mode_whiten(const struct solver_chain_mode *mode,
                                       const struct solver_problem *problem,
                                       const struct solver_chain *chain, struct whitened *white,
                                       struct err *err) MUST_CHECK;

void solver_chain_mode_release(struct solver_chain_mode *mode);

/* ---- chains (solver_mcmc.c), for the solvers of solver_mcmc_ops.c ---- */

/* Runs chains of a sampler, as struct solver_ops's run. */
enum err_code solver_mcmc_run(enum sampler_kind kind, const struct solver_problem *problem,
                              const struct solver_settings *settings, struct solver_result *result,
                              struct err *err) MUST_CHECK;

struct sampler_settings solver_mcmc_settings(enum sampler_kind kind,
                                             const struct solver_settings *s);

/* *steps <- those of a chain, warm-up included. ERR_LIMIT. */
enum err_code solver_mcmc_count(const struct solver_settings *s, int *steps,
                                struct err *err) MUST_CHECK;

#endif
