/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How well chains have mixed, judged by the draws [c x n] of one quantity: c chains of n draws [1].
 * A quantity that never moved or is not finite gives NaN: no verdict.
 *
 * [1] A. Vehtari, A. Gelman, D. Simpson, B. Carpenter, P.-C. Buerkner, Rank-normalization, folding,
 *     and localization: an improved R-hat, Bayesian Analysis 16, 2021.
 */
#ifndef CHAIN_H
#define CHAIN_H

#include "base/err.h"

#define CHAIN_MIN_DRAWS 4 /* of a chain */

struct chain_summary {
    double rhat;     /* rank-normalised split R-hat, the larger of bulk and folded */
    double ess_bulk; /* effective sample size of the rank-normalised draws */
    double ess_tail; /* that of the 5 % or the 95 % quantile, whichever is smaller */
};

/* draws: [c x n], n at least CHAIN_MIN_DRAWS. ERR_NOMEM. */
enum err_code chain_summarise(int c, int n, const double *draws, struct chain_summary *out,
                              struct err *err) MUST_CHECK;

/*
 * Energy Bayesian fraction of missing information of one chain, taken step by step: the mean
 * squared change of the energy over its variance. Below 0.3 the momenta change the energy too
 * little to reach the tails. Start from {0}.
 */
struct chain_energy {
    long n;
    double mean, m2; /* Welford's */
    double change;   /* sum of squared changes */
    double last;
};
void chain_energy_add(struct chain_energy *energy, double value);
/* NaN when the energy never changed. */
double chain_energy_ebfmi(const struct chain_energy *energy);

#endif
