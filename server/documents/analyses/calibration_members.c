/* SPDX-License-Identifier: Apache-2.0 */
#include "documents/analyses/calibration_members.h"

#include "base/known.h"
#include "base/mem.h"
#include "analyse/calibrate_design.h"
#include "documents/analyses/analysis_members.h"
#include "documents/analyses/history_members.h"
#include "formats/json_read.h"

#include <math.h>

#define DEFAULT_CHAINS 4
#define DEFAULT_STEPS  500
#define MAX_STEPS      100000
#define DEFAULT_NEXT   10
#define DEFAULT_HOLD_S (24 * 3600)       /* as of suggest */
#define MAX_HOLD_S     (365 * 24 * 3600) /* as of suggest */

static const char *const kinds[] = {"posterior", "history"};

const char *calibration_kind_name(bool matches)
{
    return kinds[matches];
}

enum err_code calibration_check_keys(const json_t *object, struct analysis_request *request,
                                     struct err *err)
{
    static const char *const keys[] = {
        "kind",        "version",         "space",       "outputs", "fixed",      "seed",
        "draws",       "priority",        "experiments", "sigma",   "covariance", "scale",
        "discrepancy", "surrogate_error", "chains",      "warmup",  "samples",    "temperatures",
        "next",        "hold_s",          NULL};
    static const struct names known = {kinds, sizeof kinds / sizeof *kinds};
    const struct json_members members = {object, "the request", err};
    const char *kind = kinds[false];
    if (json_read_text(members, "kind", 64, &kind) != ERR_OK) {
        return err->code;
    }
    int at = names_find(known, kind);
    if (at < 0) {
        return known_refuse("kind", kind, known, err);
    }
    request->matches = at == 1;
    return request->matches ? history_check_keys(object, err)
                            : json_read_check_keys(object, "the request", keys, err);
}

bool calibration_fixes_everywhere(const json_t *object, const char *input)
{
    const json_t *experiments = json_object_get(object, "experiments");
    size_t n = json_array_size(experiments);
    for (size_t e = 0; e < n; e++) {
        const json_t *fixed = json_object_get(json_array_get(experiments, e), "fixed");
        if (json_object_get(fixed, input) == NULL) {
            return false;
        }
    }
    return n > 0;
}

bool calibration_sets(const struct analysis_request *request, int input)
{
    const struct calibrate_spec *spec = &request->calibration;
    bool set = request->calibrates;
    for (int e = 0; set && e < spec->n_experiments; e++) {
        const double *fixed = spec->experiments[e].fixed;
        set = fixed != NULL && !isnan(fixed[input]);
    }
    return set;
}

/* ---- experiments ---- */

static enum err_code read_fixed(const json_t *object, size_t e, struct analysis_request *request,
                                struct calibrate_experiment *out, struct err *err)
{
    const json_t *given = json_object_get(object, "fixed");
    const struct space *space = request->space;
    const char *name;
    json_t *value;
    double *fixed = arena_alloc_array(&request->arena, (size_t)space->d, sizeof *fixed);
    if (fixed == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a calibration");
    }
    if (given != NULL && !json_is_object(given)) {
        return err_set(err, ERR_INVALID, "experiments[%zu].fixed must be an object of inputs", e);
    }
    for (int b = 0; b < space->d; b++) {
        fixed[b] = NAN;
    }
    json_object_foreach((json_t *)given, name, value)
    {
        int b;
        if (analysis_find_input(space, name, "experiments", &b, err) != ERR_OK ||
            analysis_read_value(&space->inputs[b], value, "experiments", &fixed[b], err) !=
                ERR_OK) {
            return err->code;
        }
    }
    out->fixed = fixed;
    return ERR_OK;
}

static enum err_code read_experiment(const json_t *object, size_t e,
                                     struct analysis_request *request,
                                     struct calibrate_experiment *out, struct err *err)
{
    static const char *const keys[] = {"fixed", "outputs", NULL};
    const json_t *rows = json_object_get(object, "outputs");
    size_t n = json_array_size(rows);
    if (json_read_check_keys(object, "an experiment", keys, err) != ERR_OK ||
        read_fixed(object, e, request, out, err) != ERR_OK) {
        return err->code;
    }
    if (n < 1 || n > CALIBRATION_MAX_REPLICATES) {
        return err_set(err, ERR_INVALID,
                       "experiments[%zu].outputs must be an array of 1 to %d rows, one of each "
                       "replicate",
                       e, CALIBRATION_MAX_REPLICATES);
    }
    double *y = arena_alloc_array(&request->arena, n * (size_t)request->n_outputs, sizeof *y);
    if (y == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a calibration");
    }
    out->n = (int)n;
    out->y = y;
    return json_read_matrix(rows, "the outputs of an experiment", (int)n, request->n_outputs, y,
                            err);
}

static enum err_code read_experiments(const json_t *object, struct analysis_request *request,
                                      struct err *err)
{
    const json_t *list = json_object_get(object, "experiments");
    size_t n = json_array_size(list);
    if (n < 1 || n > CALIBRATION_MAX_EXPERIMENTS) {
        return err_set(err, ERR_INVALID, "experiments must be an array of 1 to %d experiments",
                       CALIBRATION_MAX_EXPERIMENTS);
    }
    struct calibrate_experiment *all = arena_zalloc_array(&request->arena, n, sizeof *all);
    if (all == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a calibration");
    }
    for (size_t e = 0; e < n && err->code == ERR_OK; e++) {
        err_kept(read_experiment(json_array_get(list, e), e, request, &all[e], err));
    }
    request->calibration.experiments = all;
    request->calibration.n_experiments = (int)n;
    return err->code;
}

/* ---- the noise ---- */

enum err_code calibration_read_sizes(const json_t *object, const char *key,
                                     struct analysis_request *request, const double **out,
                                     struct err *err)
{
    const json_t *sizes = json_object_get(object, key);
    size_t o = (size_t)request->n_outputs;
    if (sizes == NULL || json_is_null(sizes)) {
        return ERR_OK;
    }
    double *values = arena_alloc_array(&request->arena, o, sizeof *values);
    if (values == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a calibration");
    }
    for (size_t a = 0; a < o; a++) {
        const json_t *value = json_object_get(sizes, request->spec.output_names[a]);
        values[a] = json_number_value(value);
        if (!json_is_number(value) || !(values[a] > 0.0)) {
            return err_set(err, ERR_INVALID, "%s must have a number above 0 for output \"%.60s\"",
                           key, request->spec.output_names[a]);
        }
    }
    *out = values;
    return json_object_size(sizes) == o
               ? ERR_OK
               : err_set(err, ERR_INVALID, "%s has a member that is no output", key);
}

static enum err_code read_noise(const json_t *object, struct analysis_request *request,
                                struct err *err)
{
    struct calibrate_spec *spec = &request->calibration;
    const json_t *covariance = json_object_get(object, "covariance");
    size_t o = (size_t)request->n_outputs;
    if (calibration_read_sizes(object, "sigma", request, &spec->sigma, err) != ERR_OK ||
        calibration_read_sizes(object, "scale", request, &spec->scale, err) != ERR_OK) {
        return err->code;
    }
    if (covariance != NULL && !json_is_null(covariance)) {
        double *values = arena_alloc_array(&request->arena, o * o, sizeof *values);
        if (values == NULL) {
            return err_set(err, ERR_NOMEM, "no memory for a calibration");
        }
        spec->covariance = values;
        if (json_read_matrix(covariance, "covariance", (int)o, (int)o, values, err) != ERR_OK) {
            return err->code;
        }
    }
    if (spec->sigma != NULL && spec->covariance != NULL) {
        return err_set(err, ERR_INVALID, "sigma and covariance cannot both be given");
    }
    bool inferred = spec->sigma == NULL && spec->covariance == NULL;
    return request->matches || spec->scale != NULL || !(inferred || spec->discrepancy)
               ? ERR_OK
               : err_set(err, ERR_INVALID,
                         "\"scale\" is needed, about what the unknown sigma of each output is, or "
                         "\"sigma\"");
}

/* ---- the whole ---- */

enum err_code calibration_read_next(const json_t *object, struct analysis_request *request,
                                    struct err *err)
{
    const struct json_members members = {object, "the request", err};
    int64_t n = DEFAULT_NEXT;
    request->hold_s = DEFAULT_HOLD_S;
    json_read_int(members, "next", 0, CALIBRATE_MAX_NEXT, &n);
    json_read_int(members, "hold_s", 0, MAX_HOLD_S, &request->hold_s);
    request->n_next = (int)n;
    return err->code;
}

static enum err_code read_steps(const json_t *object, struct calibrate_spec *spec, struct err *err)
{
    const struct json_members members = {object, "the request", err};
    int64_t chains = DEFAULT_CHAINS;
    int64_t warmup = DEFAULT_STEPS;
    int64_t samples = DEFAULT_STEPS;
    int64_t temperatures = 1;
    json_read_int(members, "chains", 2, CALIBRATE_MAX_CHAINS, &chains);
    json_read_int(members, "warmup", 20, MAX_STEPS, &warmup);
    json_read_int(members, "samples", 20, MAX_STEPS, &samples);
    json_read_int(members, "temperatures", 1, CALIBRATE_MAX_TEMPERATURES, &temperatures);
    spec->temperatures = (int)temperatures;
    spec->chains = (int)chains;
    spec->warmup = (int)warmup;
    spec->draws = (int)samples;
    return err->code;
}

enum err_code calibration_members_read(const json_t *object, struct analysis_request *request,
                                       struct err *err)
{
    const struct json_members members = {object, "the request", err};
    struct calibrate_spec *spec = &request->calibration;
    const char *error = calibrate_error_name(CALIBRATE_COVARIANCE);
    if (request->matches) {
        return read_experiments(object, request, err) == ERR_OK &&
                       read_noise(object, request, err) == ERR_OK
                   ? history_members_read(object, request, err)
                   : err->code;
    }
    json_read_bool(members, "discrepancy", &spec->discrepancy);
    if (json_read_text(members, "surrogate_error", 64, &error) != ERR_OK) {
        return err->code;
    }
    int at = names_find(calibrate_error_known(), error);
    if (at < 0) {
        return known_refuse("surrogate_error", error, calibrate_error_known(), err);
    }
    spec->error = (enum calibrate_error)at;
    spec->seed = request->spec.seed;
    return read_steps(object, spec, err) == ERR_OK &&
                   calibration_read_next(object, request, err) == ERR_OK &&
                   read_experiments(object, request, err) == ERR_OK
               ? read_noise(object, request, err)
               : err->code;
}

void calibration_write_sizes(struct json_write *json, const char *key,
                             const struct analysis_request *request, const double *sizes)
{
    if (sizes == NULL) {
        json_write_null(json, key);
        return;
    }
    json_write_object(json, key);
    for (int a = 0; a < request->n_outputs; a++) {
        json_write_real(json, request->spec.output_names[a], sizes[a]);
    }
    json_write_object_end(json);
}

void calibration_write_experiments(struct json_write *json, const struct analysis_request *request)
{
    const struct calibrate_spec *spec = &request->calibration;
    json_write_array(json, "experiments");
    for (int e = 0; e < spec->n_experiments; e++) {
        const struct calibrate_experiment *of = &spec->experiments[e];
        json_write_object(json, NULL);
        json_write_object(json, "fixed");
        for (int b = 0; b < request->space->d; b++) {
            if (!isnan(of->fixed[b])) {
                analysis_write_value(json, &request->space->inputs[b], of->fixed[b]);
            }
        }
        json_write_object_end(json);
        json_write_matrix(json, "outputs", of->y, (size_t)of->n, (size_t)request->n_outputs);
        json_write_object_end(json);
    }
    json_write_array_end(json);
}

void calibration_write_noise(struct json_write *json, const struct analysis_request *request)
{
    const struct calibrate_spec *spec = &request->calibration;
    size_t o = (size_t)request->n_outputs;
    calibration_write_sizes(json, "sigma", request, spec->sigma);
    if (spec->covariance != NULL) {
        json_write_matrix(json, "covariance", spec->covariance, o, o);
    } else {
        json_write_null(json, "covariance");
    }
}

void calibration_write_next(struct json_write *json, const struct analysis_request *request)
{
    json_write_int(json, "next", request->n_next);
    json_write_int(json, "hold_s", request->hold_s);
}

void calibration_members_write(struct json_write *json, const struct analysis_request *request)
{
    const struct calibrate_spec *spec = &request->calibration;
    calibration_write_experiments(json, request);
    calibration_write_noise(json, request);
    calibration_write_sizes(json, "scale", request, spec->scale);
    json_write_bool(json, "discrepancy", spec->discrepancy);
    json_write_text(json, "surrogate_error", calibrate_error_name(spec->error));
    json_write_int(json, "chains", spec->chains);
    json_write_int(json, "warmup", spec->warmup);
    json_write_int(json, "samples", spec->draws);
    json_write_int(json, "temperatures", spec->temperatures);
    calibration_write_next(json, request);
}
