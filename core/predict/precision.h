/* SPDX-License-Identifier: Apache-2.0 */
/* How much accuracy a model loses when its weights are rounded to float, and whether it may. */
#ifndef PRECISION_H
#define PRECISION_H

#include "model/model.h"

/* Precisions are compared at so many points, at fewer where all weights of all draws, times the
 * points, were more than PRECISION_WEIGHTS, so that no model waits long to be published. */
#define PRECISION_POINTS     256
#define PRECISION_MIN_POINTS 16
#define PRECISION_WEIGHTS    1e9

/*
 * A model of PRECISION_AUTO becomes PRECISION_MIXED when its weights take at least this many bytes
 * in double, and no mean and no standard deviation at the points differs from float64 by more than
 * this share of the standard deviation there; otherwise PRECISION_FLOAT64.
 */
#define PRECISION_MIXED_BYTES ((size_t)2 << 20) /* twice a second-level cache */
#define PRECISION_MAX_SHARE   1e-4

/*
 * Publishes the model (model_publish). When it is not to be served in float64, it is also predicted
 * in float64, at up to PRECISION_POINTS random points of the training range or, where that is not
 * known, of scaled inputs in [-1, 1]. model->float32_error is then the largest difference, over all
 * outputs, of a mean relative to the range of that output's means, and of a standard deviation
 * relative to that output's largest one. ERR_NOMEM, ERR_NUMERIC, errors of model_publish.
 */
enum err_code precision_publish(struct model *model, struct err *err) MUST_CHECK;

#endif
