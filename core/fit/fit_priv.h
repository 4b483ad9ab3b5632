/* SPDX-License-Identifier: Apache-2.0 */
/* What the minibatch loop and the L-BFGS driver share. */
#ifndef FIT_PRIV_H
#define FIT_PRIV_H

#include "base/bytes.h"
#include "fit/fit.h"

struct fit {
    const struct fit_problem *problem;
    const struct fit_settings *settings;
    struct fit_result *result;
    double *grad;   /* [n_params] */
    double *best;   /* [n_params] */
    int since_best; /* epochs since the best state */
    bool was_ended; /* the checkpoint was that of the end */
};

/*
 * Ends an epoch: validates, keeps the best state, reports. *stop becomes true when patience ran
 * out. ERR_CANCELLED, ERR_NUMERIC.
 */
enum err_code fit_epoch_done(struct fit *fit, double train_loss, const double *params, bool *stop,
                             struct err *err) MUST_CHECK;

/* The two ways to fit, from params; the best state is left in fit->best. */
enum err_code fit_minibatch(struct fit *fit, struct rng *rng, double *params,
                            struct err *err) MUST_CHECK;
enum err_code fit_lbfgs(struct fit *fit, struct rng *rng, double *params,
                        struct err *err) MUST_CHECK;

/* ---- checkpoints (fit_state.c) ---- */

/* Appends what every fit keeps; the way's own state comes behind it, unless it has ended. */
void fit_put_state(const struct fit *fit, bool ended, const struct rng *rng,
                   struct bytes_writer *writer);

/* Saves the end. */
enum err_code fit_save_end(const struct fit *fit, const struct rng *rng,
                           struct err *err) MUST_CHECK;

struct fit_state {
    void *bytes; /* mem */
    struct bytes_reader reader;
    bool found; /* the way's own state is to be read */
};

/*
 * Reads what every fit keeps, if there is a checkpoint. *ended: nothing is left to do, fit->best is
 * the result; also when patience had run out before the interruption. The caller reads its own
 * state when found, then closes.
 */
enum err_code fit_open_state(struct fit *fit, struct rng *rng, struct fit_state *state, bool *ended,
                             struct err *err) MUST_CHECK;
/* ERR_CORRUPT when something was missing or left over. */
enum err_code fit_close_state(struct fit_state *state, struct err *err) MUST_CHECK;

#endif
