/* SPDX-License-Identifier: Apache-2.0 */
#include "documents/arch_json.h"

#define WHERE "architecture"

static const struct json_field fields[] = {
    FIELD_INT("inputs", 0, ARCH_MAX_INPUTS, arch, inputs),
    FIELD_INT("outputs", 0, ARCH_MAX_OUTPUTS, arch, outputs),
    FIELD_INT("width", 0, ARCH_MAX_WIDTH, arch, width),
    FIELD_INT("layers", 0, ARCH_MAX_LAYERS, arch, layers),
    FIELD_NAME("basis", wpfn, arch, basis),
    FIELD_INT("order", 0, ARCH_MAX_ORDER, arch, order),
    FIELD_FLAG("bias", arch, bias),
    FIELD_NAME("activation", arch_activation, arch, activation),
    FIELD_FLAG("residual", arch, residual),
    FIELD_FLAG("layer_pre", arch, layer_pre),
    FIELD_FLAG("layer_post", arch, layer_post),
    {.key = "final",
     .type = JSON_FIELD_NAME,
     .null = true,
     .known = arch_final_known,
     FIELD_TO(arch, final)},
    FIELD_NAME("grid", arch_grid, arch, grid),
    FIELD_NAME("index_rule", arch_index_rule, arch, index_rule),
    FIELD_REAL("horizon", 0, ARCH_MAX_HORIZON, arch, horizon),
};

const struct json_fields arch_json_fields = {WHERE, "under \"" WHERE "\"", fields,
                                             (int)(sizeof fields / sizeof *fields)};

enum err_code arch_json_read(const json_t *object, bool complete, struct arch *arch,
                             struct err *err)
{
    static const char *const needed[] = {"inputs", "outputs", "width", "layers"};
    static const struct json_fields *const objects[] = {&arch_json_fields};
    static const struct json_document alone = {.objects = objects, .n_objects = 1};
    const struct json_place place = {.document = &alone, .variant = -1};
    if (json_fields_check_keys(object, &place, err) != ERR_OK) {
        return err->code;
    }
    for (size_t i = 0; complete && i < sizeof needed / sizeof *needed; i++) {
        if (json_object_get(object, needed[i]) == NULL) {
            return err_set(err, ERR_INVALID, WHERE ": %s is missing", needed[i]);
        }
    }
    /* QUiNN has None where we say "none": null is taken too. */
    if (json_is_null(json_object_get(object, "final"))) {
        arch->final = FINAL_NONE;
    }
    return json_fields_read_values(object, &place, arch, err);
}

static const char *truth(bool value)
{
    return value ? "true" : "false";
}

void arch_json_write(struct textbuf *text, const struct arch *a)
{
    textbuf_puts(text, "{");
    if (a->inputs > 0) {
        textbuf_printf(text, "\"inputs\":%d,", a->inputs);
    }
    if (a->outputs > 0) {
        textbuf_printf(text, "\"outputs\":%d,", a->outputs);
    }
    textbuf_printf(text, "\"width\":%d,\"layers\":%d,\"basis\":\"%s\",\"order\":%d,", a->width,
                   a->layers, wpfn_name(a->basis), a->order);
    textbuf_printf(text, "\"bias\":%s,\"activation\":\"%s\",\"residual\":%s,", truth(a->bias),
                   arch_activation_name(a->activation), truth(a->residual));
    textbuf_printf(text, "\"layer_pre\":%s,\"layer_post\":%s,\"final\":\"%s\",",
                   truth(a->layer_pre), truth(a->layer_post), arch_final_name(a->final));
    textbuf_printf(text,
                   "\"grid\":\"%s\",\"index_rule\":\"%s\",\"horizon\":", arch_grid_name(a->grid),
                   arch_index_rule_name(a->index_rule));
    textbuf_real(text, a->horizon);
    textbuf_puts(text, "}");
}
