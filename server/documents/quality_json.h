/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The quality of a model in its document: scores, calibration, report of the training, warnings. A
 * number that is not known is null.
 */
#ifndef QUALITY_JSON_H
#define QUALITY_JSON_H

#include "formats/json_write.h"
#include "model/model.h"

/* The same for a description, which of a wide model (model_json.h) has no numbers of each output.
 */
void quality_json_summarise_scores(struct json_write *json, const char *key,
                                   const struct model *model);
void quality_json_write_scores(struct json_write *json, const char *key, const struct model *model);
void quality_json_write_calibration(struct json_write *json, const char *key,
                                    const struct model *model);
void quality_json_write_report(struct json_write *json, const char *key,
                               const struct report *report);
void quality_json_write_warnings(struct json_write *json, const char *key,
                                 const struct report *report);

/* The calibration without its scores: method, normalised, folds, rows; or null. */
void quality_json_write_calibration_kind(struct json_write *json, const char *key,
                                         const struct model *model);

#endif
