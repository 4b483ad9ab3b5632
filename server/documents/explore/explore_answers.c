/* SPDX-License-Identifier: Apache-2.0 */
#include "documents/explore/explore_json.h"

#include "math/moments.h"

#include <math.h>
#include <string.h>

#define N_LEVELS 3

static const double levels[N_LEVELS] = {0.05, 0.5, 0.95};

void explore_suggestions_write(struct json_write *json, const struct suggestions *made,
                               const struct suggest_spec *spec, const struct space *space)
{
    json_write_array(json, "points");
    for (int k = 0; k < made->n; k++) {
        explore_point_write(json, NULL, space, made->list[k].x);
    }
    json_write_array_end(json);
    json_write_array(json, "suggestions");
    for (int k = 0; k < made->n; k++) {
        const struct suggestion *one = &made->list[k];
        json_write_object(json, NULL);
        json_write_real(json, "score", one->score);
        json_write_reals(json, "mean", one->mean, (size_t)spec->n_outputs);
        json_write_reals(json, "std", one->std, (size_t)spec->n_outputs);
        if (!isnan(one->feasible)) {
            json_write_real(json, "feasible", one->feasible);
        }
        if (one->candidate >= 0) {
            json_write_int(json, "candidate", one->candidate);
            json_write_real(json, "cost", one->cost);
        }
        json_write_object_end(json);
    }
    json_write_array_end(json);
    if (!isnan(made->best)) {
        json_write_real(json, "best", made->best);
    }
    json_write_object(json, "variance");
    json_write_real(json, "before", made->variance);
    json_write_real(json, "after", made->variance_after);
    json_write_object_end(json);
}

/* Mean, standard deviation and quantiles of n numbers, which are sorted. */
static void write_spread(struct json_write *json, const char *key, int n, double *values)
{
    double mean = 0.0;
    double square = 0.0;
    double quantiles[N_LEVELS];
    for (int k = 0; k < n; k++) {
        double gap = values[k] - mean;
        mean += gap / (k + 1);
        square += gap * (values[k] - mean);
    }
    moments_quantiles(n, values, N_LEVELS, levels, quantiles);
    json_write_object(json, key);
    json_write_real(json, "mean", mean);
    json_write_real(json, "std", n > 1 ? sqrt(square / (n - 1)) : 0.0);
    json_write_reals(json, "quantiles", quantiles, N_LEVELS);
    json_write_object_end(json);
}

static void write_draws(struct json_write *json, const struct optimum *optimum,
                        const struct space *space)
{
    int n = optimum->n_draws;
    size_t d = (size_t)space->d;
    json_write_object(json, "draws");
    json_write_int(json, "count", n);
    json_write_int(json, "without_limits", optimum->n_failed);
    if (n > 0) {
        json_write_reals(json, "levels", levels, N_LEVELS);
        explore_points_write(json, "points", space, n, optimum->draws_x);
        json_write_reals(json, "values", optimum->draws_value, (size_t)n);
        write_spread(json, "value", n, optimum->draws_value);
        json_write_array(json, "inputs");
        for (size_t j = 0; j < d; j++) {
            if (space->inputs[j].type == SPACE_CATEGORY) {
                json_write_null(json, NULL);
                continue;
            }
            /* The values are in the answer already; one column takes their place. */
            for (int k = 0; k < n; k++) {
                optimum->draws_value[k] = optimum->draws_x[(size_t)k * d + j];
            }
            write_spread(json, NULL, n, optimum->draws_value);
        }
        json_write_array_end(json);
    }
    json_write_object_end(json);
}

void explore_optimum_write(struct json_write *json, const struct optimum *optimum,
                           const struct explore_optimize *how, const struct space *space)
{
    json_write_object(json, "optimum");
    explore_point_write(json, "point", space, optimum->x);
    json_write_real(json, "value", optimum->values[0]);
    json_write_reals(json, "limits", optimum->values + 1, (size_t)(how->n_terms - 1));
    json_write_bool(json, "holds", optimum->holds);
    json_write_object_end(json);
    write_draws(json, optimum, space);
}

void explore_front_write(struct json_write *json, const struct pareto_front *front,
                         const struct explore_optimize *how, const struct space *space)
{
    size_t n_terms = (size_t)how->n_terms;
    size_t n_goals = (size_t)how->n_objectives;
    json_write_object(json, "front");
    explore_points_write(json, "points", space, front->n, front->x);
    json_write_array(json, "values");
    for (int k = 0; k < front->n; k++) {
        json_write_reals(json, NULL, front->values + (size_t)k * n_terms, n_goals);
    }
    json_write_array_end(json);
    json_write_array(json, "limits");
    for (int k = 0; k < front->n; k++) {
        json_write_reals(json, NULL, front->values + (size_t)k * n_terms + n_goals,
                         n_terms - n_goals);
    }
    json_write_array_end(json);
    json_write_object_end(json);
}

/* The columns of categories are null. */
static void write_inputs(struct json_write *json, const char *key, const struct space *space, int n,
                         const double *x)
{
    json_write_array(json, key);
    for (int i = 0; i < n; i++) {
        json_write_array(json, NULL);
        for (int j = 0; j < space->d; j++) {
            if (space->inputs[j].type == SPACE_CATEGORY) {
                json_write_null(json, NULL);
            } else {
                json_write_real(json, NULL, x[i * space->d + j]);
            }
        }
        json_write_array_end(json);
    }
    json_write_array_end(json);
}

static void write_rows(struct json_write *json, const char *key, int n, int columns, int stride,
                       const double *values)
{
    json_write_array(json, key);
    for (int i = 0; i < n; i++) {
        json_write_reals(json, NULL, values + (size_t)i * (size_t)stride, (size_t)columns);
    }
    json_write_array_end(json);
}

void explore_fronts_write(struct json_write *json, const struct pareto_front *front,
                          const struct pareto_spread *spread, const struct explore_optimize *how,
                          const struct space *space)
{
    int goals = how->n_objectives;
    json_write_object(json, "draws");
    json_write_int(json, "count", spread->n_draws);
    json_write_int(json, "without_limits", spread->n_failed);
    if (spread->n_draws > 0) {
        json_write_object(json, "nearest");
        write_rows(json, "values_mean", front->n, goals, goals, spread->values_mean);
        write_rows(json, "values_std", front->n, goals, goals, spread->values_std);
        write_inputs(json, "inputs_mean", space, front->n, spread->inputs_mean);
        write_inputs(json, "inputs_std", space, front->n, spread->inputs_std);
        json_write_object_end(json);
        json_write_array(json, "fronts");
        for (int k = 0; k < spread->n_draws; k++) {
            const struct pareto_front *draw = &spread->draws[k];
            json_write_object(json, NULL);
            explore_points_write(json, "points", space, draw->n, draw->x);
            write_rows(json, "values", draw->n, goals, how->n_terms, draw->values);
            json_write_object_end(json);
        }
        json_write_array_end(json);
    }
    json_write_object_end(json);
}
