/* SPDX-License-Identifier: Apache-2.0 */
#include "api/native/row_warnings.h"

#include "model/space_rows.h"

#include <math.h>

#define MAX_WARNINGS 100 /* listed one by one; the rest are counted */

/* A value that is outside of something. */
struct found {
    const char *code;
    int row, input;
    double value;
    const char *limits_key;
    double limits[2];
};

static void write_value(struct json_write *json, const struct model *model,
                        const struct found *found)
{
    const struct space_input *input =
        model->space != NULL ? &model->space->inputs[found->input] : NULL;
    if (input != NULL && input->type == SPACE_CATEGORY) {
        json_write_text(json, "value", input->values[(int)found->value]);
        return; /* the places between which it is mean nothing to a reader */
    }
    json_write_real(json, "value", found->value);
    json_write_reals(json, found->limits_key, found->limits, 2);
}

static void write_warning(struct json_write *json, const struct model *model,
                          const struct found *found)
{
    const char *name = model->input_names != NULL ? model->input_names[found->input] : NULL;
    json_write_object(json, NULL);
    json_write_text(json, "code", found->code);
    json_write_int(json, "row", found->row);
    json_write_int(json, "input", found->input);
    if (name != NULL) {
        json_write_text(json, "name", name);
    }
    write_value(json, model, found);
    json_write_object_end(json);
}

static bool extrapolates(const struct model *model, int input, double value)
{
    return model->training_range != NULL &&
           space_is_outside(model->training_range + 2 * input, value);
}

/* A category has no bounds. */
static bool leaves_bounds(const struct model *model, int input, double value, double *limits)
{
    if (model->space == NULL || model->space->inputs[input].type == SPACE_CATEGORY) {
        return false;
    }
    space_limits(&model->space->inputs[input], limits);
    return space_is_outside(limits, value);
}

/* Lists what is outside, up to MAX_WARNINGS; *cells counts all. */
static long list_warnings(struct json_write *json, const struct predict_request *request,
                          const struct model *model, long *cells)
{
    long rows = 0;
    for (int i = 0; i < request->n; i++) {
        bool outside = false;
        for (int j = 0; j < model->d; j++) {
            double value = request->x[(size_t)i * (size_t)model->d + (size_t)j];
            struct found found = {.row = i, .input = j, .value = value};
            if (extrapolates(model, j, value)) {
                outside = true;
                found.code = "extrapolation";
                found.limits_key = "range";
                found.limits[0] = model->training_range[2 * j];
                found.limits[1] = model->training_range[2 * j + 1];
                if ((*cells)++ < MAX_WARNINGS) {
                    write_warning(json, model, &found);
                }
            }
            if (leaves_bounds(model, j, value, found.limits)) {
                found.code = "outside_bounds";
                found.limits_key = "bounds";
                if ((*cells)++ < MAX_WARNINGS) {
                    write_warning(json, model, &found);
                }
            }
        }
        rows += outside;
    }
    return rows;
}

long row_warnings_write(struct json_write *json, const struct predict_request *request,
                        const struct served *served)
{
    const struct model *model = served->model;
    long cells = 0;
    long rows = 0;
    json_write_array(json, "warnings");
    if (served->warnings != NULL) {
        json_write_raw(json, NULL, served->warnings);
    }
    if (model->training_range != NULL || model->space != NULL) {
        rows = list_warnings(json, request, model, &cells);
    }
    if (cells > MAX_WARNINGS) {
        json_write_object(json, NULL);
        json_write_text(json, "code", "more");
        json_write_int(json, "count", cells - MAX_WARNINGS);
        json_write_int(json, "rows", rows);
        json_write_object_end(json);
    }
    json_write_array_end(json);
    return rows;
}

long row_warnings_count(const struct predict_request *request, const struct model *model)
{
    long rows = 0;
    size_t d = (size_t)model->d;
    for (size_t i = 0; model->training_range != NULL && i < (size_t)request->n; i++) {
        bool outside = false;
        for (size_t j = 0; j < d; j++) {
            outside |= space_is_outside(model->training_range + 2 * j, request->x[i * d + j]);
        }
        rows += outside;
    }
    return rows;
}
