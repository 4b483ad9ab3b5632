/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fits one parameter vector: minibatch epochs with SGD or Adam, or full-batch L-BFGS. The state of
 * the lowest validation loss is kept; when no rows are kept, that of the lowest training loss. Of a
 * random loss the last state is kept, for the lowest value is only the luckiest; with patience and
 * kept rows the state of the lowest validation loss after all.
 */
#ifndef FIT_H
#define FIT_H

#include "base/cancel.h"
#include "base/checkpoint.h"
#include "fit/loss.h"
#include "fit/optim.h"

struct fit_settings {
    int epochs;     /* L-BFGS: iterations at most */
    int batch_size; /* minibatch rows; 0: all rows */
    int patience; /* epochs without a better validation loss before the end; 0: never stop early */
    struct optim_settings optim;
};

struct fit_problem {
    struct loss loss;
    struct data train;           /* scaled rows */
    struct data validation;      /* n may be 0 */
    const struct cancel *cancel; /* may be NULL */
    progress_fn *progress;       /* may be NULL */
    void *progress_ctx;
    const struct checkpoint *checkpoint; /* may be NULL; its task is task */
    int task;
    int member; /* reported with progress */
    int n_members;
    double fraction_from, fraction_to; /* part of the whole run that this fit is */
};

struct fit_result {
    double best_loss;   /* validation loss of the kept state, or training loss without rows kept */
    int best_epoch;     /* 1-based */
    int epochs;         /* done */
    double *train_loss; /* [settings.epochs], borrowed from the caller; may be NULL */
    double *validation_loss;
};

/*
 * params: [n_params], the start on entry, the best state on success; undefined after an error.
 * A fit that finds its checkpoint goes on from there, with the same rng as it had.
 * ERR_CANCELLED; ERR_NUMERIC when the loss stops being finite; ERR_NOMEM.
 */
enum err_code fit_run(const struct fit_problem *problem, const struct fit_settings *settings,
                      struct rng *rng, double *params, struct fit_result *result,
                      struct err *err) MUST_CHECK;

/* Every coefficient matrix and bias ~ U(-1, 1) * factor / sqrt(fan_in). params: [K]. */
void fit_init_params(const struct resnet *net, double factor, struct rng *rng, double *params);

#endif
