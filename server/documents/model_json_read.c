/* SPDX-License-Identifier: Apache-2.0 */
#include "documents/model_json_priv.h"

#include "base/known.h"
#include "base/mem.h"
#include "base/mem_budget.h"
#include "documents/arch_json.h"
#include "documents/reduction_json.h"
#include "documents/space_json.h"
#include "predict/precision.h"

#include <stdio.h>
#include <string.h>

#define BIG 1.7976931348623157e308

enum err_code model_json_object(const json_t *parent, const char *key, const json_t **out,
                                struct err *err)
{
    const json_t *value = json_object_get(parent, key);
    if (value != NULL && !json_is_null(value) && !json_is_object(value)) {
        return err_set(err, ERR_INVALID, "%s is %s, an object is needed", key,
                       json_read_kind(value));
    }
    *out = json_is_object(value) ? value : NULL;
    return ERR_OK;
}

enum err_code model_json_ranges(const json_t *value, const char *what, int k, double **out,
                                struct err *err)
{
    if (value == NULL || json_is_null(value)) {
        return ERR_OK;
    }
    *out = mem_alloc_array(2 * (size_t)k, sizeof **out);
    if (*out == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a model");
    }
    return json_read_matrix(value, what, k, 2, *out, err);
}

enum err_code model_json_check_optional(const struct json_tensor *tensor, const json_t *object,
                                        const char *where, const char *key, struct err *err)
{
    const json_t *value = json_object_get(object, key);
    if (!tensor->found && value != NULL && !json_is_null(value)) {
        return err_set(err, ERR_INVALID, "%s: %s is %s, an array of numbers or null is needed",
                       where, key, json_read_kind(value));
    }
    return ERR_OK;
}

static enum err_code read_scaler(const json_t *object, const char *where, struct scaler *scaler,
                                 struct err *err)
{
    static const char *const keys[] = {"kind", "shift", "scale", NULL};
    const char *kind = NULL;
    if (!json_is_object(object)) {
        return err_set(err, ERR_INVALID, "%s is %s, an object is needed", where,
                       json_read_kind(object));
    }
    const struct json_members members = {object, where, err};
    if (json_read_check_keys(object, where, keys, err) != ERR_OK ||
        json_read_require(members, "kind") != ERR_OK ||
        json_read_text(members, "kind", 64, &kind) != ERR_OK) {
        return err->code;
    }
    int found = names_find(scaler_kind_known(), kind);
    if (found < 0) {
        char what[80];
        snprintf(what, sizeof what, "%s: kind", where);
        return known_refuse(what, kind, scaler_kind_known(), err);
    }
    scaler->kind = (enum scaler_kind)found;
    static const char *const numbers[] = {"shift", "scale"};
    for (size_t i = 0; scaler->kind != SCALER_NONE && i < 2; i++) {
        json_read_require(members, numbers[i]);
    }
    json_read_real(members, "shift", -BIG, BIG, &scaler->shift);
    return json_read_real(members, "scale", 0.0, BIG, &scaler->scale);
}

enum err_code model_json_read_scalers(const json_t *scaling, const char *key, int k,
                                      struct scaler *scaler, struct err *err)
{
    const json_t *list = json_object_get(scaling, key);
    char where[64];
    if (list == NULL || json_is_null(list)) {
        return ERR_OK;
    }
    if (!json_is_array(list) || json_array_size(list) != (size_t)k) {
        return err_set(err, ERR_SHAPE, "scaling: %s must be an array of %d scalers", key, k);
    }
    for (int j = 0; j < k; j++) {
        snprintf(where, sizeof where, "scaling: %s[%d]", key, j);
        if (read_scaler(json_array_get(list, (size_t)j), where, &scaler[j], err) != ERR_OK) {
            return err->code;
        }
    }
    return ERR_OK;
}

static enum err_code read_scaling(const json_t *document, struct model *model, struct err *err)
{
    static const char *const keys[] = {"inputs", "outputs", NULL};
    const json_t *scaling = NULL;
    if (model_json_object(document, "scaling", &scaling, err) != ERR_OK || scaling == NULL) {
        return err->code;
    }
    if (json_read_check_keys(scaling, "scaling", keys, err) != ERR_OK ||
        model_json_read_scalers(scaling, "inputs", model->d, model->in, err) != ERR_OK) {
        return err->code;
    }
    return model_json_read_scalers(scaling, "outputs", model->o, model->out, err);
}

static enum err_code predict_noise(const char *kind, struct model *model, struct err *err)
{
    if (strcmp(kind, "predicted") != 0) {
        return err_set(err, ERR_INVALID,
                       "noise: kind is \"%.40s\", \"predicted\" or a sigma is needed", kind);
    }
    if (model->net.n_out < 2) {
        return err_set(err, ERR_INVALID,
                       "noise: predicted needs outputs for means and for log variances, the "
                       "network has %d",
                       model->net.n_out);
    }
    model_predict_noise(model);
    return ERR_OK;
}

static enum err_code read_sigmas(const json_t *noise, struct model *model, struct err *err)
{
    model->noise_sigma = mem_alloc_array((size_t)model->o, sizeof *model->noise_sigma);
    if (model->noise_sigma == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a model");
    }
    if (json_read_bool((struct json_members){noise, "noise", err}, "of_logarithms",
                       &model->noise_of_logs) != ERR_OK) {
        return err->code;
    }
    return json_read_vector(json_object_get(noise, "sigma"), "noise sigma", model->o,
                            model->noise_sigma, err);
}

/* {"sigma":[..],"of_logarithms":false}, or {"kind":"predicted"} if half of the network's outputs
 * predict the noise. Then the outputs may be coefficients of a reduction, and there are more. */
static enum err_code read_noise(const json_t *document, const struct model_tensors *tensors,
                                struct model *model, struct err *err)
{
    static const char *const keys[] = {"sigma", "of_logarithms", NULL};
    static const char *const kind_keys[] = {"kind", NULL};
    const json_t *noise = NULL;
    const char *kind = NULL;
    if (model_json_object(document, "noise", &noise, err) != ERR_OK) {
        return err->code;
    }
    if (noise != NULL &&
        (json_read_text((struct json_members){noise, "noise", err}, "kind", 64, &kind) != ERR_OK ||
         json_read_check_keys(noise, "noise", kind != NULL ? kind_keys : keys, err) != ERR_OK)) {
        return err->code;
    }
    if ((kind != NULL && predict_noise(kind, model, err) != ERR_OK) ||
        reduction_json_read(document, tensors, model, err) != ERR_OK) {
        return err->code;
    }
    return noise != NULL && kind == NULL ? read_sigmas(noise, model, err) : ERR_OK;
}

static enum err_code read_name_list(const json_t *object, const char *where, const char *key, int k,
                                    char ***out, struct err *err)
{
    const json_t *list = json_object_get(object, key);
    if (list == NULL || json_is_null(list)) {
        return ERR_OK;
    }
    if (!json_is_array(list) || json_array_size(list) != (size_t)k) {
        return err_set(err, ERR_SHAPE, "%s: %s must be an array of %d strings", where, key, k);
    }
    *out = model_names_new(k);
    for (int j = 0; *out != NULL && j < k; j++) {
        const json_t *name = json_array_get(list, (size_t)j);
        if (json_is_null(name)) {
            continue;
        }
        if (!json_is_string(name) || json_string_length(name) > MODEL_MAX_NAME_CHARS) {
            return err_set(err, ERR_INVALID, "%s: %s[%d] is not a string of at most %d bytes",
                           where, key, j, MODEL_MAX_NAME_CHARS);
        }
        (*out)[j] = mem_strdup(json_string_value(name));
        if ((*out)[j] == NULL) {
            return err_set(err, ERR_NOMEM, "no memory for a model");
        }
    }
    return *out == NULL ? err_set(err, ERR_NOMEM, "no memory for a model") : ERR_OK;
}

static enum err_code read_labels(const json_t *document, const char *where, struct model *model,
                                 char ***inputs, char ***outputs, struct err *err)
{
    static const char *const keys[] = {"inputs", "outputs", NULL};
    const json_t *object = NULL;
    if (model_json_object(document, where, &object, err) != ERR_OK || object == NULL) {
        return err->code;
    }
    if (json_read_check_keys(object, where, keys, err) != ERR_OK ||
        read_name_list(object, where, "inputs", model->d, inputs, err) != ERR_OK) {
        return err->code;
    }
    return read_name_list(object, where, "outputs", model->o, outputs, err);
}

/* The space decides how many inputs the model has; with it, the network's are more. */
static enum err_code read_space(const json_t *document, struct model *model, struct err *err)
{
    const json_t *object = json_object_get(document, "space");
    struct space *space = NULL;
    if (object == NULL || json_is_null(object)) {
        return ERR_OK;
    }
    if (space_json_read(object, &space, err) == ERR_OK) {
        err_kept(model_set_space(model, space, err));
    }
    err_prefix(err, "space");
    space_unref(space);
    return err->code;
}

/* The space has the names; those that the document has besides must be the same. */
static enum err_code check_name_list(const json_t *names, const char *key, char *const *known,
                                     int k, struct err *err)
{
    const json_t *list = json_object_get(names, key);
    if (list == NULL || json_is_null(list)) {
        return ERR_OK;
    }
    if (!json_is_array(list) || json_array_size(list) != (size_t)k) {
        return err_set(err, ERR_SHAPE, "names: %s must be an array of %d strings", key, k);
    }
    for (int j = 0; j < k; j++) {
        const char *name = json_string_value(json_array_get(list, (size_t)j));
        const char *in_space = known != NULL ? known[j] : NULL;
        if (name == NULL || in_space == NULL || strcmp(name, in_space) != 0) {
            return err_set(err, ERR_INVALID,
                           "names: %s[%d] is \"%.40s\", but the space of the document says "
                           "\"%.40s\"; leave \"names\" out, or make them the same",
                           key, j, name != NULL ? name : "", in_space != NULL ? in_space : "");
        }
    }
    return ERR_OK;
}

static enum err_code check_names(const json_t *document, const struct model *model, struct err *err)
{
    static const char *const keys[] = {"inputs", "outputs", NULL};
    const json_t *names = NULL;
    if (model_json_object(document, "names", &names, err) != ERR_OK || names == NULL) {
        return err->code;
    }
    return json_read_check_keys(names, "names", keys, err) == ERR_OK &&
                   check_name_list(names, "inputs", model->input_names, model->d, err) == ERR_OK
               ? check_name_list(names, "outputs", model->output_names, model->o, err)
               : err->code;
}

static enum err_code read_names(const json_t *document, struct model *model, struct err *err)
{
    if (model->input_names != NULL) {
        return check_names(document, model, err);
    }
    return read_labels(document, "names", model, &model->input_names, &model->output_names, err) ==
                   ERR_OK
               ? read_labels(document, "units", model, &model->input_units, &model->output_units,
                             err)
               : err->code;
}

/* An object of any content, kept as compact text with its keys in their order. */
static enum err_code read_free_object(const json_t *document, const char *key, char **out,
                                      struct err *err)
{
    const json_t *object = NULL;
    if (model_json_object(document, key, &object, err) != ERR_OK || object == NULL) {
        return err->code;
    }
    return json_read_dump(object, MODEL_MAX_TEXT_BYTES, key, out, err);
}

static enum err_code read_rest(const json_t *document, const struct model_tensors *tensors,
                               struct model *model, struct err *err)
{
    const struct json_members members = {document, "model", err};
    const char *solver = NULL;
    /* The noise comes first: it decides how many outputs the model has. */
    if (read_noise(document, tensors, model, err) != ERR_OK ||
        read_space(document, model, err) != ERR_OK ||
        read_scaling(document, model, err) != ERR_OK ||
        model_json_ranges(json_object_get(document, "training_range"), "training_range", model->d,
                          &model->training_range, err) != ERR_OK ||
        read_names(document, model, err) != ERR_OK ||
        json_read_text(members, "solver", 64, &solver) != ERR_OK ||
        json_read_int(members, "seed", INT64_MIN, INT64_MAX, &model->seed) != ERR_OK ||
        read_free_object(document, "settings", &model->settings, err) != ERR_OK ||
        read_free_object(document, "provenance", &model->provenance, err) != ERR_OK ||
        quality_json_read(document, tensors, model, err) != ERR_OK ||
        feasible_json_read(document, tensors, model, err) != ERR_OK) {
        return err->code;
    }
    model->solver = mem_strdup(solver != NULL ? solver : "unknown");
    return model->solver != NULL ? ERR_OK : err_set(err, ERR_NOMEM, "no memory for a model");
}

enum err_code model_json_read_precision(const json_t *object, const char *where,
                                        enum precision *precision, struct err *err)
{
    const char *text = NULL;
    if (json_read_text((struct json_members){object, where, err}, "precision", 16, &text) !=
        ERR_OK) {
        return err->code;
    }
    if (text == NULL) {
        *precision = PRECISION_AUTO;
        return ERR_OK;
    }
    for (int i = PRECISION_FLOAT64; i <= PRECISION_AUTO; i++) {
        if (strcmp(text, model_json_precision_name((enum precision)i)) == 0) {
            *precision = (enum precision)i;
            return ERR_OK;
        }
    }
    return err_set(err, ERR_INVALID,
                   "%s: precision is \"%.16s\", \"auto\", \"float64\", \"mixed\" or \"float32\" is "
                   "needed",
                   where, text);
}

/* An export also has float32_error, which is not read but measured again. */
static enum err_code read_document(const json_t *document, struct model_tensors *tensors,
                                   const struct model_draws *draws, struct model **out,
                                   struct err *err)
{
    static const char *const keys[] = {
        "architecture", "scaling",          "noise",    "posterior",      "solver",     "settings",
        "precision",    "float32_error",    "seed",     "names",          "units",      "scores",
        "calibration",  "report",           "warnings", "training_range", "provenance", "space",
        "feasible",     REDUCTION_JSON_KEY, NULL};
    const json_t *architecture = NULL;
    struct arch arch = arch_default(1, 1);
    struct model *model = NULL;
    if (!json_is_object(document)) {
        return err_set(err, ERR_INVALID, "a model document is a JSON object");
    }
    if (json_read_check_keys(document, "model", keys, err) != ERR_OK ||
        model_json_object(document, "architecture", &architecture, err) != ERR_OK) {
        return err->code;
    }
    if (architecture == NULL) {
        return err_set(err, ERR_INVALID, "architecture is missing");
    }
    if (arch_json_read(architecture, true, &arch, err) != ERR_OK) {
        return err->code;
    }
    if (arch_validate(&arch, err) != ERR_OK) {
        err_prefix(err, "architecture");
        return err->code;
    }
    if (draws != NULL &&
        draws->give(draws->ctx, &arch, &tensors->of[TENSOR_DRAWS], err) != ERR_OK) {
        return err->code;
    }
    enum mem_kind kind = mem_kind_use(MEM_MODELS);
    if (posterior_json_read(document, tensors, &arch, &model, err) != ERR_OK ||
        read_rest(document, tensors, model, err) != ERR_OK ||
        model_json_read_precision(document, "model", &model->precision, err) != ERR_OK ||
        precision_publish(model, err) != ERR_OK) {
        model_unref(model);
    } else {
        *out = model;
    }
    mem_kind_use(kind);
    return err->code;
}

/* The arrays of a reduction. */
static void list_field_tensors(struct json_tensor *list)
{
    static const char *const keys[] = {
        REDUCTION_JSON_KEY ".mean",       REDUCTION_JSON_KEY ".modes",
        REDUCTION_JSON_KEY ".deviations", REDUCTION_JSON_KEY ".truncation",
        REDUCTION_JSON_KEY ".weights",    REDUCTION_JSON_KEY ".coordinates"};
    for (int i = TENSOR_FIELD_MEAN; i <= TENSOR_FIELD_COORDINATES; i++) {
        list[i] = (struct json_tensor){.key = keys[i - TENSOR_FIELD_MEAN],
                                       .max_rows = REDUCTION_MAX_POINTS,
                                       .max_columns = REDUCTION_MAX_POINTS};
    }
}

enum err_code model_json_parse_with(const char *text, size_t len, const struct model_draws *draws,
                                    struct arena *arena, struct model **out, struct err *err)
{
    json_t *document = NULL;
    struct model_tensors tensors;
    struct json_tensor *list = tensors.of;
    memset(&tensors, 0, sizeof tensors);
    list[TENSOR_DRAWS] = (struct json_tensor){
        .key = "posterior.parameters", .max_rows = MODEL_MAX_DRAWS, .max_columns = ARCH_MAX_PARAMS};
    list[TENSOR_MEAN] = (struct json_tensor){
        .key = "posterior.members[].mean", .max_rows = 1, .max_columns = ARCH_MAX_PARAMS};
    list[TENSOR_STD] = (struct json_tensor){
        .key = "posterior.members[].std", .max_rows = 1, .max_columns = ARCH_MAX_PARAMS};
    list[TENSOR_FACTOR] = (struct json_tensor){.key = "posterior.members[].factor",
                                               .max_rows = ARCH_MAX_PARAMS,
                                               .max_columns = ARCH_MAX_PARAMS};
    list[TENSOR_FOLD] = (struct json_tensor){
        .key = "calibration.fold", .max_rows = 1, .max_columns = CONFORMAL_MAX_ROWS};
    list[TENSOR_SCORES] = (struct json_tensor){.key = "calibration.scores",
                                               .max_rows = CONFORMAL_MAX_ROWS,
                                               .max_columns = REDUCTION_MAX_POINTS,
                                               .holes = true};
    list[TENSOR_FEASIBLE] = (struct json_tensor){.key = "feasible.posterior.parameters",
                                                 .max_rows = MODEL_MAX_DRAWS,
                                                 .max_columns = ARCH_MAX_PARAMS};
    list_field_tensors(list);
    list[TENSOR_FOLD_NOISE] = (struct json_tensor){.key = "calibration.fold_noise",
                                                   .max_rows = CONFORMAL_MAX_ROWS,
                                                   .max_columns = ARCH_MAX_OUTPUTS};
    if (json_tensor_parse(text, len, (struct json_tensors){list, N_MODEL_TENSORS, 0}, arena,
                          &document, err) != ERR_OK) {
        return err->code;
    }
    return read_document(document, &tensors, draws, out, err);
}

enum err_code model_json_parse(const char *text, size_t len, struct arena *arena,
                               struct model **out, struct err *err)
{
    return model_json_parse_with(text, len, NULL, arena, out, err);
}
