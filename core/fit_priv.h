/* SPDX-License-Identifier: Apache-2.0 */
/* What the minibatch loop and the L-BFGS driver share. */
#ifndef FIT_PRIV_H
#define FIT_PRIV_H

#include "fit.h"

struct fit {
    const struct fit_problem *problem;
    const struct fit_settings *settings;
    struct fit_result *result;
    double *grad;   /* [n_params] */
    double *best;   /* [n_params] */
    int since_best; /* epochs since the best state */
};

/*
 * Ends an epoch: validates, keeps the best state, reports. *stop becomes true when patience ran
 * out. ERR_CANCELLED, ERR_NUMERIC.
 */
enum err_code fit_epoch_done(struct fit *fit, double train_loss, const double *params, bool *stop,
                             struct err *err) MUST_CHECK;

/* Full-batch L-BFGS from params; the best state is left in fit->best. */
enum err_code fit_lbfgs(struct fit *fit, double *params, struct err *err) MUST_CHECK;

#endif
