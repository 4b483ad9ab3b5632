/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of a training run share. */
#ifndef TRAIN_PRIV_H
#define TRAIN_PRIV_H

#include "fit/split.h"
#include "predict/evaluation.h"
#include "train/train_rows.h"
#include "train/train_warm.h"

/* A run with its rows in their parts. */
struct trainee {
    const struct train_run *run;
    struct train_rows train, kept, calibration;
    struct train_warm warm;   /* its start is NULL: cold */
    int n_folds;              /* 1: no folds */
    int *fold;                /* [train.n] of each training row; or NULL */
    double *prior_sigmas;     /* [K] */
    double *noise_sigmas;     /* [o] scaled units; NULL: not known */
    struct train_terms terms; /* of the loss */
    /* Where rows have noise of their own: the run with their root mean square as its given noise,
     * which is that of a prediction. */
    struct train_run own_run;
    struct train_spec own_spec;
    double *own_sigmas;  /* [o] user's units */
    struct model *model; /* being made */
};

/* What a request gives of chains, as solvers take it. */
struct solver_given train_given(const struct train_chains *chains);

/* How rows are scored by published models: a task behind those of all solver runs. */
struct evaluation_run trainee_scoring(const struct trainee *t, int number);

/* ---- what the rows are like (train_facts.c) ---- */

/* Warns of what a fit to these rows cannot know: few rows, columns that are constant. ERR_NOMEM. */
enum err_code train_facts_warn(struct trainee *t, struct err *err) MUST_CHECK;

/* Warns of poor predictions of the kept rows, which have been scored. ERR_NOMEM. */
enum err_code train_facts_judge(struct trainee *t, struct err *err) MUST_CHECK;

/* ERR_INVALID when a column was constant in the rows of the base model and no longer is. */
enum err_code train_facts_check_warm(const struct trainee *t, struct err *err) MUST_CHECK;

/* ---- P(run succeeds) (train_feasible.c) ---- */

/*
 * Adds it to the model, which is not published yet, and its scores to the report, where runs of
 * both ends train. first_task: of FEASIBLE_MEMBERS tasks of the checkpoint. ERR_NOMEM,
 * ERR_CANCELLED, errors of a fit.
 */
enum err_code train_feasible(struct trainee *t, int first_task, struct err *err) MUST_CHECK;

/* ---- noise (train_noise.c) ---- */

/* Once the rows are in their parts: where they have noise of their own, makes of its root mean
 * squares over those that train the given noise of the run. ERR_INVALID, ERR_NOMEM. */
enum err_code train_noise_of_rows(struct trainee *t, struct err *err) MUST_CHECK;

/* Sets noise_sigmas before the solver runs, where they are given or it needs an estimate. ERR_NOMEM
 * and errors of a fit. */
enum err_code train_noise_begin(struct trainee *t, struct err *err) MUST_CHECK;

/* Adds the noise of one of n_folds results to a model, in the user's units. ERR_NOMEM. */
enum err_code train_noise_add(const struct trainee *t, struct model *model,
                              const struct solver_result *result, int n_folds,
                              struct err *err) MUST_CHECK;

/*
 * Measures the noise of a published model on the validation rows where it was neither given nor
 * learned, or is known only for logarithms. number: of the scoring task.
 */
enum err_code train_noise_measure(const struct trainee *t, int number, struct model *model,
                                  struct err *err) MUST_CHECK;

#endif
