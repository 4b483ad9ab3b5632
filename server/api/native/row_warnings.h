/* SPDX-License-Identifier: Apache-2.0 */
/* Warnings about rows of inputs that a prediction is asked for. */
#ifndef ROW_WARNINGS_H
#define ROW_WARNINGS_H

#include "formats/json_write.h"
#include "predict/predict.h"

/*
 * The member "warnings": values outside of the range that the model was trained on (extrapolation),
 * and, apart from that, outside of the bounds of its space (outside_bounds). Returns the number of
 * rows that extrapolate.
 */
long row_warnings_write(struct json_write *json, const struct predict_request *request,
                        const struct model *model);

/* The number of rows that extrapolate. */
long row_warnings_count(const struct predict_request *request, const struct model *model);

#endif
