/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fits one parameter vector: epochs of minibatches with SGD or Adam, or full-batch L-BFGS or
 * Levenberg-Marquardt. The
 * result is the state with the lowest validation loss or, without validation rows, with the lowest
 * training loss. When the loss is random, its lowest value is mere luck, so that the result is the
 * last state; but with both patience and validation rows it is the state with the lowest validation
 * loss even then.
 */
#ifndef FIT_H
#define FIT_H

#include "base/cancel.h"
#include "base/checkpoint.h"
#include "fit/loss.h"
#include "fit/optim.h"

struct fit_settings {
    int epochs;     /* for methods of all rows the largest number of iterations */
    int batch_size; /* rows of a minibatch; 0: all rows */
    int patience; /* epochs without a better loss after which the fit ends; 0: it runs to the end */
    int shards;   /* of the rows of each step (fit/shards.h), of losses of an objective; 0: none */
    struct optim_settings optim;
};

/* Levenberg-Marquardt: the most multiplications of a step, rows x outputs x parameters^2: a minute
 * or two. */
#define FIT_LEVENBERG_MAX_WORK 1e12

struct fit_problem {
    struct loss loss;
    struct data train;           /* scaled rows */
    struct data validation;      /* n may be 0 */
    const struct cancel *cancel; /* may be NULL */
    progress_fn *progress;       /* may be NULL */
    void *progress_ctx;
    const struct checkpoint *checkpoint; /* may be NULL */
    int task;                            /* of the checkpoint */
    int member;                          /* reported with progress */
    int n_members;
    double fraction_from, fraction_to; /* the part of the whole run that this fit is */
    int n_threads;                     /* for shards; 0: one */
};

struct fit_result {
    double best_loss;   /* validation loss of the result; training loss without validation rows */
    int best_epoch;     /* 1-based */
    int epochs;         /* epochs done */
    double *train_loss; /* [settings.epochs], the caller's; both may be NULL */
    double *validation_loss;
};

/*
 * params [n_params]: the start on entry, the best state on success, undefined after an error. A fit
 * that finds its checkpoint continues from there, with the random numbers of that state.
 * ERR_CANCELLED; ERR_NUMERIC when the loss is no longer finite; ERR_LIMIT and ERR_UNSUPPORTED by
 * Levenberg-Marquardt; ERR_NOMEM.
 */
enum err_code fit_run(const struct fit_problem *problem, const struct fit_settings *settings,
                      struct rng *rng, double *params, struct fit_result *result,
                      struct err *err) MUST_CHECK;

/* params [K] <- factor / sqrt(fan_in) times a number from U(-1, 1) for each weight and bias. */
void fit_init_params(const struct resnet *net, double factor, struct rng *rng, double *params);

#endif
