/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intervals as a part of a prediction, called where they are asked for. With a calibration by folds
 * a tile gathers the moments of each fold's draws and finds the ends when it has them all. All
 * other intervals follow from mean and total variance at the end of the prediction.
 */
#ifndef PREDICT_INTERVAL_H
#define PREDICT_INTERVAL_H

#include "predict/predict.h"

/*
 * ERR_INVALID: no levels or too many, one that is not in (0, 1) or is too high for the calibration.
 * ERR_UNSUPPORTED: normalised intervals of folds that predict their noise.
 */
enum err_code predict_intervals_check(const struct model *model, const struct predict_request *req,
                                      struct err *err) MUST_CHECK;

/* The number of folds whose moments a prediction needs; 0 without folds. */
int predict_intervals_n_folds(const struct model *model);

/* Multiplications, roughly, that intervals add to a prediction. */
double predict_intervals_work(const struct model *model, const struct predict_request *req);

/* Sets call->intervals. ERR_NOMEM. */
enum err_code predict_intervals_begin(struct predict_call *call, struct arena *arena,
                                      struct err *err) MUST_CHECK;

/* Makes the intervals that are not of folds, from the moments, and checks all. ERR_NUMERIC. */
enum err_code predict_intervals_end(struct predict_call *call, struct err *err) MUST_CHECK;

/* Moments of each fold at the rows of a tile, in its scratch. */
struct predict_folds {
    int n_draws;  /* of a fold */
    bool closed;  /* in closed form, by predict_folds_set, not gathered from draws */
    size_t cells; /* rows x o */
    double *mean; /* [n_folds x cells]; NULL: not needed */
    double *m2;   /* [n_folds x cells] squared deviations, then the standard deviation */
    double *ends; /* [2 x calibration rows] */
};

/* False when memory is short. Leaves mean NULL when no folds are needed. */
bool predict_folds_init(struct predict_folds *folds, const struct predict_call *call, size_t rows,
                        struct arena *arena) MUST_CHECK;
/* Adds the values f [cells] of a draw; draws come in order. */
void predict_folds_add(struct predict_folds *folds, int draw, const double *f);
/* In closed form: a fold's mean and variance from those of its members, f and var [n_members x
 * cells]. */
void predict_folds_set(struct predict_folds *folds, int fold, int n_members, const double *f,
                       const double *var);
/* Writes the intervals of the tile's rows, the first of which is row `first`. */
void predict_folds_finish(struct predict_folds *folds, const struct predict_call *call,
                          size_t first);

#endif
