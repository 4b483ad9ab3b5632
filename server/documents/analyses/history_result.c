/* SPDX-License-Identifier: Apache-2.0 */
#include "documents/analyses/history_result.h"

#include "documents/explore/explore_points.h"
#include "formats/json_write.h"

#include <stdio.h>

static void write_waves(struct json_write *json, const struct analysis_request *request,
                        const struct analysis_origin *origin, const struct history_result *result)
{
    json_write_array(json, "waves");
    for (int w = 0; w <= request->n_earlier; w++) {
        const struct history_share *share = &result->shares[w];
        json_write_object(json, NULL);
        json_write_int(json, "version",
                       w < request->n_earlier ? request->earlier[w] : origin->version);
        json_write_real(json, "share", share->estimate);
        json_write_real(json, "sampling_error", share->sampling_error);
        json_write_real(json, "lower", share->lower);
        json_write_real(json, "upper", share->upper);
        json_write_object_end(json);
    }
    json_write_array_end(json);
}

static const struct space_input *input_of(const struct analysis_request *request,
                                          const struct history_result *result, int i)
{
    return &request->space->inputs[result->inputs[i]];
}

static void write_values(struct json_write *json, const struct space_input *input,
                         const double *values, int n)
{
    json_write_array(json, "values");
    for (int c = 0; c < n; c++) {
        if (input->type == SPACE_CATEGORY) {
            json_write_text(json, NULL, input->values[(int)values[c]]);
        } else {
            json_write_real(json, NULL, values[c]);
        }
    }
    json_write_array_end(json);
}

static void write_inputs(struct json_write *json, const struct analysis_request *request,
                         const struct history_result *result)
{
    size_t grid = (size_t)request->history.grid;
    json_write_array(json, "inputs");
    for (int i = 0; grid > 0 && i < result->k; i++) {
        size_t n = (size_t)result->cells[i];
        const struct space_input *input = input_of(request, result, i);
        json_write_object(json, NULL);
        json_write_text(json, "name", input->name);
        write_values(json, input, result->values + (size_t)i * grid, (int)n);
        json_write_reals(json, "depth", result->single[i].depth, n);
        json_write_reals(json, "minimum", result->single[i].minimum, n);
        json_write_object_end(json);
    }
    json_write_array_end(json);
}

static void write_pairs(struct json_write *json, const struct analysis_request *request,
                        const struct history_result *result)
{
    const struct history_depth *pair = result->pairs;
    json_write_array(json, "pairs");
    for (int i = 0; request->history.grid > 0 && i < result->k; i++) {
        for (int j = i + 1; j < result->k; j++, pair++) {
            size_t rows = (size_t)result->cells[i];
            size_t columns = (size_t)result->cells[j];
            json_write_object(json, NULL);
            json_write_array(json, "inputs");
            json_write_text(json, NULL, input_of(request, result, i)->name);
            json_write_text(json, NULL, input_of(request, result, j)->name);
            json_write_array_end(json);
            json_write_matrix(json, "depth", pair->depth, rows, columns);
            json_write_matrix(json, "minimum", pair->minimum, rows, columns);
            json_write_object_end(json);
        }
    }
    json_write_array_end(json);
}

static void write_warnings(struct json_write *json, const struct analysis_request *request,
                           const struct history_result *result)
{
    char text[200];
    json_write_array(json, "warnings");
    if (result->shares[request->n_earlier].estimate == 0.0) {
        json_write_text(json, NULL,
                        "every point is ruled out: the observations, their noise or the "
                        "discrepancy do not fit the simulation, or what is left is too small to "
                        "be found with so many points");
    } else if (result->n_next < request->n_next) {
        snprintf(text, sizeof text,
                 "only %d points that are not ruled out were found; ask for more points",
                 result->n_next);
        json_write_text(json, NULL, text);
    }
    json_write_array_end(json);
}

void history_result_write(struct textbuf *text, const struct analysis_request *request,
                          const struct analysis_origin *origin, const struct history_result *result)
{
    struct json_write json = json_write_to(text);
    json_write_object(&json, NULL);
    json_write_text(&json, "kind", "history");
    json_write_text(&json, "model", origin->model);
    json_write_int(&json, "version", origin->version);
    json_write_text(&json, "version_digest", origin->version_digest);
    json_write_int(&json, "draws", request->draws);
    json_write_real(&json, "evaluations", result->runs);
    write_waves(&json, request, origin, result);
    json_write_real(&json, "least", result->least);
    explore_point_write(&json, "best", request->space, result->best);
    write_inputs(&json, request, result);
    write_pairs(&json, request, result);
    explore_points_write(&json, "points", request->space, result->n_next, result->next);
    json_write_reals(&json, "implausibility", result->implausibility, (size_t)result->n_next);
    write_warnings(&json, request, result);
    json_write_raw(&json, "request", origin->request);
    json_write_object_end(&json);
    json_write_end(&json);
}
