/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is not there takes one word that says so. Types and distributions are stored by their places
 * in their lists, to which new ones are appended.
 */
#include "model/space_codec.h"

#include "base/mem.h"
#include "network/arch.h"

#include <string.h>

static void put_flagged(struct bytes_writer *w, bool there, const double *values, size_t n)
{
    bytes_put_u32(w, there);
    if (there) {
        bytes_put_f64(w, values, n);
    }
}

static void put_distribution(struct bytes_writer *w, const struct space_distribution *dist)
{
    bytes_put_u32(w, (uint32_t)dist->kind);
    for (int k = 0; space_parameter_name(dist->kind, k) != NULL; k++) {
        bytes_put_f64(w, &dist->p[k], 1);
    }
    if (dist->kind == SPACE_DISCRETE) {
        bytes_put_u32(w, (uint32_t)dist->n);
        put_flagged(w, dist->values != NULL, dist->values, (size_t)dist->n);
        bytes_put_f64(w, dist->probabilities, (size_t)dist->n);
    }
}

static void put_input(struct bytes_writer *w, const struct space_input *input)
{
    bytes_put_text(w, input->name);
    bytes_put_text(w, input->unit);
    bytes_put_u32(w, (uint32_t)input->type);
    if (input->type == SPACE_CATEGORY) {
        bytes_put_u32(w, (uint32_t)input->n_values);
        for (int i = 0; i < input->n_values; i++) {
            bytes_put_text(w, input->values[i]);
        }
    }
    put_flagged(w, input->has_bounds, input->bounds, 2);
    put_flagged(w, input->has_default, &input->default_value, 1);
    put_distribution(w, &input->distribution);
}

void space_encode(struct bytes_writer *w, const struct space *space)
{
    bytes_put_u32(w, (uint32_t)space->d);
    bytes_put_u32(w, (uint32_t)space->o);
    for (int j = 0; j < space->d; j++) {
        put_input(w, &space->inputs[j]);
    }
    for (int j = 0; j < space->o; j++) {
        bytes_put_text(w, space->outputs[j].name);
        bytes_put_text(w, space->outputs[j].unit);
        bytes_put_u32(w, space->outputs[j].positive);
    }
}

/* Memory for n items of a size, of which each takes at least min_bytes; NULL: the reader fails. */
static void *room_for(struct bytes_reader *r, int n, size_t size, size_t min_bytes)
{
    if (r->failed || n < 1 || (size_t)n > r->left / min_bytes) {
        r->failed = true;
        return NULL;
    }
    void *room = mem_zalloc_array((size_t)n, size);
    r->no_memory = r->no_memory || room == NULL;
    r->failed = r->failed || room == NULL;
    return room;
}

static double *get_numbers(struct bytes_reader *r, int n)
{
    double *numbers = room_for(r, n, sizeof *numbers, sizeof *numbers);
    if (numbers != NULL) {
        bytes_get_f64(r, numbers, (size_t)n);
    }
    return numbers;
}

static void get_distribution(struct bytes_reader *r, struct space_distribution *dist)
{
    int kind = bytes_get_int(r, space_distribution_known().n - 1);
    dist->kind = r->failed ? SPACE_NONE : (enum space_distribution_kind)kind;
    for (int k = 0; space_parameter_name(dist->kind, k) != NULL; k++) {
        bytes_get_f64(r, &dist->p[k], 1);
    }
    if (dist->kind == SPACE_DISCRETE) {
        int n = bytes_get_int(r, SPACE_MAX_VALUES);
        dist->values = bytes_get_int(r, 1) == 1 ? get_numbers(r, n) : NULL;
        dist->probabilities = get_numbers(r, n);
        dist->n = r->failed ? 0 : n;
    }
}

static void get_members(struct bytes_reader *r, struct space_input *input)
{
    int n = bytes_get_int(r, SPACE_MAX_VALUES);
    input->values = room_for(r, n, sizeof *input->values, sizeof(uint32_t));
    for (; input->values != NULL && input->n_values < n; input->n_values++) {
        input->values[input->n_values] = bytes_get_text(r, SPACE_MAX_NAME);
    }
}

static void get_input(struct bytes_reader *r, struct space_input *input)
{
    input->name = bytes_get_text(r, SPACE_MAX_NAME);
    input->unit = bytes_get_text(r, SPACE_MAX_NAME);
    int type = bytes_get_int(r, space_type_known().n - 1);
    input->type = r->failed ? SPACE_REAL : (enum space_type)type;
    if (input->type == SPACE_CATEGORY) {
        get_members(r, input);
    }
    input->has_bounds = bytes_get_int(r, 1) == 1;
    if (input->has_bounds) {
        bytes_get_f64(r, input->bounds, 2);
    }
    input->has_default = bytes_get_int(r, 1) == 1;
    if (input->has_default) {
        bytes_get_f64(r, &input->default_value, 1);
    }
    get_distribution(r, &input->distribution);
}

struct space *space_decode(struct bytes_reader *r)
{
    struct err err = ERR_INIT;
    struct space *space = NULL;
    int d = bytes_get_int(r, ARCH_MAX_INPUTS);
    int o = bytes_get_int(r, SPACE_MAX_OUTPUTS);
    /* A column takes several words, so that a count beyond the bytes is refused before memory. */
    if (r->failed || (size_t)d + (size_t)o > r->left / sizeof(uint32_t)) {
        r->failed = true;
        return NULL;
    }
    if (space_new(d, o, &space, &err) != ERR_OK) {
        r->failed = true;
        r->no_memory = r->no_memory || err.code == ERR_NOMEM;
        return NULL;
    }
    for (int j = 0; j < d && !r->failed; j++) {
        get_input(r, &space->inputs[j]);
    }
    for (int j = 0; j < o && !r->failed; j++) {
        space->outputs[j].name = bytes_get_text(r, SPACE_MAX_NAME);
        space->outputs[j].unit = bytes_get_text(r, SPACE_MAX_NAME);
        space->outputs[j].positive = bytes_get_int(r, 1) == 1;
    }
    if (r->failed || space_validate(space, &err) != ERR_OK) {
        r->failed = true;
        r->no_memory = r->no_memory || err.code == ERR_NOMEM;
        space_unref(space);
        return NULL;
    }
    return space;
}
