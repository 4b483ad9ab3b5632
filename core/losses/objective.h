/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What training minimises, over n rows of o targets y and the network's values f = network(x; w):
 *
 *   mse                     the mean over rows and outputs of (f - y)^2
 *   negative log likelihood sum (f - y)^2 / (2 s^2) + n/2 log(2 pi) + n log s
 *   negative log posterior  that + (n/N) [ sum (w - a)^2 / (2 s_p^2) + 1/2 log(2 pi s_p^2) ]
 *
 * There are four kinds of noise s:
 *
 *   one given number        the constant counts rows and not rows times outputs, as QUiNN's does;
 *                           this matters for values, not for gradients
 *   given for each output   here and below the constant is n/2 log(2 pi) + n log s_j for each j
 *   learned                 o more parameters behind the network's K are the log s_j of the outputs
 *   predicted               the network has 2 o outputs: f, and u with s^2 = exp(u) + VAR_FLOOR,
 *                           for each row
 *
 * Where rows miss outputs, the sums are over the outputs that are there, and n counts, for each
 * output, the rows that have it (with one given number: the rows that have any). The mean of mse is
 * over what is there too. The share of the prior counts rows, whatever they miss, so that the
 * minibatches of an epoch still make up one prior.
 *
 * Rows may have weights, of which one of 2 is the same row twice: sums are over the rows times
 * their weights, the mean of mse is a weighted mean, and n counts weights. The share of the prior
 * counts rows. Rows may also have noise of their own (data.h), which takes the place of the given
 * one.
 *
 * In the negative log posterior each learned log s_j has a weak prior of its own,
 * N(OBJECTIVE_LOG_S_MEAN, OBJECTIVE_LOG_S_SD^2), which suits outputs that are scaled to about 1.
 */
#ifndef OBJECTIVE_H
#define OBJECTIVE_H

#include "base/cancel.h"
#include "base/names.h"
#include "network/resnet.h"

enum objective_kind { OBJECTIVE_MSE, OBJECTIVE_NLL, OBJECTIVE_NLP };

enum noise_kind {
    NOISE_GIVEN,
    NOISE_ESTIMATED, /* from residuals, before or after the fit; to an objective it is given */
    NOISE_LEARNED,
    NOISE_PREDICTED
};

const char *noise_kind_name(enum noise_kind kind);
struct names noise_kind_known(void);

#define OBJECTIVE_LOG_S_MEAN (-2.302585092994046) /* log 0.1 */
#define OBJECTIVE_LOG_S_SD   1.5
#define OBJECTIVE_VAR_FLOOR  1e-6
#define OBJECTIVE_MAX_LOG    20.0 /* the largest u: a larger one is taken as this */

struct loss_terms;

struct objective {
    enum objective_kind kind;
    enum noise_kind noise;      /* not used by mse */
    double noise_sigma;         /* the given s, when noise_sigmas is NULL */
    const double *noise_sigmas; /* [o] the given s_j; borrowed, like the next two */
    double prior_sigma;         /* s_p; nlp */
    const double *prior_sigmas; /* [K] s_p of each parameter, 0: flat; NULL: prior_sigma for all */
    const double *anchor;       /* a, [K]; NULL: 0 */
    int n_total;                /* N: rows of the whole training set; nlp */
    const struct loss_terms *terms; /* losses/loss_terms.h; NULL: none */
    const struct cancel *cancel;    /* may be NULL; once it is requested, values are NaN */
};

/* Rows are evaluated in tiles of this many, which is what a tape needs room for. */
#define OBJECTIVE_TILE 256

/* Whether the noise is learned: log s_j of each output stand behind the network's parameters. */
bool objective_learns_noise(const struct objective *obj);

/* Whether the noise is predicted: the network's outputs come in pairs (f, u). */
bool objective_predicts_noise(const struct objective *obj);

/* The number of parameters: the network's K and, where they are learned, the log s_j. */
int objective_n_params(const struct objective *obj, const struct resnet *net);

/* The variance that an output u encodes, in scaled units. */
double objective_variance(double u);

/*
 * The prior's part of the negative log posterior, for n of the N rows and with its constant. Adds
 * its gradient to grad [objective_n_params] unless that is NULL.
 */
double objective_prior(const struct objective *obj, const struct resnet *net, int n,
                       const double *params, double *grad);

#endif
