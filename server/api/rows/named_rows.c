/* SPDX-License-Identifier: Apache-2.0 */
#include "api/rows/named_rows.h"

#include "api/rows/columns.h"
#include "base/phrase.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* A value of a row, and where it goes. */
struct named_value {
    const json_t *value;
    int row;
    int place;
    double *out;
};

static enum err_code refuse_value(const struct named_rows *how, const struct named_value *v,
                                  const char *wanted, struct err *err)
{
    char shown[48];
    if (json_is_string(v->value)) {
        snprintf(shown, sizeof shown, "\"%.40s\"", json_string_value(v->value));
    } else if (json_is_number(v->value)) {
        snprintf(shown, sizeof shown, "%g", json_number_value(v->value));
    } else {
        snprintf(shown, sizeof shown, "%s", json_read_kind(v->value));
    }
    return err_set_at(err, ERR_INVALID, v->row, v->place, "%s: row %d, \"%.40s\" is %s, %s",
                      how->key, v->row, space_name(how->space, how->part, v->place), shown, wanted);
}

static enum err_code read_value(const struct named_rows *how, const struct named_value *v,
                                struct err *err)
{
    const struct space_input *input =
        how->part == SPACE_INPUTS ? &how->space->inputs[v->place] : NULL;
    char wanted[SPACE_WANTED_CHARS] = "a number is needed";
    if (json_is_null(v->value) && how->holes) {
        *v->out = (double)NAN;
        return ERR_OK;
    }
    if (input == NULL || input->type != SPACE_CATEGORY) {
        *v->out = json_number_value(v->value);
        bool whole = input == NULL || input->type == SPACE_REAL || *v->out == floor(*v->out);
        if (json_is_number(v->value) && whole) {
            return ERR_OK;
        }
    } else {
        int member =
            json_is_string(v->value)
                ? space_member(input, json_string_value(v->value), json_string_length(v->value))
            : json_is_number(v->value) ? space_member_of_number(input, json_number_value(v->value))
                                       : -1;
        *v->out = member;
        if (member >= 0) {
            return ERR_OK;
        }
    }
    if (input != NULL && input->type != SPACE_REAL) {
        space_describe_wanted(input, wanted);
    }
    return refuse_value(how, v, wanted, err);
}

static enum err_code read_array(const struct named_rows *how, const json_t *row, int i, double *out,
                                struct err *err)
{
    int k = space_count(how->space, how->part);
    if (json_array_size(row) != (size_t)k) {
        return err_set_at(err, ERR_SHAPE, i, -1, "%s: row %d has %s, %s", how->key, i,
                          phrase_count((int64_t)json_array_size(row), "value").text,
                          phrase_needed(k).text);
    }
    for (int j = 0; j < k; j++) {
        int place = how->place != NULL ? how->place[j] : j;
        const struct named_value v = {json_array_get(row, (size_t)j), i, place, &out[place]};
        if (read_value(how, &v, err) != ERR_OK) {
            return err->code;
        }
    }
    return ERR_OK;
}

/* With both lists: a name that is unknown or, if there is none, the one at `missing`. */
static enum err_code refuse_names(const struct named_rows *how, const json_t *row, int i,
                                  int missing, struct err *err)
{
    struct arena arena = ARENA_INIT;
    size_t n = json_object_size(row);
    const char **names = arena_alloc_array(&arena, n + 1, sizeof *names);
    int *place = arena_alloc_array(&arena, n + 1, sizeof *place);
    const char *key;
    json_t *value;
    size_t at = 0;
    bool unknown = false;
    if (names == NULL || place == NULL) {
        err_set(err, ERR_NOMEM, "no memory for the names of columns");
        goto done;
    }
    json_object_foreach((json_t *)row, key, value)
    {
        names[at++] = key;
        unknown = unknown || space_find(how->space, how->part, key) < 0;
    }
    err_kept(unknown ? space_match(how->space, how->part, names, (int)n, place, err)
                     : space_refuse_missing(how->space, how->part, names, (int)n, missing, err));
    err_prefix(err, "%s: row %d", how->key, i);
    err->row = i;
done:
    arena_release(&arena);
    return err->code;
}

static enum err_code read_object(const struct named_rows *how, const json_t *row, int i,
                                 double *out, struct err *err)
{
    size_t found = 0;
    int k = space_count(how->space, how->part);
    int missing = -1;
    for (int j = 0; j < k; j++) {
        const struct named_value v = {json_object_get(row, space_name(how->space, how->part, j)), i,
                                      j, &out[j]};
        if (v.value != NULL) {
            found++;
            if (read_value(how, &v, err) != ERR_OK) {
                return err->code;
            }
        } else if (how->use_defaults && how->space->inputs[j].has_default) {
            out[j] = how->space->inputs[j].default_value;
        } else if (missing < 0) {
            missing = j;
        }
    }
    bool whole = missing < 0 && found == json_object_size(row);
    return whole ? ERR_OK : refuse_names(how, row, i, missing, err);
}

/* Rows that were left in the body. */
static enum err_code read_left(const struct named_rows *how, const json_t *list,
                               struct arena *arena, struct json_tensor *tensor, struct err *err)
{
    size_t rows = json_array_size(list);
    size_t k = (size_t)space_count(how->space, how->part);
    if (rows > (size_t)how->max_rows) {
        return err_set(err, ERR_TOO_LARGE,
                       "%s has more than %d rows, which is the limit for one request", how->key,
                       how->max_rows);
    }
    double *out = arena_alloc_array(arena, rows * k, sizeof *out);
    if (out == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the rows");
    }
    for (size_t i = 0; i < rows; i++) {
        const json_t *row = json_array_get(list, i);
        double *to = out + i * k;
        if ((json_is_object(row)  ? read_object(how, row, (int)i, to, err)
             : json_is_array(row) ? read_array(how, row, (int)i, to, err)
                                  : err_set_at(err, ERR_INVALID, (int)i, -1,
                                               "%s: row %zu is %s, an array or an object is needed",
                                               how->key, i, json_read_kind(row))) != ERR_OK) {
            return err->code;
        }
    }
    tensor->found = true;
    tensor->n = (int)rows;
    tensor->k = (int)k;
    tensor->values = out;
    return ERR_OK;
}

/* Without a space nobody knows what a name or a word means. */
static enum err_code refuse_left(const struct named_rows *how, const json_t *list, struct err *err)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *row = json_array_get(list, i);
        if (json_is_object(row)) {
            return err_set_at(
                err, ERR_INVALID, (int)i, -1,
                "%s: row %zu is an object, but the model's columns have no names: send "
                "arrays, or name them (PUT /v1/models/NAME/space)",
                how->key, i);
        }
        for (size_t j = 0; j < json_array_size(row); j++) {
            const json_t *value = json_array_get(row, j);
            if (!json_is_number(value) && !(json_is_null(value) && how->holes)) {
                return err_set_at(err, ERR_INVALID, (int)i, (int)j,
                                  "%s: row %zu, column %zu is %s, not a number", how->key, i, j,
                                  json_read_kind(value));
            }
        }
        if (!json_is_array(row)) {
            return err_set_at(err, ERR_INVALID, (int)i, -1, "%s: row %zu is %s, an array is needed",
                              how->key, i, json_read_kind(row));
        }
    }
    return err_set(err, ERR_INVALID, "%s is no array of rows", how->key);
}

/* Columns in the order of how->place become those of the space. */
static enum err_code reorder(const struct named_rows *how, const struct json_tensor *tensor,
                             struct arena *arena, struct err *err)
{
    size_t k = (size_t)tensor->k;
    double *row = arena_alloc_array(arena, k, sizeof *row);
    if (row == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the rows");
    }
    for (size_t i = 0; i < (size_t)tensor->n; i++) {
        double *values = tensor->values + i * k;
        memcpy(row, values, k * sizeof *row);
        for (size_t j = 0; j < k; j++) {
            values[how->place[j]] = row[j];
        }
    }
    return ERR_OK;
}

enum err_code named_rows_settle(const struct named_rows *how, const json_t *body,
                                struct arena *arena, struct json_tensor *tensor, struct err *err)
{
    const json_t *list = json_object_get(body, how->key);
    const struct space *space = how->space;
    if (tensor->left) {
        return space != NULL ? read_left(how, list, arena, tensor, err)
                             : refuse_left(how, list, err);
    }
    if (space == NULL || !tensor->found) {
        return ERR_OK;
    }
    int k = space_count(space, how->part);
    if (tensor->k != k) {
        return err_set_at(err, ERR_SHAPE, 0, -1, "%s: row 0 has %d numbers, %d are needed",
                          how->key, tensor->k, k);
    }
    if (how->place != NULL && reorder(how, tensor, arena, err) != ERR_OK) {
        return err->code;
    }
    const struct space_rows rows = {(size_t)tensor->n, (size_t)k, tensor->values};
    return how->part == SPACE_INPUTS ? columns_read_numbers(space, &rows, "inputs: ", err) : ERR_OK;
}

enum err_code named_rows_space(const json_t *inputs, const json_t *outputs, struct space **out,
                               struct err *err)
{
    struct arena arena = ARENA_INIT;
    json_t *rows[] = {json_array_get(inputs, 0), json_array_get(outputs, 0)};
    size_t n = json_object_size(rows[0]) + json_object_size(rows[1]);
    const char *key;
    json_t *value;
    size_t at = 0;
    *out = NULL;
    if (!json_is_object(rows[0]) || !json_is_object(rows[1])) {
        return ERR_OK;
    }
    const char **names = arena_alloc_array(&arena, n + 1, sizeof *names);
    if (names == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the names of columns");
    }
    for (int part = 0; part < 2; part++) {
        json_object_foreach(rows[part], key, value)
        {
            names[at++] = key;
        }
    }
    err_kept(space_of_names((int)json_object_size(rows[0]), (int)json_object_size(rows[1]), names,
                            NULL, out, err));
    arena_release(&arena);
    return err->code;
}
