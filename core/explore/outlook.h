/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What simulations that are under way may turn out to give: OUTLOOK_FUTURES equally likely futures,
 * in each of which every pending point has its value. In future s the mean of the model at a point
 * is
 *
 *   mean + shift_s,     shift_s = sum_k (b_k a_k) w_ks / sqrt(a_k a_k + s_k^2)
 *
 * over the observations k that a spread has been conditioned on (spread.h), w standard normal. So
 * the values of the futures are draws of the joint normal distribution of the pending points, and
 * what follows for any other point is exact by the covariance between points; nothing is assumed
 * about any single outcome.
 *
 * The w of an observation are a Latin hypercube sample [1]: the means of OUTLOOK_FUTURES equally
 * likely intervals, in an order that a seed gives. So what is linear in a w is averaged exactly.
 * All candidates see the same futures, so scores over them are smooth functions of the candidate.
 *
 * [1] M. McKay, R. Beckman, W. Conover, A comparison of three methods for selecting values of input
 *     variables, Technometrics 21, 1979.
 */
#ifndef OUTLOOK_H
#define OUTLOOK_H

#include "explore/spread.h"

#define OUTLOOK_FUTURES 256

struct outlook {
    int n_points;
    int n;          /* observations so far */
    int room;       /* 0: nothing will be observed */
    uint64_t seed;  /* of the w */
    double *shift;  /* [n_points x OUTLOOK_FUTURES]; NULL when there is no room */
    double *normal; /* [room x OUTLOOK_FUTURES] the w */
    double *best;   /* [OUTLOOK_FUTURES] the best value of each future; NAN: none */
    double *dots;   /* [n_points] scratch */
    int *order;     /* [OUTLOOK_FUTURES] scratch */
};

/* All in the arena; best becomes that of every future. ERR_NOMEM. */
enum err_code outlook_init(struct outlook *outlook, int n_points, int room, uint64_t seed,
                           double best, struct arena *arena, struct err *err) MUST_CHECK;

/* How many futures differ: 1 as long as nothing is pending. */
static inline int outlook_n_futures(const struct outlook *outlook)
{
    return outlook->n > 0 ? OUTLOOK_FUTURES : 1;
}

/* Conditions a spread of one output on an observation at a point, of which each future has its own,
 * and makes it the best of a future where it is better. */
void outlook_observe(struct outlook *outlook, struct spread *spread, int point,
                     struct spread_history *history, bool maximise);

/* shift [OUTLOOK_FUTURES] <- that of a point with these products b a [n]. */
void outlook_shift(const struct outlook *outlook, const struct spread_history *history,
                   const double *dots, double *shift);

/* by_dots [n] <- the derivatives by the dots of a number whose derivatives by shift are given. */
void outlook_shift_back(const struct outlook *outlook, const struct spread_history *history,
                        const double *by_shift, double *by_dots);

#endif
