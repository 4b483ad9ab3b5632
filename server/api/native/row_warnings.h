/* SPDX-License-Identifier: Apache-2.0 */
/* Warnings that come with a prediction: about the version, and about the rows of inputs. */
#ifndef ROW_WARNINGS_H
#define ROW_WARNINGS_H

#include "formats/json_write.h"
#include "live/served.h"
#include "predict/predict.h"

/*
 * The member "warnings": what is wrong with the version, then values outside of the range that it
 * was trained on (extrapolation), and, apart from that, outside of the bounds of its space
 * (outside_bounds). Returns the number of rows that extrapolate.
 */
long row_warnings_write(struct json_write *json, const struct predict_request *request,
                        const struct served *served);

/* The number of rows that extrapolate. */
long row_warnings_count(const struct predict_request *request, const struct model *model);

#endif
