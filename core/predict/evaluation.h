/* SPDX-License-Identifier: Apache-2.0 */
/* What rows that a model has not seen say about it. */
#ifndef EVALUATION_H
#define EVALUATION_H

#include "base/cancel.h"
#include "base/checkpoint.h"
#include "fit/data.h"
#include "model/model.h"
#include "predict/predict.h"

/* Draws times outputs for which nll_draws is made. */
#define EVALUATION_MAX_DRAWN ((size_t)4 << 20)

#define EVALUATION_BLOCK_ROWS 4096 /* at most */

/* Scores of a normal prediction of this std > 0; residual: observed minus predicted. */
double evaluation_nll(double residual, double std);
double evaluation_crps(double residual, double std);

/* Takes the predictions of n rows and what was observed, y [n x o]. */
typedef enum err_code evaluation_block_fn(void *ctx, const struct predict_result *f,
                                          const double *y, int n, struct err *err);

/* How a scoring runs. It depends on neither threads nor interruptions. */
struct evaluation_run {
    int n_threads;
    const struct cancel *cancel;         /* may be NULL */
    const struct checkpoint *checkpoint; /* may be NULL */
    int task;                            /* of the checkpoint */
};

/* What a scoring has made of the rows so far, as bytes. */
struct evaluation_keep {
    void (*put)(const void *ctx, int n_done, struct bytes_writer *writer);
    void (*get)(void *ctx, int n_done, struct bytes_reader *reader);
};

struct evaluation_work {
    struct predict_request block; /* what is wanted of each block of rows: see evaluation_blocks */
    const struct evaluation_run *run;   /* its threads and cancel are those of the block */
    const struct evaluation_keep *keep; /* NULL: it begins again when it was interrupted */
    evaluation_block_fn *fn;
    void *ctx; /* of fn and keep */
};

/* As evaluation_blocks, and as the run says. ERR_CANCELLED, ERR_CORRUPT. */
enum err_code evaluation_work(const struct model *model, const struct data *rows,
                              const struct evaluation_work *work, struct err *err) MUST_CHECK;

/*
 * Predicts rows block by block, in order, so that memory does not grow with them. block: what is
 * wanted of each; its n is the most rows of one (0: evaluation_block_rows), x is not looked at.
 * ERR_INVALID (no rows), errors of predict_run and of fn.
 */
enum err_code evaluation_blocks(const struct model *model, const struct data *rows,
                                const struct predict_request *block, evaluation_block_fn *fn,
                                void *ctx, struct err *err) MUST_CHECK;

/* Rows of which a block is no more than some seconds of work; block: its n is not looked at. */
int evaluation_block_rows(const struct model *model, const struct predict_request *block);

/*
 * Scores in steps, for callers that predict the blocks themselves: evaluation_begin, evaluation_add
 * for each block in order, with the predictions that `block` asks for (its n: the most rows of
 * one), then evaluation_end.
 */
struct evaluation {
    size_t o;
    bool noise; /* is known */
    struct predict_request block;
    struct scores sums;
    bool flat;  /* a prediction had no variance, so it has no density */
    bool exact; /* one had no noise, so that the draws are points */
};

/* output_range as below. A zeroed one may be released. ERR_NOMEM. */
enum err_code evaluation_begin(struct evaluation *evaluation, const struct model *model,
                               const double *output_range, struct err *err) MUST_CHECK;
void evaluation_add(struct evaluation *evaluation, const struct predict_result *f, const double *y,
                    int n);
/* Moves the scores to a zeroed *out; the calib is empty then. ERR_NUMERIC. */
enum err_code evaluation_end(struct evaluation *evaluation, struct scores *out,
                             struct err *err) MUST_CHECK;
void evaluation_release(struct evaluation *evaluation);

/*
 * Scores of a published model on rows in the user's units, all of core/model/scores.h. Without
 * noise the total variance is that over the draws. Where it is 0 at a row of any output the
 * prediction has no density there: nll, crps, coverage, width and calibration are then left NULL.
 * nll_draws is NULL where no noise is known or it is 0, and of models with more than
 * EVALUATION_MAX_DRAWN draws times outputs. What is not finite is NULL too, but rmse and
 * relative_error: ERR_NUMERIC.
 *
 * output_range: [o x 2] low, high by which outputs are scaled to [0, 1] for the relative error;
 * copied. A zeroed *out is filled; on failure it is released. ERR_INVALID (no rows), ERR_NUMERIC,
 * ERR_CANCELLED, ERR_CORRUPT, ERR_NOMEM.
 */
enum err_code evaluation_score(const struct model *model, const struct data *rows,
                               const double *output_range, const struct evaluation_run *run,
                               struct scores *out, struct err *err) MUST_CHECK;

/*
 * Standard deviation of each output's noise, sigma [o]: on kept rows E (y - mean)^2 = variance of
 * the mean's error + sigma^2, and the model's own variance stands for the first term, so sigma^2 is
 * the mean of (y - mean)^2 - variance, never below 0. Errors as above.
 */
enum err_code evaluation_noise(const struct model *model, const struct data *rows,
                               const struct evaluation_run *run, double *sigma,
                               struct err *err) MUST_CHECK;

#endif
