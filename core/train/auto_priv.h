/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of auto share. */
#ifndef AUTO_PRIV_H
#define AUTO_PRIV_H

#include "base/checkpoint.h"
#include "train/auto.h"
#include "train/train_rows.h"

/* What is known of a candidate besides its line in the table. */
struct auto_scores {
    bool better;      /* its scaling of outputs is that of the best one before it */
    int members;      /* of the fits without a fold: networks .. */
    int epochs;       /* .. and iterations or epochs */
    double last_work; /* of the last training; work of the table is of a fit without a fold */
    double *excess; /* [2 x o] of what has been scored: sums of squared residuals minus the model's
                       variance, in units of the spreads' squares, and their number; mem */
    double *sums;   /* [n_rows] of each row that has been scored, over its outputs; mem */
    double *means;  /* [n_rows x o] predicted, user's units, of each row that has been scored; NULL:
                       not kept; mem */
    double *stds;   /* the same of the total standard deviations */
};

struct auto_work {
    const struct auto_run *run;
    struct auto_table *table;
    struct train_rows rows; /* that train, in the user's units */
    int *fold;              /* [rows.n] mem */
    int n_groups;           /* of rows that stay together (row_groups.h) */
    int *counts;            /* [rows.n] outputs that a row has; mem */
    double *spreads;        /* [o] standard deviations of the outputs; 0: constant; mem */
    struct auto_scores scores[AUTO_MAX_CANDIDATES];
    struct auto_ahead *ahead; /* fits that were done before their turn came; mem */
    int n_ahead;
    double least;       /* bytes that the smallest candidate needs */
    double seconds;     /* budget or limit, whichever is smaller; 0: none */
    double before;      /* seconds that were used before an interruption */
    double begun;       /* by the clock, since when the others are counted */
    double shown;       /* with a budget in seconds: the share of the progress so far */
    bool is_watched;    /* the present training ends when the seconds are used up, by .. */
    struct cancel stop; /* .. this, which then also follows the caller's cancel */
};

/* ---- candidates (auto_candidates.c) ---- */

/* Fills the table and the costs. width: of what the network sees. ERR_INVALID and others when there
 * is no candidate that the spec and the rows allow. */
enum err_code auto_list_candidates(struct auto_work *work, int width, struct err *err) MUST_CHECK;

/* ERR_TOO_LARGE: none of the candidates, which need so many bytes at least, has room. */
enum err_code auto_refuse_memory(double n_bytes, int64_t max_bytes, struct err *err);

/* Would a candidate fit by minibatches where the best one has left next to nothing to be learned?
 */
bool auto_is_needless(const struct auto_work *work, int candidate);

/* Of the budget that is taken where none is given: may a candidate be tried, once those before it
 * have been? The first one of each solver is. */
bool auto_has_work(const struct auto_work *work, int candidate);

/* The scaling of its outputs that a candidate would have if its turn came now: its own or, where it
 * has that, the one of the best so far. */
enum scaler_kind auto_scaling_now(const struct auto_work *work, int candidate);

/* Settles it, of a candidate whose turn has come. */
void auto_settle_scaling(struct auto_work *work, int candidate);

/* ---- folds (auto_folds.c) ---- */

/* Takes the rows that train and chooses the folds; table->n_folds 0: too few rows. ERR_NOMEM and
 * those of train_rows_split. */
enum err_code auto_take_rows(struct auto_work *work, struct err *err) MUST_CHECK;

/* A candidate without a fold, and its scores on it: of the n rows of the fold, in their order. */
struct auto_fit {
    int candidate, fold;
    enum scaler_kind scaling; /* of the outputs */
    int n;
    double *memory; /* mem, of the others */
    double *sums;   /* [n] over the outputs of a row */
    double *excess; /* [n x o] squared residual minus the model's variance, in units of the spread's
                       square; NaN: not scored */
    double *means;  /* [n x o] as in auto_scores; NULL: not kept */
    double *stds;
};

/* A zeroed one may be released. ERR_NOMEM. */
enum err_code auto_fit_init(const struct auto_work *work, int candidate, int fold,
                            struct auto_fit *fit, struct err *err) MUST_CHECK;
void auto_fit_release(struct auto_fit *fit);

/* Trains and scores. Errors of train_run. */
enum err_code auto_fit_run(const struct auto_work *work, const struct train_run *run,
                           struct auto_fit *fit, struct err *err) MUST_CHECK;

/* Adds it to the scores of its candidate. */
void auto_fit_add(const struct auto_fit *fit, struct auto_work *work);

/* ---- fits over several ranks (auto_ahead.c) ---- */

/* The next fit of the candidate whose turn it is; *fit is to be released, on failure too. Errors of
 * auto_fit_run. */
enum err_code auto_next_fit(struct auto_work *work, int candidate, struct auto_fit *fit,
                            struct err *err) MUST_CHECK;
void auto_ahead_release(struct auto_work *work);

/* Does a failure only take the candidate out? Else it ends the whole. */
bool auto_is_of_candidate(enum err_code code);

/* ---- the model's own scores (auto_cross.c) ---- */

/* Is what a candidate predicts kept? */
bool auto_keeps_predictions(const struct auto_work *work, int candidate);

/* Room for what a candidate predicts, where its scores would be those of the model. ERR_NOMEM. */
enum err_code auto_keep_predictions(struct auto_work *work, int candidate,
                                    struct err *err) MUST_CHECK;

/* The share of rows that the last training of a candidate keeps out. */
double auto_kept_share(const struct auto_work *work, int candidate);

/* What the chosen candidate predicted, where no rows are kept out; *out stays empty elsewhere.
 * ERR_NOMEM. */
enum err_code auto_take_cross(const struct auto_work *work, struct train_cross *out,
                              struct err *err) MUST_CHECK;

/* The noise of each output that is left of the residuals of the chosen candidate, in sigmas [o];
 * NULL: it has not been scored on all folds, or an output has not been scored. */
const double *auto_cross_noise(const struct auto_work *work, double *sigmas);

/* ---- comparison (auto_choice.c) ---- */

/* A mean over observations, and its standard error over rows; NaN without rows. */
struct auto_mean {
    double mean, error;
    int n_rows;
};

/* Of the sums of a candidate, minus those of another one unless `other` is below 0, on the folds
 * that have been scored of both. */
struct auto_mean auto_mean_of(const struct auto_work *work, int candidate, int other);

/* The candidate with the lowest score of those on all folds; -1: there is none. */
int auto_find_best(const struct auto_work *work);

/* Is a candidate that has been scored on some folds so far behind the best that the others need not
 * be tried? */
bool auto_is_behind(const struct auto_work *work, int candidate);

/* Sets gaps and outcomes of all that have been scored, and table->chosen. */
void auto_choose(struct auto_work *work);

/* After the chosen one has failed: the simplest of those as good as it, else the best one left,
 * else the first one that has not been tried. table->chosen -1: there is none. */
void auto_choose_again(struct auto_work *work);

/* ---- checkpoints (auto_state.c) ---- */

/*
 * The checkpoint of one of the trainings. All of them use the same tasks, one after the other, so
 * that no more is stored than one training needs; a state tells which training it is of, and those
 * of others are not found.
 */
struct auto_part {
    struct auto_work *work;
    const struct checkpoint *whole; /* may be NULL */
    uint32_t number;                /* of the training */
    int first_task;                 /* of its tasks in `whole` */
    struct checkpoint checkpoint;
};

/* Returns the checkpoint to be used, or NULL. The part must not move. */
const struct checkpoint *auto_part_init(struct auto_part *part, struct auto_work *work, int number);

/* The same for the number-th training, a fit without a fold, while other ranks do other ones: its
 * states are its own, and stay with this rank. */
const struct checkpoint *auto_part_init_apart(struct auto_part *part, struct auto_work *work,
                                              int number);

/* The task that keeps the scores of a fit. */
int auto_fit_task(const struct auto_fit *fit);

/* Sets work->before; 0 without a clock. ERR_NOMEM; errors of the checkpoint; ERR_CORRUPT. */
enum err_code auto_load_time(struct auto_work *work, struct err *err) MUST_CHECK;

/* A candidate as far as it has been tried: what is saved after each fold. ERR_NOMEM; errors of the
 * checkpoint; ERR_CORRUPT. */
enum err_code auto_save(const struct auto_work *work, int candidate, struct err *err) MUST_CHECK;
enum err_code auto_load(struct auto_work *work, int candidate, struct err *err) MUST_CHECK;

/* ---- budget and progress (auto_budget.c) ---- */

/* By the clock of the run; 0 without one. */
double auto_seconds_now(const struct auto_work *work);

/* Of the budget, with those before an interruption. */
double auto_seconds_used(const struct auto_work *work);

/* To be called at every step of a training, from any thread: stops it when the time is over. */
void auto_watch_time(struct auto_work *work);

/* One training as a part of the whole: its share of the progress is from .. to. */
struct auto_stage {
    struct auto_work *work;
    double from, to;
    struct auto_part part;
};

/* Makes *run the number-th training: first those without a fold, candidate by candidate, then the
 * last one and those that take its place. The stage must not move. */
void auto_begin_stage(struct auto_work *work, int number, struct auto_stage *stage,
                      struct train_run *run);

/* The number of a training without a fold. */
int auto_fit_number(const struct auto_work *work, int candidate, int fold);

/* Will a candidate be scored, or has it been? Not certain while its turn has not come. */
bool auto_is_reached(const struct auto_work *work, int candidate);

/* Is a candidate left out for another reason than the budget? */
bool auto_is_left_out(const struct auto_work *work, int candidate);

/* Are there fits for a candidate and the last training? */
bool auto_has_fits(const struct auto_work *work, int candidate);

/* Is there time for the rest of a candidate and for the last training, whether that is of this
 * candidate or of the best one so far? There is while nothing is known of times. */
bool auto_has_time(const struct auto_work *work, int candidate);

/* Are there fits for two candidates and the last training? */
bool auto_can_compare(const struct auto_work *work);

#endif
