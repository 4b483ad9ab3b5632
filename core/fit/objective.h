/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What training minimises, over n rows of o targets y and a network's values f = network(x; w):
 *
 *   mse                     mean over rows and outputs of (f - y)^2
 *   negative log likelihood sum (f - y)^2 / (2 s^2) + n/2 log(2 pi) + n log s
 *   negative log posterior  that + (n/N) [ sum (w - a)^2 / (2 s_p^2) + 1/2 log(2 pi s_p^2) ]
 *
 * The noise s may be
 *
 *   one given number        the constant of the likelihood counts rows, not rows times outputs, as
 *                           QUiNN's does; it matters to values, not to gradients
 *   given for each output   from here on the constant is n/2 log(2 pi) + n log s_j for each j
 *   learned                 log s_j of each output are o more parameters behind the network's K
 *   predicted               the network has 2 o outputs: f, and u with s^2 = exp(u) + VAR_FLOOR at
 *                           each row
 *
 * Learned log s_j have a weak prior of their own in the negative log posterior,
 * N(OBJECTIVE_LOG_S_MEAN, OBJECTIVE_LOG_S_SD^2): outputs are scaled to about 1.
 */
#ifndef OBJECTIVE_H
#define OBJECTIVE_H

#include "base/cancel.h"
#include "base/names.h"
#include "network/resnet.h"

enum objective_kind { OBJECTIVE_MSE, OBJECTIVE_NLL, OBJECTIVE_NLP };

enum noise_kind {
    NOISE_GIVEN,
    NOISE_ESTIMATED, /* from residuals, before or after the fit; for an objective: given */
    NOISE_LEARNED,
    NOISE_PREDICTED
};

const char *noise_kind_name(enum noise_kind kind);
struct names noise_kind_known(void);

#define OBJECTIVE_LOG_S_MEAN (-2.302585092994046) /* log 0.1 */
#define OBJECTIVE_LOG_S_SD   1.5
#define OBJECTIVE_VAR_FLOOR  1e-6
#define OBJECTIVE_MAX_LOG    20.0 /* u above this counts as this */

struct objective {
    enum objective_kind kind;
    enum noise_kind noise;       /* mse knows none */
    double noise_sigma;          /* s, given, when noise_sigmas is NULL */
    const double *noise_sigmas;  /* [o] given of each output; borrowed, as are the next two */
    double prior_sigma;          /* s_p; nlp */
    const double *prior_sigmas;  /* [K] of each parameter, 0: flat; NULL: prior_sigma for all */
    const double *anchor;        /* a, [K]; NULL: 0 */
    int n_total;                 /* N: rows of the whole training set; nlp */
    const struct cancel *cancel; /* once it is requested the value is NaN: many rows take long */
};

/* Rows a tape needs: larger sets go through in tiles of this many. */
#define OBJECTIVE_TILE 256

/* Parameters: the network's K and the learned log s_j. */
int objective_n_params(const struct objective *obj, const struct resnet *net);

/* Targets a row has: half of the network's outputs when the noise is predicted. */
int objective_n_targets(const struct objective *obj, const struct resnet *net);

/* Variance that an output u of the second head stands for, in scaled units. */
double objective_variance(double u);

/*
 * The prior's part of a negative log posterior for n of the N rows, with its constant; its gradient
 * is added to grad [objective_n_params] unless that is NULL.
 */
double objective_prior(const struct objective *obj, const struct resnet *net, int n,
                       const double *params, double *grad);

/* Scratch of objective_eval, in doubles. */
size_t objective_scratch(const struct resnet *net, int tile);

/*
 * The objective at `params` [objective_n_params] and, unless grad is NULL, its gradient. The tape
 * must take min(n, tile) rows; scratch: objective_scratch(net, tile). Same result for the same
 * tile.
 */
double objective_eval(const struct objective *obj, const struct resnet *net,
                      struct resnet_tape *tape, int tile, int n, const double *x, const double *y,
                      const double *params, double *grad, double *scratch);

#endif
