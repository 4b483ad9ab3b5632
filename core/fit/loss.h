/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a fit minimises: a function of n_params numbers and of rows. In training it may draw random
 * numbers (weights in variational inference, masks in dropout); in validation its value is
 * deterministic.
 */
#ifndef LOSS_H
#define LOSS_H

#include "base/ranks_sum.h"
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

/* ---- in shards ---- */

/*
 * The loss of a network on rows in a fixed number of shards, which threads and ranks (base/ranks.h)
 * compute side by side: a fit of one large network then takes as many processors as it has shards.
 *
 * Shard s of S has the rows [s n / S, (s + 1) n / S) of n: of each minibatch, and of the rows that
 * are kept out. Value and gradient are the sums over shards, in their order, of what each shard has
 * as rows of its own. So they depend on S, whose sums round in another way, and not on who computed
 * them.
 */
struct shards {
    struct loss core; /* the loss in shards */
    int n;
    int n_threads;
    struct objective_loss *losses; /* [n_threads] mem */
    struct ranks_sum sum;
    double *parts;  /* [shards of this rank x (1 + n_params)] values and gradients; mem */
    double *total;  /* [1 + n_params] mem */
    struct err err; /* of the ranks; values are NaN then */

    /* Of the present call. */
    const struct data *rows;
    const double *params;
    bool with_gradient;
};

/* Keeps what `loss` borrows, which must be that of an objective. The ranks of the checkpoint take
 * part (ranks_sum_init). Must not move. A zeroed one may be released. ERR_NOMEM. */
enum err_code shards_init(struct shards *self, const struct loss *loss, int n, int n_threads,
                          const struct checkpoint *checkpoint, struct err *err) MUST_CHECK;
void shards_release(struct shards *self);

#endif
