/* SPDX-License-Identifier: Apache-2.0 */
/* The masks and the loss of dropout, for the solver and its tests. */
#ifndef SOLVER_MC_DROPOUT_H
#define SOLVER_MC_DROPOUT_H

#include "fit/loss.h"

/*
 * A random mask of the parameters: 0 or 1 / (1 - p) in the columns of the blocks' coefficients (one
 * mask of r units for all) and of weight_post (another), 1 elsewhere. Takes r uniform numbers, and
 * r more when there is a post layer. mask: [K].
 */
void mc_dropout_mask(const struct resnet *net, double p, struct rng *rng, double *mask);

/* The probability, in the report of a run. */
#define MC_DROPOUT_REPORTED "mc_dropout.probability"

/*
 * The fitted network [K] again, from n of its draws [n x K] and their probability; false: some unit
 * is left out of all of them.
 */
bool mc_dropout_network(const struct resnet *net, double p, int n, const double *draws,
                        double *network) MUST_CHECK;

struct mc_dropout_loss {
    struct objective_loss inner; /* the likelihood or squared error, of masked parameters */
    struct objective prior;      /* of the parameters themselves, when its kind is nlp */
    double p;                    /* probability that a unit is left out */
    int n_params;
    double *mask;   /* [K] */
    double *masked; /* [n_params] */
    double *part;   /* [n_params] */
};

/* Keeps net and what the objective borrows. A zeroed one may be released. ERR_NOMEM. */
enum err_code mc_dropout_loss_init(struct mc_dropout_loss *self, const struct objective *objective,
                                   const struct resnet *net, double p, struct err *err) MUST_CHECK;
void mc_dropout_loss_release(struct mc_dropout_loss *self);
struct loss mc_dropout_loss_as_loss(struct mc_dropout_loss *self);

#endif
