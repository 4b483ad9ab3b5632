/* SPDX-License-Identifier: Apache-2.0 */
#include "documents/train_json.h"

#include "base/known.h"
#include "base/mem.h"
#include "documents/arch_json.h"
#include "documents/auto_json.h"
#include "documents/model_json.h"
#include "documents/reduction_json.h"
#include "documents/request_fields.h"
#include "documents/training/train_roles_json.h"
#include "formats/json_read.h"

#include <string.h>

/* This solver means: split conformal intervals around a deep ensemble. */
#define CONFORMAL "conformal"

/* The variant of a request: its solver, or auto where it has none; -1: an unknown one. */
static int find_variant(const json_t *request)
{
    const json_t *solver = json_object_get(request, "solver");
    const char *name = json_string_value(solver);
    if (solver == NULL || (name != NULL && strcmp(name, REQUEST_AUTO) == 0)) {
        return REQUEST_AUTO_VARIANT;
    }
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
    list[known.n++] = REQUEST_AUTO;
    return known_refuse("solver", name, known, err);
}

/* What a request with auto does not give is as for ensemble, unless it is chosen. */
static enum err_code read_solver(const json_t *request, struct job_spec *spec, struct err *err)
{
    const char *name = REQUEST_AUTO;
    int variant = find_variant(request);
    const struct json_members members = {request, "request", err};
    if (json_read_text(members, "solver", 64, &name) != ERR_OK) {
        return err->code;
    }
    if (variant < 0) {
        return refuse_solver(name, err);
    }
    spec->choice.on = variant == REQUEST_AUTO_VARIANT;
    spec->train = train_defaults(spec->choice.on ? SOLVER_ENSEMBLE : (enum solver_kind)variant);
    spec->train.calibration.method =
        strcmp(name, CONFORMAL) == 0 ? CONFORMAL_SPLIT : CONFORMAL_NONE;
    if (spec->choice.on) {
        auto_json_read_given(request, &spec->choice);
        return ERR_OK;
    }
    return auto_json_read_origin(request, &spec->choice, err);
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
    const struct json_place place = request_place(REQUEST_ARCHITECTURE, (int)spec->solver);
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
    const struct json_place optimizer = request_place(REQUEST_OPTIMIZER, (int)spec->solver);
    const struct json_place schedule = request_place(REQUEST_SCHEDULE, (int)spec->solver);
    struct optim_settings *settings = &spec->settings.optim;
    const json_t *object = json_object_get(request, "optimizer");
    if (read_member(request, "optimizer", &optimizer, settings, err) != ERR_OK ||
        read_member(object, "schedule", &schedule, settings, err) != ERR_OK) {
        return err->code;
    }
    return train_rates_json_read(json_object_get(object, "schedule"), settings, err);
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
    if (n < 1 || n > REDUCTION_MAX_POINTS) {
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
    const struct json_place place = request_place(REQUEST_NOISE, (int)spec->solver);
    if (read_member(request, "noise", &place, spec, err) != ERR_OK) {
        return err->code;
    }
    const json_t *sigma = json_object_get(json_object_get(request, "noise"), "sigma");
    return sigma != NULL && !json_is_null(sigma) ? read_sigmas(sigma, spec, err) : ERR_OK;
}

/* Noise that rows have is given noise. */
static enum err_code read_roles(const json_t *request, struct train_spec *spec, struct err *err)
{
    if (train_roles_json_read(request, &spec->roles, err) != ERR_OK) {
        return err->code;
    }
    if (json_object_get(request, "noise") == NULL && train_roles_have(&spec->roles, TRAIN_SIGMA)) {
        spec->noise = NOISE_GIVEN;
    }
    if (!train_roles_have(&spec->roles, TRAIN_VALIDATION)) {
        return ERR_OK;
    }
    const json_t *share = json_object_get(json_object_get(request, "split"), "validation");
    if (share != NULL && spec->validation > 0.0) {
        return err_set(err, ERR_INVALID,
                       "split: validation is a share of the rows, and columns say which rows they "
                       "are; one of them is needed");
    }
    spec->validation = 0.0;
    return ERR_OK;
}

/* A prior of null, or whose sigma is null, is flat. */
static enum err_code read_prior(const json_t *request, struct train_spec *spec, struct err *err)
{
    const struct json_place place = request_place(REQUEST_PRIOR, (int)spec->solver);
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
    int variant = find_variant(request);
    const struct {
        const char *key;
        enum request_object object;
        void *out;
    } members[] = {{"settings", REQUEST_SETTINGS, &spec->settings},
                   {"split", REQUEST_SPLIT, spec},
                   {"scaling", REQUEST_SCALING, spec},
                   {"calibration", REQUEST_CALIBRATION, &spec->calibration}};
    for (size_t i = 0; i < sizeof members / sizeof *members && err->code == ERR_OK; i++) {
        const struct json_place place = request_place(members[i].object, variant);
        err_kept(read_member(request, members[i].key, &place, members[i].out, err));
    }
    return err->code;
}

/* Does a request leave to the rows what they can decide? Counts of networks, chains and draws do
 * not stand against that, nor does what comes after the fit. */
static bool is_plain(const json_t *request)
{
    static const char *const decided[] = {"architecture", "optimizer", "noise",      "prior",
                                          "scaling",      "columns",   "constraints"};
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

static enum err_code read_training(const json_t *request, struct train_spec *spec, struct err *err)
{
    if (read_architecture(request, spec, err) != ERR_OK ||
        read_optimizer(request, spec, err) != ERR_OK ||
        read_by_tables(request, spec, err) != ERR_OK || read_noise(request, spec, err) != ERR_OK ||
        read_roles(request, spec, err) != ERR_OK ||
        train_chains_json_read(request, &spec->chains, err) != ERR_OK ||
        read_prior(request, spec, err) != ERR_OK ||
        reduction_json_read_spec(json_object_get(request, REDUCTION_JSON_KEY), &spec->reduction,
                                 err) != ERR_OK ||
        model_json_read_precision(request, "request", &spec->precision, err) != ERR_OK) {
        return err->code;
    }
    spec->plain = is_plain(request);
    return json_read_int((struct json_members){request, "request", err}, "seed", INT64_MIN,
                         INT64_MAX, &spec->seed);
}

static enum err_code read_request(const json_t *request, struct job_spec *spec, struct err *err)
{
    const struct json_place top = request_place(REQUEST_TOP, find_variant(request));
    if (json_fields_check_keys(request, &top, err) != ERR_OK ||
        read_solver(request, spec, err) != ERR_OK ||
        read_training(request, &spec->train, err) != ERR_OK) {
        return err->code;
    }
    const struct auto_spec choice = job_spec_auto(spec);
    return spec->choice.on ? auto_validate(&choice, err) : train_validate(&spec->train, err);
}

enum err_code train_json_read(const json_t *request, struct job_spec *spec, struct err *err)
{
    spec->train = (struct train_spec){.n_noise_sigmas = 0};
    spec->choice = (struct job_auto){.on = false};
    if (read_request(request, spec, err) != ERR_OK) {
        train_spec_release(&spec->train);
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
    json_write_int(json, "plateau_patience", s->plateau_patience);
    json_write_int(json, "plateau_cooldown", s->plateau_cooldown);
    json_write_real(json, "plateau_threshold", s->plateau_threshold);
    json_write_real(json, "min_factor", s->min_factor);
    train_rates_json_write(json, s);
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

/* Those of the solver; of auto those that were given. */
static void write_settings(struct json_write *json, const struct job_spec *spec)
{
    int n;
    const struct solver_setting *list = solver_setting_list(&n);
    json_write_object(json, "settings");
    for (int i = 0; i < n; i++) {
        bool given = (spec->choice.settings >> i & 1u) != 0;
        if (spec->choice.on ? given : solver_setting_used(&list[i], spec->train.solver)) {
            write_setting(json, &list[i], &spec->train.settings);
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

void train_json_write_members(struct json_write *json, const struct job_spec *spec)
{
    const struct train_spec *train = &spec->train;
    unsigned known = spec->choice.on ? spec->choice.fixed : ~0u; /* and not to be chosen */
    const struct arch_json_part part = {(known & AUTO_FIXED_WIDTH) != 0,
                                        (known & AUTO_FIXED_LAYERS) != 0,
                                        (known & AUTO_FIXED_BASIS) != 0};
    json_write_text(json, "solver", spec->choice.on ? REQUEST_AUTO : solver_name(train->solver));
    if (spec->choice.on) {
        json_write_real(json, "budget_s", spec->choice.seconds);
        json_write_int(json, "budget_fits", spec->choice.fits);
    }
    struct arch arch = train->arch;
    if (train->reduction.on) {
        arch.outputs = 0; /* coefficients, as many as the rows that train ask for */
    }
    arch_json_write_part(json, "architecture", &arch, part);
    write_settings(json, spec);
    if ((known & AUTO_FIXED_OPTIMIZER) != 0) {
        write_optimizer(json, &train->settings.optim);
    }
    if ((known & AUTO_FIXED_VALIDATION) != 0) {
        json_write_object(json, "split");
        json_write_real(json, "validation", train->validation);
        json_write_object_end(json);
    }
    json_write_object(json, "scaling");
    json_write_text(json, "inputs", scaler_kind_name(train->input_scaling));
    if ((known & AUTO_FIXED_OUTPUT_SCALING) != 0) {
        json_write_text(json, "outputs", scaler_kind_name(train->output_scaling));
    }
    json_write_object_end(json);
    if ((known & AUTO_FIXED_NOISE) != 0) {
        write_noise(json, train);
    }
    train_roles_json_write(json, &train->roles);
    train_chains_json_write(json, &train->chains);
    if ((known & AUTO_FIXED_PRIOR) != 0) {
        write_prior(json, &train->prior);
    }
    write_calibration(json, &train->calibration);
    reduction_json_write_spec(json, &train->reduction);
    json_write_text(json, "precision", model_json_precision_name(train->precision));
    json_write_text(json, "start", train_start_name(train->start));
    json_write_int(json, "seed", train->seed);
    if (spec->choice.chosen) {
        auto_json_write_origin(json, &spec->choice);
    }
}
