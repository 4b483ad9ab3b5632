/* SPDX-License-Identifier: Apache-2.0 */
#include "train_json.h"

#include "arch_json.h"
#include "json_io.h"
#include "model_json.h"

#include <limits.h>

#define BIG 1e300

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
        if (json_io_get_real(object, where, fields[i].key, false, -BIG, BIG, fields[i].field,
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
        if (json_io_get_int(object, where, fields[i].key, false, 0, INT_MAX, &value, err) !=
            ERR_OK) {
            return err->code;
        }
        *fields[i].field = (int)value;
    }
    return ERR_OK;
}

static enum err_code read_settings(const json_t *object, struct uq_settings *s, struct err *err)
{
    static const char *const keys[] = {"members",    "dfrac",    "init_factor", "epochs",
                                       "batch_size", "patience", NULL};
    const struct real_field reals[] = {{"dfrac", &s->dfrac}, {"init_factor", &s->init_factor}};
    const struct int_field ints[] = {{"members", &s->members},
                                     {"epochs", &s->fit.epochs},
                                     {"batch_size", &s->fit.batch_size},
                                     {"patience", &s->fit.patience}};
    if (object == NULL) {
        return ERR_OK;
    }
    if (json_io_check_keys(object, "settings", keys, err) != ERR_OK ||
        read_reals(object, "settings", reals, sizeof reals / sizeof *reals, err) != ERR_OK) {
        return err->code;
    }
    return read_ints(object, "settings", ints, sizeof ints / sizeof *ints, err);
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
    if (json_io_check_keys(object, "schedule", keys, err) != ERR_OK ||
        json_io_get_text(object, "schedule", "name", false, 64, &name, err) != ERR_OK ||
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
    if (json_io_check_keys(object, "optimizer", keys, err) != ERR_OK ||
        json_io_get_text(object, "optimizer", "name", false, 64, &name, err) != ERR_OK ||
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
    if (json_io_check_keys(object, "scaling", keys, err) != ERR_OK ||
        json_io_get_text(object, "scaling", "inputs", false, 64, &in, err) != ERR_OK ||
        json_io_get_text(object, "scaling", "outputs", false, 64, &out, err) != ERR_OK) {
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
    if (json_io_check_keys(object, "split", keys, err) != ERR_OK) {
        return err->code;
    }
    return read_reals(object, "split", reals, 1, err);
}

enum err_code train_json_read(const json_t *object, struct train_spec *spec, struct err *err)
{
    static const char *const keys[] = {"solver",  "architecture", "settings",  "optimizer", "split",
                                       "scaling", "seed",         "precision", NULL};
    const char *solver = NULL;
    enum uq_kind kind;
    if (json_io_check_keys(object, "request", keys, err) != ERR_OK ||
        json_io_get_text(object, "request", "solver", true, 64, &solver, err) != ERR_OK) {
        return err->code;
    }
    if (!uq_find(solver, &kind)) {
        return err_set(err, ERR_INVALID, "solver \"%.40s\" is unknown", solver);
    }
    *spec = train_defaults(kind);
    const json_t *architecture = json_object_get(object, "architecture");
    if (architecture != NULL && arch_json_read(architecture, false, &spec->arch, err) != ERR_OK) {
        return err->code;
    }
    if (read_settings(json_object_get(object, "settings"), &spec->settings, err) != ERR_OK ||
        read_optimizer(json_object_get(object, "optimizer"), &spec->settings.fit.optim, err) !=
            ERR_OK ||
        read_split(json_object_get(object, "split"), spec, err) != ERR_OK ||
        read_scaling(json_object_get(object, "scaling"), spec, err) != ERR_OK ||
        model_json_read_precision(object, "request", &spec->single, err) != ERR_OK ||
        json_io_get_int(object, "request", "seed", false, INT64_MIN, INT64_MAX, &spec->seed, err) !=
            ERR_OK) {
        return err->code;
    }
    return train_validate(spec, err);
}

enum err_code train_json_parse(const char *text, size_t len, struct train_spec *spec,
                               struct err *err)
{
    json_t *object = NULL;
    struct arena arena = ARENA_INIT;
    if (json_io_parse(text, len, &arena, &object, err) == ERR_OK) {
        err_kept(train_json_read(object, spec, err));
    }
    arena_release(&arena);
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

void train_json_write(struct textbuf *text, const struct train_spec *spec)
{
    const struct uq_settings *s = &spec->settings;
    textbuf_printf(text, "{\"solver\":\"%s\",\"architecture\":", uq_name(spec->solver));
    arch_json_write(text, &spec->arch);
    textbuf_printf(text, ",\"settings\":{\"members\":%d,", s->members);
    write_real(text, "dfrac", s->dfrac);
    textbuf_puts(text, ",");
    write_real(text, "init_factor", s->init_factor);
    textbuf_printf(text, ",\"epochs\":%d,\"batch_size\":%d,\"patience\":%d},\"optimizer\":",
                   s->fit.epochs, s->fit.batch_size, s->fit.patience);
    write_optimizer(text, &s->fit.optim);
    textbuf_puts(text, ",\"split\":{");
    write_real(text, "validation", spec->validation);
    textbuf_printf(
        text,
        "},\"scaling\":{\"inputs\":\"%s\",\"outputs\":\"%s\"},\"precision\":\"%s\",\"seed\":%lld}",
        scaler_kind_name(spec->input_scaling), scaler_kind_name(spec->output_scaling),
        spec->single ? "float32" : "float64", (long long)spec->seed);
}
