/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a prediction should return: "return" and the options of the results in
 * core/predict/results.def. Where an option is not given, quantiles are at 0.05, 0.5 and 0.95,
 * intervals at 0.9, and there are 16 samples, or as many as the model has draws, by seed 0.
 */
#ifndef PREDICTION_OPTIONS_H
#define PREDICTION_OPTIONS_H

#include "formats/json_write.h"
#include "http/exchange.h"
#include "predict/predict.h"

#include <jansson.h>

#define PREDICTION_OPTIONS_DEFAULT ((unsigned)(PREDICT_MEAN | PREDICT_VARIANCE))
#define PREDICTION_OPTIONS_MAX     (5 + PREDICT_N_RESULTS)

/* The form of a value, for reading it from the query instead of JSON. */
enum option_form { OPTION_TEXT, OPTION_NAMES, OPTION_NUMBER, OPTION_NUMBERS };

struct prediction_option {
    const char *key;
    enum option_form form;
};

/* Lists the keys that prediction_options_read looks at; returns how many. */
int prediction_options_list(struct prediction_option list[PREDICTION_OPTIONS_MAX]);

/*
 * Writes an option that came as text, in a query or as a parameter, as the member of a JSON object
 * that prediction_options_read reads. Commas separate the elements of a list. What is no number is
 * written as a string, which that function refuses.
 */
void prediction_option_write(struct json_write *json, const struct header *option,
                             enum option_form form, struct arena *arena);

/*
 * Reads them from an object (NULL: an empty one), whose other members are not looked at, into want,
 * levels, total_levels, intervals, n_samples, seed and of_observations. Arrays are in the arena.
 * Levels of intervals are checked later, by predict_check, since the model's calibration decides
 * which are possible. ERR_INVALID, ERR_NOMEM.
 */
enum err_code prediction_options_read(const json_t *object, struct arena *arena,
                                      struct predict_request *predict, struct err *err) MUST_CHECK;

/* Sets what depends on the model: the number of samples, where it was not given. */
void prediction_options_fit(struct predict_request *predict, const struct model *model);

#endif
