/* SPDX-License-Identifier: Apache-2.0 */
/* What rows that a model has not seen say about it. */
#ifndef CALIB_H
#define CALIB_H

#include "data.h"
#include "model.h"

/*
 * Scores of a published model on rows in the user's units. output_range: [o x 2] low, high by which
 * outputs are scaled to [0, 1] for the relative error; copied. A zeroed *out is filled; on failure
 * it is released. ERR_INVALID (no rows), ERR_NUMERIC, ERR_NOMEM.
 */
enum err_code calib_score(const struct model *model, const struct data *rows,
                          const double *output_range, int n_threads, struct scores *out,
                          struct err *err) MUST_CHECK;

/*
 * Standard deviation of each output's noise, sigma [o]: on kept rows E (y - mean)^2 = variance of
 * the mean's error + sigma^2, and the model's own variance stands for the first term, so sigma^2 is
 * the mean of (y - mean)^2 - variance, never below 0. Errors as above.
 */
enum err_code calib_noise(const struct model *model, const struct data *rows, int n_threads,
                          double *sigma, struct err *err) MUST_CHECK;

#endif
