/* SPDX-License-Identifier: Apache-2.0 */
#include "documents/model_json_priv.h"

#include "documents/arch_json.h"

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

void model_json_write_noise(struct textbuf *text, const struct model *model)
{
    if (model->noise_predicted) {
        textbuf_puts(text, "{\"kind\":\"predicted\"}");
    } else if (model->noise_sigma != NULL) {
        textbuf_puts(text, "{\"sigma\":");
        textbuf_vector(text, model->noise_sigma, (size_t)model->o);
        textbuf_puts(text, "}");
    } else {
        textbuf_puts(text, "null");
    }
}

void model_json_write_precision(struct textbuf *text, const struct model *model)
{
    if (!model->single) {
        textbuf_puts(text, "\"precision\":\"float64\",\"float32_error\":null");
        return;
    }
    textbuf_puts(text, "\"precision\":\"float32\",\"float32_error\":{\"mean\":");
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
    model_json_write_noise(text, model);
    textbuf_puts(text, ",\"training_range\":");
    if (model->training_range != NULL) {
        textbuf_matrix(text, model->training_range, (size_t)model->d, 2);
    } else {
        textbuf_puts(text, "null");
    }
    write_labels(text, "names", model, model->input_names, model->output_names);
    write_labels(text, "units", model, model->input_units, model->output_units);
    textbuf_puts(text, ",\"scores\":");
    quality_json_write_scores(text, model);
    textbuf_puts(text, ",");
    model_json_write_precision(text, model);
    textbuf_puts(text, ",\"warnings\":");
    quality_json_write_warnings(text, &model->report);
    textbuf_puts(text, ",\"provenance\":");
    textbuf_puts(text, model->provenance != NULL ? model->provenance : "null");
}

void model_json_write_summary(struct textbuf *text, const struct model *model)
{
    textbuf_puts(text, "\"architecture\":");
    arch_json_write(text, &model->net.arch);
    textbuf_printf(text, ",\"draws\":%d,\"parameters\":%d", model->m, model->net.n_params);
    textbuf_puts(text, ",\"posterior\":");
    posterior_json_write_kind(text, model);
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
    textbuf_puts(text, "},\"posterior\":");
    posterior_json_write(text, model);
    write_description(text, model);
    textbuf_puts(text, ",\"calibration\":");
    quality_json_write_calibration(text, model);
    textbuf_puts(text, ",\"report\":");
    quality_json_write_report(text, &model->report);
    textbuf_puts(text, "}");
}
