/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intervals as a part of a prediction: what predict.c and predict_tile.c call when they are wanted.
 * With folds the moments of each fold's draws are gathered in the tile and the ends are found at
 * its end; all others follow from mean and total variance once they are there.
 */
#ifndef PREDICT_INTERVAL_H
#define PREDICT_INTERVAL_H

#include "predict/predict.h"

/* ERR_INVALID (no levels or too many, a level not in (0, 1) or too high for the calibration). */
enum err_code predict_intervals_check(const struct model *model, const struct predict_request *req,
                                      struct err *err) MUST_CHECK;

/* Folds whose moments a prediction needs; 0: none. */
int predict_intervals_n_folds(const struct model *model);

/* Multiplications, about, that they add. */
double predict_intervals_work(const struct model *model, const struct predict_request *req);

/* Sets call->intervals. ERR_NOMEM. */
enum err_code predict_intervals_begin(struct predict_call *call, struct arena *arena,
                                      struct err *err) MUST_CHECK;

/* After derived moments: the intervals that are not of folds. ERR_NUMERIC. */
enum err_code predict_intervals_end(struct predict_call *call, struct err *err) MUST_CHECK;

/* Moments by fold of one tile; scratch of the tile. */
struct predict_folds {
    int n_draws;  /* of a fold */
    bool closed;  /* set by predict_folds_set, not gathered from draws */
    size_t cells; /* rows x o */
    double *mean; /* [n_folds x cells]; NULL: not needed */
    double *m2;   /* [n_folds x cells], becomes the standard deviation */
    double *ends; /* [2 x calibration rows] */
};

/* False when memory is short. Leaves mean NULL when no folds are needed. */
bool predict_folds_init(struct predict_folds *folds, const struct predict_call *call, size_t rows,
                        struct arena *arena) MUST_CHECK;
/* f: [cells] of a draw; draws come in order. */
void predict_folds_add(struct predict_folds *folds, int draw, const double *f);
/* In closed form: mean and variance of a fold, whose members' f and var [n_members x cells] are. */
void predict_folds_set(struct predict_folds *folds, int fold, int n_members, const double *f,
                       const double *var);
/* Writes the intervals of the tile's rows, the first of which is row `first`. */
void predict_folds_finish(struct predict_folds *folds, const struct predict_call *call,
                          size_t first);

#endif
