/* SPDX-License-Identifier: Apache-2.0 */
/* How good a model's predictions are on rows that it has not seen. */
#ifndef EVALUATION_H
#define EVALUATION_H

#include "base/cancel.h"
#include "base/checkpoint.h"
#include "fit/data.h"
#include "model/model.h"
#include "predict/predict.h"

/* nll_draws is left out for models with more draws times outputs. */
#define EVALUATION_MAX_DRAWN ((size_t)4 << 20)

#define EVALUATION_BLOCK_ROWS 4096 /* a block never has more */

/* Scores of a normal prediction with this std > 0; residual: observed minus predicted. */
double evaluation_nll(double residual, double std);
double evaluation_crps(double residual, double std);

/* Receives the predictions of n rows and what was observed, y [n x o], NaN where it is missing. */
typedef enum err_code evaluation_block_fn(void *ctx, const struct predict_result *f,
                                          const double *y, int n, struct err *err);

/* How the work is done. The result depends on neither threads nor interruptions. */
struct evaluation_run {
    int n_threads;
    const struct cancel *cancel;         /* may be NULL */
    const struct checkpoint *checkpoint; /* may be NULL */
    int task;                            /* its number in the checkpoint */
};

/* Writes and reads what has been made of the first n_done rows, so that it survives a restart. */
struct evaluation_keep {
    void (*put)(const void *ctx, int n_done, struct bytes_writer *writer);
    void (*get)(void *ctx, int n_done, struct bytes_reader *reader);
};

struct evaluation_work {
    struct predict_request block; /* the results that fn needs; n: rows of a block, 0:
                                     evaluation_block_rows; x, n_threads and cancel are not used */
    const struct evaluation_run *run;
    const struct evaluation_keep *keep;
    evaluation_block_fn *fn;
    void *ctx; /* of fn and keep */
};

/*
 * Predicts rows block by block, in order, so that memory does not grow with them, and hands each
 * block to fn. ERR_INVALID (no rows), ERR_CANCELLED, ERR_CORRUPT (the checkpoint), errors of
 * predict_run and of fn.
 */
enum err_code evaluation_work(const struct model *model, const struct data *rows,
                              const struct evaluation_work *work, struct err *err) MUST_CHECK;

/* So many rows that a block takes no more than seconds; block: its n is not used. */
int evaluation_block_rows(const struct model *model, const struct predict_request *block);

/*
 * Scores in steps, for callers that predict the blocks themselves: evaluation_begin; for each block
 * in order the predictions that `block` asks for, to evaluation_add; evaluation_end.
 */
struct evaluation_output {
    int n;           /* rows that have it */
    bool constant;   /* predicted as one number without a spread */
    int exponent;    /* sums are in units of 2^exponent (model.h) */
    bool no_density; /* a prediction had no variance */
    bool no_mixture; /* a prediction had no noise, so its draws are points without density */
};

struct evaluation {
    size_t o;
    bool noise;                        /* its variance is known */
    struct predict_request block;      /* n: a block has at most this many rows */
    struct scores sums;                /* its output_range is in the user's units */
    struct evaluation_output *outputs; /* [o]; mem */
};

/* output_range as for evaluation_score. A zeroed struct may be released. ERR_NOMEM. */
enum err_code evaluation_begin(struct evaluation *evaluation, const struct model *model,
                               const double *output_range, struct err *err) MUST_CHECK;
void evaluation_add(struct evaluation *evaluation, const struct predict_result *f, const double *y,
                    int n);
/* Moves the scores to a zeroed *out and leaves the evaluation empty. ERR_NUMERIC; ERR_INVALID when
 * no row had an output. */
enum err_code evaluation_end(struct evaluation *evaluation, struct scores *out,
                             struct err *err) MUST_CHECK;
void evaluation_release(struct evaluation *evaluation);

/*
 * Scores of a published model on rows in the user's units: all of core/model/scores.h. Rows may
 * miss outputs (NaN); each output is scored on the rows that have it, and rows without any do not
 * count. Where no noise is known the variance over draws stands for the total variance. Where that
 * is 0 at a row, the prediction has no density there, so nll, crps, coverage, width and calibration
 * are NULL. nll_draws is NULL where no noise is known or where it is 0, and above
 * EVALUATION_MAX_DRAWN. A score that is not finite is NULL too; for rmse and relative_error that is
 * ERR_NUMERIC. Outputs that the model takes for constant (scaler.h) have no density, and outputs
 * that no row has have no score: there the numbers are NaN, and those of the others stand.
 *
 * output_range: [o x 2] low, high, by which outputs are scaled to [0, 1] for the relative error;
 * copied. A zeroed *out is filled, or stays empty on failure. ERR_INVALID (no rows, or none with an
 * output), ERR_NUMERIC, ERR_CANCELLED, ERR_CORRUPT, ERR_NOMEM.
 */
enum err_code evaluation_score(const struct model *model, const struct data *rows,
                               const double *output_range, const struct evaluation_run *run,
                               struct scores *out, struct err *err) MUST_CHECK;

/*
 * Estimates the standard deviation of each output's noise, sigma [o]. On rows kept out of the
 * training E (y - mean)^2 is the variance of the mean's error plus sigma^2; the model's own
 * variance stands for the former, so sigma^2 is the mean of (y - mean)^2 - variance, never below 0.
 * NaN where no row has the output. Errors as of evaluation_score.
 */
enum err_code evaluation_noise(const struct model *model, const struct data *rows,
                               const struct evaluation_run *run, double *sigma,
                               struct err *err) MUST_CHECK;

#endif
