/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The diagnostics of Markov chains on a network's posterior: acceptance, divergences, depth and
 * energies of each chain; R-hat and effective sizes of the parameters and of predictions at
 * training rows; warnings.
 *
 * Parameters of a network are not identified: units may be swapped, and both weights of a unit
 * may change sign, without changing the function. Chains that agree on every prediction
 * may sit in different copies of one mode, so predictions are diagnosed as well as the parameters,
 * and have a warning of their own.
 */
#ifndef MCMC_REPORT_H
#define MCMC_REPORT_H

#include "sample/chain.h"
#include "solve/solver.h"

#define MCMC_MAX_RHAT    1.05
#define MCMC_MIN_EBFMI   0.3
#define MCMC_MAX_DEPTH   0.05 /* share of steps that may end at max_depth */
#define MCMC_MAX_ROWS    64   /* training rows whose predictions are diagnosed */
#define MCMC_MAX_WATCHED 1024 /* rows times outputs, beyond one row */

/* One chain's sampling steps, without its warm-up. */
struct mcmc_chain {
    long steps;
    long divergences;
    long at_max_depth; /* nuts */
    int depth_max;
    double accept; /* sums over steps, as the next two */
    double depth;
    double leapfrogs;
    double step_size; /* of the last step */
    struct chain_energy energy;
};

/* Draws of c chains, one after the other, as they were sampled: learned log s_j after each K. */
struct mcmc_draws {
    int c, n;                        /* chains; draws of each */
    int stride;                      /* parameters of a draw, K or K + o */
    bool gradients;                  /* the sampler has momenta and a step size */
    bool trees;                      /* and depths */
    const double *vectors;           /* [c n x stride] */
    const struct mcmc_chain *chains; /* [c] */
    const double *log_posterior;     /* [c n] up to a constant; NULL: not known, nor the next one */
    const double *acceptance;        /* [c n] mean acceptance probability of the step */
};

/*
 * Adds to the report: lists "chains.*" [c], "chains.log_posterior" and "chains.acceptance" [c n];
 * numbers "parameters.*" and "predictions.*" (worst, a quantile near it, median); lists
 * "predictions.rhat", "predictions.ess_bulk" and "predictions.ess_tail" [rows x o] at the rows
 * "predictions.rows". Warnings: "rhat_parameters", "rhat_predictions", "no_verdict", "few_draws",
 * "divergences", "ebfmi", "max_depth". ERR_CANCELLED, ERR_NOMEM.
 */
enum err_code mcmc_report(const struct solver_problem *problem, const struct mcmc_draws *draws,
                          struct report *report, struct err *err) MUST_CHECK;

#endif
