/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reduction of outputs that are fields, as it is asked for in a training request,
 *
 *   "output_reduction":{"kind":"kl", "modes":8 or "explained":0.99,
 *                       "coordinates":[0,0.5,..] or [[x,y],..] or {"axes":[[..],[..]]},
 *                       "weights":[..] or "trapezoid"}
 *
 * and as a model document has it, with its numbers:
 *
 *   "output_reduction":{"kind":"kl", "explained":0.993, "mean":[p], "modes":[[p],..],
 *                       "deviations":[k], "truncation":[p], "weights":[p] or null,
 *                       "coordinates":[[q],..] or null,
 *                       "scaling":[k scalers], "noise":[k] or null}
 */
#ifndef REDUCTION_JSON_H
#define REDUCTION_JSON_H

#include "documents/model_json_priv.h"
#include "model/reduction_spec.h"

#define REDUCTION_JSON_KEY "output_reduction"

/* The object of a request; null: none. What it gives is the spec's to release, also after a
 * failure. ERR_INVALID naming the key; ERR_NOMEM. */
enum err_code reduction_json_read_spec(const json_t *object, struct reduction_spec *spec,
                                       struct err *err) MUST_CHECK;
/* A member of an object; nothing of a spec without a reduction. */
void reduction_json_write_spec(struct json_write *json, const struct reduction_spec *spec);

/* The member of a model document, whose network's outputs become coefficients; nothing when it is
 * absent or null. ERR_INVALID, ERR_SHAPE naming the key; ERR_NOMEM. */
enum err_code reduction_json_read(const json_t *document, const struct model_tensors *tensors,
                                  struct model *model, struct err *err) MUST_CHECK;
/* The member of a model with a reduction; nothing for others. */
void reduction_json_write(struct json_write *json, const struct model *model);
/* The same of a description, without the arrays of points. */
void reduction_json_write_summary(struct json_write *json, const struct model *model);

#endif
