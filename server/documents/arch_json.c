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
    FIELD_FLAG("outer_bias", arch, outer_bias),
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

void arch_json_write_part(struct json_write *json, const char *key, const struct arch *a,
                          struct arch_json_part part)
{
    json_write_object(json, key);
    if (a->inputs > 0) {
        json_write_int(json, "inputs", a->inputs);
    }
    if (a->outputs > 0) {
        json_write_int(json, "outputs", a->outputs);
    }
    if (part.width) {
        json_write_int(json, "width", a->width);
    }
    if (part.layers) {
        json_write_int(json, "layers", a->layers);
    }
    if (part.basis) {
        json_write_text(json, "basis", wpfn_name(a->basis));
    }
    json_write_int(json, "order", a->order);
    json_write_bool(json, "bias", a->bias);
    if (!a->outer_bias) {
        json_write_bool(json, "outer_bias", false);
    }
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

void arch_json_write(struct json_write *json, const char *key, const struct arch *a)
{
    arch_json_write_part(json, key, a, (struct arch_json_part){true, true, true});
}
