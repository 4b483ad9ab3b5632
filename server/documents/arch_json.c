/* SPDX-License-Identifier: Apache-2.0 */
#include "documents/arch_json.h"

#include "formats/json_read.h"

#define WHERE "architecture"

static const char *const keys[] = {
    "inputs",   "outputs",   "width",      "layers", "basis", "order",      "bias",    "activation",
    "residual", "layer_pre", "layer_post", "final",  "grid",  "index_rule", "horizon", NULL,
};

/* An enumeration by name, when the key is there. */
#define READ_NAME(key, find, field)                                                                \
    do {                                                                                           \
        const char *text = NULL;                                                                   \
        if (json_read_get_text(object, WHERE, key, false, 64, &text, err) != ERR_OK) {             \
            return err->code;                                                                      \
        }                                                                                          \
        if (text != NULL && !find(text, field)) {                                                  \
            return err_set(err, ERR_INVALID, WHERE ": " key " \"%.40s\" is unknown", text);        \
        }                                                                                          \
    } while (0)

static enum err_code read_names(const json_t *object, struct arch *arch, struct err *err)
{
    READ_NAME("basis", wpfn_find, &arch->basis);
    READ_NAME("activation", arch_activation_find, &arch->activation);
    READ_NAME("grid", arch_grid_find, &arch->grid);
    READ_NAME("index_rule", arch_index_rule_find, &arch->index_rule);
    /* QUiNN has None where we say "none": null is taken too. */
    if (json_is_null(json_object_get(object, "final"))) {
        arch->final = FINAL_NONE;
        return ERR_OK;
    }
    READ_NAME("final", arch_final_find, &arch->final);
    return ERR_OK;
}

enum err_code arch_json_read(const json_t *object, bool complete, struct arch *arch,
                             struct err *err)
{
    struct {
        const char *key;
        bool required;
        int max;
        int *field;
    } ints[] = {
        {"inputs", complete, ARCH_MAX_INPUTS, &arch->inputs},
        {"outputs", complete, ARCH_MAX_OUTPUTS, &arch->outputs},
        {"width", complete, ARCH_MAX_WIDTH, &arch->width},
        {"layers", complete, ARCH_MAX_LAYERS, &arch->layers},
        {"order", false, ARCH_MAX_ORDER, &arch->order},
    };
    struct {
        const char *key;
        bool *field;
    } bools[] = {
        {"bias", &arch->bias},
        {"residual", &arch->residual},
        {"layer_pre", &arch->layer_pre},
        {"layer_post", &arch->layer_post},
    };
    if (json_read_check_keys(object, WHERE, keys, err) != ERR_OK) {
        return err->code;
    }
    for (size_t i = 0; i < sizeof ints / sizeof *ints; i++) {
        int64_t value = *ints[i].field;
        if (json_read_get_int(object, WHERE, ints[i].key, ints[i].required, 0, ints[i].max, &value,
                              err) != ERR_OK) {
            return err->code;
        }
        *ints[i].field = (int)value;
    }
    for (size_t i = 0; i < sizeof bools / sizeof *bools; i++) {
        if (json_read_get_bool(object, WHERE, bools[i].key, false, bools[i].field, err) != ERR_OK) {
            return err->code;
        }
    }
    if (json_read_get_real(object, WHERE, "horizon", false, 0.0, ARCH_MAX_HORIZON, &arch->horizon,
                           err) != ERR_OK) {
        return err->code;
    }
    return read_names(object, arch, err);
}

void arch_json_write(struct json_write *json, const char *key, const struct arch *a)
{
    json_write_object(json, key);
    if (a->inputs > 0) {
        json_write_int(json, "inputs", a->inputs);
    }
    if (a->outputs > 0) {
        json_write_int(json, "outputs", a->outputs);
    }
    json_write_int(json, "width", a->width);
    json_write_int(json, "layers", a->layers);
    json_write_text(json, "basis", wpfn_name(a->basis));
    json_write_int(json, "order", a->order);
    json_write_bool(json, "bias", a->bias);
    json_write_text(json, "activation", arch_activation_name(a->activation));
    json_write_bool(json, "residual", a->residual);
    json_write_bool(json, "layer_pre", a->layer_pre);
    json_write_bool(json, "layer_post", a->layer_post);
    json_write_text(json, "final", arch_final_name(a->final));
    json_write_text(json, "grid", arch_grid_name(a->grid));
    json_write_text(json, "index_rule", arch_index_rule_name(a->index_rule));
    json_write_real(json, "horizon", a->horizon);
    json_write_object_end(json);
}
