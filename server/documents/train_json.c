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
    const struct json_members members = {request, "request", err};
    json_read_require(members, "solver");
    if (json_read_text(members, "solver", 64, &name) != ERR_OK) {
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

static enum err_code refuse_sigma(const json_t *value, struct err *err)
{
    return err_set(err, ERR_INVALID,
                   "noise: sigma is %s; a number, or an array of one for each output, is needed",
                   json_is_array(value) ? "an array of another length" : json_read_kind(value));
}

static enum err_code read_sigmas(const json_t *value, struct train_spec *spec, struct err *err)
{
    size_t n = json_is_array(value) ? json_array_size(value) : 1;
    if (n < 1 || n > ARCH_MAX_OUTPUTS) {
        return refuse_sigma(value, err);
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
        return refuse_sigma(value, err);
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
                   : err_set(err, ERR_INVALID,
                             "prior: sigma is null, a flat prior, which has no other keys");
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

/* Does a request leave to the rows what they can decide? Counts of networks, chains and draws do
 * not stand against that, nor does what comes after the fit. */
static bool is_plain(const json_t *request)
{
    static const char *const decided[] = {"architecture", "optimizer", "noise", "prior", "scaling"};
    static const char *const counts[] = {"members", "chains", "draws"};
    const json_t *settings = json_object_get(request, "settings");
    size_t n_counts = 0;
    for (size_t i = 0; i < sizeof decided / sizeof *decided; i++) {
        if (json_object_get(request, decided[i]) != NULL) {
            return false;
        }
    }
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        n_counts += json_object_get(settings, counts[i]) != NULL;
    }
    return n_counts == json_object_size(settings);
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
        json_read_int((struct json_members){request, "request", err}, "seed", INT64_MIN, INT64_MAX,
                      &spec->seed) != ERR_OK) {
        return err->code;
    }
    spec->plain = is_plain(request);
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

static void write_optimizer(struct json_write *json, const struct optim_settings *s)
{
    json_write_object(json, "optimizer");
    json_write_text(json, "name", optim_name(s->kind));
    json_write_real(json, "learning_rate", s->learning_rate);
    json_write_real(json, "weight_decay", s->weight_decay);
    json_write_real(json, "momentum", s->momentum);
    json_write_real(json, "beta1", s->beta1);
    json_write_real(json, "beta2", s->beta2);
    json_write_real(json, "epsilon", s->epsilon);
    json_write_int(json, "history", s->history);
    json_write_object(json, "schedule");
    json_write_text(json, "name", optim_schedule_name(s->schedule));
    json_write_real(json, "final_factor", s->final_factor);
    json_write_real(json, "step_factor", s->step_factor);
    json_write_int(json, "step_epochs", s->step_epochs);
    json_write_object_end(json);
    json_write_object_end(json);
}

static void write_setting(struct json_write *json, const struct solver_setting *setting,
                          const struct solver_settings *s)
{
    const void *field = (const char *)s + setting->offset;
    char name[32] = "";
    switch (setting->type) {
    case SOLVER_SETTING_INT:
        json_write_int(json, setting->name, *(const int *)field);
        break;
    case SOLVER_SETTING_REAL:
        json_write_real(json, setting->name, *(const double *)field);
        break;
    case SOLVER_SETTING_FLAG:
        json_write_bool(json, setting->name, *(const bool *)field);
        break;
    case SOLVER_SETTING_CHOICE:
        solver_choice_name(setting->choices, *(const int *)field, name);
        json_write_text(json, setting->name, name);
        break;
    }
}

static void write_settings(struct json_write *json, const struct train_spec *spec)
{
    int n;
    const struct solver_setting *list = solver_setting_list(&n);
    json_write_object(json, "settings");
    for (int i = 0; i < n; i++) {
        if (solver_setting_used(&list[i], spec->solver)) {
            write_setting(json, &list[i], &spec->settings);
        }
    }
    json_write_object_end(json);
}

static void write_noise(struct json_write *json, const struct train_spec *spec)
{
    json_write_object(json, "noise");
    json_write_text(json, "kind", noise_kind_name(spec->noise));
    json_write_reals(json, "sigma", spec->n_noise_sigmas > 0 ? spec->noise_sigmas : NULL,
                     (size_t)spec->n_noise_sigmas);
    json_write_object_end(json);
}

static void write_prior(struct json_write *json, const struct train_prior *prior)
{
    if (prior->flat) {
        json_write_null(json, "prior");
        return;
    }
    json_write_object(json, "prior");
    json_write_real(json, "sigma", prior->sigma);
    json_write_real(json, "pre", prior->pre);
    json_write_real(json, "post", prior->post);
    json_write_real(json, "blocks", prior->blocks);
    json_write_bool(json, "fan_in", prior->fan_in);
    json_write_object_end(json);
}

static void write_calibration(struct json_write *json, const struct train_calibration *c)
{
    json_write_object(json, "calibration");
    json_write_text(json, "method", conformal_method_name(c->method));
    json_write_real(json, "share", c->share);
    json_write_int(json, "folds", c->folds);
    json_write_bool(json, "normalised", c->normalised);
    json_write_object_end(json);
}

void train_json_write_members(struct json_write *json, const struct train_spec *spec)
{
    json_write_text(json, "solver", solver_name(spec->solver));
    arch_json_write(json, "architecture", &spec->arch);
    write_settings(json, spec);
    write_optimizer(json, &spec->settings.optim);
    json_write_object(json, "split");
    json_write_real(json, "validation", spec->validation);
    json_write_object_end(json);
    json_write_object(json, "scaling");
    json_write_text(json, "inputs", scaler_kind_name(spec->input_scaling));
    json_write_text(json, "outputs", scaler_kind_name(spec->output_scaling));
    json_write_object_end(json);
    write_noise(json, spec);
    write_prior(json, &spec->prior);
    write_calibration(json, &spec->calibration);
    json_write_text(json, "precision", spec->single ? "float32" : "float64");
    json_write_text(json, "start", train_start_name(spec->start));
    json_write_int(json, "seed", spec->seed);
}
