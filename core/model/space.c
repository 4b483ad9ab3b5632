/* SPDX-License-Identifier: Apache-2.0 */
#include "model/space.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "network/arch.h"

#include <math.h>
#include <string.h>

static const char *const type_names[] = {"real", "integer", "category"};
NAMES_DEFINE(space_type, enum space_type, type_names)

static const char *const distribution_names[] = {
#define DISTRIBUTION(NAME, name, p0, p1, p2, p3) name,
#include "model/space_distributions.def"
#undef DISTRIBUTION
};
NAMES_DEFINE(space_distribution, enum space_distribution_kind, distribution_names)

static const char *const parameter_names[][SPACE_MAX_PARAMETERS] = {
#define DISTRIBUTION(NAME, name, p0, p1, p2, p3) {p0, p1, p2, p3},
#include "model/space_distributions.def"
#undef DISTRIBUTION
};

const char *space_parameter_name(enum space_distribution_kind kind, int k)
{
    return k < SPACE_MAX_PARAMETERS ? parameter_names[kind][k] : NULL;
}

int space_parameter_find(enum space_distribution_kind kind, const char *name)
{
    for (int k = 0; space_parameter_name(kind, k) != NULL; k++) {
        if (strcmp(parameter_names[kind][k], name) == 0) {
            return k;
        }
    }
    return -1;
}

/* ---- life ---- */

static void input_release(struct space_input *input)
{
    mem_free(input->name);
    mem_free(input->unit);
    for (int i = 0; input->values != NULL && i < input->n_values; i++) {
        mem_free(input->values[i]);
    }
    mem_free(input->values);
    mem_free(input->distribution.values);
    mem_free(input->distribution.probabilities);
}

static void space_free(struct space *space)
{
    for (int j = 0; space->inputs != NULL && j < space->d; j++) {
        input_release(&space->inputs[j]);
    }
    for (int j = 0; space->outputs != NULL && j < space->o; j++) {
        mem_free(space->outputs[j].name);
        mem_free(space->outputs[j].unit);
    }
    mem_free(space->inputs);
    mem_free(space->outputs);
    mem_free(space);
}

struct space *space_ref(struct space *space)
{
    atomic_fetch_add_explicit(&space->refs, 1, memory_order_relaxed);
    return space;
}

void space_unref(struct space *space)
{
    if (space != NULL && atomic_fetch_sub_explicit(&space->refs, 1, memory_order_acq_rel) == 1) {
        space_free(space);
    }
}

enum err_code space_new(int d, int o, struct space **out, struct err *err)
{
    if (d < 1 || d > ARCH_MAX_INPUTS) {
        return err_set(err, ERR_LIMIT, "inputs: there are %d, 1 to %d are possible", d,
                       ARCH_MAX_INPUTS);
    }
    if (o < 1 || o > SPACE_MAX_OUTPUTS) {
        return err_set(err, ERR_LIMIT, "outputs: there are %d, 1 to %d are possible", o,
                       SPACE_MAX_OUTPUTS);
    }
    struct space *space = mem_zalloc(sizeof *space);
    if (space != NULL) {
        atomic_init(&space->refs, 1);
        space->d = d;
        space->o = o;
        space->inputs = mem_zalloc_array((size_t)d, sizeof *space->inputs);
        space->outputs = mem_zalloc_array((size_t)o, sizeof *space->outputs);
    }
    if (space == NULL || space->inputs == NULL || space->outputs == NULL) {
        space_unref(space);
        return err_set(err, ERR_NOMEM, "no memory for an input space");
    }
    *out = space;
    return ERR_OK;
}

enum err_code space_of_names(int d, int o, const char *const *names, const char *const *units,
                             struct space **out, struct err *err)
{
    struct space *space = NULL;
    bool ok = true;
    if (space_new(d, o, &space, err) != ERR_OK) {
        return err->code;
    }
    for (int j = 0; j < d + o; j++) {
        char **name = j < d ? &space->inputs[j].name : &space->outputs[j - d].name;
        char **unit = j < d ? &space->inputs[j].unit : &space->outputs[j - d].unit;
        const char *unit_text = units != NULL ? units[j] : NULL;
        *name = names[j] != NULL ? mem_strdup(names[j]) : NULL;
        *unit = unit_text != NULL ? mem_strdup(unit_text) : NULL;
        ok = ok && (*name != NULL || names[j] == NULL) && (*unit != NULL || unit_text == NULL);
    }
    if (!ok) {
        err_set(err, ERR_NOMEM, "no memory for an input space");
    } else if (space_validate(space, err) == ERR_OK) {
        *out = space;
        return ERR_OK;
    }
    space_unref(space);
    return err->code;
}

/* ---- questions ---- */

const char *space_column_name(const struct space *space, int column)
{
    return column < space->d ? space->inputs[column].name : space->outputs[column - space->d].name;
}

bool space_is_plain(const struct space *space)
{
    for (int j = 0; j < space->d; j++) {
        const struct space_input *input = &space->inputs[j];
        if (input->type != SPACE_REAL || input->has_bounds || input->has_default ||
            input->distribution.kind != SPACE_NONE) {
            return false;
        }
    }
    for (int j = 0; j < space->o; j++) {
        if (space->outputs[j].positive) {
            return false;
        }
    }
    return true;
}

/* Does the distribution have its limits as parameters 0 and 1? */
static bool has_limits(enum space_distribution_kind kind)
{
    const char *first = space_parameter_name(kind, 0);
    return first != NULL && strcmp(first, "low") == 0;
}

void space_limits(const struct space_input *input, double limits[2])
{
    const struct space_distribution *dist = &input->distribution;
    limits[0] = -INFINITY;
    limits[1] = INFINITY;
    if (input->has_bounds) {
        limits[0] = input->bounds[0];
        limits[1] = input->bounds[1];
    } else if (has_limits(dist->kind)) {
        limits[0] = dist->p[0];
        limits[1] = dist->p[1];
    } else if (dist->kind == SPACE_DISCRETE && dist->values != NULL) {
        limits[0] = dist->values[0];
        limits[1] = dist->values[dist->n - 1];
    } else if (dist->kind == SPACE_LOGNORMAL) {
        limits[0] = 0.0;
    }
}
