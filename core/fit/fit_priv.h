/* SPDX-License-Identifier: Apache-2.0 */
/* What fits by minibatches, L-BFGS and Levenberg-Marquardt share. */
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
    struct optim_plateau plateau;
    bool was_ended; /* the checkpoint was saved at the end of the fit */
};

/*
 * Ends an epoch: evaluates the validation rows, keeps the best state and reports progress. *stop
 * becomes true when patience has run out. ERR_CANCELLED, ERR_NUMERIC.
 */
enum err_code fit_epoch_done(struct fit *fit, double train_loss, const double *params, bool *stop,
                             struct err *err) MUST_CHECK;

/* The ways to fit, from the start `params`; fit->best becomes the best state. */
enum err_code fit_minibatch(struct fit *fit, struct rng *rng, double *params,
                            struct err *err) MUST_CHECK;
enum err_code fit_lbfgs(struct fit *fit, struct rng *rng, double *params,
                        struct err *err) MUST_CHECK;
enum err_code fit_levenberg(struct fit *fit, struct rng *rng, double *params,
                            struct err *err) MUST_CHECK;

/* ---- checkpoints ---- */

/* Appends the state of every fit. The state of the method follows it, unless the fit has ended. */
void fit_put_state(const struct fit *fit, bool ended, const struct rng *rng,
                   struct bytes_writer *writer);

/* Saves the state of a fit that has ended. */
enum err_code fit_save_end(const struct fit *fit, const struct rng *rng,
                           struct err *err) MUST_CHECK;

struct fit_state {
    void *bytes; /* mem */
    struct bytes_reader reader;
    bool found; /* the state of the method follows in the reader */
};

/*
 * Reads the state of every fit, if there is a checkpoint. *ended: nothing is left to do and
 * fit->best is the result, because the fit had ended or patience had run out. If `found`, the
 * caller then reads the state of its method; it closes in any case.
 */
enum err_code fit_open_state(struct fit *fit, struct rng *rng, struct fit_state *state, bool *ended,
                             struct err *err) MUST_CHECK;
/* ERR_CORRUPT when something was missing or left over. */
enum err_code fit_close_state(struct fit_state *state, struct err *err) MUST_CHECK;

#endif
