/* SPDX-License-Identifier: Apache-2.0 */
/* How much accuracy a model loses when it is served in float32. */
#ifndef PRECISION_H
#define PRECISION_H

#include "model/model.h"

#define PRECISION_POINTS 256

/*
 * Publishes the model (model_publish). When it is to be served in float32, it is also predicted in
 * both precisions, at PRECISION_POINTS random points of the training range or, where that is not
 * known, of scaled inputs in [-1, 1]. model->float32_error is then the largest difference, over all
 * outputs, of a mean relative to the range of that output's means, and of a standard deviation
 * relative to that output's largest one. ERR_NOMEM, ERR_NUMERIC, errors of model_publish.
 */
enum err_code precision_publish(struct model *model, struct err *err) MUST_CHECK;

#endif
