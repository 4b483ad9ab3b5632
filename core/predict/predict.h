/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prediction with a published model: what its m draws f_1 .. f_m say at each of n rows, in the
 * user's units. results.def lists the results, each with its formula, its unit and whether the
 * noise of observations is in it.
 *
 * Rows are computed in tiles of a fixed size and draws in their order, so an answer depends neither
 * on the number of threads nor on the rows beside it.
 */
#ifndef PREDICT_H
#define PREDICT_H

#include "base/arena.h"
#include "base/cancel.h"
#include "model/model.h"
#include "model/draw_choice.h"
#include "predict/predict_result.h"

#define PREDICT_MAX_LEVELS    64 /* of quantiles */
#define PREDICT_MAX_INTERVALS 16
/* Numbers that one result of an answer may hold, and one array that is kept meanwhile. */
#define PREDICT_MAX_VALUES ((size_t)64 << 20)

struct derivative;

struct predict_field;
struct predict_chosen;

struct predict_request {
    int n;
    const double *x; /* [n x d], finite */
    unsigned want;   /* PREDICT_* */
    int n_levels;
    const double *levels; /* [n_levels] in [0, 1] */
    int n_total_levels;
    const double *total_levels; /* [n_total_levels] of total_quantiles, in (0, 1) */
    int n_intervals;
    const double *intervals; /* [n_intervals] levels in (0, 1) */
    int n_samples;           /* distinct draws, at most m */
    int n_outputs;           /* 0: all */
    const int *outputs;      /* [n_outputs] those that are wanted, in this order; with samples of
                                observations each at most once */
    uint64_t seed;           /* chooses samples, and their noise */
    bool of_observations;    /* samples are with noise */
    int first_row;           /* place of the first row in what the client asked for */
    struct draw_choice part; /* of the draws; the caller makes the model of it (draw_choice.h), and
                               what has not been made is refused */
    bool in_units;           /* all but intervals stay in the units of model->exponents */
    int first_sample;        /* of those that the seed chooses: [first, first + n_samples) */
    bool samples_alone;      /* samples are all that is wanted, and no other draw is computed */
    /* NULL, or what alone is computed and where it goes; results are not made (derivative.h) */
    const struct derivative *derivative;
    int n_threads;
    const struct cancel *cancel; /* NULL, or what predict_run looks at before each tile */
};

/* Outputs of the answer, and which output of the model its output j is. */
static inline int predict_n_outputs(const struct model *model, const struct predict_request *req)
{
    return req->n_outputs > 0 ? req->n_outputs : model->o;
}

static inline int predict_output(const struct predict_request *req, int j)
{
    return req->n_outputs > 0 ? req->outputs[j] : j;
}

/*
 * The result always holds mean and variance (of decoded outputs, the variance only where a result
 * that was asked for needs it), and with intervals the total variance (without noise
 * where none is known); only with samples_alone it does not. In closed form the variance lacks
 * what the members' own covariances add, where nothing but mean, samples, noise_variance and
 * `feasible` is wanted.
 *
 * ERR_INVALID: a logarithm of an input that is not positive, noise of a model that knows none, more
 * samples than draws, a level that has no quantile, a level that the calibration has too few rows
 * for, a square of an output whose square is no number. ERR_LIMIT. ERR_NUMERIC: a result that is
 * not finite. Each names the place. ERR_UNSUPPORTED: normalised intervals of folds that predict
 * their noise. ERR_CANCELLED, ERR_NOMEM.
 */
enum err_code predict_run(const struct model *model, const struct predict_request *req,
                          struct arena *arena, struct predict_result *out,
                          struct err *err) MUST_CHECK;

/* Finds what can be found without computing: ERR_INVALID, ERR_LIMIT, ERR_UNSUPPORTED. */
enum err_code predict_check(const struct model *model, const struct predict_request *req,
                            struct err *err) MUST_CHECK;

/* Memory that the result takes, and what is kept to make it. The request has been checked. */
size_t predict_bytes(const struct model *model, const struct predict_request *req);

/* Multiplications, roughly: to compare requests and to add them up. */
double predict_work(const struct model *model, const struct predict_request *req);

/*
 * The same in steps, for callers that share the tiles among threads of their own: predict_begin
 * once, predict_tile for each of 0 .. n_tiles - 1 in any order and on any threads, and predict_end
 * once all of them have succeeded. Model, request, result and arena must outlive the call.
 */
struct predict_intervals;

struct predict_call {
    const struct model *model;
    const struct predict_request *req; /* n_threads and cancel are not used */
    const struct scaler *scalers;      /* [o] of the outputs, in the units of model->exponents */
    struct predict_result *out; /* tiles sum squared deviations in variance before they divide */
    double *values;             /* [m x n x o] for the covariance between rows; or NULL */
    int *sample_of;             /* [m] which sample a draw is, or -1; or NULL */
    double *noise;              /* [n x o] sums of predicted noise, then its variance; or NULL */
    double *z;                  /* [n_levels] normal quantiles, in closed form; or NULL */
    double *total_z;            /* [n_total_levels] normal quantiles; or NULL */
    struct predict_intervals *intervals; /* NULL: not asked for */
    struct predict_field *field;   /* of outputs that are decoded (predict_field.h); or NULL */
    struct predict_chosen *chosen; /* of some of all outputs (predict_chosen.c); or NULL */
    int n_tiles;
};

/* The three together return the errors of predict_run. */
enum err_code predict_begin(struct predict_call *call, const struct model *model,
                            const struct predict_request *req, struct arena *arena,
                            struct predict_result *out, struct err *err) MUST_CHECK;
/* scratch: of the calling thread; it may be cleared afterwards. */
enum err_code predict_tile(const struct predict_call *call, int tile, struct arena *scratch,
                           struct err *err) MUST_CHECK;
enum err_code predict_end(struct predict_call *call, struct arena *arena,
                          struct err *err) MUST_CHECK;

#endif
