/* SPDX-License-Identifier: Apache-2.0 */
#include "train/train_roles.h"

#include "base/mem.h"
#include "model/space_codec.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const role_names[] = {"weight", "validation", "sigma", "derivative"};
NAMES_DEFINE(train_role, enum train_role, role_names)

static const char *const constraint_names[] = {"monotone", "positive", "periodic"};
NAMES_DEFINE(train_constraint_kind, enum train_constraint_kind, constraint_names)

void train_roles_release(struct train_roles *roles)
{
    for (int i = 0; i < roles->n_columns; i++) {
        mem_free(roles->columns[i].name);
        mem_free(roles->columns[i].of);
        mem_free(roles->columns[i].by);
    }
    for (int i = 0; i < roles->n_constraints; i++) {
        mem_free(roles->constraints[i].input);
        mem_free(roles->constraints[i].output);
    }
    mem_free(roles->columns);
    mem_free(roles->constraints);
    *roles = (struct train_roles){.n_columns = 0};
}

bool train_roles_have(const struct train_roles *roles, enum train_role role)
{
    for (int i = 0; i < roles->n_columns; i++) {
        if (roles->columns[i].role == role) {
            return true;
        }
    }
    return false;
}

/* ---- what can be checked without rows ---- */

static enum err_code check_column(const struct train_roles *roles, int i, struct err *err)
{
    const struct train_column *column = &roles->columns[i];
    bool of = column->role == TRAIN_SIGMA || column->role == TRAIN_DERIVATIVE;
    bool by = column->role == TRAIN_DERIVATIVE;
    if ((column->of != NULL) != of || (column->by != NULL) != by) {
        return err_set(err, ERR_INVALID, "columns: %s has role %s, which takes %s", column->name,
                       train_role_name(column->role),
                       by   ? "\"of\", an output, and \"by\", an input"
                       : of ? "\"of\", an output, and no \"by\""
                            : "neither \"of\" nor \"by\"");
    }
    for (int j = 0; j < i; j++) {
        const struct train_column *other = &roles->columns[j];
        bool single = column->role == TRAIN_WEIGHT || column->role == TRAIN_VALIDATION;
        if (strcmp(other->name, column->name) == 0) {
            return err_set(err, ERR_INVALID, "columns: %s is there twice", column->name);
        }
        if (other->role == column->role &&
            (single ||
             (strcmp(other->of, column->of) == 0 && (!by || strcmp(other->by, column->by) == 0)))) {
            return err_set(err, ERR_INVALID, "columns: %s and %s are both the %s%s%s", other->name,
                           column->name, train_role_name(column->role), single ? "" : " of ",
                           single ? "" : column->of);
        }
    }
    return ERR_OK;
}

static enum err_code check_constraint(const struct train_constraint *c, struct err *err)
{
    bool input = c->kind != TRAIN_POSITIVE;
    if ((c->input != NULL) != input) {
        return err_set(err, ERR_INVALID, "constraints: %s %s", train_constraint_kind_name(c->kind),
                       input ? "needs an input" : "has no input");
    }
    if (c->kind == TRAIN_PERIODIC && c->output != NULL) {
        return err_set(err, ERR_INVALID,
                       "constraints: periodic is for all outputs, and has no output");
    }
    if (c->kind == TRAIN_PERIODIC && !(isfinite(c->low) && isfinite(c->high) && c->low < c->high)) {
        return err_set(err, ERR_INVALID,
                       "constraints: a period from low to high is needed, %g to %g is none", c->low,
                       c->high);
    }
    return ERR_OK;
}

enum err_code train_roles_validate(const struct train_roles *roles, struct err *err)
{
    for (int i = 0; i < roles->n_columns; i++) {
        if (check_column(roles, i, err) != ERR_OK) {
            return err->code;
        }
    }
    for (int i = 0; i < roles->n_constraints; i++) {
        if (check_constraint(&roles->constraints[i], err) != ERR_OK) {
            return err->code;
        }
    }
    return ERR_OK;
}

/* ---- rows ---- */

int train_names_find(const struct train_names *names, bool output, int n, const char *name)
{
    char *const *list = output ? names->outputs : names->inputs;
    char *end = NULL;
    for (int j = 0; j < n; j++) {
        const char *known = list != NULL ? list[j] : NULL;
        if (names->space != NULL) {
            known = output ? names->space->outputs[j].name : names->space->inputs[j].name;
        }
        if (known != NULL && strcmp(known, name) == 0) {
            return j;
        }
    }
    long place = name[0] >= '0' && name[0] <= '9' ? strtol(name, &end, 10) : -1;
    return place >= 0 && place < n && *end == '\0' ? (int)place : -1;
}

static int find_name(const struct space *space, bool output, int n, const char *name)
{
    return train_names_find(&(struct train_names){.space = space}, output, n, name);
}

enum err_code train_names_refuse(const char *what, const char *name, const char *kind, int n,
                                 struct err *err)
{
    return err_set(err, ERR_INVALID,
                   "%s: there is no %s %s; a name of the space, or a place from 0 to %d, is needed",
                   what, kind, name, n - 1);
}

enum err_code train_roles_check_names(const struct train_roles *roles, const struct space *space,
                                      int d, int o, struct err *err)
{
    for (int i = 0; i < roles->n_constraints; i++) {
        const struct train_constraint *c = &roles->constraints[i];
        int input = c->input != NULL ? find_name(space, false, d, c->input) : 0;
        if (input < 0) {
            return train_names_refuse("constraints", c->input, "input", d, err);
        }
        if (c->output != NULL && find_name(space, true, o, c->output) < 0) {
            return train_names_refuse("constraints", c->output, "output", o, err);
        }
        if (c->input != NULL && space != NULL && space->inputs[input].type == SPACE_CATEGORY) {
            return err_set(err, ERR_INVALID,
                           "constraints: input %s is a category, a number is needed", c->input);
        }
    }
    return ERR_OK;
}

/* Places of the columns of all roles, from those that were uploaded as outputs: targets follow. */
static enum err_code place_columns(const struct train_roles *roles, const struct space *space,
                                   struct train_roles_map *map, int *target_of, struct err *err)
{
    for (int c = 0; c < map->n_columns; c++) {
        target_of[c] = 0;
    }
    for (int i = 0; i < roles->n_columns; i++) {
        const struct train_column *column = &roles->columns[i];
        int c = find_name(space, true, map->n_columns, column->name);
        if (c < 0) {
            return train_names_refuse("columns", column->name, "output column", map->n_columns,
                                      err);
        }
        if (target_of[c] < 0) {
            return err_set(err, ERR_INVALID, "columns: %s is there twice", column->name);
        }
        target_of[c] = -1;
        map->weight = column->role == TRAIN_WEIGHT ? c : map->weight;
        map->validation = column->role == TRAIN_VALIDATION ? c : map->validation;
    }
    for (int c = 0; c < map->n_columns; c++) {
        if (target_of[c] == 0) {
            map->targets[map->o] = c;
            target_of[c] = map->o++;
        }
    }
    return map->o > 0 ? ERR_OK
                      : err_set(err, ERR_INVALID, "columns: no output is left to be predicted");
}

static enum err_code place_of_targets(const struct train_roles *roles, const struct space *space,
                                      const int *target_of, struct train_roles_map *map,
                                      struct err *err)
{
    for (int i = 0; i < roles->n_columns; i++) {
        const struct train_column *column = &roles->columns[i];
        if (column->of == NULL) {
            continue;
        }
        int of = find_name(space, true, map->n_columns, column->of);
        int by = column->by != NULL ? find_name(space, false, map->d, column->by) : 0;
        if (of < 0 || target_of[of] < 0) {
            return train_names_refuse("columns", column->of, "output", map->n_columns, err);
        }
        if (by < 0) {
            return train_names_refuse("columns", column->by, "input", map->d, err);
        }
        int c = find_name(space, true, map->n_columns, column->name);
        if (column->role == TRAIN_SIGMA) {
            map->sigmas[target_of[of]] = c;
        } else if (space != NULL && space->inputs[by].type == SPACE_CATEGORY) {
            return err_set(err, ERR_INVALID, "columns: %s is the derivative by %s, a category",
                           column->name, column->by);
        } else {
            map->slopes[(size_t)target_of[of] * (size_t)map->d + (size_t)by] = c;
        }
    }
    for (int j = 0; map->sigmas != NULL && j < map->o; j++) {
        if (map->sigmas[j] < 0) {
            return err_set(err, ERR_INVALID,
                           "columns: some outputs have a sigma, output %d has none; each needs one",
                           map->targets[j]);
        }
    }
    return ERR_OK;
}

/* [n] of -1; NULL: there is no memory. */
static int *new_places(size_t n)
{
    int *places = mem_alloc_array(n, sizeof *places);
    for (size_t i = 0; places != NULL && i < n; i++) {
        places[i] = -1;
    }
    return places;
}

enum err_code train_roles_map(const struct train_roles *roles, const struct space *space, int d,
                              int n_columns, struct train_roles_map *map, struct err *err)
{
    bool sigmas = train_roles_have(roles, TRAIN_SIGMA);
    bool slopes = train_roles_have(roles, TRAIN_DERIVATIVE);
    *map = (struct train_roles_map){.d = d, .n_columns = n_columns, .weight = -1, .validation = -1};
    if (space != NULL && (space->d != d || space->o != n_columns)) {
        return err_set(err, ERR_CONFLICT,
                       "the space has %d inputs and %d outputs, the rows %d and %d", space->d,
                       space->o, d, n_columns);
    }
    int *target_of = new_places((size_t)n_columns);
    map->targets = new_places((size_t)n_columns);
    if (target_of == NULL || map->targets == NULL) {
        err_set(err, ERR_NOMEM, "no memory for the roles of columns");
        goto done;
    }
    if (place_columns(roles, space, map, target_of, err) != ERR_OK) {
        goto done;
    }
    map->sigmas = sigmas ? new_places((size_t)map->o) : NULL;
    map->slopes = slopes ? new_places((size_t)map->o * (size_t)d) : NULL;
    if ((sigmas && map->sigmas == NULL) || (slopes && map->slopes == NULL)) {
        err_set(err, ERR_NOMEM, "no memory for the roles of columns");
        goto done;
    }
    err_kept(place_of_targets(roles, space, target_of, map, err));
done:
    mem_free(target_of);
    if (err->code != ERR_OK) {
        train_roles_map_release(map);
    }
    return err->code;
}

void train_roles_map_release(struct train_roles_map *map)
{
    mem_free(map->targets);
    mem_free(map->sigmas);
    mem_free(map->slopes);
    *map = (struct train_roles_map){.targets = NULL};
}

void train_roles_rows_release(struct train_roles_rows *rows)
{
    mem_free(rows->y);
    mem_free(rows->weights);
    mem_free(rows->sigmas);
    mem_free(rows->jacobian);
    mem_free(rows->kept);
    *rows = (struct train_roles_rows){.y = NULL};
}

static enum err_code new_rows(const struct train_roles_map *map, size_t n,
                              struct train_roles_rows *rows, struct err *err)
{
    size_t cells = n * (size_t)map->o; /* not above what is there already */
    size_t slopes = 0;
    bool fits = size_mul(cells, (size_t)map->d, &slopes);
    *rows = (struct train_roles_rows){.y = mem_alloc_array(cells, sizeof *rows->y)};
    rows->weights = map->weight >= 0 ? mem_alloc_array(n, sizeof(double)) : NULL;
    rows->sigmas = map->sigmas != NULL ? mem_alloc_array(cells, sizeof(double)) : NULL;
    rows->jacobian = map->slopes != NULL && fits ? mem_alloc_array(slopes, sizeof(double)) : NULL;
    rows->kept = map->validation >= 0 ? mem_alloc(n) : NULL;
    if (rows->y == NULL || (map->weight >= 0 && rows->weights == NULL) ||
        (map->sigmas != NULL && rows->sigmas == NULL) ||
        (map->slopes != NULL && rows->jacobian == NULL) ||
        (map->validation >= 0 && rows->kept == NULL)) {
        train_roles_rows_release(rows);
        return err_set(err, ERR_NOMEM, "no memory for the columns of %zu rows", n);
    }
    return ERR_OK;
}

static void take_row(const struct train_roles_map *map, const double *from, size_t i,
                     struct train_roles_rows *rows)
{
    size_t o = (size_t)map->o;
    size_t d = (size_t)map->d;
    for (size_t j = 0; j < o; j++) {
        rows->y[i * o + j] = from[map->targets[j]];
        if (rows->sigmas != NULL) {
            rows->sigmas[i * o + j] = from[map->sigmas[j]];
        }
        for (size_t k = 0; rows->jacobian != NULL && k < d; k++) {
            int c = map->slopes[j * d + k];
            rows->jacobian[(i * o + j) * d + k] = c >= 0 ? from[c] : (double)NAN;
        }
    }
    if (rows->weights != NULL) {
        rows->weights[i] = isnan(from[map->weight]) ? 1.0 : from[map->weight];
    }
    if (rows->kept != NULL) {
        double flag = from[map->validation];
        rows->kept[i] = !isnan(flag) && flag != 0.0;
    }
}

enum err_code train_roles_take(const struct train_roles_map *map, const double *columns,
                               struct data *data, struct train_roles_rows *rows, struct err *err)
{
    struct data taken = *data;
    if (new_rows(map, (size_t)data->n, rows, err) != ERR_OK) {
        return err->code;
    }
    for (size_t i = 0; i < (size_t)data->n; i++) {
        take_row(map, columns + i * (size_t)map->n_columns, i, rows);
    }
    taken.o = map->o;
    taken.y = rows->y;
    taken.weights = rows->weights;
    taken.sigmas = rows->sigmas;
    taken.jacobian = rows->jacobian;
    taken.kept = rows->kept;
    if (data_check_extras(&taken, err) != ERR_OK) {
        train_roles_rows_release(rows);
        return err->code;
    }
    *data = taken;
    return ERR_OK;
}

enum err_code train_roles_space(const struct train_roles_map *map, const struct space *space,
                                struct space **out, struct err *err)
{
    struct bytes_writer writer = {.data = NULL};
    *out = NULL;
    if (space == NULL) {
        return ERR_OK;
    }
    space_encode(&writer, space);
    struct bytes_reader reader = {.data = writer.data, .left = writer.size};
    struct space *copy = writer.failed ? NULL : space_decode(&reader);
    mem_free(writer.data);
    if (copy == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a space");
    }
    /* Nobody else has it yet. */
    for (int c = 0, j = 0; c < copy->o; c++) {
        if (j < map->o && map->targets[j] == c) {
            copy->outputs[j++] = copy->outputs[c];
        } else {
            mem_free(copy->outputs[c].name);
            mem_free(copy->outputs[c].unit);
        }
    }
    copy->o = map->o;
    *out = copy;
    return ERR_OK;
}

enum err_code train_roles_apply(const struct train_roles *roles, struct data *data,
                                struct space **space, struct train_roles_rows *rows,
                                struct err *err)
{
    struct train_roles_map map;
    struct space *of_targets = NULL;
    if (roles->n_columns == 0 ||
        train_roles_map(roles, *space, data->d, data->o, &map, err) != ERR_OK) {
        return err->code;
    }
    if (train_roles_space(&map, *space, &of_targets, err) == ERR_OK &&
        train_roles_take(&map, data->y, data, rows, err) == ERR_OK) {
        space_unref(*space);
        *space = of_targets;
    } else {
        space_unref(of_targets);
    }
    train_roles_map_release(&map);
    return err->code;
}
