/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loss of a network whose one output f is the logit of a probability p = 1 / (1 + exp(-f)):
 * over rows with y = 1 (it happened) or 0
 *
 *   sum log(1 + exp(f)) - y f  +  (n/N) sum w^2 / (2 s_p^2)
 *
 * the negative log likelihood of the y, and the prior of objective.h on the parameters.
 */
#ifndef CROSS_ENTROPY_H
#define CROSS_ENTROPY_H

#include "fit/loss.h"

struct cross_entropy {
    struct objective_loss inner; /* its tape and scratch; the objective is the prior's */
};

/* prior_sigmas [K] and net are kept; n_total: rows of the whole training set. A zeroed one may be
 * released. ERR_NOMEM. */
enum err_code cross_entropy_init(struct cross_entropy *self, const struct resnet *net,
                                 const double *prior_sigmas, int n_total,
                                 const struct cancel *cancel, struct err *err) MUST_CHECK;
void cross_entropy_release(struct cross_entropy *self);

/* A loss that keeps `self`. Kept rows are scored without the prior. */
struct loss cross_entropy_as_loss(struct cross_entropy *self);

/* 1 / (1 + exp(-f)), also where exp overflows. */
double cross_entropy_probability(double f);

#endif
