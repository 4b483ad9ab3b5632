/* SPDX-License-Identifier: Apache-2.0 */
/* The loss of variational inference, for the solver and its tests. */
#ifndef SOLVER_VI_H
#define SOLVER_VI_H

#include "fit/loss.h"

/* Prior of each weight: pi N(0, sigma1^2) + (1 - pi) N(0, sigma2^2). */
struct vi_prior {
    double pi, sigma1, sigma2;
};

/*
 * The parameters of the loss, [vi_n_params]: mu [K], rho [K], and learned log s_j [o].
 */
struct vi_loss {
    struct objective_loss inner; /* the likelihood; objective.n_total rows are the whole */
    struct vi_prior prior;
    int n_samples;   /* draws of the weights at each minibatch */
    double *epsilon; /* [K] */
    double *weights; /* [K + learned] */
    double *part;    /* [K + learned] */
};

/* Keeps what the objective borrows. A zeroed one may be released. ERR_NOMEM. */
enum err_code vi_loss_init(struct vi_loss *self, const struct objective *objective,
                           const struct resnet *net, const struct vi_prior *prior, int n_samples,
                           struct err *err) MUST_CHECK;
void vi_loss_release(struct vi_loss *self);
int vi_n_params(const struct vi_loss *self);

/* The parts of the loss at one epsilon. */
struct vi_parts {
    double log_q;
    double log_prior;
    double nll;
};

/*
 * A sample's share of the loss on some rows, for self->epsilon: 1 / n_samples times
 * (log q - log p) n / n_total + negative log likelihood. Its gradient is added to
 * grad [vi_n_params] unless that is NULL; parts may be NULL.
 */
double vi_loss_eval(struct vi_loss *self, const struct data *rows, const double *params,
                    double *grad, struct vi_parts *parts);

struct loss vi_loss_as_loss(struct vi_loss *self);

#endif
