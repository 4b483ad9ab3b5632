/* SPDX-License-Identifier: Apache-2.0 */
#include "documents/explore/explore_points.h"

#include "formats/json_read.h"
#include "model/space_names.h"
#include "model/space_rows.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define WHERE_CHARS 80

/* ---- values and names ---- */

static enum err_code unknown_name(const struct space *space, enum space_part part,
                                  const char *where, const char *name, struct err *err)
{
    char list[120];
    size_t used = 0;
    list[0] = '\0';
    for (int j = 0; j < space_count(space, part) && used + 2 < sizeof list; j++) {
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%.30s", j > 0 ? ", " : "",
                                 space_name(space, part, j));
    }
    return err_set(err, ERR_INVALID, "%s: \"%.40s\" is unknown, there are %s%s", where, name, list,
                   used >= sizeof list ? ".." : "");
}

enum err_code explore_value_read(const json_t *value, const struct space_input *input,
                                 const char *where, double *out, struct err *err)
{
    char wanted[SPACE_WANTED_CHARS];
    if (input->type == SPACE_CATEGORY) {
        int place = json_is_string(value)
                        ? space_member(input, json_string_value(value), json_string_length(value))
                        : -1;
        if (place < 0 && json_is_number(value)) {
            place = space_member_of_number(input, json_number_value(value));
        }
        if (place < 0) {
            space_describe_wanted(input, wanted);
            return err_set(err, ERR_INVALID, "%s: %s", where, wanted);
        }
        *out = place;
        return ERR_OK;
    }
    if (!json_is_number(value) || !isfinite(json_number_value(value))) {
        return err_set(err, ERR_INVALID, "%s is %s, a number is needed", where,
                       json_read_kind(value));
    }
    double number = json_number_value(value);
    if (input->type == SPACE_INTEGER && number != floor(number)) {
        return err_set(err, ERR_INVALID, "%s is %g, an integer is needed", where, number);
    }
    *out = number;
    return ERR_OK;
}

enum err_code explore_output_read(const json_t *value, const char *where, const struct space *space,
                                  int *out, struct err *err)
{
    int64_t number = -1;
    if (json_is_string(value)) {
        int place = space_find(space, SPACE_OUTPUTS, json_string_value(value));
        if (place < 0) {
            return unknown_name(space, SPACE_OUTPUTS, where, json_string_value(value), err);
        }
        *out = place;
        return ERR_OK;
    }
    if (!json_read_whole(value, &number) || number < 0 || number >= space->o) {
        return err_set(err, ERR_INVALID,
                       "%s must be the name of an output, or its number from 0 to %d", where,
                       space->o - 1);
    }
    *out = (int)number;
    return ERR_OK;
}

/* ---- regions ---- */

static double *missing_numbers(struct arena *arena, int n, struct err *err)
{
    double *numbers = arena_alloc_array(arena, (size_t)n, sizeof *numbers);
    for (int j = 0; numbers != NULL && j < n; j++) {
        numbers[j] = NAN;
    }
    if (numbers == NULL) {
        err_set(err, ERR_NOMEM, "no memory for the region");
    }
    return numbers;
}

/* The input that a key names; -1 with ERR_INVALID. */
static int find_input(const struct space *space, const char *where, const char *name,
                      struct err *err)
{
    int place = space_find(space, SPACE_INPUTS, name);
    if (place < 0) {
        err_kept(unknown_name(space, SPACE_INPUTS, where, name, err));
    }
    return place;
}

static enum err_code need_object(const json_t *value, const char *where, struct err *err)
{
    return json_is_object(value) ? ERR_OK
                                 : err_set(err, ERR_INVALID, "%s is %s, an object is needed", where,
                                           json_read_kind(value));
}

static enum err_code read_fixed(const json_t *object, const struct space *space, double *fixed,
                                struct err *err)
{
    const char *name;
    json_t *value;
    char where[WHERE_CHARS];
    if (need_object(object, "fixed", err) != ERR_OK) {
        return err->code;
    }
    json_object_foreach((json_t *)object, name, value)
    {
        int j = find_input(space, "fixed", name, err);
        snprintf(where, sizeof where, "fixed.%.60s", name);
        if (j < 0 ||
            explore_value_read(value, &space->inputs[j], where, &fixed[j], err) != ERR_OK) {
            return err->code;
        }
    }
    return ERR_OK;
}

static enum err_code read_bounds(const json_t *object, const struct space *space, double *bounds,
                                 struct err *err)
{
    const char *name;
    json_t *value;
    char where[WHERE_CHARS];
    if (need_object(object, "bounds", err) != ERR_OK) {
        return err->code;
    }
    json_object_foreach((json_t *)object, name, value)
    {
        int j = find_input(space, "bounds", name, err);
        snprintf(where, sizeof where, "bounds.%.60s", name);
        if (j < 0 || json_read_vector(value, where, 2, bounds + 2 * j, err) != ERR_OK) {
            return err->code;
        }
        if (space->inputs[j].type == SPACE_CATEGORY) {
            return err_set(err, ERR_INVALID, "%s: a category has no bounds; fix it to a member",
                           where);
        }
        if (!(bounds[2 * j] <= bounds[2 * j + 1])) {
            return err_set(err, ERR_INVALID, "%s: the lower bound %g is above the upper one %g",
                           where, bounds[2 * j], bounds[2 * j + 1]);
        }
    }
    return ERR_OK;
}

static enum err_code read_coefficients(const json_t *object, const struct space *space,
                                       const char *where, double *a, struct err *err)
{
    const char *name;
    json_t *value;
    bool any = false;
    if (need_object(object, where, err) != ERR_OK) {
        return err->code;
    }
    json_object_foreach((json_t *)object, name, value)
    {
        int j = find_input(space, where, name, err);
        if (j < 0) {
            return err->code;
        }
        if (space->inputs[j].type == SPACE_CATEGORY || !json_is_number(value) ||
            !isfinite(json_number_value(value))) {
            return err_set(err, ERR_INVALID, "%s.%.40s must be a number, and its input no category",
                           where, name);
        }
        a[j] = json_number_value(value);
        any = any || a[j] != 0.0;
    }
    return any ? ERR_OK : err_set(err, ERR_INVALID, "%s has no coefficient but 0", where);
}

/* One constraint becomes one or two of the region's: at_least is the negative of at_most. */
static enum err_code read_constraint(const json_t *object, int at, const struct space *space,
                                     struct arena *arena, struct region_spec *out, struct err *err)
{
    static const char *const keys[] = {"coefficients", "at_most", "at_least", NULL};
    char where[WHERE_CHARS];
    double limits[2] = {NAN, NAN};
    snprintf(where, sizeof where, "constraints[%d]", at);
    if (json_read_check_keys(object, where, keys, err) != ERR_OK) {
        return err->code;
    }
    const struct json_members members = {object, where, err};
    json_read_require(members, "coefficients");
    json_read_real(members, "at_most", -1e300, 1e300, &limits[0]);
    json_read_real(members, "at_least", -1e300, 1e300, &limits[1]);
    if (err->code == ERR_OK && isnan(limits[0]) && isnan(limits[1])) {
        return err_set(err, ERR_INVALID, "%s has neither at_most nor at_least", where);
    }
    struct region_constraint *list = (struct region_constraint *)out->constraints;
    for (int side = 0; side < 2 && err->code == ERR_OK; side++) {
        double *a = arena_zalloc_array(arena, (size_t)space->d, sizeof *a);
        if (a == NULL) {
            return err_set(err, ERR_NOMEM, "no memory for the constraints");
        }
        snprintf(where, sizeof where, "constraints[%d].coefficients", at);
        if (isnan(limits[side]) || read_coefficients(json_object_get(object, "coefficients"), space,
                                                     where, a, err) != ERR_OK) {
            continue;
        }
        for (int j = 0; side == 1 && j < space->d; j++) {
            a[j] = -a[j];
        }
        list[out->n_constraints++] =
            (struct region_constraint){a, side == 0 ? limits[0] : -limits[1]};
    }
    return err->code;
}

static enum err_code read_constraints(const json_t *list, const struct space *space,
                                      struct arena *arena, struct region_spec *out, struct err *err)
{
    size_t n = json_array_size(list);
    if (!json_is_array(list) || 2 * n > REGION_MAX_CONSTRAINTS) {
        return err_set(err, ERR_INVALID, "constraints must be a list of at most %d",
                       REGION_MAX_CONSTRAINTS / 2);
    }
    out->constraints = arena_alloc_array(arena, 2 * n + 1, sizeof *out->constraints);
    if (out->constraints == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the constraints");
    }
    for (size_t i = 0; i < n; i++) {
        if (read_constraint(json_array_get(list, i), (int)i, space, arena, out, err) != ERR_OK) {
            return err->code;
        }
    }
    return ERR_OK;
}

enum err_code explore_region_read(const json_t *body, const struct space *space,
                                  struct arena *arena, struct region_spec *out, struct err *err)
{
    const json_t *fixed = json_object_get(body, "fixed");
    const json_t *bounds = json_object_get(body, "bounds");
    const json_t *constraints = json_object_get(body, "constraints");
    *out = (struct region_spec){.space = space};
    if (fixed != NULL) {
        double *values = missing_numbers(arena, space->d, err);
        if (values == NULL || read_fixed(fixed, space, values, err) != ERR_OK) {
            return err->code;
        }
        out->fixed = values;
    }
    if (bounds != NULL) {
        double *values = missing_numbers(arena, 2 * space->d, err);
        if (values == NULL || read_bounds(bounds, space, values, err) != ERR_OK) {
            return err->code;
        }
        out->bounds = values;
    }
    return constraints != NULL ? read_constraints(constraints, space, arena, out, err) : ERR_OK;
}

/* ---- points ---- */

static enum err_code read_array(const json_t *row, const struct space *space, const char *where,
                                double *x, struct err *err)
{
    char place[2 * WHERE_CHARS];
    if (json_array_size(row) != (size_t)space->d) {
        return err_set(err, ERR_SHAPE, "%s has %zu values, %d inputs are needed", where,
                       json_array_size(row), space->d);
    }
    for (int j = 0; j < space->d; j++) {
        snprintf(place, sizeof place, "%s[%d]", where, j);
        if (explore_value_read(json_array_get(row, (size_t)j), &space->inputs[j], place, &x[j],
                               err) != ERR_OK) {
            return err->code;
        }
    }
    return ERR_OK;
}

static enum err_code read_named(const json_t *row, const struct space *space, const char *where,
                                double *x, struct err *err)
{
    const char *name;
    json_t *value;
    char place[2 * WHERE_CHARS];
    for (int j = 0; j < space->d; j++) {
        x[j] = space->inputs[j].has_default ? space->inputs[j].default_value : NAN;
    }
    json_object_foreach((json_t *)row, name, value)
    {
        int j = find_input(space, where, name, err);
        snprintf(place, sizeof place, "%s.%.40s", where, name);
        if (j < 0 || explore_value_read(value, &space->inputs[j], place, &x[j], err) != ERR_OK) {
            return err->code;
        }
    }
    for (int j = 0; j < space->d; j++) {
        if (isnan(x[j])) {
            return err_set(err, ERR_INVALID, "%s: input \"%.40s\" is missing", where,
                           space->inputs[j].name);
        }
    }
    return ERR_OK;
}

enum err_code explore_points_read(const json_t *list, const struct space *space,
                                  struct arena *arena, struct explore_points *points,
                                  struct err *err)
{
    char where[WHERE_CHARS];
    size_t n = json_array_size(list);
    if (list == NULL) {
        return ERR_OK;
    }
    if (!json_is_array(list) || n > (size_t)points->max) {
        return err_set(err, json_is_array(list) ? ERR_LIMIT : ERR_INVALID,
                       "%s must be a list of at most %d points", points->where, points->max);
    }
    double *x = arena_alloc_array(arena, n * (size_t)space->d + 1, sizeof *x);
    if (x == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the points");
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *row = json_array_get(list, i);
        double *to = x + i * (size_t)space->d;
        snprintf(where, sizeof where, "%s[%zu]", points->where, i);
        if (!json_is_array(row) && !json_is_object(row)) {
            return err_set(err, ERR_INVALID, "%s is %s, a list or an object is needed", where,
                           json_read_kind(row));
        }
        if ((json_is_array(row) ? read_array(row, space, where, to, err)
                                : read_named(row, space, where, to, err)) != ERR_OK) {
            return err->code;
        }
    }
    points->n = (int)n;
    points->x = x;
    return ERR_OK;
}

void explore_point_write(struct json_write *json, const char *key, const struct space *space,
                         const double *x)
{
    json_write_array(json, key);
    for (int j = 0; j < space->d; j++) {
        if (space->inputs[j].type == SPACE_CATEGORY) {
            json_write_text(json, NULL, space->inputs[j].values[(int)x[j]]);
        } else {
            json_write_real(json, NULL, x[j]);
        }
    }
    json_write_array_end(json);
}

void explore_points_write(struct json_write *json, const char *key, const struct space *space,
                          int n, const double *x)
{
    json_write_array(json, key);
    for (int i = 0; i < n; i++) {
        explore_point_write(json, NULL, space, x + (size_t)i * (size_t)space->d);
    }
    json_write_array_end(json);
}
