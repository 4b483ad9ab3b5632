/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log density of an objective's parameters, for samplers: the negative of its negative log
 * likelihood (a flat prior) or negative log posterior on all rows.
 */
#ifndef LOGPOST_H
#define LOGPOST_H

#include "fit/loss.h"
#include "sample/target.h"

struct logpost {
    struct objective_loss loss;
    struct data rows;
};

/* For one thread; keeps net, the rows and what the objective borrows. A zeroed one may be released.
 * ERR_NOMEM. */
enum err_code logpost_init(struct logpost *logpost, const struct objective *objective,
                           const struct resnet *net, const struct data *rows,
                           struct err *err) MUST_CHECK;
void logpost_release(struct logpost *logpost);

/* The target over it, of the objective's parameters; it must stay. */
struct target logpost_target(struct logpost *logpost);

#endif
