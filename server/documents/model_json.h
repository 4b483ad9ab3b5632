/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model document (schema/model.schema.json) as a model, and back. A document written here and
 * read again gives the same model, bit for bit.
 */
#ifndef MODEL_JSON_H
#define MODEL_JSON_H

#include "formats/json_write.h"
#include "model/model.h"

#include <jansson.h>

/*
 * A published model with one reference; the arena is scratch. Errors name the key and, in arrays of
 * parameters, the draw (row) and the parameter (column).
 */
enum err_code model_json_parse(const char *text, size_t len, struct arena *arena,
                               struct model **out, struct err *err) MUST_CHECK;

/* The whole document, parameters included. */
void model_json_write(struct json_write *json, const char *key, const struct model *model);

/* The same without the parameters of draws, of a model whose posterior they are. */
void model_json_write_without_draws(struct json_write *json, const char *key,
                                    const struct model *model);

/* The member "names", if the model has any. */
void model_json_write_names(struct json_write *json, const struct model *model);

/* The same of some of its outputs, in their order. */
void model_json_write_names_of(struct json_write *json, const struct model *model,
                               const int *outputs, int n_outputs);

/* Has it so many decoded outputs that a description leaves out what there is of each of them? */
#define MODEL_JSON_WIDE 1024
static inline bool model_json_is_wide(const struct model *model)
{
    return model->reduction != NULL && model->o > MODEL_JSON_WIDE;
}
/* Noise in a description: of a wide model the root of the mean square of all outputs. */
void model_json_summarise_noise(struct json_write *json, const struct model *model);

/* Members of an object: noise; precision and float32_error. */
void model_json_write_noise(struct json_write *json, const struct model *model);
const char *model_json_precision_name(enum precision precision);
void model_json_write_precision(struct json_write *json, const struct model *model);

/* Sets *precision by the member "precision": PRECISION_AUTO when that is absent. */
enum err_code model_json_read_precision(const json_t *object, const char *where,
                                        enum precision *precision, struct err *err) MUST_CHECK;

/*
 * Members of a description: architecture, draws, solver, seed, scores, names and so on. Of the
 * posterior only its kind is written.
 */
void model_json_write_summary(struct json_write *json, const struct model *model);

#endif
