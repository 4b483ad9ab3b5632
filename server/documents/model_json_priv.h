/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files that read and write model documents. */
#ifndef MODEL_JSON_PRIV_H
#define MODEL_JSON_PRIV_H

#include "documents/model_json.h"
#include "documents/posterior_json.h"
#include "documents/quality_json.h"
#include "formats/json_tensor.h"

/* Arrays of numbers that json_tensor reads from the text. */
enum {
    TENSOR_DRAWS,
    TENSOR_MEAN,
    TENSOR_STD,
    TENSOR_FACTOR,
    TENSOR_FOLD,
    TENSOR_SCORES,
    TENSOR_FOLD_NOISE,
    TENSOR_FEASIBLE,
    TENSOR_FIELD_MEAN, /* of the reduction of the outputs */
    TENSOR_FIELD_MODES,
    TENSOR_FIELD_DEVIATIONS,
    TENSOR_FIELD_TRUNCATION,
    TENSOR_FIELD_WEIGHTS,
    TENSOR_FIELD_COORDINATES,
    N_MODEL_TENSORS
};

struct model_tensors {
    struct json_tensor of[N_MODEL_TENSORS];
};

/* Draws that are not in the document itself. */
struct model_draws {
    /* Fills a tensor of draws [n x the parameters of the network]; it may have been found in the
     * document. */
    enum err_code (*give)(void *ctx, const struct arch *arch, struct json_tensor *draws,
                          struct err *err);
    void *ctx;
};

/* As model_json_parse; draws: NULL, or where they come from. */
enum err_code model_json_parse_with(const char *text, size_t len, const struct model_draws *draws,
                                    struct arena *arena, struct model **out,
                                    struct err *err) MUST_CHECK;

/* The object under `key`; NULL when it is absent or null. ERR_INVALID. */
enum err_code model_json_object(const json_t *parent, const char *key, const json_t **out,
                                struct err *err) MUST_CHECK;

/* An optional [k x 2] array of low and high ends; *out by mem, untouched when it is absent. */
enum err_code model_json_ranges(const json_t *value, const char *what, int k, double **out,
                                struct err *err) MUST_CHECK;

/* The list of k scalers under `key`; absent: they stay as they are. */
enum err_code model_json_read_scalers(const json_t *scaling, const char *key, int k,
                                      struct scaler *scaler, struct err *err) MUST_CHECK;
void model_json_write_scalers(struct json_write *json, const char *key, const struct scaler *scaler,
                              int k);

/* An optional array under `key` of an object: absent and null are fine, other values are not. */
enum err_code model_json_check_optional(const struct json_tensor *tensor, const json_t *object,
                                        const char *where, const char *key,
                                        struct err *err) MUST_CHECK;

/* A new model with the posterior of the document. */
enum err_code posterior_json_read(const json_t *document, const struct model_tensors *tensors,
                                  const struct arch *arch, struct model **out,
                                  struct err *err) MUST_CHECK;

/* The member "feasible": the network that knows whether a run succeeds, or nothing. */
enum err_code feasible_json_read(const json_t *document, const struct model_tensors *tensors,
                                 struct model *model, struct err *err) MUST_CHECK;
/* The same, and a description of it; no member when the model has none. */
void feasible_json_write(struct json_write *json, const struct model *model);
void feasible_json_write_summary(struct json_write *json, const struct model *model);

/* Scores, calibration, report and warnings, as far as the document has them. */
enum err_code quality_json_read(const json_t *document, const struct model_tensors *tensors,
                                struct model *model, struct err *err) MUST_CHECK;

#endif
