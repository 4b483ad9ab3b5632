/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loss of a network on rows in a fixed number of shards, which threads and ranks (base/ranks.h)
 * compute side by side: a fit of one large network then takes as many processors as it has shards.
 *
 * Shard s of S has the rows [s n / S, (s + 1) n / S) of n: of each minibatch, and of the rows that
 * are kept out. Value and gradient are the sums over shards, in their order, of what each shard has
 * as rows of its own. So they depend on S, whose sums round in another way, and not on who computed
 * them.
 */
#ifndef SHARDS_H
#define SHARDS_H

#include "base/ranks_sum.h"
#include "fit/loss.h"

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
