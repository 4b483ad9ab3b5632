/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parallel tempering [1] for posteriors of several modes: chains of the densities
 * prior likelihood^beta for a ladder of beta from 1 to 0, each moved by the No-U-Turn sampler.
 * After every step neighbours exchange their states with probability
 *
 *   min(1, exp((beta_k - beta_l) (L_l - L_k))),   L the logarithm of the likelihood,
 *
 * those of even and of odd places in turn [2], which leaves all densities invariant. The chain of
 * beta 0 is of the prior and meets every mode; states that it finds come down the ladder. With T
 * temperatures beta_k = ((T - 1 - k) / (T - 1))^(1/0.3). The evidence comes from stepping stones
 * between neighbours [3],
 *
 *   Z = prod_k E exp((beta_k - beta_{k+1}) L)   over the chain of beta_{k+1}.
 *
 * One temperature is the plain chain.
 *
 * [1] C. J. Geyer, Markov chain Monte Carlo maximum likelihood, Interface 1991.
 * [2] T. Okabe et al., Replica-exchange Monte Carlo method for the isobaric-isothermal ensemble,
 *     Chemical Physics Letters 335, 2001.
 * [3] W. Xie et al., Improving marginal likelihood estimation for Bayesian phylogenetic model
 *     selection, Systematic Biology 60, 2011.
 */
#ifndef CALIBRATE_LADDER_H
#define CALIBRATE_LADDER_H

#include "analyse/calibrate_density.h"
#include "sample/sampler.h"

struct calibrate_ladder {
    int n;                             /* temperatures */
    struct calibrate_density *density; /* of all of them in turn */
    struct target target;              /* over it */
    struct sampler *samplers;          /* [n] the first is of beta 1 */
    double *beta;                      /* [n] */
    double *likelihood;                /* [n] L of the states */
    double *stone;                     /* [n] logarithms of sums over the chain of k + 1 */
};

/* Without states; memory is in the arena but for the samplers'. The density must stay. A zeroed one
 * may be released. ERR_NOMEM. */
enum err_code calibrate_ladder_init(struct calibrate_ladder *ladder,
                                    struct calibrate_density *density, int n, struct arena *arena,
                                    struct err *err) MUST_CHECK;
void calibrate_ladder_release(struct calibrate_ladder *ladder);

/* Begins the chain of a place at q, whose density must not be 0. ERR_NUMERIC, ERR_NOMEM. */
enum err_code calibrate_ladder_begin(struct calibrate_ladder *ladder, int place,
                                     const struct sampler_settings *settings, const double *q,
                                     struct rng *rng, struct err *err) MUST_CHECK;

/* One step of all chains, and the exchanges. counts: the stones do. info: of the chain of beta 1.
 */
void calibrate_ladder_step(struct calibrate_ladder *ladder, bool counts, struct rng *rng,
                           struct sampler_info *info);

/* All that the next steps depend on, but for the random numbers; see sampler_save. */
void calibrate_ladder_save(const struct calibrate_ladder *ladder, struct bytes_writer *writer);
enum err_code calibrate_ladder_load(struct calibrate_ladder *ladder,
                                    const struct sampler_settings *settings,
                                    struct bytes_reader *reader, struct err *err) MUST_CHECK;

/* The logarithm of the evidence from the stones of several chains [n_chains x n] of so many steps
 * each. */
double calibrate_ladder_evidence(const double *stones, int n_chains, int n, int steps);

#endif
