/* SPDX-License-Identifier: Apache-2.0 */
#include "documents/space_json.h"

#include "base/known.h"
#include "base/mem.h"
#include "base/numtext.h"
#include "formats/json_read.h"
#include "model/space_rows.h"

#include <stdio.h>
#include <string.h>

#define BIG         1.7976931348623157e308
#define PLACE_CHARS 48 /* "inputs[4095].distribution" */

static enum err_code no_memory(struct err *err)
{
    return err_set(err, ERR_NOMEM, "no memory for an input space");
}

/* An object, or NULL where nothing is given. */
static enum err_code check_object(const json_t *value, const char *where, struct err *err)
{
    return json_is_object(value) ? ERR_OK
                                 : err_set(err, ERR_INVALID, "%s is %s, an object is needed", where,
                                           json_read_kind(value));
}

/* A copy of a member that is a string; null and absent leave *out as it is. */
static enum err_code copy_text(struct json_members members, const char *key, char **out)
{
    const char *text = NULL;
    if (json_is_null(json_object_get(members.object, key))) {
        return members.err->code;
    }
    if (json_read_text(members, key, SPACE_MAX_NAME, &text) == ERR_OK && text != NULL) {
        *out = mem_strdup(text);
        if (*out == NULL) {
            return no_memory(members.err);
        }
    }
    return members.err->code;
}

/* One of a list of names; *out stays when the key is absent. */
static enum err_code read_choice(struct json_members members, const char *key, struct names known,
                                 int *out)
{
    const char *text = NULL;
    if (json_read_text(members, key, SPACE_MAX_NAME, &text) != ERR_OK || text == NULL) {
        return members.err->code;
    }
    int found = names_find(known, text);
    if (found < 0) {
        char what[PLACE_CHARS + 16];
        snprintf(what, sizeof what, "%s.%s", members.where, key);
        return known_refuse(what, text, known, members.err);
    }
    *out = found;
    return ERR_OK;
}

/* ---- a category ---- */

/* A member as text: a string, or a number in its shortest form. NULL: it is neither. */
static char *copy_member(const json_t *value, bool *no_room)
{
    char text[NUMTEXT_MAX + 1];
    char *copy = NULL;
    if (json_is_string(value)) {
        copy = mem_strdup(json_string_value(value));
    } else if (json_is_number(value)) {
        text[numtext_write(json_number_value(value), text)] = '\0';
        copy = mem_strdup(text);
    } else {
        return NULL;
    }
    *no_room = copy == NULL;
    return copy;
}

static enum err_code read_members(const json_t *object, const char *where,
                                  struct space_input *input, struct err *err)
{
    const json_t *list = json_object_get(object, "values");
    size_t n = json_array_size(list);
    bool no_room = false;
    if (list == NULL) {
        return ERR_OK;
    }
    if (!json_is_array(list) || n < 1 || n > SPACE_MAX_VALUES) {
        return err_set(err, ERR_INVALID, "%s.values must be an array of 2 to %d values", where,
                       SPACE_MAX_VALUES);
    }
    input->values = mem_zalloc_array(n, sizeof *input->values);
    if (input->values == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *value = json_array_get(list, i);
        input->values[i] = copy_member(value, &no_room);
        if (input->values[i] == NULL) {
            return no_room ? no_memory(err)
                           : err_set(err, ERR_INVALID,
                                     "%s.values[%zu] is %s, a string or a number is needed", where,
                                     i, json_read_kind(value));
        }
        input->n_values++;
    }
    return ERR_OK;
}

static enum err_code read_default(const json_t *object, const char *where,
                                  struct space_input *input, struct err *err)
{
    const json_t *value = json_object_get(object, "default");
    int member = -1;
    if (value == NULL || json_is_null(value)) {
        return ERR_OK;
    }
    input->has_default = true;
    if (input->type != SPACE_CATEGORY) {
        return json_read_real((struct json_members){object, where, err}, "default", -BIG, BIG,
                              &input->default_value);
    }
    if (json_is_string(value)) {
        member = space_member(input, json_string_value(value), json_string_length(value));
    } else if (json_is_number(value)) {
        member = space_member_of_number(input, json_number_value(value));
    }
    input->default_value = member;
    return member >= 0 ? ERR_OK
                       : err_set(err, ERR_INVALID, "%s.default is none of the values", where);
}

/* ---- a distribution ---- */

/* An array of numbers of any length from 1; *n its length. */
static enum err_code read_numbers(const json_t *object, const char *where, const char *key,
                                  double **out, int *n, struct err *err)
{
    const json_t *list = json_object_get(object, key);
    char what[PLACE_CHARS + 16];
    size_t size = json_array_size(list);
    snprintf(what, sizeof what, "%s.%s", where, key);
    if (!json_is_array(list) || size < 1 || size > SPACE_MAX_VALUES) {
        return err_set(err, ERR_INVALID, "%s must be an array of 1 to %d numbers", what,
                       SPACE_MAX_VALUES);
    }
    *out = mem_alloc_array(size, sizeof **out);
    if (*out == NULL) {
        return no_memory(err);
    }
    *n = (int)size;
    return json_read_vector(list, what, (int)size, *out, err);
}

static enum err_code read_discrete(const json_t *object, const char *where,
                                   struct space_input *input, struct err *err)
{
    static const char *const keys[] = {"kind", "values", "probabilities", NULL};
    struct space_distribution *dist = &input->distribution;
    bool category = input->type == SPACE_CATEGORY;
    int n = 0;
    if (json_read_check_keys(object, where, keys, err) != ERR_OK ||
        (!category && read_numbers(object, where, "values", &dist->values, &n, err) != ERR_OK) ||
        read_numbers(object, where, "probabilities", &dist->probabilities, &dist->n, err) !=
            ERR_OK) {
        return err->code;
    }
    if (category && json_object_get(object, "values") != NULL) {
        return err_set(err, ERR_INVALID, "%s.values: those of the category are meant, leave it out",
                       where);
    }
    return category || n == dist->n
               ? ERR_OK
               : err_set(err, ERR_INVALID, "%s has %d values and %d probabilities", where, n,
                         dist->n);
}

static enum err_code read_parameters(const json_t *object, const char *where,
                                     struct space_input *input, struct err *err)
{
    struct space_distribution *dist = &input->distribution;
    const char *keys[SPACE_MAX_PARAMETERS + 2] = {"kind"};
    const struct json_members members = {object, where, err};
    for (int k = 0; space_parameter_name(dist->kind, k) != NULL; k++) {
        keys[k + 1] = space_parameter_name(dist->kind, k);
    }
    if (object != NULL && json_read_check_keys(object, where, keys, err) != ERR_OK) {
        return err->code;
    }
    for (int k = 0; keys[k + 1] != NULL; k++) {
        bool limit = strcmp(keys[k + 1], "low") == 0 || strcmp(keys[k + 1], "high") == 0;
        if (limit && input->has_bounds) {
            dist->p[k] = input->bounds[k];
        } else if (json_object_get(object, keys[k + 1]) == NULL) {
            return err_set(err, ERR_INVALID, "%s: %s needs %s%s", where,
                           space_distribution_name(dist->kind), keys[k + 1],
                           limit ? ", or the input bounds" : "");
        }
        json_read_real(members, keys[k + 1], -BIG, BIG, &dist->p[k]);
    }
    return err->code;
}

static enum err_code read_distribution(const json_t *parent, const char *parent_where,
                                       struct space_input *input, struct err *err)
{
    const json_t *object = json_object_get(parent, "distribution");
    struct space_distribution *dist = &input->distribution;
    char where[PLACE_CHARS];
    int kind = SPACE_NONE;
    snprintf(where, sizeof where, "%s.distribution", parent_where);
    if (object == NULL || json_is_null(object)) {
        return ERR_OK;
    }
    if (json_is_string(object)) {
        read_choice((struct json_members){parent, parent_where, err}, "distribution",
                    space_distribution_known(), &kind);
        object = NULL;
    } else if (check_object(object, where, err) == ERR_OK) {
        const struct json_members members = {object, where, err};
        json_read_require(members, "kind");
        read_choice(members, "kind", space_distribution_known(), &kind);
    }
    if (err->code != ERR_OK) {
        return err->code;
    }
    dist->kind = (enum space_distribution_kind)kind;
    return dist->kind == SPACE_DISCRETE ? read_discrete(object, where, input, err)
                                        : read_parameters(object, where, input, err);
}

/* ---- columns ---- */

static enum err_code read_bounds(const json_t *object, const char *where, struct space_input *input,
                                 struct err *err)
{
    const json_t *bounds = json_object_get(object, "bounds");
    char what[PLACE_CHARS];
    snprintf(what, sizeof what, "%s.bounds", where);
    if (bounds == NULL || json_is_null(bounds)) {
        return ERR_OK;
    }
    input->has_bounds = true;
    return json_read_vector(bounds, what, 2, input->bounds, err);
}

/* A name alone. */
static enum err_code copy_name(const json_t *value, const char *where, char **out, struct err *err)
{
    if (!json_is_string(value)) {
        return err_set(err, ERR_INVALID, "%s is %s, a name or an object is needed", where,
                       json_read_kind(value));
    }
    *out = mem_strdup(json_string_value(value));
    return *out != NULL ? ERR_OK : no_memory(err);
}

static enum err_code read_input(const json_t *object, const char *where, struct space_input *input,
                                struct err *err)
{
    static const char *const keys[] = {"name",   "unit",         "type",    "values",
                                       "bounds", "distribution", "default", NULL};
    const struct json_members members = {object, where, err};
    int type = SPACE_REAL;
    if (!json_is_object(object)) {
        return copy_name(object, where, &input->name, err);
    }
    if (json_read_check_keys(object, where, keys, err) != ERR_OK ||
        json_read_require(members, "name") != ERR_OK ||
        copy_text(members, "name", &input->name) != ERR_OK ||
        copy_text(members, "unit", &input->unit) != ERR_OK ||
        read_choice(members, "type", space_type_known(), &type) != ERR_OK) {
        return err->code;
    }
    input->type = (enum space_type)type;
    if (read_members(object, where, input, err) != ERR_OK ||
        read_bounds(object, where, input, err) != ERR_OK ||
        read_distribution(object, where, input, err) != ERR_OK) {
        return err->code;
    }
    return read_default(object, where, input, err);
}

static enum err_code read_output(const json_t *object, const char *where,
                                 struct space_output *output, struct err *err)
{
    static const char *const keys[] = {"name", "unit", "positive", NULL};
    const struct json_members members = {object, where, err};
    if (!json_is_object(object)) {
        return copy_name(object, where, &output->name, err);
    }
    if (json_read_check_keys(object, where, keys, err) != ERR_OK ||
        json_read_require(members, "name") != ERR_OK ||
        copy_text(members, "name", &output->name) != ERR_OK ||
        copy_text(members, "unit", &output->unit) != ERR_OK) {
        return err->code;
    }
    return json_read_bool(members, "positive", &output->positive);
}

static enum err_code check_list(const json_t *document, const char *key, size_t *n, struct err *err)
{
    const json_t *list = json_object_get(document, key);
    *n = json_array_size(list);
    return json_is_array(list) && *n <= INT32_MAX
               ? ERR_OK
               : err_set(err, ERR_INVALID, "%s is %s, an array is needed", key,
                         json_read_kind(list));
}

static enum err_code read_columns(const json_t *document, struct space *space, struct err *err)
{
    const json_t *inputs = json_object_get(document, "inputs");
    const json_t *outputs = json_object_get(document, "outputs");
    char where[PLACE_CHARS / 2];
    for (int j = 0; j < space->d && err->code == ERR_OK; j++) {
        snprintf(where, sizeof where, "inputs[%d]", j);
        err_kept(read_input(json_array_get(inputs, (size_t)j), where, &space->inputs[j], err));
    }
    for (int j = 0; j < space->o && err->code == ERR_OK; j++) {
        snprintf(where, sizeof where, "outputs[%d]", j);
        err_kept(read_output(json_array_get(outputs, (size_t)j), where, &space->outputs[j], err));
    }
    return err->code;
}

enum err_code space_json_read(const json_t *document, struct space **out, struct err *err)
{
    static const char *const keys[] = {"inputs", "outputs", NULL};
    struct space *space = NULL;
    size_t d = 0;
    size_t o = 0;
    if (check_object(document, "space", err) != ERR_OK ||
        json_read_check_keys(document, "space", keys, err) != ERR_OK ||
        check_list(document, "inputs", &d, err) != ERR_OK ||
        check_list(document, "outputs", &o, err) != ERR_OK ||
        space_new((int)d, (int)o, &space, err) != ERR_OK) {
        return err->code;
    }
    if (read_columns(document, space, err) != ERR_OK || space_validate(space, err) != ERR_OK) {
        space_unref(space);
        return err->code;
    }
    *out = space;
    return ERR_OK;
}

enum err_code space_json_parse(const char *text, size_t len, struct space **out, struct err *err)
{
    json_t *document = NULL;
    struct arena arena = ARENA_INIT;
    if (len > SPACE_JSON_MAX_BYTES) {
        return err_set(err, ERR_TOO_LARGE, "the space has %zu bytes, at most %zu are taken", len,
                       SPACE_JSON_MAX_BYTES);
    }
    if (json_read_parse(text, len, &arena, &document, err) == ERR_OK) {
        err_kept(space_json_read(document, out, err));
    }
    arena_release(&arena);
    return err->code;
}

enum err_code space_json_read_names(const json_t *names, struct space **out, struct err *err)
{
    static const char *const lists[] = {"inputs", "outputs"};
    if (check_object(names, "names", err) != ERR_OK) {
        return err->code;
    }
    for (int i = 0; i < 2; i++) {
        const json_t *list = json_object_get(names, lists[i]);
        for (size_t j = 0; j < json_array_size(list); j++) {
            if (!json_is_string(json_array_get(list, j))) {
                return err_set(err, ERR_INVALID, "names: %s[%zu] is %s, a name is needed", lists[i],
                               j, json_read_kind(json_array_get(list, j)));
            }
        }
    }
    if (space_json_read(names, out, err) != ERR_OK) {
        err_prefix(err, "names");
    }
    return err->code;
}

/* ---- writing ---- */

static void write_distribution(struct json_write *json, const struct space_distribution *dist)
{
    if (dist->kind == SPACE_NONE) {
        return;
    }
    json_write_object(json, "distribution");
    json_write_text(json, "kind", space_distribution_name(dist->kind));
    for (int k = 0; space_parameter_name(dist->kind, k) != NULL; k++) {
        json_write_real(json, space_parameter_name(dist->kind, k), dist->p[k]);
    }
    if (dist->values != NULL) {
        json_write_reals(json, "values", dist->values, (size_t)dist->n);
    }
    if (dist->probabilities != NULL) {
        json_write_reals(json, "probabilities", dist->probabilities, (size_t)dist->n);
    }
    json_write_object_end(json);
}

static void write_input(struct json_write *json, const struct space_input *input)
{
    json_write_object(json, NULL);
    json_write_text(json, "name", input->name);
    if (input->unit != NULL) {
        json_write_text(json, "unit", input->unit);
    }
    json_write_text(json, "type", space_type_name(input->type));
    if (input->type == SPACE_CATEGORY) {
        json_write_array(json, "values");
        for (int i = 0; i < input->n_values; i++) {
            json_write_text(json, NULL, input->values[i]);
        }
        json_write_array_end(json);
    }
    if (input->has_bounds) {
        json_write_reals(json, "bounds", input->bounds, 2);
    }
    write_distribution(json, &input->distribution);
    if (input->has_default && input->type == SPACE_CATEGORY) {
        json_write_text(json, "default", input->values[(int)input->default_value]);
    } else if (input->has_default) {
        json_write_real(json, "default", input->default_value);
    }
    json_write_object_end(json);
}

void space_json_write(struct json_write *json, const char *key, const struct space *space)
{
    json_write_object(json, key);
    json_write_array(json, "inputs");
    for (int j = 0; j < space->d; j++) {
        write_input(json, &space->inputs[j]);
    }
    json_write_array_end(json);
    json_write_array(json, "outputs");
    for (int j = 0; j < space->o; j++) {
        json_write_object(json, NULL);
        json_write_text(json, "name", space->outputs[j].name);
        if (space->outputs[j].unit != NULL) {
            json_write_text(json, "unit", space->outputs[j].unit);
        }
        json_write_bool(json, "positive", space->outputs[j].positive);
        json_write_object_end(json);
    }
    json_write_array_end(json);
    json_write_object_end(json);
}

void space_json_write_names(struct json_write *json, const char *key, const struct space *space)
{
    json_write_object(json, key);
    json_write_array(json, "inputs");
    for (int j = 0; j < space->d; j++) {
        json_write_text(json, NULL, space->inputs[j].name);
    }
    json_write_array_end(json);
    json_write_array(json, "outputs");
    for (int j = 0; j < space->o; j++) {
        json_write_text(json, NULL, space->outputs[j].name);
    }
    json_write_array_end(json);
    json_write_object_end(json);
}
