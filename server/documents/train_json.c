/* SPDX-License-Identifier: Apache-2.0 */
#include "documents/train_json.h"

#include "base/known.h"
#include "base/mem.h"
#include "documents/arch_json.h"
#include "documents/model_json.h"
#include "documents/request_fields.h"
#include "formats/json_read.h"

#include <string.h>

/* This solver means: split conformal intervals around a deep ensemble. */
#define CONFORMAL "conformal"

/* The solver of a request; -1: none, or an unknown one. */
static int find_solver(const json_t *request)
{
    const char *name = json_string_value(json_object_get(request, "solver"));
    if (name == NULL) {
        return -1;
    }
    return strcmp(name, CONFORMAL) == 0 ? SOLVER_ENSEMBLE : names_find(solver_known(), name);
}

static enum err_code refuse_solver(const char *name, struct err *err)
{
    const char *list[JSON_FIELDS_MAX];
    struct names known = {.list = list};
    for (; known.n < solver_known().n; known.n++) {
        list[known.n] = solver_known().list[known.n];
    }
    list[known.n++] = CONFORMAL;
    return known_refuse("solver", name, known, err);
}

static enum err_code read_solver(const json_t *request, struct train_spec *spec, struct err *err)
{
    const char *name = NULL;
    int solver = find_solver(request);
    if (json_read_get_text(request, "request", "solver", true, 64, &name, err) != ERR_OK) {
        return err->code;
    }
    if (solver < 0) {
        return refuse_solver(name, err);
    }
    *spec = train_defaults((enum solver_kind)solver);
    spec->calibration.method = strcmp(name, CONFORMAL) == 0 ? CONFORMAL_SPLIT : CONFORMAL_NONE;
    return ERR_OK;
}

/* The object under `key`, by its table; when it is absent, *out stays as it is. */
static enum err_code read_member(const json_t *object, const char *key,
                                 const struct json_place *place, void *out, struct err *err)
{
    const json_t *member = json_object_get(object, key);
    return member != NULL ? json_fields_read(member, place, out, err) : ERR_OK;
}

static enum err_code read_architecture(const json_t *request, struct train_spec *spec,
                                       struct err *err)
{
    const struct json_place place = request_place(REQUEST_ARCHITECTURE, spec->solver);
    const json_t *object = json_object_get(request, "architecture");
    if (object == NULL) {
        return ERR_OK;
    }
    return json_fields_check_keys(object, &place, err) == ERR_OK
               ? arch_json_read(object, false, &spec->arch, err)
               : err->code;
}

static enum err_code read_optimizer(const json_t *request, struct train_spec *spec, struct err *err)
{
    const struct json_place optimizer = request_place(REQUEST_OPTIMIZER, spec->solver);
    const struct json_place schedule = request_place(REQUEST_SCHEDULE, spec->solver);
    struct optim_settings *settings = &spec->settings.optim;
    return read_member(request, "optimizer", &optimizer, settings, err) == ERR_OK
               ? read_member(json_object_get(request, "optimizer"), "schedule", &schedule, settings,
                             err)
               : err->code;
}

static enum err_code read_sigmas(const json_t *value, struct train_spec *spec, struct err *err)
{
    size_t n = json_is_array(value) ? json_array_size(value) : 1;
    if (n < 1 || n > ARCH_MAX_OUTPUTS) {
        return err_set(err, ERR_INVALID, "noise: sigma is one number or one an output");
    }
    spec->noise_sigmas = mem_alloc_array(n, sizeof *spec->noise_sigmas);
    if (spec->noise_sigmas == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a training request");
    }
    spec->n_noise_sigmas = (int)n;
    if (json_is_array(value)) {
        return json_read_vector(value, "noise sigma", (int)n, spec->noise_sigmas, err);
    }
    if (!json_is_number(value)) {
        return err_set(err, ERR_INVALID, "noise: sigma is one number or one an output");
    }
    spec->noise_sigmas[0] = json_number_value(value);
    return ERR_OK;
}

static enum err_code read_noise(const json_t *request, struct train_spec *spec, struct err *err)
{
    const struct json_place place = request_place(REQUEST_NOISE, spec->solver);
    if (read_member(request, "noise", &place, spec, err) != ERR_OK) {
        return err->code;
    }
    const json_t *sigma = json_object_get(json_object_get(request, "noise"), "sigma");
    return sigma != NULL && !json_is_null(sigma) ? read_sigmas(sigma, spec, err) : ERR_OK;
}

/* A prior of null, or whose sigma is null, is flat. */
static enum err_code read_prior(const json_t *request, struct train_spec *spec, struct err *err)
{
    const struct json_place place = request_place(REQUEST_PRIOR, spec->solver);
    const json_t *object = json_object_get(request, "prior");
    if (json_is_null(object)) {
        spec->prior.flat = true;
        return ERR_OK;
    }
    if (json_is_null(json_object_get(object, "sigma"))) {
        spec->prior.flat = true;
        return json_object_size(object) == 1
                   ? ERR_OK
                   : err_set(err, ERR_INVALID, "prior: sigma is null (flat), so nothing else fits");
    }
    return read_member(request, "prior", &place, &spec->prior, err);
}

static enum err_code read_by_tables(const json_t *request, struct train_spec *spec, struct err *err)
{
    const struct {
        const char *key;
        enum request_object object;
        void *out;
    } members[] = {{"settings", REQUEST_SETTINGS, &spec->settings},
                   {"split", REQUEST_SPLIT, spec},
                   {"scaling", REQUEST_SCALING, spec},
                   {"calibration", REQUEST_CALIBRATION, &spec->calibration}};
    for (size_t i = 0; i < sizeof members / sizeof *members && err->code == ERR_OK; i++) {
        const struct json_place place = request_place(members[i].object, spec->solver);
        err_kept(read_member(request, members[i].key, &place, members[i].out, err));
    }
    return err->code;
}

static enum err_code read_request(const json_t *request, struct train_spec *spec, struct err *err)
{
    const struct json_place top = {&request_document, REQUEST_TOP, find_solver(request)};
    if (json_fields_check_keys(request, &top, err) != ERR_OK ||
        read_solver(request, spec, err) != ERR_OK ||
        read_architecture(request, spec, err) != ERR_OK ||
        read_optimizer(request, spec, err) != ERR_OK ||
        read_by_tables(request, spec, err) != ERR_OK || read_noise(request, spec, err) != ERR_OK ||
        read_prior(request, spec, err) != ERR_OK ||
        model_json_read_precision(request, "request", &spec->single, err) != ERR_OK ||
        json_read_get_int(request, "request", "seed", false, INT64_MIN, INT64_MAX, &spec->seed,
                          err) != ERR_OK) {
        return err->code;
    }
    return train_validate(spec, err);
}

enum err_code train_json_read(const json_t *request, struct train_spec *spec, struct err *err)
{
    *spec = (struct train_spec){.n_noise_sigmas = 0};
    if (read_request(request, spec, err) != ERR_OK) {
        train_spec_release(spec);
    }
    return err->code;
}

static void write_real(struct textbuf *text, const char *key, double value)
{
    textbuf_printf(text, "\"%s\":", key);
    textbuf_real(text, value);
}

static void write_optimizer(struct textbuf *text, const struct optim_settings *s)
{
    const struct {
        const char *key;
        double value;
    } reals[] = {{"learning_rate", s->learning_rate},
                 {"weight_decay", s->weight_decay},
                 {"momentum", s->momentum},
                 {"beta1", s->beta1},
                 {"beta2", s->beta2},
                 {"epsilon", s->epsilon}};
    textbuf_printf(text, "{\"name\":\"%s\",", optim_name(s->kind));
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++) {
        write_real(text, reals[i].key, reals[i].value);
        textbuf_puts(text, ",");
    }
    textbuf_printf(text, "\"history\":%d,\"schedule\":{\"name\":\"%s\",", s->history,
                   optim_schedule_name(s->schedule));
    write_real(text, "final_factor", s->final_factor);
    textbuf_puts(text, ",");
    write_real(text, "step_factor", s->step_factor);
    textbuf_printf(text, ",\"step_epochs\":%d}}", s->step_epochs);
}

static void write_setting(struct textbuf *text, const struct solver_setting *setting,
                          const struct solver_settings *s)
{
    const void *field = (const char *)s + setting->offset;
    char name[32] = "";
    switch (setting->type) {
    case SOLVER_SETTING_INT:
        textbuf_printf(text, "\"%s\":%d", setting->name, *(const int *)field);
        break;
    case SOLVER_SETTING_REAL:
        write_real(text, setting->name, *(const double *)field);
        break;
    case SOLVER_SETTING_FLAG:
        textbuf_printf(text, "\"%s\":%s", setting->name, *(const bool *)field ? "true" : "false");
        break;
    case SOLVER_SETTING_CHOICE:
        solver_choice_name(setting->choices, *(const int *)field, name);
        textbuf_printf(text, "\"%s\":\"%s\"", setting->name, name);
        break;
    }
}

static void write_settings(struct textbuf *text, const struct train_spec *spec)
{
    int n;
    const struct solver_setting *list = solver_setting_list(&n);
    const char *separator = "";
    textbuf_puts(text, ",\"settings\":{");
    for (int i = 0; i < n; i++) {
        if (solver_setting_used(&list[i], spec->solver)) {
            textbuf_puts(text, separator);
            write_setting(text, &list[i], &spec->settings);
            separator = ",";
        }
    }
    textbuf_puts(text, "}");
}

static void write_beliefs(struct textbuf *text, const struct train_spec *spec)
{
    const struct train_prior *prior = &spec->prior;
    textbuf_printf(text, ",\"noise\":{\"kind\":\"%s\",\"sigma\":", noise_kind_name(spec->noise));
    if (spec->n_noise_sigmas > 0) {
        textbuf_vector(text, spec->noise_sigmas, (size_t)spec->n_noise_sigmas);
    } else {
        textbuf_puts(text, "null");
    }
    if (prior->flat) {
        textbuf_puts(text, "},\"prior\":null");
        return;
    }
    textbuf_puts(text, "},\"prior\":{");
    write_real(text, "sigma", prior->sigma);
    textbuf_puts(text, ",");
    write_real(text, "pre", prior->pre);
    textbuf_puts(text, ",");
    write_real(text, "post", prior->post);
    textbuf_puts(text, ",");
    write_real(text, "blocks", prior->blocks);
    textbuf_printf(text, ",\"fan_in\":%s}", prior->fan_in ? "true" : "false");
}

static void write_calibration(struct textbuf *text, const struct train_calibration *c)
{
    textbuf_printf(text, ",\"calibration\":{\"method\":\"%s\",", conformal_method_name(c->method));
    write_real(text, "share", c->share);
    textbuf_printf(text, ",\"folds\":%d,\"normalised\":%s}", c->folds,
                   c->normalised ? "true" : "false");
}

void train_json_write_members(struct textbuf *text, const struct train_spec *spec)
{
    textbuf_printf(text, "\"solver\":\"%s\",\"architecture\":", solver_name(spec->solver));
    struct json_write json = json_write_to(text);
    arch_json_write(&json, NULL, &spec->arch);
    write_settings(text, spec);
    textbuf_puts(text, ",\"optimizer\":");
    write_optimizer(text, &spec->settings.optim);
    textbuf_puts(text, ",\"split\":{");
    write_real(text, "validation", spec->validation);
    textbuf_printf(text, "},\"scaling\":{\"inputs\":\"%s\",\"outputs\":\"%s\"}",
                   scaler_kind_name(spec->input_scaling), scaler_kind_name(spec->output_scaling));
    write_beliefs(text, spec);
    write_calibration(text, &spec->calibration);
    textbuf_printf(text, ",\"precision\":\"%s\",\"start\":\"%s\",\"seed\":%lld",
                   spec->single ? "float32" : "float64", train_start_name(spec->start),
                   (long long)spec->seed);
}
