/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prediction with a published model: moments over its m draws f_1 .. f_m at each of n rows, in the
 * user's units.
 *
 *   mean            average of f_j
 *   variance        sum (f_j - mean)^2 / (m - 1), the epistemic part; 0 when m = 1
 *   std             its root
 *   noise_variance  sigma^2 of each output (aleatoric)
 *   total_variance  variance + noise_variance
 *   quantiles       over draws, linear interpolation
 *   covariance      between outputs at a row, or between rows for an output (ddof 1)
 *   samples         the values of chosen draws
 *   jacobian        of mean and of std by the inputs
 *   intervals       lower and upper ends by level: conformal (core/model/conformal.h) where the
 * model has a calibration, else central ones of the normal N(mean, total_variance), without noise
 * where none is known
 *
 * With a predicted noise sigma^2 is of the row, and the average over draws; all else is of the
 * outputs that are means.
 *
 * A Gaussian posterior that is predicted in closed form (model.h) has mean and covariance of its
 * normal distributions in place of those of draws, quantiles of them (levels in (0, 1)) and
 * samples linearised too.
 *
 * The result does not depend on the number of threads: rows go in fixed tiles, draws in order.
 */
#ifndef PREDICT_H
#define PREDICT_H

#include "base/arena.h"
#include "base/cancel.h"
#include "model/model.h"

enum predict_want {
    PREDICT_MEAN = 1 << 0,
    PREDICT_VARIANCE = 1 << 1,
    PREDICT_STD = 1 << 2,
    PREDICT_NOISE_VARIANCE = 1 << 3,
    PREDICT_TOTAL_VARIANCE = 1 << 4,
    PREDICT_QUANTILES = 1 << 5,
    PREDICT_COVARIANCE_OUTPUTS = 1 << 6,
    PREDICT_COVARIANCE_ROWS = 1 << 7,
    PREDICT_SAMPLES = 1 << 8,
    PREDICT_JACOBIAN = 1 << 9,
    PREDICT_INTERVALS = 1 << 10
};

#define PREDICT_MAX_LEVELS    64 /* of quantiles */
#define PREDICT_MAX_INTERVALS 16
/* Values a single answer may hold, and draws x rows x outputs it may keep while it is computed. */
#define PREDICT_MAX_VALUES ((size_t)64 << 20)

struct predict_request {
    int n;
    const double *x; /* [n x d], finite */
    unsigned want;   /* PREDICT_* */
    int n_levels;
    const double *levels; /* [n_levels] in [0, 1] */
    int n_intervals;
    const double *intervals; /* [n_intervals] levels in (0, 1) */
    int n_samples;           /* distinct draws, at most m */
    uint64_t seed;           /* chooses them */
    int n_threads;
    const struct cancel *cancel; /* predict_run alone looks at it, before each tile; may be NULL */
};

/* Arrays live in the arena; NULL where not wanted. */
struct predict_result {
    double *mean;           /* [n x o] */
    double *variance;       /* [n x o] */
    double *std;            /* [n x o] */
    double *noise_variance; /* [n x o] */
    double *total_variance; /* [n x o]; also with intervals */
    double *quantiles;      /* [n_levels x n x o] */
    double *covariance;     /* [n x o x o], or [o x n x n] between rows */
    double *samples;        /* [n_samples x n x o] */
    double *jacobian_mean;  /* [n x o x d] */
    double *jacobian_std;   /* [n x o x d]; 0 where std is 0 */
    double *lower;          /* [n_intervals x n x o] */
    double *upper;          /* [n_intervals x n x o] */
};

/*
 * ERR_INVALID (a logarithm of what is not positive; noise wanted but unknown; more samples than
 * draws; a level of an interval that the calibration is too small for), ERR_LIMIT, ERR_NUMERIC (a
 * result that is not finite), each naming the place; ERR_UNSUPPORTED (normalised
 * intervals of folds that predict their noise); ERR_CANCELLED; ERR_NOMEM.
 */
enum err_code predict_run(const struct model *model, const struct predict_request *req,
                          struct arena *arena, struct predict_result *out,
                          struct err *err) MUST_CHECK;

/* What can be said of a request without computing: ERR_INVALID, ERR_LIMIT, ERR_UNSUPPORTED. */
enum err_code predict_check(const struct model *model, const struct predict_request *req,
                            struct err *err) MUST_CHECK;

/* Multiplications, about: to compare and to add up. */
double predict_work(const struct model *model, const struct predict_request *req);

/*
 * The same in steps, for callers that share the tiles among threads of their own: predict_begin
 * once, predict_tile for each of 0 .. n_tiles-1 in any order and on any threads, predict_end once
 * they all have succeeded. Model, request, result and arena must outlive the call.
 */
struct predict_intervals;

struct predict_call {
    const struct model *model;
    const struct predict_request *req; /* n_threads is not used */
    struct predict_result *out;
    double *m2;     /* [n x o] sums of squared deviations, becomes the variance */
    double *values; /* [m x n x o] for the covariance between rows; or NULL */
    int *sample_of; /* [m] which sample a draw is, or -1; or NULL */
    double *noise;  /* [n x o] of a predicted noise, becomes its variance; or NULL */
    double *z;      /* [n_levels] normal quantiles, in closed form; or NULL */
    struct predict_intervals *intervals; /* what they need at every row; or NULL */
    int n_tiles;
};

/* Errors together are those of predict_run. */
enum err_code predict_begin(struct predict_call *call, const struct model *model,
                            const struct predict_request *req, struct arena *arena,
                            struct predict_result *out, struct err *err) MUST_CHECK;
/* scratch: of this thread; what it holds afterwards is not needed. */
enum err_code predict_tile(const struct predict_call *call, int tile, struct arena *scratch,
                           struct err *err) MUST_CHECK;
enum err_code predict_end(struct predict_call *call, struct arena *arena,
                          struct err *err) MUST_CHECK;

#endif
