/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What training minimises, over n rows f = network(x; w) against y [n x o]:
 *
 *   mse                     mean over rows and outputs of (f - y)^2
 *   negative log likelihood sum (f - y)^2 / (2 s^2) + n/2 log(2 pi) + n log s
 *   negative log posterior  that + (n/N) [ ||w - a||^2 / (2 s_p^2) + K/2 log(2 pi s_p^2) ]
 *
 * The constant of the likelihood counts rows, not rows times outputs, as QUiNN's does; it matters
 * to values, not to gradients.
 */
#ifndef OBJECTIVE_H
#define OBJECTIVE_H

#include "resnet.h"

enum objective_kind { OBJECTIVE_MSE, OBJECTIVE_NLL, OBJECTIVE_NLP };

struct objective {
    enum objective_kind kind;
    double noise_sigma;   /* s; nll and nlp */
    double prior_sigma;   /* s_p; nlp */
    const double *anchor; /* a, [K]; NULL: 0. Borrowed. */
    int n_total;          /* N: rows of the whole training set; nlp */
};

/* Rows a tape needs: larger sets go through in tiles of this many. */
#define OBJECTIVE_TILE 256

/* Scratch of objective_eval, in doubles. */
size_t objective_scratch(const struct resnet *net, int tile);

/*
 * The objective at `params` and, unless grad is NULL, its gradient [K]. The tape must take
 * min(n, tile) rows; scratch: objective_scratch(net, tile). Same result for the same tile.
 */
double objective_eval(const struct objective *obj, const struct resnet *net,
                      struct resnet_tape *tape, int tile, int n, const double *x, const double *y,
                      const double *params, double *grad, double *scratch);

#endif
