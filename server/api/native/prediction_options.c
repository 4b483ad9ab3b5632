/* SPDX-License-Identifier: Apache-2.0 */
#include "api/native/prediction_options.h"

#include "formats/json_read.h"

#include <string.h>

#define DEFAULT_SAMPLES 16 /* or as many as there are draws */
#define SAMPLES_OF      "samples_of"

/* ---- which keys there are ---- */

static enum option_form form_of(enum predict_option option)
{
    switch (option) {
    case PREDICT_OPTION_LEVELS:
    case PREDICT_OPTION_TOTAL_LEVELS:
    case PREDICT_OPTION_COVERAGES:
        return OPTION_NUMBERS;
    case PREDICT_OPTION_DRAWS:
        return OPTION_NUMBER;
    case PREDICT_OPTION_BETWEEN:
    case PREDICT_OPTION_NONE:
    case PREDICT_OPTION_ALTERNATIVE:
        break;
    }
    return OPTION_TEXT;
}

int prediction_options_list(struct prediction_option list[PREDICTION_OPTIONS_MAX])
{
    int n = 0;
    list[n++] = (struct prediction_option){"return", OPTION_NAMES};
    list[n++] = (struct prediction_option){"seed", OPTION_NUMBER};
    list[n++] = (struct prediction_option){SAMPLES_OF, OPTION_TEXT};
    list[n++] = (struct prediction_option){"burn_in", OPTION_NUMBER};
    list[n++] = (struct prediction_option){"at", OPTION_TEXT};
    for (int i = 0; i < PREDICT_N_RESULTS; i++) {
        const struct predict_kind *kind = &predict_kinds[i];
        if (kind->option != PREDICT_OPTION_NONE && kind->option != PREDICT_OPTION_ALTERNATIVE) {
            list[n++] = (struct prediction_option){kind->name, form_of(kind->option)};
        }
    }
    return n;
}

/* ---- as text ---- */

/* A number as it is; anything else is left for the JSON reader to refuse. */
static void write_number(struct json_write *json, const char *key, const char *text)
{
    if (text[0] != '\0' && text[strspn(text, "0123456789.eE+-")] == '\0') {
        json_write_raw(json, key, text);
    } else {
        json_write_text(json, key, text);
    }
}

/* The parts of a list that commas separate. */
static void write_list(struct json_write *json, const char *key, enum option_form form, char *list)
{
    json_write_array(json, key);
    while (list != NULL) {
        char *comma = strchr(list, ',');
        if (comma != NULL) {
            *comma++ = '\0';
        }
        if (form == OPTION_NAMES) {
            json_write_text(json, NULL, list);
        } else {
            write_number(json, NULL, list);
        }
        list = comma;
    }
    json_write_array_end(json);
}

void prediction_option_write(struct json_write *json, const struct header *option,
                             enum option_form form, struct arena *arena)
{
    char *list;
    switch (form) {
    case OPTION_TEXT:
        json_write_text(json, option->name, option->value);
        break;
    case OPTION_NUMBER:
        write_number(json, option->name, option->value);
        break;
    case OPTION_NAMES:
    case OPTION_NUMBERS:
        list = arena_strndup(arena, option->value, strlen(option->value));
        json->text->failed |= list == NULL;
        write_list(json, option->name, form, list);
        break;
    }
}

/* ---- their values ---- */

static enum err_code read_return(const json_t *object, unsigned *want, struct err *err)
{
    const json_t *list = json_object_get(object, "return");
    if (list == NULL) {
        *want = PREDICTION_OPTIONS_DEFAULT;
        return ERR_OK;
    }
    if (!json_is_array(list) || json_array_size(list) == 0) {
        return err_set(err, ERR_INVALID, "return is %s, an array of names is needed",
                       json_is_array(list) ? "an empty array" : json_read_kind(list));
    }
    *want = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        enum predict_index index;
        if (name == NULL || !predict_result_find(name, &index)) {
            return err_set(err, ERR_INVALID, "return[%zu] \"%.40s\" is not one of %s", i,
                           name != NULL ? name : "", predict_result_names());
        }
        *want |= 1U << index;
    }
    return ERR_OK;
}

/* An option that is an array of levels, with its default. */
struct level_list {
    const char *key;
    int max;
    int n;
    const double *values;
    bool given;
};

static enum err_code read_levels(const json_t *object, struct arena *arena,
                                 struct level_list *levels, struct err *err)
{
    const json_t *list = json_object_get(object, levels->key);
    if (list == NULL) {
        return ERR_OK;
    }
    size_t n = json_array_size(list);
    if (n < 1 || n > (size_t)levels->max) {
        return err_set(err, ERR_INVALID, "%s must be an array of 1 to %d levels", levels->key,
                       levels->max);
    }
    double *values = arena_alloc_array(arena, n, sizeof *values);
    if (values == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the request");
    }
    levels->n = (int)n;
    levels->values = values;
    levels->given = true;
    return json_read_vector(list, levels->key, (int)n, values, err);
}

static enum err_code read_quantiles(const json_t *object, struct arena *arena,
                                    struct level_list *levels, struct err *err)
{
    if (read_levels(object, arena, levels, err) != ERR_OK) {
        return err->code;
    }
    for (int k = 0; k < levels->n; k++) {
        if (!(levels->values[k] >= 0.0 && levels->values[k] <= 1.0)) {
            return err_set(err, ERR_INVALID, "%s[%d] is %g, a level in [0, 1] is needed",
                           levels->key, k, levels->values[k]);
        }
    }
    return ERR_OK;
}

/* "function": draws; "observations": with noise. */
static enum err_code read_samples_of(const json_t *object, struct predict_request *predict,
                                     struct err *err)
{
    static const char *const kinds[] = {"function", "observations"};
    const json_t *value = json_object_get(object, SAMPLES_OF);
    const char *kind = json_string_value(value);
    predict->of_observations = kind != NULL && strcmp(kind, kinds[1]) == 0;
    if (value != NULL && !predict->of_observations &&
        (kind == NULL || strcmp(kind, kinds[0]) != 0)) {
        return err_set(err, ERR_INVALID, SAMPLES_OF " is %s%.16s%s, \"%s\" or \"%s\" is needed",
                       kind != NULL ? "\"" : "", kind != NULL ? kind : json_read_kind(value),
                       kind != NULL ? "\"" : "", kinds[0], kinds[1]);
    }
    return ERR_OK;
}

/* How many draws, and the seed that chooses them. */
static enum err_code read_draws(const json_t *object, const char *key,
                                struct predict_request *predict, bool *given, struct err *err)
{
    int64_t samples = 0; /* as many as prediction_options_fit finds right */
    int64_t seed = 0;
    const struct json_members members = {object, "body", err};
    json_read_int(members, key, 1, MODEL_MAX_DRAWS, &samples);
    if (json_read_int(members, "seed", INT64_MIN, INT64_MAX, &seed) != ERR_OK) {
        return err->code;
    }
    if (read_samples_of(object, predict, err) != ERR_OK) {
        return err->code;
    }
    *given = json_object_get(object, key) != NULL || json_object_get(object, SAMPLES_OF) != NULL;
    predict->n_samples = (int)samples;
    predict->seed = (uint64_t)seed;
    return ERR_OK;
}

/* "rows" has the next result of the list in place of this one. */
static enum err_code read_between(const json_t *object, enum predict_index index,
                                  struct predict_request *predict, struct err *err)
{
    const char *key = predict_kinds[index].name;
    const json_t *value = json_object_get(object, key);
    const char *kind = json_string_value(value);
    if (value == NULL) {
        return ERR_OK;
    }
    if (kind == NULL) {
        return err_set(err, ERR_INVALID, "%s is %s, \"outputs\" or \"rows\" is needed", key,
                       json_read_kind(value));
    }
    if (strcmp(kind, "rows") != 0 && strcmp(kind, "outputs") != 0) {
        return err_set(err, ERR_INVALID, "%s is \"%.16s\", \"outputs\" or \"rows\" is needed", key,
                       kind);
    }
    predict->want &= ~(1U << index);
    predict->want |= 1U << (kind[0] == 'r' ? index + 1 : index);
    return ERR_OK;
}

/* The option of a result; when it is given the result is wanted too. */
static enum err_code read_option(const json_t *object, enum predict_index index,
                                 struct arena *arena, struct predict_request *predict,
                                 struct err *err)
{
    static const double default_quantiles[] = {0.05, 0.5, 0.95};
    static const double default_intervals[] = {0.9};
    const struct predict_kind *kind = &predict_kinds[index];
    struct level_list levels;
    bool given = false;
    switch (kind->option) {
    case PREDICT_OPTION_LEVELS:
        levels = (struct level_list){kind->name, PREDICT_MAX_LEVELS, 3, default_quantiles, false};
        err_kept(read_quantiles(object, arena, &levels, err));
        predict->n_levels = levels.n;
        predict->levels = levels.values;
        given = levels.given;
        break;
    case PREDICT_OPTION_TOTAL_LEVELS:
        levels = (struct level_list){kind->name, PREDICT_MAX_LEVELS, 3, default_quantiles, false};
        err_kept(read_quantiles(object, arena, &levels, err));
        predict->n_total_levels = levels.n;
        predict->total_levels = levels.values;
        given = levels.given;
        break;
    case PREDICT_OPTION_COVERAGES:
        levels =
            (struct level_list){kind->name, PREDICT_MAX_INTERVALS, 1, default_intervals, false};
        err_kept(read_levels(object, arena, &levels, err));
        predict->n_intervals = levels.n;
        predict->intervals = levels.values;
        given = levels.given;
        break;
    case PREDICT_OPTION_DRAWS:
        err_kept(read_draws(object, kind->name, predict, &given, err));
        break;
    case PREDICT_OPTION_BETWEEN:
        err_kept(read_between(object, index, predict, err));
        break;
    case PREDICT_OPTION_NONE:
    case PREDICT_OPTION_ALTERNATIVE:
        break;
    }
    predict->want |= given ? 1U << index : 0;
    return err->code;
}

/* The draws: without the first ones of each chain, or that of the highest posterior density. */
static enum err_code read_part(const json_t *object, struct draw_choice *part, struct err *err)
{
    const struct json_members members = {object, "body", err};
    const char *at = "draws";
    int64_t burn_in = 0;
    json_read_text(members, "at", 16, &at);
    if (json_read_int(members, "burn_in", 0, MODEL_MAX_DRAWS, &burn_in) != ERR_OK) {
        return err->code;
    }
    part->burn_in = (int)burn_in;
    part->map = strcmp(at, "map") == 0;
    return part->map || strcmp(at, "draws") == 0
               ? ERR_OK
               : err_set(err, ERR_INVALID, "at is \"%.16s\", \"draws\" or \"map\" is needed", at);
}

enum err_code prediction_options_read(const json_t *object, struct arena *arena,
                                      struct predict_request *predict, struct err *err)
{
    err_kept(read_return(object, &predict->want, err));
    if (err->code == ERR_OK) {
        err_kept(read_part(object, &predict->part, err));
    }
    for (int i = 0; i < PREDICT_N_RESULTS && err->code == ERR_OK; i++) {
        err_kept(read_option(object, (enum predict_index)i, arena, predict, err));
    }
    return err->code;
}

void prediction_options_fit(struct predict_request *predict, const struct model *model)
{
    if (predict->n_samples == 0) {
        predict->n_samples = model->m < DEFAULT_SAMPLES ? model->m : DEFAULT_SAMPLES;
    }
}
