/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a fit minimises: a function of n_params numbers and of rows. In training it may draw random
 * numbers (weights in variational inference, masks in dropout); in validation its value is
 * deterministic.
 */
#ifndef LOSS_H
#define LOSS_H

#include "fit/data.h"
#include "losses/loss_terms.h"
#include "losses/objective.h"

struct loss {
    void *ctx; /* of one thread */
    int n_params;
    bool is_mean;   /* a mean over rows, otherwise a sum; reports show means in both cases */
    bool is_random; /* `train` draws random numbers: its lowest value is luck, not the best */
    /* The loss of a minibatch and, unless grad is NULL, its gradient [n_params]. Does not
     * allocate. */
    double (*train)(void *ctx, const struct data *rows, const double *params, double *grad,
                    struct rng *rng);
    /* The loss of validation rows; deterministic. */
    double (*value)(void *ctx, const struct data *rows, const double *params);
    /* The objective and its network, where the loss is that of one; else NULL. */
    const struct objective *objective;
    const struct resnet *net;
};

/* An objective of a network as a loss, with the scratch of one thread. */
struct objective_loss {
    struct objective objective;
    const struct resnet *net;
    struct resnet_tape *tape;
    int tile;       /* rows of a pass over the tape, at most OBJECTIVE_TILE; the sums round by it */
    double *f, *df; /* [OBJECTIVE_TILE x n_out] */
    double *part;   /* [K] a tile's gradient */
    double *memory; /* mem, of the three */
    /* Where the objective has terms. */
    double *factors; /* [OBJECTIVE_TILE x n_out]; mem */
    struct loss_terms_work work;
};

/* Keeps `net` and what the objective borrows. A zeroed loss may be released. ERR_NOMEM. */
enum err_code objective_loss_init(struct objective_loss *self, const struct objective *objective,
                                  const struct resnet *net, struct err *err) MUST_CHECK;
void objective_loss_release(struct objective_loss *self);

/*
 * The objective at `params` [objective_n_params] on any number of rows and, unless grad is NULL,
 * its gradient. NaN once the objective's cancel is requested.
 */
double objective_loss_eval(struct objective_loss *self, const struct data *rows,
                           const double *params, double *grad);

/* A loss that keeps `self`. */
struct loss objective_loss_as_loss(struct objective_loss *self);

#endif
