/* SPDX-License-Identifier: Apache-2.0 */
#include "documents/model_json_priv.h"

#include "documents/arch_json.h"
#include "documents/reduction_json.h"
#include "documents/space_json.h"

#include <math.h>

void model_json_write_scalers(struct json_write *json, const char *key, const struct scaler *scaler,
                              int k)
{
    json_write_array(json, key);
    for (int j = 0; j < k; j++) {
        json_write_object(json, NULL);
        json_write_text(json, "kind", scaler_kind_name(scaler[j].kind));
        json_write_real(json, "shift", scaler[j].shift);
        json_write_real(json, "scale", scaler[j].scale);
        json_write_object_end(json);
    }
    json_write_array_end(json);
}

static void write_name_list(struct json_write *json, const char *key, char *const *names, int k)
{
    if (names == NULL) {
        json_write_null(json, key);
        return;
    }
    json_write_array(json, key);
    for (int j = 0; j < k; j++) {
        json_write_text(json, NULL, names[j]);
    }
    json_write_array_end(json);
}

static void write_labels(struct json_write *json, const char *key, const struct model *model,
                         char *const *inputs, char *const *outputs)
{
    json_write_object(json, key);
    write_name_list(json, "inputs", inputs, model->d);
    write_name_list(json, "outputs", outputs, model->o);
    json_write_object_end(json);
}

void model_json_write_names(struct json_write *json, const struct model *model)
{
    if (model->input_names != NULL || model->output_names != NULL) {
        write_labels(json, "names", model, model->input_names, model->output_names);
    }
}

void model_json_write_names_of(struct json_write *json, const struct model *model,
                               const int *outputs, int n_outputs)
{
    if (model->input_names == NULL && model->output_names == NULL) {
        return;
    }
    json_write_object(json, "names");
    write_name_list(json, "inputs", model->input_names, model->d);
    if (model->output_names == NULL) {
        json_write_null(json, "outputs");
    } else {
        json_write_array(json, "outputs");
        for (int j = 0; j < n_outputs; j++) {
            json_write_text(json, NULL, model->output_names[outputs[j]]);
        }
        json_write_array_end(json);
    }
    json_write_object_end(json);
}

void model_json_write_noise(struct json_write *json, const struct model *model)
{
    if (!model->noise_predicted && model->noise_sigma == NULL) {
        json_write_null(json, "noise");
        return;
    }
    json_write_object(json, "noise");
    if (model->noise_predicted) {
        json_write_text(json, "kind", "predicted");
    } else {
        json_write_reals(json, "sigma", model->noise_sigma, (size_t)model->o);
        if (model->noise_of_logs) {
            json_write_bool(json, "of_logarithms", true);
        }
    }
    json_write_object_end(json);
}

void model_json_summarise_noise(struct json_write *json, const struct model *model)
{
    double squares = 0.0;
    if (!model_json_is_wide(model) || model->noise_sigma == NULL) {
        model_json_write_noise(json, model);
        return;
    }
    for (int j = 0; j < model->o; j++) {
        squares += model->noise_sigma[j] * model->noise_sigma[j] / model->o;
    }
    json_write_object(json, "noise");
    json_write_null(json, "sigma");
    json_write_real(json, "sigma_of_all", sqrt(squares));
    json_write_object_end(json);
}

const char *model_json_precision_name(enum precision precision)
{
    static const char *const names[] = {"float64", "float32", "mixed", "auto"};
    return names[precision];
}

void model_json_write_precision(struct json_write *json, const struct model *model)
{
    json_write_text(json, "precision", model_json_precision_name(model->precision));
    if (model->precision == PRECISION_FLOAT64) {
        json_write_null(json, "float32_error");
        return;
    }
    json_write_object(json, "float32_error");
    json_write_real(json, "mean", model->float32_error.mean);
    json_write_real(json, "std", model->float32_error.std);
    json_write_object_end(json);
}

/* What the description and the document have in common, from "solver" on. */
static void write_description(struct json_write *json, const struct model *model, bool whole)
{
    json_write_text(json, "solver", model->solver);
    json_write_raw(json, "settings", model->settings);
    json_write_int(json, "seed", model->seed);
    if (whole) {
        model_json_write_noise(json, model);
    } else {
        model_json_summarise_noise(json, model);
    }
    json_write_matrix(json, "training_range", model->training_range, (size_t)model->d, 2);
    write_labels(json, "names", model, model->input_names, model->output_names);
    write_labels(json, "units", model, model->input_units, model->output_units);
    if (model->space != NULL) {
        space_json_write(json, "space", model->space);
    }
    if (whole) {
        quality_json_write_scores(json, "scores", model);
    } else {
        quality_json_summarise_scores(json, "scores", model);
    }
    model_json_write_precision(json, model);
    quality_json_write_warnings(json, "warnings", &model->report);
    json_write_raw(json, "provenance", model->provenance);
}

void model_json_write_summary(struct json_write *json, const struct model *model)
{
    arch_json_write(json, "architecture", &model->net.arch);
    json_write_int(json, "draws", model->m);
    json_write_int(json, "parameters", model->net.n_params);
    posterior_json_write_kind(json, "posterior", model);
    write_description(json, model, false);
    reduction_json_write_summary(json, model);
    feasible_json_write_summary(json, model);
}

static void write_document(struct json_write *json, const char *key, const struct model *model,
                           bool with_draws)
{
    json_write_object(json, key);
    arch_json_write(json, "architecture", &model->net.arch);
    json_write_object(json, "scaling");
    model_json_write_scalers(json, "inputs", model->in, model->d);
    if (model->reduction == NULL) { /* decoded outputs are not scaled */
        model_json_write_scalers(json, "outputs", model->out, model->o);
    }
    json_write_object_end(json);
    if (with_draws) {
        posterior_json_write(json, "posterior", model);
    } else {
        posterior_json_write_kind(json, "posterior", model);
    }
    write_description(json, model, true);
    quality_json_write_calibration(json, "calibration", model);
    quality_json_write_report(json, "report", &model->report);
    reduction_json_write(json, model);
    feasible_json_write(json, model);
    json_write_object_end(json);
}

void model_json_write(struct json_write *json, const char *key, const struct model *model)
{
    write_document(json, key, model, true);
}

void model_json_write_without_draws(struct json_write *json, const char *key,
                                    const struct model *model)
{
    write_document(json, key, model, false);
}
