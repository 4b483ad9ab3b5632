/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Outputs whose squares are too large or too small for a double, as a pressure in 1e200 is: moments
 * of such an output are computed in units of a power of two, and what is linear in the output comes
 * back in the user's unit. Models without such outputs never come here.
 */
#ifndef PREDICT_UNITS_H
#define PREDICT_UNITS_H

#include "predict/predict.h"

/* Has every output a square that is a number, so that variances can be answered? */
bool predict_units_have_squares(const struct model *model);

/* ERR_INVALID naming the output when a result that was asked for is its square and no number. */
enum err_code predict_units_check(const struct model *model, const struct predict_request *req,
                                  struct err *err) MUST_CHECK;

/* Sets call->scalers. ERR_NOMEM. */
enum err_code predict_units_begin(struct predict_call *call, struct arena *arena,
                                  struct err *err) MUST_CHECK;

/* Converts the results to the user's units. ERR_NUMERIC naming the place where one is not finite.
 */
enum err_code predict_units_end(const struct predict_call *call, struct err *err) MUST_CHECK;

#endif
