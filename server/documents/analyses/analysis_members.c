/* SPDX-License-Identifier: Apache-2.0 */
#include "documents/analyses/analysis_members.h"

#include "base/known.h"
#include "base/mem.h"
#include "formats/json_read.h"
#include "model/space_rows.h"

#include <math.h>
#include <string.h>

#define DEFAULT_GRID 51
#define DEFAULT_BINS 50
#define MAX_KEYS     16
#define COMMON                                                                                     \
    "kind", "version", "space", "outputs", "fixed", "seed", "points", "replicates", "draws",       \
        "priority"

static const char *const keys_of[ANALYSE_N_KINDS][MAX_KEYS] = {
    [ANALYSE_SOBOL] = {COMMON, "second_order", "groups", NULL},
    [ANALYSE_SHAPLEY] = {COMMON, "correlation", NULL},
    [ANALYSE_MORRIS] = {COMMON, NULL},
    [ANALYSE_PROPAGATE] = {COMMON, "quantiles", "bins", NULL},
    [ANALYSE_FAILURE] = {COMMON, "region", "method", NULL},
    [ANALYSE_SLICES] = {COMMON, "slices", "grid", "at", NULL},
    [ANALYSE_ACTIVE_SUBSPACE] = {COMMON, NULL},
};

enum err_code analysis_check_keys(const json_t *object, enum analyse_kind kind, struct err *err)
{
    return json_read_check_keys(object, "the request", keys_of[kind], err);
}

/* ---- names and values ---- */

enum err_code analysis_find_input(const struct space *space, const char *name, const char *where,
                                  int *at, struct err *err)
{
    for (int b = 0; b < space->d; b++) {
        if (strcmp(space->inputs[b].name, name) == 0) {
            *at = b;
            return ERR_OK;
        }
    }
    return err_set(err, ERR_INVALID, "%s: there is no input \"%.60s\"; the first is \"%.60s\"",
                   where, name, space->inputs[0].name);
}

enum err_code analysis_find_output(const struct space *space, const json_t *name, const char *where,
                                   int *at, struct err *err)
{
    const char *text = json_string_value(name);
    for (int a = 0; text != NULL && a < space->o; a++) {
        if (strcmp(space->outputs[a].name, text) == 0) {
            *at = a;
            return ERR_OK;
        }
    }
    return err_set(err, ERR_INVALID, "%s: there is no output \"%.60s\"; the first is \"%.60s\"",
                   where, text != NULL ? text : json_read_kind(name), space->outputs[0].name);
}

enum err_code analysis_read_value(const struct space_input *input, const json_t *value,
                                  const char *where, double *out, struct err *err)
{
    char wanted[SPACE_WANTED_CHARS];
    double number = json_is_number(value) ? json_number_value(value) : NAN;
    int64_t whole;
    if (input->type == SPACE_CATEGORY) {
        const char *text = json_string_value(value);
        int member = text != NULL ? space_member(input, text, strlen(text))
                                  : space_member_of_number(input, number);
        if (member >= 0) {
            *out = member;
            return ERR_OK;
        }
    } else if (isfinite(number) && (input->type == SPACE_REAL || json_read_whole(value, &whole))) {
        *out = number;
        return ERR_OK;
    }
    if (input->type == SPACE_REAL) {
        return err_set(err, ERR_INVALID, "%s: the value of \"%.60s\" must be a number", where,
                       input->name);
    }
    space_describe_wanted(input, wanted);
    return err_set(err, ERR_INVALID, "%s: the value of \"%.60s\" is wrong, %s", where, input->name,
                   wanted);
}

void analysis_write_value(struct json_write *json, const struct space_input *input, double value)
{
    if (input->type == SPACE_CATEGORY) {
        json_write_text(json, input->name, input->values[(int)value]);
    } else {
        json_write_real(json, input->name, value);
    }
}

/* ---- sets of inputs ---- */

/* [["a"], ["a","b"]]: each of 1 to max inputs. */
static enum err_code read_sets(const json_t *list, const char *where,
                               struct analysis_request *request, struct analyse_set **out,
                               struct err *err)
{
    size_t n = json_array_size(list);
    struct analyse_set *sets = arena_alloc_array(&request->arena, n > 0 ? n : 1, sizeof *sets);
    if (!json_is_array(list) || n > ANALYSE_MAX_SETS) {
        return err_set(err, ERR_INVALID, "%s must be an array of at most %d arrays of inputs",
                       where, ANALYSE_MAX_SETS);
    }
    for (size_t s = 0; sets != NULL && s < n; s++) {
        const json_t *names = json_array_get(list, s);
        size_t n_names = json_array_size(names);
        if (n_names < 1 || n_names > (size_t)request->space->d) {
            return err_set(err, ERR_INVALID, "%s[%zu] must be an array of names of inputs", where,
                           s);
        }
        int *inputs = arena_alloc_array(&request->arena, n_names, sizeof *inputs);
        for (size_t i = 0; inputs != NULL && i < n_names; i++) {
            const char *name = json_string_value(json_array_get(names, i));
            if (analysis_find_input(request->space, name != NULL ? name : "", where, &inputs[i],
                                    err) != ERR_OK) {
                return err->code;
            }
        }
        sets[s] = (struct analyse_set){.n = (int)n_names, .inputs = inputs};
        sets = inputs != NULL ? sets : NULL;
    }
    *out = sets;
    return sets != NULL ? ERR_OK : err_set(err, ERR_NOMEM, "no memory for an analysis");
}

static void write_sets(struct json_write *json, const char *key, const struct analyse_set *sets,
                       int n, const char *const *names)
{
    json_write_array(json, key);
    for (int s = 0; s < n; s++) {
        json_write_array(json, NULL);
        for (int i = 0; i < sets[s].n; i++) {
            json_write_text(json, NULL, names[sets[s].inputs[i]]);
        }
        json_write_array_end(json);
    }
    json_write_array_end(json);
}

/* ---- kinds ---- */

static enum err_code read_sobol(const json_t *object, struct analysis_request *request,
                                struct err *err)
{
    const struct json_members members = {object, "the request", err};
    const json_t *groups = json_object_get(object, "groups");
    struct analyse_set *sets = NULL;
    json_read_bool(members, "second_order", &request->spec.second_order);
    if (err->code == ERR_OK && groups != NULL &&
        read_sets(groups, "groups", request, &sets, err) == ERR_OK) {
        request->spec.groups = sets;
        request->spec.n_groups = (int)json_array_size(groups);
    }
    return err->code;
}

static enum err_code read_pair(const json_t *pair, struct analysis_request *request, double *r,
                               struct err *err)
{
    static const char *const keys[] = {"inputs", "value", NULL};
    const struct json_members members = {pair, "correlation", err};
    const json_t *names = json_object_get(pair, "inputs");
    const char *first = json_string_value(json_array_get(names, 0));
    const char *second = json_string_value(json_array_get(names, 1));
    double value = 0.0;
    int i;
    int j;
    if (json_read_check_keys(pair, "correlation", keys, err) != ERR_OK ||
        json_read_require(members, "value") != ERR_OK ||
        json_read_real(members, "value", -1.0, 1.0, &value) != ERR_OK) {
        return err->code;
    }
    if (json_array_size(names) != 2 || first == NULL || second == NULL) {
        return err_set(err, ERR_INVALID, "correlation: inputs must be two names");
    }
    if (analysis_find_input(request->space, first, "correlation", &i, err) == ERR_OK &&
        analysis_find_input(request->space, second, "correlation", &j, err) == ERR_OK) {
        int d = request->space->d;
        r[i * d + j] = value;
        r[j * d + i] = value;
    }
    return err->code;
}

static enum err_code read_shapley(const json_t *object, struct analysis_request *request,
                                  struct err *err)
{
    const json_t *list = json_object_get(object, "correlation");
    size_t d = (size_t)request->space->d;
    if (list == NULL) {
        return ERR_OK;
    }
    double *r = arena_zalloc_array(&request->arena, d * d, sizeof *r);
    if (r == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a correlation");
    }
    if (!json_is_array(list)) {
        return err_set(err, ERR_INVALID, "correlation must be an array of pairs of inputs");
    }
    for (size_t b = 0; b < d; b++) {
        r[b * d + b] = 1.0;
    }
    for (size_t i = 0; i < json_array_size(list) && err->code == ERR_OK; i++) {
        err_kept(read_pair(json_array_get(list, i), request, r, err));
    }
    request->spec.correlation = r;
    return err->code;
}

static enum err_code read_propagate(const json_t *object, struct analysis_request *request,
                                    struct err *err)
{
    static const double usual[] = {0.05, 0.25, 0.5, 0.75, 0.95};
    const struct json_members members = {object, "the request", err};
    const json_t *list = json_object_get(object, "quantiles");
    size_t n = json_array_size(list);
    int64_t bins = DEFAULT_BINS;
    json_read_int(members, "bins", 0, ANALYSE_MAX_BINS, &bins);
    request->spec.bins = (int)bins;
    request->spec.levels = usual;
    request->spec.n_levels = (int)(sizeof usual / sizeof *usual);
    if (list == NULL || err->code != ERR_OK) {
        return err->code;
    }
    double *levels = arena_alloc_array(&request->arena, n + 1, sizeof *levels);
    if (levels == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for an analysis");
    }
    request->spec.levels = levels;
    request->spec.n_levels = (int)n;
    return n <= ANALYSE_MAX_LEVELS
               ? json_read_vector(list, "quantiles", (int)n, levels, err)
               : err_set(err, ERR_INVALID, "at most %d quantiles are possible", ANALYSE_MAX_LEVELS);
}

/* {"output":"T","above":900} or {"output":"T","below":0} */
static enum err_code read_limit(const json_t *object, struct analysis_request *request,
                                struct analyse_limit *out, struct err *err)
{
    static const char *const keys[] = {"output", "above", "below", NULL};
    const json_t *above = json_object_get(object, "above");
    const json_t *below = json_object_get(object, "below");
    const json_t *value = above != NULL ? above : below;
    int of_model = 0;
    if (json_read_check_keys(object, "region", keys, err) != ERR_OK) {
        return err->code;
    }
    if ((above != NULL) == (below != NULL) || !json_is_number(value)) {
        return err_set(
            err, ERR_INVALID,
            "region: each limit has an output and a number, \"above\" or \"below\" which "
            "a run fails");
    }
    if (analysis_find_output(request->space, json_object_get(object, "output"), "region", &of_model,
                             err) != ERR_OK) {
        return err->code;
    }
    for (int i = 0; i < request->n_outputs; i++) {
        if (request->outputs[i] == of_model) {
            *out = (struct analyse_limit){
                .output = i, .above = above != NULL, .value = json_number_value(value)};
            return ERR_OK;
        }
    }
    return err_set(err, ERR_INVALID, "region: output \"%.60s\" is not among \"outputs\"",
                   request->space->outputs[of_model].name);
}

static enum err_code read_failure(const json_t *object, struct analysis_request *request,
                                  struct err *err)
{
    const struct json_members members = {object, "the request", err};
    const json_t *list = json_object_get(object, "region");
    size_t n = json_array_size(list);
    const char *method = analyse_method_name(ANALYSE_SUBSET);
    if (json_read_text(members, "method", 64, &method) != ERR_OK) {
        return err->code;
    }
    int at = names_find(analyse_method_known(), method);
    if (at < 0) {
        return known_refuse("method", method, analyse_method_known(), err);
    }
    request->spec.method = (enum analyse_method)at;
    if (n < 1 || n > ANALYSE_MAX_LEVELS) {
        return err_set(err, ERR_INVALID,
                       "region must be an array of 1 to %d limits, beyond any of which a run fails",
                       ANALYSE_MAX_LEVELS);
    }
    struct analyse_limit *limits = arena_alloc_array(&request->arena, n, sizeof *limits);
    if (limits == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for an analysis");
    }
    for (size_t i = 0; i < n && err->code == ERR_OK; i++) {
        err_kept(read_limit(json_array_get(list, i), request, &limits[i], err));
    }
    request->spec.limits = limits;
    request->spec.n_limits = (int)n;
    return err->code;
}

/* Inputs that are not given are at their medians. */
static enum err_code read_point(const json_t *at, struct analysis_request *request, struct err *err)
{
    const char *name;
    json_t *value;
    double *point = arena_alloc_array(&request->arena, (size_t)request->space->d, sizeof *point);
    if (!json_is_object(at)) {
        return err_set(err, ERR_INVALID, "at must be an object of inputs and their values");
    }
    if (point == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for an analysis");
    }
    for (int b = 0; b < request->space->d; b++) {
        point[b] = law_quantile(&request->laws[b], 0.5);
    }
    json_object_foreach((json_t *)at, name, value)
    {
        int b;
        if (analysis_find_input(request->space, name, "at", &b, err) != ERR_OK ||
            analysis_read_value(&request->space->inputs[b], value, "at", &point[b], err) !=
                ERR_OK) {
            return err->code;
        }
    }
    request->spec.at_point = true;
    request->spec.point = point;
    return ERR_OK;
}

static enum err_code read_slices(const json_t *object, struct analysis_request *request,
                                 struct err *err)
{
    const struct json_members members = {object, "the request", err};
    const json_t *slices = json_object_get(object, "slices");
    const json_t *at = json_object_get(object, "at");
    struct analyse_set *sets = NULL;
    int64_t grid = DEFAULT_GRID;
    json_read_int(members, "grid", 2, ANALYSE_MAX_GRID, &grid);
    request->spec.grid = (int)grid;
    if (err->code == ERR_OK && slices != NULL &&
        read_sets(slices, "slices", request, &sets, err) == ERR_OK) {
        request->spec.slices = sets;
        request->spec.n_slices = (int)json_array_size(slices);
    }
    return err->code == ERR_OK && at != NULL && !json_is_null(at) ? read_point(at, request, err)
                                                                  : err->code;
}

enum err_code analysis_members_read(const json_t *object, struct analysis_request *request,
                                    struct err *err)
{
    switch (request->spec.kind) {
    case ANALYSE_SOBOL:
        return read_sobol(object, request, err);
    case ANALYSE_SHAPLEY:
        return read_shapley(object, request, err);
    case ANALYSE_PROPAGATE:
        return read_propagate(object, request, err);
    case ANALYSE_FAILURE:
        return read_failure(object, request, err);
    case ANALYSE_SLICES:
        return read_slices(object, request, err);
    case ANALYSE_MORRIS:
    case ANALYSE_ACTIVE_SUBSPACE:
    case ANALYSE_N_KINDS:
        break;
    }
    return ERR_OK;
}

/* ---- writing ---- */

static void write_correlation(struct json_write *json, const struct analysis_request *request)
{
    int d = request->space->d;
    json_write_array(json, "correlation");
    for (int i = 0; request->spec.correlation != NULL && i < d; i++) {
        for (int j = 0; j < i; j++) {
            double value = request->spec.correlation[i * d + j];
            if (value != 0.0) {
                json_write_object(json, NULL);
                json_write_array(json, "inputs");
                json_write_text(json, NULL, request->spec.input_names[j]);
                json_write_text(json, NULL, request->spec.input_names[i]);
                json_write_array_end(json);
                json_write_real(json, "value", value);
                json_write_object_end(json);
            }
        }
    }
    json_write_array_end(json);
}

static void write_region(struct json_write *json, const struct analyse_spec *spec)
{
    json_write_array(json, "region");
    for (int i = 0; i < spec->n_limits; i++) {
        json_write_object(json, NULL);
        json_write_text(json, "output", spec->output_names[spec->limits[i].output]);
        json_write_real(json, spec->limits[i].above ? "above" : "below", spec->limits[i].value);
        json_write_object_end(json);
    }
    json_write_array_end(json);
    json_write_text(json, "method", analyse_method_name(spec->method));
}

static void write_slices(struct json_write *json, const struct analysis_request *request)
{
    const struct analyse_spec *spec = &request->spec;
    write_sets(json, "slices", spec->slices, spec->n_slices, spec->input_names);
    json_write_int(json, "grid", spec->grid);
    if (!spec->at_point) {
        json_write_null(json, "at");
        return;
    }
    json_write_object(json, "at");
    for (int b = 0; b < request->space->d; b++) {
        if (!law_is_fixed(&request->laws[b])) {
            analysis_write_value(json, &request->space->inputs[b], spec->point[b]);
        }
    }
    json_write_object_end(json);
}

void analysis_members_write(struct json_write *json, const struct analysis_request *request)
{
    const struct analyse_spec *spec = &request->spec;
    switch (spec->kind) {
    case ANALYSE_SOBOL:
        json_write_bool(json, "second_order", spec->second_order);
        write_sets(json, "groups", spec->groups, spec->n_groups, spec->input_names);
        return;
    case ANALYSE_SHAPLEY:
        write_correlation(json, request);
        return;
    case ANALYSE_PROPAGATE:
        json_write_reals(json, "quantiles", spec->levels, (size_t)spec->n_levels);
        json_write_int(json, "bins", spec->bins);
        return;
    case ANALYSE_FAILURE:
        write_region(json, spec);
        return;
    case ANALYSE_SLICES:
        write_slices(json, request);
        return;
    case ANALYSE_MORRIS:
    case ANALYSE_ACTIVE_SUBSPACE:
    case ANALYSE_N_KINDS:
        return;
    }
}
