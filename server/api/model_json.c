/* SPDX-License-Identifier: Apache-2.0 */
#include "model_json.h"

#include "arch_json.h"
#include "json_tensor.h"
#include "mem.h"
#include "precision.h"

#include <limits.h>
#include <string.h>

#define BIG 1.7976931348623157e308

/* ---- reading ---- */

/* An object under `key`; absent or null gives NULL. */
static enum err_code get_object(const json_t *parent, const char *key, const json_t **out,
                                struct err *err)
{
    const json_t *value = json_object_get(parent, key);
    if (value != NULL && !json_is_null(value) && !json_is_object(value)) {
        return err_set(err, ERR_INVALID, "%s is not an object", key);
    }
    *out = json_is_object(value) ? value : NULL;
    return ERR_OK;
}

static enum err_code read_posterior(const json_t *document, const struct json_tensor *parameters,
                                    const struct arch *arch, struct model **out, struct err *err)
{
    static const char *const keys[] = {"kind", "parameters", "weights", NULL};
    const json_t *posterior = NULL;
    const char *kind = NULL;
    if (get_object(document, "posterior", &posterior, err) != ERR_OK) {
        return err->code;
    }
    if (posterior == NULL) {
        return err_set(err, ERR_INVALID, "posterior is missing");
    }
    if (json_io_get_text(posterior, "posterior", "kind", true, 64, &kind, err) != ERR_OK) {
        return err->code;
    }
    if (strcmp(kind, "draws") != 0) {
        return err_set(err, ERR_UNSUPPORTED,
                       "posterior: kind \"%.40s\" is not supported, \"draws\" is", kind);
    }
    if (json_io_check_keys(posterior, "posterior", keys, err) != ERR_OK) {
        return err->code;
    }
    const json_t *weights = json_object_get(posterior, "weights");
    if (weights != NULL && !json_is_null(weights)) {
        return err_set(err, ERR_UNSUPPORTED, "posterior: weights are not supported, null is");
    }
    if (json_tensor_check(parameters, posterior, arch_n_params(arch), err) != ERR_OK) {
        return err->code;
    }
    if (parameters->flat) {
        return err_set(err, ERR_SHAPE,
                       "posterior: parameters is one row, an array of rows is needed");
    }
    if (model_new(arch, parameters->n, out, err) != ERR_OK) {
        return err->code;
    }
    memcpy((*out)->draws, parameters->values,
           (size_t)parameters->n * (size_t)parameters->k * sizeof(double));
    return ERR_OK;
}

static enum err_code read_scaler(const json_t *object, const char *where, struct scaler *scaler,
                                 struct err *err)
{
    static const char *const keys[] = {"kind", "shift", "scale", NULL};
    const char *kind = NULL;
    if (!json_is_object(object)) {
        return err_set(err, ERR_INVALID, "%s is not an object", where);
    }
    if (json_io_check_keys(object, where, keys, err) != ERR_OK ||
        json_io_get_text(object, where, "kind", true, 64, &kind, err) != ERR_OK) {
        return err->code;
    }
    if (!scaler_kind_find(kind, &scaler->kind)) {
        return err_set(err, ERR_INVALID, "%s: kind \"%.40s\" is unknown", where, kind);
    }
    bool needed = scaler->kind != SCALER_NONE;
    if (json_io_get_real(object, where, "shift", needed, -BIG, BIG, &scaler->shift, err) !=
        ERR_OK) {
        return err->code;
    }
    return json_io_get_real(object, where, "scale", needed, 0.0, BIG, &scaler->scale, err);
}

static enum err_code read_scalers(const json_t *scaling, const char *key, int k,
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
    if (get_object(document, "scaling", &scaling, err) != ERR_OK || scaling == NULL) {
        return err->code;
    }
    if (json_io_check_keys(scaling, "scaling", keys, err) != ERR_OK ||
        read_scalers(scaling, "inputs", model->d, model->in, err) != ERR_OK) {
        return err->code;
    }
    return read_scalers(scaling, "outputs", model->o, model->out, err);
}

static enum err_code read_noise(const json_t *document, struct model *model, struct err *err)
{
    static const char *const keys[] = {"sigma", NULL};
    const json_t *noise = NULL;
    if (get_object(document, "noise", &noise, err) != ERR_OK || noise == NULL) {
        return err->code;
    }
    if (json_io_check_keys(noise, "noise", keys, err) != ERR_OK) {
        return err->code;
    }
    model->noise_sigma = mem_alloc_array((size_t)model->o, sizeof *model->noise_sigma);
    if (model->noise_sigma == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a model");
    }
    return json_io_vector(json_object_get(noise, "sigma"), "noise sigma", model->o,
                          model->noise_sigma, err);
}

/* An optional [k x 2] array of low and high. */
static enum err_code read_ranges(const json_t *value, const char *what, int k, double **out,
                                 struct err *err)
{
    if (value == NULL || json_is_null(value)) {
        return ERR_OK;
    }
    *out = mem_alloc_array(2 * (size_t)k, sizeof **out);
    if (*out == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a model");
    }
    return json_io_matrix(value, what, k, 2, *out, err);
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
    if (get_object(document, where, &object, err) != ERR_OK || object == NULL) {
        return err->code;
    }
    if (json_io_check_keys(object, where, keys, err) != ERR_OK ||
        read_name_list(object, where, "inputs", model->d, inputs, err) != ERR_OK) {
        return err->code;
    }
    return read_name_list(object, where, "outputs", model->o, outputs, err);
}

/* A free object, kept as compact text in the order of its keys. */
static enum err_code read_free_object(const json_t *document, const char *key, char **out,
                                      struct err *err)
{
    const json_t *object = NULL;
    if (get_object(document, key, &object, err) != ERR_OK || object == NULL) {
        return err->code;
    }
    return json_io_dump(object, MODEL_MAX_TEXT_BYTES, key, out, err);
}

static enum err_code read_scores(const json_t *document, struct model *model, struct err *err)
{
    static const char *const keys[] = {"rows", "relative_error", "rmse", "output_range", NULL};
    const json_t *scores = NULL;
    int64_t rows = 0;
    if (get_object(document, "scores", &scores, err) != ERR_OK || scores == NULL) {
        return err->code;
    }
    model->scores.rmse = mem_alloc_array((size_t)model->o, sizeof *model->scores.rmse);
    if (model->scores.rmse == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a model");
    }
    if (json_io_check_keys(scores, "scores", keys, err) != ERR_OK ||
        json_io_get_int(scores, "scores", "rows", true, 1, INT_MAX, &rows, err) != ERR_OK ||
        json_io_get_real(scores, "scores", "relative_error", true, 0.0, BIG,
                         &model->scores.relative_error, err) != ERR_OK ||
        json_io_vector(json_object_get(scores, "rmse"), "scores rmse", model->o, model->scores.rmse,
                       err) != ERR_OK ||
        read_ranges(json_object_get(scores, "output_range"), "scores output_range", model->o,
                    &model->scores.output_range, err) != ERR_OK) {
        return err->code;
    }
    if (model->scores.output_range == NULL) {
        return err_set(err, ERR_INVALID, "scores: output_range is missing");
    }
    model->scores.n_rows = (int)rows;
    return ERR_OK;
}

static enum err_code read_rest(const json_t *document, struct model *model, struct err *err)
{
    const char *solver = NULL;
    if (read_scaling(document, model, err) != ERR_OK ||
        read_noise(document, model, err) != ERR_OK ||
        read_ranges(json_object_get(document, "training_range"), "training_range", model->d,
                    &model->training_range, err) != ERR_OK ||
        read_labels(document, "names", model, &model->input_names, &model->output_names, err) !=
            ERR_OK ||
        read_labels(document, "units", model, &model->input_units, &model->output_units, err) !=
            ERR_OK ||
        json_io_get_text(document, "model", "solver", false, 64, &solver, err) != ERR_OK ||
        json_io_get_int(document, "model", "seed", false, INT64_MIN, INT64_MAX, &model->seed,
                        err) != ERR_OK ||
        read_free_object(document, "settings", &model->settings, err) != ERR_OK ||
        read_free_object(document, "provenance", &model->provenance, err) != ERR_OK ||
        read_scores(document, model, err) != ERR_OK) {
        return err->code;
    }
    model->solver = mem_strdup(solver != NULL ? solver : "unknown");
    return model->solver != NULL ? ERR_OK : err_set(err, ERR_NOMEM, "no memory for a model");
}

enum err_code model_json_read_precision(const json_t *object, const char *where, bool *single,
                                        struct err *err)
{
    const char *text = NULL;
    if (json_io_get_text(object, where, "precision", false, 16, &text, err) != ERR_OK) {
        return err->code;
    }
    if (text != NULL && strcmp(text, "float64") != 0 && strcmp(text, "float32") != 0) {
        return err_set(err, ERR_INVALID,
                       "%s: precision is \"%.16s\", \"float64\" or \"float32\" is needed", where,
                       text);
    }
    *single = text != NULL ? strcmp(text, "float32") == 0 : *single;
    return ERR_OK;
}

/* An export also has float32_error; it is measured again. */
static enum err_code read_document(const json_t *document, const struct json_tensor *parameters,
                                   struct model **out, struct err *err)
{
    static const char *const keys[] = {"architecture",   "scaling",    "noise",     "posterior",
                                       "solver",         "settings",   "precision", "float32_error",
                                       "seed",           "names",      "units",     "scores",
                                       "training_range", "provenance", NULL};
    const json_t *architecture = NULL;
    struct arch arch = arch_default(1, 1);
    struct model *model = NULL;
    if (!json_is_object(document)) {
        return err_set(err, ERR_INVALID, "a model document is a JSON object");
    }
    if (json_io_check_keys(document, "model", keys, err) != ERR_OK ||
        get_object(document, "architecture", &architecture, err) != ERR_OK) {
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
    if (read_posterior(document, parameters, &arch, &model, err) != ERR_OK ||
        read_rest(document, model, err) != ERR_OK ||
        model_json_read_precision(document, "model", &model->single, err) != ERR_OK ||
        precision_publish(model, err) != ERR_OK) {
        model_unref(model);
        return err->code;
    }
    *out = model;
    return ERR_OK;
}

enum err_code model_json_parse(const char *text, size_t len, struct arena *arena,
                               struct model **out, struct err *err)
{
    json_t *document = NULL;
    struct json_tensor parameters = {
        .key = "posterior.parameters", .max_rows = MODEL_MAX_DRAWS, .max_columns = ARCH_MAX_PARAMS};
    if (json_tensor_parse(text, len, &parameters, 1, arena, &document, err) != ERR_OK) {
        return err->code;
    }
    return read_document(document, &parameters, out, err);
}

/* ---- writing ---- */

static void write_scalers(struct textbuf *text, const char *key, const struct scaler *scaler, int k)
{
    textbuf_printf(text, "\"%s\":[", key);
    for (int j = 0; j < k; j++) {
        textbuf_printf(text, "%s{\"kind\":\"%s\",\"shift\":", j > 0 ? "," : "",
                       scaler_kind_name(scaler[j].kind));
        textbuf_real(text, scaler[j].shift);
        textbuf_puts(text, ",\"scale\":");
        textbuf_real(text, scaler[j].scale);
        textbuf_puts(text, "}");
    }
    textbuf_puts(text, "]");
}

static void write_name_list(struct textbuf *text, const char *key, char *const *names, int k)
{
    textbuf_printf(text, "\"%s\":", key);
    if (names == NULL) {
        textbuf_puts(text, "null");
        return;
    }
    textbuf_puts(text, "[");
    for (int j = 0; j < k; j++) {
        textbuf_puts(text, j > 0 ? "," : "");
        if (names[j] != NULL) {
            textbuf_json_string(text, names[j]);
        } else {
            textbuf_puts(text, "null");
        }
    }
    textbuf_puts(text, "]");
}

static void write_labels(struct textbuf *text, const char *key, const struct model *model,
                         char *const *inputs, char *const *outputs)
{
    textbuf_printf(text, ",\"%s\":{", key);
    write_name_list(text, "inputs", inputs, model->d);
    textbuf_puts(text, ",");
    write_name_list(text, "outputs", outputs, model->o);
    textbuf_puts(text, "}");
}

static void write_scores(struct textbuf *text, const struct model *model)
{
    const struct scores *scores = &model->scores;
    if (scores->n_rows == 0) {
        textbuf_puts(text, ",\"scores\":null");
        return;
    }
    textbuf_printf(text, ",\"scores\":{\"rows\":%d,\"relative_error\":", scores->n_rows);
    textbuf_real(text, scores->relative_error);
    textbuf_puts(text, ",\"rmse\":");
    textbuf_vector(text, scores->rmse, (size_t)model->o);
    textbuf_puts(text, ",\"output_range\":");
    textbuf_matrix(text, scores->output_range, (size_t)model->o, 2);
    textbuf_puts(text, "}");
}

static void write_precision(struct textbuf *text, const struct model *model)
{
    if (!model->single) {
        textbuf_puts(text, ",\"precision\":\"float64\",\"float32_error\":null");
        return;
    }
    textbuf_puts(text, ",\"precision\":\"float32\",\"float32_error\":{\"mean\":");
    textbuf_real(text, model->float32_error.mean);
    textbuf_puts(text, ",\"std\":");
    textbuf_real(text, model->float32_error.std);
    textbuf_puts(text, "}");
}

/* What the description and the document have in common, from "solver" on. */
static void write_description(struct textbuf *text, const struct model *model)
{
    textbuf_puts(text, ",\"solver\":");
    textbuf_json_string(text, model->solver);
    textbuf_printf(text, ",\"settings\":%s,\"seed\":%lld,\"noise\":",
                   model->settings != NULL ? model->settings : "null", (long long)model->seed);
    if (model->noise_sigma != NULL) {
        textbuf_puts(text, "{\"sigma\":");
        textbuf_vector(text, model->noise_sigma, (size_t)model->o);
        textbuf_puts(text, "}");
    } else {
        textbuf_puts(text, "null");
    }
    textbuf_puts(text, ",\"training_range\":");
    if (model->training_range != NULL) {
        textbuf_matrix(text, model->training_range, (size_t)model->d, 2);
    } else {
        textbuf_puts(text, "null");
    }
    write_labels(text, "names", model, model->input_names, model->output_names);
    write_labels(text, "units", model, model->input_units, model->output_units);
    write_scores(text, model);
    write_precision(text, model);
    textbuf_puts(text, ",\"provenance\":");
    textbuf_puts(text, model->provenance != NULL ? model->provenance : "null");
}

void model_json_write_summary(struct textbuf *text, const struct model *model)
{
    textbuf_puts(text, "\"architecture\":");
    arch_json_write(text, &model->net.arch);
    textbuf_printf(text, ",\"draws\":%d,\"parameters\":%d", model->m, model->net.n_params);
    write_description(text, model);
}

void model_json_write(struct textbuf *text, const struct model *model)
{
    textbuf_puts(text, "{\"architecture\":");
    arch_json_write(text, &model->net.arch);
    textbuf_puts(text, ",\"scaling\":{");
    write_scalers(text, "inputs", model->in, model->d);
    textbuf_puts(text, ",");
    write_scalers(text, "outputs", model->out, model->o);
    textbuf_puts(text, "},\"posterior\":{\"kind\":\"draws\",\"parameters\":");
    textbuf_matrix(text, model->draws, (size_t)model->m, (size_t)model->net.n_params);
    textbuf_puts(text, ",\"weights\":null}");
    write_description(text, model);
    textbuf_puts(text, "}");
}
