/* SPDX-License-Identifier: Apache-2.0 */
#include "documents/analyses/calibration_result.h"

#include "documents/analyses/calibration_members.h"
#include "documents/explore/explore_points.h"
#include "formats/json_write.h"
#include "math/moments.h"

#include <math.h>
#include <stdio.h>

#define N_LEVELS    5
#define N_BINS      40
#define MAX_OUTSIDE 0.05
#define MAX_RHAT    1.01
#define NAME_CHARS  160

static const double levels[N_LEVELS] = {0.025, 0.25, 0.5, 0.75, 0.975};

struct column {
    int n;
    double *values; /* [n] */
    double mean, std;
    double quantiles[N_LEVELS];
};

/* Takes number `at` of every row of `width`, and sorts the values. */
static void take_column(struct column *c, const double *rows, size_t width, size_t at)
{
    double m2 = 0.0;
    for (int i = 0; i < c->n; i++) {
        c->values[i] = rows[(size_t)i * width + at];
        moments_add(i + 1, 1, &c->values[i], &c->mean, &m2);
    }
    moments_finish(c->n, 1, &m2);
    c->std = sqrt(m2);
    moments_quantiles(c->n, c->values, N_LEVELS, levels, c->quantiles);
}

/* A histogram between the extremes. */
static void write_density(struct json_write *json, const struct column *c)
{
    double counts[N_BINS] = {0.0};
    double middles[N_BINS];
    double low = c->values[0];
    double width = (c->values[c->n - 1] - low) / N_BINS;
    width = width > 0.0 ? width : 1.0;
    for (int i = 0; i < c->n; i++) {
        int bin = (int)((c->values[i] - low) / width);
        counts[bin < N_BINS ? bin : N_BINS - 1] += 1.0 / (c->n * width);
    }
    for (int b = 0; b < N_BINS; b++) {
        middles[b] = low + (b + 0.5) * width;
    }
    json_write_object(json, "density");
    json_write_reals(json, "values", middles, N_BINS);
    json_write_reals(json, "density", counts, N_BINS);
    json_write_object_end(json);
}

/* The inputs that are calibrated, in their order. */
static int input_of(const struct analysis_request *request, int parameter)
{
    int at = -1;
    for (int b = 0; b < request->space->d; b++) {
        at += !law_is_fixed(&request->laws[b]) && !calibration_sets(request, b);
        if (at == parameter) {
            return b;
        }
    }
    return 0;
}

static void name_parameter(const struct analysis_request *request,
                           const struct calibrate_result *result, int i, char out[NAME_CHARS])
{
    const struct calibrate_spec *spec = &request->calibration;
    int after = i - result->k;
    bool infers = spec->sigma == NULL && spec->covariance == NULL;
    bool is_sigma = infers && after < request->n_outputs;
    if (i < result->k) {
        snprintf(out, NAME_CHARS, "%s", request->spec.input_names[input_of(request, i)]);
    } else {
        snprintf(out, NAME_CHARS, "%s of %s", is_sigma ? "sigma" : "discrepancy",
                 request->spec.output_names[after % request->n_outputs]);
    }
}

static void write_parameters(struct json_write *json, const struct analysis_request *request,
                             const struct calibrate_result *result, struct column *c)
{
    json_write_array(json, "parameters");
    for (int i = 0; i < result->n_parameters; i++) {
        char name[NAME_CHARS];
        name_parameter(request, result, i, name);
        take_column(c, result->draws, (size_t)result->n_parameters, (size_t)i);
        json_write_object(json, NULL);
        json_write_text(json, "name", name);
        json_write_real(json, "mean", c->mean);
        json_write_real(json, "std", c->std);
        json_write_reals(json, "quantiles", c->quantiles, N_LEVELS);
        json_write_real(json, "rhat", result->rhat[i]);
        json_write_real(json, "ess_bulk", result->ess_bulk[i]);
        json_write_real(json, "ess_tail", result->ess_tail[i]);
        write_density(json, c);
        json_write_object_end(json);
    }
    json_write_array_end(json);
    json_write_reals(json, "quantile_levels", levels, N_LEVELS);
}

static void write_predictive(struct json_write *json, const struct analysis_request *request,
                             const struct calibrate_result *result, struct column *c)
{
    const struct calibrate_spec *spec = &request->calibration;
    size_t o = (size_t)request->n_outputs;
    json_write_array(json, "predictive");
    for (size_t at = 0; at < (size_t)spec->n_experiments * o; at++) {
        const struct calibrate_experiment *of = &spec->experiments[at / o];
        double observed = 0.0;
        for (size_t i = 0; i < (size_t)of->n; i++) {
            observed += of->y[i * o + at % o] / of->n;
        }
        take_column(c, result->predicted, (size_t)spec->n_experiments * o, at);
        json_write_object(json, NULL);
        json_write_int(json, "experiment", (int64_t)(at / o));
        json_write_text(json, "output", request->spec.output_names[at % o]);
        json_write_real(json, "observed", observed);
        json_write_real(json, "mean", c->mean);
        json_write_real(json, "std", c->std);
        json_write_real(json, "lower", c->quantiles[0]);
        json_write_real(json, "upper", c->quantiles[N_LEVELS - 1]);
        json_write_object_end(json);
    }
    json_write_array_end(json);
}

static void write_warnings(struct json_write *json, const struct calibrate_result *result)
{
    char text[160];
    double worst = 0.0;
    for (int i = 0; i < result->n_parameters; i++) {
        worst = fmax(worst, result->rhat[i]);
    }
    json_write_array(json, "warnings");
    if (result->outside > MAX_OUTSIDE) {
        snprintf(text, sizeof text,
                 "%.0f %% of the posterior lie outside of the rows that trained the version",
                 100.0 * result->outside);
        json_write_text(json, NULL, text);
    }
    if (worst > MAX_RHAT) {
        snprintf(text, sizeof text,
                 "the chains have not mixed: R-hat is up to %.3f; ask for more samples", worst);
        json_write_text(json, NULL, text);
    }
    if (result->n_divergent > 0) {
        snprintf(text, sizeof text, "%ld steps diverged, so a part of the posterior may be missing",
                 result->n_divergent);
        json_write_text(json, NULL, text);
    }
    json_write_array_end(json);
}

static void write_next(struct json_write *json, const struct analysis_request *request,
                       const struct calibrate_design *next)
{
    json_write_object(json, "next");
    explore_points_write(json, "points", request->space, next->n, next->x);
    json_write_array(json, "std");
    for (size_t i = 0; i < (size_t)next->n; i++) {
        size_t o = (size_t)request->n_outputs;
        json_write_reals(json, NULL, next->std + i * o, o);
    }
    json_write_array_end(json);
    json_write_real(json, "variance", next->variance);
    json_write_real(json, "variance_after", next->variance_after);
    json_write_object_end(json);
}

enum err_code calibration_result_write(struct textbuf *text, const struct analysis_request *request,
                                       const struct analysis_origin *origin,
                                       const struct calibrate_result *result,
                                       const struct calibrate_design *next, struct err *err)
{
    struct arena arena = ARENA_INIT;
    struct json_write json = json_write_to(text);
    struct column column = {.n = result->n_draws};
    column.values = arena_alloc_array(&arena, (size_t)column.n, sizeof *column.values);
    if (column.values == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the result of a calibration");
    }
    json_write_object(&json, NULL);
    json_write_text(&json, "kind", "calibration");
    json_write_text(&json, "model", origin->model);
    json_write_int(&json, "version", origin->version);
    json_write_text(&json, "version_digest", origin->version_digest);
    json_write_int(&json, "draws", request->draws);
    write_parameters(&json, request, result, &column);
    write_predictive(&json, request, result, &column);
    json_write_real(&json, "log_evidence", result->log_evidence);
    json_write_int(&json, "divergent", result->n_divergent);
    json_write_real(&json, "outside_training_range", result->outside);
    write_warnings(&json, result);
    write_next(&json, request, next);
    json_write_matrix(&json, "samples", result->draws, (size_t)result->n_draws,
                      (size_t)result->n_parameters);
    json_write_raw(&json, "request", origin->request);
    json_write_object_end(&json);
    json_write_end(&json);
    arena_release(&arena);
    return ERR_OK;
}
