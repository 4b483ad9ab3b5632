/* SPDX-License-Identifier: Apache-2.0 */
/* What a model loses by being served in float32. */
#ifndef PRECISION_H
#define PRECISION_H

#include "model/model.h"

#define PRECISION_POINTS 256

/*
 * Publishes the model (model_publish) and, when it is to be served in float32, predicts at
 * PRECISION_POINTS random points of the training range (of one standard scale around 0 where it is
 * not known) in both precisions and sets model->float32_error: the largest difference of a mean,
 * over the spread (max - min) of that output's means, and of a standard deviation, over the largest
 * one of that output. ERR_NOMEM, ERR_NUMERIC.
 */
enum err_code precision_publish(struct model *model, struct err *err) MUST_CHECK;

#endif
