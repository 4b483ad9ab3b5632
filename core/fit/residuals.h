/* SPDX-License-Identifier: Apache-2.0 */
/* Squared residuals of one network. */
#ifndef RESIDUALS_H
#define RESIDUALS_H

#include "base/cancel.h"
#include "fit/data.h"
#include "network/resnet.h"

/* Scratch for residuals that are computed again and again. */
struct residuals {
    const struct resnet *net;
    struct resnet_tape *tape;
    double *f;    /* [OBJECTIVE_TILE x n_out]; mem */
    double *grad; /* [K] behind f */
    const struct cancel *cancel; /* of residuals_set */
};

/* Keeps `net`. A zeroed one may be released. ERR_NOMEM. */
enum err_code residuals_init(struct residuals *self, const struct resnet *net,
                             struct err *err) MUST_CHECK;
void residuals_release(struct residuals *self);

/* residual_squares without allocations. ERR_CANCELLED. */
enum err_code residuals_squares(struct residuals *self, const struct data *rows,
                                const double *params, const struct cancel *cancel, double *squares,
                                struct err *err) MUST_CHECK;

/* Parameters [K] of the next two functions, and their cancel flag; kept. */
void residuals_set(struct residuals *self, const double *params, const struct cancel *cancel);

/* sums [n x o] <- sums + share f. ERR_CANCELLED. */
enum err_code residuals_add_values(struct residuals *self, const struct data *rows, double share,
                                   double *sums, struct err *err) MUST_CHECK;

/* sums [K] <- sums + J' pull: pull [n x o], J the derivatives of f. ERR_CANCELLED. */
enum err_code residuals_add_pull(struct residuals *self, const struct data *rows,
                                 const double *pull, double *sums, struct err *err) MUST_CHECK;

/* squares [o] <- the sum of (f - y)^2, for each of the o outputs over the rows that have it, with
 * the network's parameters params [K]. ERR_CANCELLED, ERR_NOMEM. */
enum err_code residual_squares(const struct resnet *net, const struct data *rows,
                               const double *params, const struct cancel *cancel, double *squares,
                               struct err *err) MUST_CHECK;

#endif
