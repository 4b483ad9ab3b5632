/* SPDX-License-Identifier: Apache-2.0 */
#include "documents/train_json.h"

#include "base/mem.h"
#include "documents/arch_json.h"
#include "documents/model_json.h"
#include "formats/json_read.h"

#include <limits.h>
#include <string.h>

#define BIG          1e300
#define MAX_SETTINGS 64

/* A table row: where a number of an object goes. */
struct real_field {
    const char *key;
    double *field;
};
struct int_field {
    const char *key;
    int *field;
};

static enum err_code read_reals(const json_t *object, const char *where,
                                const struct real_field *fields, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        if (json_read_get_real(object, where, fields[i].key, false, -BIG, BIG, fields[i].field,
                               err) != ERR_OK) {
            return err->code;
        }
    }
    return ERR_OK;
}

static enum err_code read_ints(const json_t *object, const char *where,
                               const struct int_field *fields, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        int64_t value = *fields[i].field;
        if (json_read_get_int(object, where, fields[i].key, false, 0, INT_MAX, &value, err) !=
            ERR_OK) {
            return err->code;
        }
        *fields[i].field = (int)value;
    }
    return ERR_OK;
}

/* One setting of the table into its field. */
static enum err_code read_setting(const json_t *object, const struct solver_setting *setting,
                                  struct solver_settings *s, struct err *err)
{
    void *field = (char *)s + setting->offset;
    const json_t *value = json_object_get(object, setting->name);
    const char *name = NULL;
    if (value == NULL) {
        return ERR_OK;
    }
    switch (setting->type) {
    case SOLVER_SETTING_INT:
        return read_ints(object, "settings", &(const struct int_field){setting->name, field}, 1,
                         err);
    case SOLVER_SETTING_REAL:
        return read_reals(object, "settings", &(const struct real_field){setting->name, field}, 1,
                          err);
    case SOLVER_SETTING_FLAG:
        return json_read_get_bool(object, "settings", setting->name, false, field, err);
    case SOLVER_SETTING_CHOICE:
        break;
    }
    if (json_read_get_text(object, "settings", setting->name, false, 64, &name, err) != ERR_OK) {
        return err->code;
    }
    int index = solver_choice_find(setting->choices, name);
    if (index < 0) {
        return err_set(err, ERR_INVALID, "settings: %s is \"%.32s\", one of %s is needed",
                       setting->name, name, setting->choices);
    }
    *(int *)field = index;
    return ERR_OK;
}

static enum err_code read_settings(const json_t *object, enum solver_kind kind,
                                   struct solver_settings *s, struct err *err)
{
    int n;
    const struct solver_setting *list = solver_setting_list(&n);
    const char *keys[MAX_SETTINGS + 1] = {NULL};
    int n_keys = 0;
    if (object == NULL) {
        return ERR_OK;
    }
    for (int i = 0; i < n && n_keys < MAX_SETTINGS; i++) {
        if (solver_setting_used(&list[i], kind)) {
            keys[n_keys++] = list[i].name;
        }
    }
    if (json_read_check_keys(object, "settings", keys, err) != ERR_OK) {
        return err->code;
    }
    for (int i = 0; i < n && err->code == ERR_OK; i++) {
        if (solver_setting_used(&list[i], kind)) {
            err_kept(read_setting(object, &list[i], s, err));
        }
    }
    return err->code;
}

static enum err_code read_schedule(const json_t *object, struct optim_settings *s, struct err *err)
{
    static const char *const keys[] = {"name", "final_factor", "step_factor", "step_epochs", NULL};
    const struct real_field reals[] = {{"final_factor", &s->final_factor},
                                       {"step_factor", &s->step_factor}};
    const struct int_field ints[] = {{"step_epochs", &s->step_epochs}};
    const char *name = NULL;
    if (object == NULL) {
        return ERR_OK;
    }
    if (json_read_check_keys(object, "schedule", keys, err) != ERR_OK ||
        json_read_get_text(object, "schedule", "name", false, 64, &name, err) != ERR_OK ||
        read_reals(object, "schedule", reals, sizeof reals / sizeof *reals, err) != ERR_OK ||
        read_ints(object, "schedule", ints, sizeof ints / sizeof *ints, err) != ERR_OK) {
        return err->code;
    }
    if (name != NULL && !optim_schedule_find(name, &s->schedule)) {
        return err_set(err, ERR_INVALID, "schedule: name \"%.40s\" is unknown", name);
    }
    return ERR_OK;
}

static enum err_code read_optimizer(const json_t *object, struct optim_settings *s, struct err *err)
{
    static const char *const keys[] = {
        "name",  "learning_rate", "weight_decay", "momentum", "beta1",
        "beta2", "epsilon",       "history",      "schedule", NULL};
    const struct real_field reals[] = {{"learning_rate", &s->learning_rate},
                                       {"weight_decay", &s->weight_decay},
                                       {"momentum", &s->momentum},
                                       {"beta1", &s->beta1},
                                       {"beta2", &s->beta2},
                                       {"epsilon", &s->epsilon}};
    const struct int_field ints[] = {{"history", &s->history}};
    const char *name = NULL;
    if (object == NULL) {
        return ERR_OK;
    }
    if (json_read_check_keys(object, "optimizer", keys, err) != ERR_OK ||
        json_read_get_text(object, "optimizer", "name", false, 64, &name, err) != ERR_OK ||
        read_reals(object, "optimizer", reals, sizeof reals / sizeof *reals, err) != ERR_OK ||
        read_ints(object, "optimizer", ints, sizeof ints / sizeof *ints, err) != ERR_OK) {
        return err->code;
    }
    if (name != NULL && !optim_find(name, &s->kind)) {
        return err_set(err, ERR_INVALID, "optimizer: name \"%.40s\" is unknown", name);
    }
    return read_schedule(json_object_get(object, "schedule"), s, err);
}

static enum err_code read_scaling(const json_t *object, struct train_spec *spec, struct err *err)
{
    static const char *const keys[] = {"inputs", "outputs", NULL};
    const char *in = NULL;
    const char *out = NULL;
    if (object == NULL) {
        return ERR_OK;
    }
    if (json_read_check_keys(object, "scaling", keys, err) != ERR_OK ||
        json_read_get_text(object, "scaling", "inputs", false, 64, &in, err) != ERR_OK ||
        json_read_get_text(object, "scaling", "outputs", false, 64, &out, err) != ERR_OK) {
        return err->code;
    }
    if (in != NULL && !scaler_kind_find(in, &spec->input_scaling)) {
        return err_set(err, ERR_INVALID, "scaling: inputs \"%.40s\" is unknown", in);
    }
    if (out != NULL && !scaler_kind_find(out, &spec->output_scaling)) {
        return err_set(err, ERR_INVALID, "scaling: outputs \"%.40s\" is unknown", out);
    }
    return ERR_OK;
}

static enum err_code read_split(const json_t *object, struct train_spec *spec, struct err *err)
{
    static const char *const keys[] = {"validation", NULL};
    const struct real_field reals[] = {{"validation", &spec->validation}};
    if (object == NULL) {
        return ERR_OK;
    }
    if (json_read_check_keys(object, "split", keys, err) != ERR_OK) {
        return err->code;
    }
    return read_reals(object, "split", reals, 1, err);
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

static enum err_code read_noise(const json_t *object, struct train_spec *spec, struct err *err)
{
    static const char *const keys[] = {"kind", "sigma", NULL};
    const char *kind = NULL;
    if (object == NULL) {
        return ERR_OK;
    }
    if (json_read_check_keys(object, "noise", keys, err) != ERR_OK ||
        json_read_get_text(object, "noise", "kind", true, 64, &kind, err) != ERR_OK) {
        return err->code;
    }
    if (!noise_kind_find(kind, &spec->noise)) {
        return err_set(err, ERR_INVALID,
                       "noise: kind \"%.40s\" is unknown; given, estimated, learned and predicted "
                       "are known",
                       kind);
    }
    const json_t *sigma = json_object_get(object, "sigma");
    return sigma != NULL && !json_is_null(sigma) ? read_sigmas(sigma, spec, err) : ERR_OK;
}

/* A prior of null, or whose sigma is null, is flat. */
static enum err_code read_prior(const json_t *object, struct train_prior *prior, struct err *err)
{
    static const char *const keys[] = {"sigma", "pre", "post", "blocks", "fan_in", NULL};
    const struct real_field reals[] = {{"sigma", &prior->sigma},
                                       {"pre", &prior->pre},
                                       {"post", &prior->post},
                                       {"blocks", &prior->blocks}};
    if (object == NULL) {
        return ERR_OK;
    }
    if (json_is_null(object)) {
        prior->flat = true;
        return ERR_OK;
    }
    if (json_read_check_keys(object, "prior", keys, err) != ERR_OK) {
        return err->code;
    }
    if (json_is_null(json_object_get(object, "sigma"))) {
        prior->flat = true;
        return json_object_size(object) == 1
                   ? ERR_OK
                   : err_set(err, ERR_INVALID, "prior: sigma is null (flat), so nothing else fits");
    }
    if (read_reals(object, "prior", reals, sizeof reals / sizeof *reals, err) != ERR_OK) {
        return err->code;
    }
    return json_read_get_bool(object, "prior", "fan_in", false, &prior->fan_in, err);
}

static enum err_code read_calibration(const json_t *object, struct train_calibration *c,
                                      struct err *err)
{
    static const char *const keys[] = {"method", "share", "folds", "normalised", NULL};
    const char *method = NULL;
    if (object == NULL) {
        return ERR_OK;
    }
    if (json_read_check_keys(object, "calibration", keys, err) != ERR_OK ||
        json_read_get_text(object, "calibration", "method", true, 64, &method, err) != ERR_OK ||
        read_reals(object, "calibration", &(const struct real_field){"share", &c->share}, 1, err) !=
            ERR_OK ||
        read_ints(object, "calibration", &(const struct int_field){"folds", &c->folds}, 1, err) !=
            ERR_OK ||
        json_read_get_bool(object, "calibration", "normalised", false, &c->normalised, err) !=
            ERR_OK) {
        return err->code;
    }
    if (!conformal_method_find(method, &c->method)) {
        return err_set(err, ERR_INVALID,
                       "calibration: method \"%.40s\" is unknown; none, split, cv+ and jackknife+ "
                       "are known",
                       method);
    }
    return ERR_OK;
}

/* "conformal" alone means: split conformal intervals around a deep ensemble. */
static enum err_code read_solver(const json_t *object, struct train_spec *spec, struct err *err)
{
    const char *solver = NULL;
    enum solver_kind kind = SOLVER_ENSEMBLE;
    if (json_read_get_text(object, "request", "solver", true, 64, &solver, err) != ERR_OK) {
        return err->code;
    }
    bool conformal = strcmp(solver, "conformal") == 0;
    if (!conformal && !solver_find(solver, &kind)) {
        return err_set(err, ERR_INVALID, "solver \"%.40s\" is unknown", solver);
    }
    *spec = train_defaults(kind);
    spec->calibration.method = conformal ? CONFORMAL_SPLIT : CONFORMAL_NONE;
    return ERR_OK;
}

static enum err_code read_start(const json_t *object, struct train_spec *spec, struct err *err)
{
    const char *start = NULL;
    if (json_read_get_text(object, "request", "start", false, 64, &start, err) != ERR_OK) {
        return err->code;
    }
    if (start != NULL && !train_start_find(start, &spec->start)) {
        return err_set(err, ERR_INVALID, "start \"%.40s\" is unknown; cold and warm are known",
                       start);
    }
    return ERR_OK;
}

static enum err_code read_request(const json_t *object, struct train_spec *spec, struct err *err)
{
    static const char *const keys[] = {
        "solver", "architecture", "settings",  "optimizer",   "split", "scaling", "noise",
        "prior",  "seed",         "precision", "calibration", "start", NULL};
    if (json_read_check_keys(object, "request", keys, err) != ERR_OK ||
        read_solver(object, spec, err) != ERR_OK) {
        return err->code;
    }
    const json_t *architecture = json_object_get(object, "architecture");
    if (architecture != NULL && arch_json_read(architecture, false, &spec->arch, err) != ERR_OK) {
        return err->code;
    }
    if (read_settings(json_object_get(object, "settings"), spec->solver, &spec->settings, err) !=
            ERR_OK ||
        read_optimizer(json_object_get(object, "optimizer"), &spec->settings.optim, err) !=
            ERR_OK ||
        read_split(json_object_get(object, "split"), spec, err) != ERR_OK ||
        read_scaling(json_object_get(object, "scaling"), spec, err) != ERR_OK ||
        read_noise(json_object_get(object, "noise"), spec, err) != ERR_OK ||
        read_prior(json_object_get(object, "prior"), &spec->prior, err) != ERR_OK ||
        read_calibration(json_object_get(object, "calibration"), &spec->calibration, err) !=
            ERR_OK ||
        read_start(object, spec, err) != ERR_OK ||
        model_json_read_precision(object, "request", &spec->single, err) != ERR_OK ||
        json_read_get_int(object, "request", "seed", false, INT64_MIN, INT64_MAX, &spec->seed,
                          err) != ERR_OK) {
        return err->code;
    }
    return train_validate(spec, err);
}

enum err_code train_json_read(const json_t *object, struct train_spec *spec, struct err *err)
{
    *spec = (struct train_spec){.n_noise_sigmas = 0};
    if (read_request(object, spec, err) != ERR_OK) {
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
