/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a model document tells of the model's quality: scores, calibration, the report of the
 * training and its warnings. A number that is not known is null.
 */
#ifndef QUALITY_JSON_H
#define QUALITY_JSON_H

#include "base/textbuf.h"
#include "model/model.h"

/* Values of the keys of these names. */
void quality_json_write_scores(struct textbuf *text, const struct model *model);
void quality_json_write_calibration(struct textbuf *text, const struct model *model);
void quality_json_write_report(struct textbuf *text, const struct report *report);
void quality_json_write_warnings(struct textbuf *text, const struct report *report);

/* The calibration but for its rows: method, normalised, folds, rows; or null. */
void quality_json_write_calibration_kind(struct textbuf *text, const struct model *model);

#endif
