/* SPDX-License-Identifier: Apache-2.0 */
/* What predict.c, predict_tile.c and predict_linear.c, predictions in closed form, share. */
#ifndef PREDICT_PRIV_H
#define PREDICT_PRIV_H

#include "predict/predict.h"

/* Is the model predicted through the derivatives at the means of its Gaussians? */
static inline bool predict_is_linear(const struct model *model)
{
    return model->gaussian.n_members > 0 && model->gaussian.linearised;
}

/*
 * A row costs as much as thousands of draws' rows, so tiles are small: other calls have their turn
 * in between, and a request of a hundred rows has work for several threads.
 */
#define PREDICT_LINEAR_TILE 8

/* What cannot be answered, beside what predict_check looks at. ERR_INVALID, ERR_LIMIT. */
enum err_code predict_linear_check(const struct model *model, const struct predict_request *req,
                                   struct err *err) MUST_CHECK;

/* Numbers that the covariance between n rows keeps: call->values. */
size_t predict_linear_values(const struct model *model, int n);

/* Multiplications for one row, about. */
double predict_linear_work(const struct model *model, unsigned want);

/* Once, when the result is allocated: normal quantiles of the levels. ERR_NOMEM. */
enum err_code predict_linear_begin(struct predict_call *call, struct arena *arena,
                                   struct err *err) MUST_CHECK;

enum err_code predict_linear_tile(const struct predict_call *call, int tile, struct arena *scratch,
                                  struct err *err) MUST_CHECK;

/*
 * Sums over `count` draws of the scaled noise variance in call->noise become their mean in the
 * user's units. Nothing is done when nothing was asked for.
 */
void predict_noise_finish(const struct predict_call *call, size_t first, size_t rows, int count);

/* out->covariance between rows; spoils call->values. */
void predict_linear_row_covariance(const struct predict_call *call);

#endif
