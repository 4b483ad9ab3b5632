/* SPDX-License-Identifier: Apache-2.0 */
/* The stored rows of a model, and predictions. */
#include "client/plots/plot.h"

#include "formats/json_write.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define MAX_VALUES 4000000 /* numbers of all rows that are asked for at once: 200 MB of JSON */

/* ---- rows ---- */

/* The place of a member, which a category gets when it is first seen; NaN: it has too many. */
static double place_of_member(struct column *column, const char *member)
{
    int max = (int)(sizeof column->members / sizeof *column->members);
    for (int i = 0; i < column->n_members; i++) {
        if (strcmp(column->members[i], member) == 0) {
            return i;
        }
    }
    if (column->n_members == max) {
        return NAN;
    }
    column->members[column->n_members] = member;
    return column->n_members++;
}

static double input_value(struct column *column, const json_t *value)
{
    const char *member = json_string_value(value);
    return member != NULL ? place_of_member(column, member) : plot_number(value);
}

double plot_input_value(struct plot *plot, size_t j, const json_t *value)
{
    return input_value(&plot->inputs[j], value);
}

/* Row i of the answer as row `at` of out. */
static void take_row(struct plot *plot, const json_t *doc, size_t i, const struct plot_rows *out,
                     size_t at)
{
    const json_t *x = json_array_get(json_object_get(doc, "inputs"), i);
    const json_t *y = json_array_get(json_object_get(doc, "outputs"), i);
    size_t d = (size_t)plot->d;
    size_t o = (size_t)plot->o;
    for (size_t j = 0; j < d; j++) {
        out->x[at * d + j] = input_value(&plot->inputs[j], json_array_get(x, j));
    }
    for (size_t j = 0; j < o; j++) {
        out->y[at * o + j] =
            plot_number(json_array_get(y, plot->places != NULL ? (size_t)plot->places[j] : j));
    }
}

/* Outputs of row i that are there. */
static size_t count_outputs(const json_t *outputs, size_t i)
{
    const json_t *y = json_array_get(outputs, i);
    size_t count = 0;
    for (size_t j = 0; j < json_array_size(y); j++) {
        count += json_is_number(json_array_get(y, j));
    }
    return count;
}

/* kept [n_all] <- the rows that are wanted; how many. */
static size_t select_rows(const json_t *outputs, size_t o, bool complete, size_t *kept,
                          struct plot_rows *rows)
{
    size_t n = 0;
    rows->n_failed = 0;
    for (size_t i = 0; i < rows->n_all; i++) {
        size_t there = count_outputs(outputs, i);
        rows->n_failed += there == 0;
        if (complete ? there == o : there > 0) {
            kept[n++] = i;
        }
    }
    return n;
}

/* Are there rows, and not too many? */
static enum err_code check_size(struct plot *plot, struct err *err)
{
    const json_t *doc = NULL;
    const char *path = client_path(plot->client, "/v1/models/", plot->model, NULL);
    if (plot_ask(plot, path, NULL, &doc, err) != ERR_OK) {
        return err->code;
    }
    double rows = plot_number(json_object_get(json_object_get(doc, "model"), "rows"));
    if (rows == 0.0) {
        return err_set(err, ERR_NOT_FOUND,
                       "%.60s has no stored rows; `surrogated data %.60s append` sends some",
                       plot->model, plot->model);
    }
    if (rows * (plot->d + plot->o_all) > MAX_VALUES &&
        plot->client->args->values[OPT_BATCH] == NULL) {
        return err_set(err, ERR_LIMIT,
                       "%.60s has %.0f rows, too many to draw at once; --batch B takes one batch",
                       plot->model, rows);
    }
    return ERR_OK;
}

static enum err_code take_rows(struct plot *plot, const json_t *doc, bool complete,
                               struct plot_rows *rows, struct err *err)
{
    const json_t *outputs = json_object_get(doc, "outputs");
    rows->n_all = json_array_size(outputs);
    size_t *kept = arena_alloc_array(plot->arena, rows->n_all + 1, sizeof *kept);
    size_t n = kept != NULL ? select_rows(outputs, (size_t)plot->o_all, complete, kept, rows) : 0;
    rows->n = n < PLOT_MAX_ROWS ? n : PLOT_MAX_ROWS;
    rows->x = figure_numbers(plot->figure, rows->n * (size_t)plot->d + 1);
    rows->y = figure_numbers(plot->figure, rows->n * (size_t)plot->o + 1);
    rows->number = arena_alloc_array(plot->arena, rows->n + 1, sizeof *rows->number);
    if (kept == NULL || rows->x == NULL || rows->y == NULL || rows->number == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for %zu rows", rows->n_all);
    }
    if (rows->n == 0) {
        return err_set(err, ERR_NOT_FOUND, "%.60s has no stored rows with outputs", plot->model);
    }
    const json_t *first = json_array_get(json_object_get(doc, "inputs"), 0);
    if (json_array_size(first) != (size_t)plot->d ||
        json_array_size(json_array_get(outputs, 0)) != (size_t)plot->o_all) {
        return err_set(err, ERR_CONFLICT, "the stored rows have other columns than the version");
    }
    for (size_t k = 0; k < rows->n; k++) {
        rows->number[k] = kept[k * n / rows->n];
        take_row(plot, doc, rows->number[k], rows, k);
    }
    return ERR_OK;
}

enum err_code plot_read_rows(struct plot *plot, bool complete, struct plot_rows *out,
                             struct err *err)
{
    const json_t *doc = NULL;
    const char *batch = plot->client->args->values[OPT_BATCH];
    const char *path = client_path(
        plot->client, "/v1/models/", plot->model,
        batch != NULL ? "/data/rows?format=json&batch=" : "/data/rows?format=json", batch, NULL);
    *out = (struct plot_rows){.n = 0};
    if (check_size(plot, err) != ERR_OK || plot_ask(plot, path, NULL, &doc, err) != ERR_OK) {
        return err->code;
    }
    return take_rows(plot, doc, complete, out, err);
}

/* ---- what they were to the version ---- */

static const char *const part_names[PLOT_N_PARTS] = {[PLOT_TRAINED] = "trained",
                                                     [PLOT_KEPT_OUT] = "kept_out",
                                                     [PLOT_UNKNOWN] = "unknown",
                                                     [PLOT_LATER] = "later"};

/* The part whose name stands at place i of the server's list. */
static unsigned char find_part(const json_t *names, json_int_t i)
{
    const char *name = i >= 0 ? json_string_value(json_array_get(names, (size_t)i)) : NULL;
    for (int part = 0; name != NULL && part < PLOT_N_PARTS; part++) {
        if (strcmp(part_names[part], name) == 0) {
            return (unsigned char)part;
        }
    }
    return PLOT_UNKNOWN;
}

enum err_code plot_read_parts(struct plot *plot, const struct plot_rows *rows,
                              unsigned char **parts, struct err *err)
{
    const json_t *doc = NULL;
    const char *batch = plot->client->args->values[OPT_BATCH];
    const char *path = arena_printf(plot->arena, "%s/rows%s%s", plot->path,
                                    batch != NULL ? "?batch=" : "", batch != NULL ? batch : "");
    *parts = arena_alloc_array(plot->arena, rows->n + 1, sizeof **parts);
    if (path == NULL || *parts == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the rows");
    }
    if (plot_ask(plot, path, NULL, &doc, err) != ERR_OK) {
        return err->code;
    }
    const json_t *list = json_object_get(doc, "rows");
    for (size_t i = 0; i < rows->n; i++) {
        const json_t *place = json_array_get(list, rows->number[i]);
        (*parts)[i] = json_is_integer(place)
                          ? find_part(json_object_get(doc, "parts"), json_integer_value(place))
                          : PLOT_UNKNOWN;
    }
    return ERR_OK;
}

/* ---- predictions ---- */

void plot_write_inputs(struct plot *plot, struct json_write *json, const double *x, size_t n)
{
    json_write_array(json, "inputs");
    for (size_t i = 0; i < n; i++) {
        json_write_array(json, NULL);
        for (int j = 0; j < plot->d; j++) {
            double value = x[i * (size_t)plot->d + (size_t)j];
            const struct column *column = &plot->inputs[j];
            if (column->n_members > 0 && value >= 0.0 && value < column->n_members) {
                json_write_text(json, NULL, column->members[(int)value]);
            } else {
                json_write_real(json, NULL, value);
            }
        }
        json_write_array_end(json);
    }
    json_write_array_end(json);
}

static const char *make_request(struct plot *plot, const double *x, size_t n)
{
    struct textbuf text = textbuf_in(plot->arena);
    struct json_write json = json_write_to(&text);
    json_write_object(&json, NULL);
    plot_write_inputs(plot, &json, x, n);
    plot_write_outputs(plot, &json);
    json_write_array(&json, "return");
    json_write_text(&json, NULL, "mean");
    json_write_text(&json, NULL, "std");
    if (plot->knows_noise) {
        json_write_text(&json, NULL, "noise_variance");
    }
    json_write_array_end(&json);
    json_write_object_end(&json);
    json_write_end(&json);
    return textbuf_failed(&text) ? NULL : text.data;
}

static enum err_code read_prediction(struct plot *plot, const json_t *doc, size_t n,
                                     struct plot_prediction *out, struct err *err)
{
    size_t o = (size_t)plot->o;
    double *numbers = figure_numbers(plot->figure, 3 * n * o);
    if (numbers == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for %zu predictions", n);
    }
    *out = (struct plot_prediction){
        .mean = numbers, .std = numbers + n * o, .total = numbers + 2 * n * o};
    if (plot_matrix(json_object_get(doc, "mean"), n, o, out->mean, err) != ERR_OK ||
        plot_matrix(json_object_get(doc, "std"), n, o, out->std, err) != ERR_OK ||
        (plot->knows_noise &&
         plot_matrix(json_object_get(doc, "noise_variance"), n, o, out->total, err) != ERR_OK)) {
        return err->code;
    }
    for (size_t i = 0; i < n * o; i++) {
        out->total[i] = plot->knows_noise ? hypot(out->std[i], sqrt(out->total[i])) : out->std[i];
    }
    return ERR_OK;
}

enum err_code plot_predict(struct plot *plot, const double *x, size_t n,
                           struct plot_prediction *out, struct err *err)
{
    const json_t *doc = NULL;
    char *path = arena_printf(plot->arena, "%s/predict", plot->path);
    const char *body = make_request(plot, x, n);
    if (path == NULL || body == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the request");
    }
    if (plot_ask(plot, path, body, &doc, err) != ERR_OK) {
        return err->code;
    }
    return read_prediction(plot, doc, n, out, err);
}

/* ---- the row of --at ---- */

static enum err_code read_at(struct plot *plot, const char *text, double *out, struct err *err)
{
    const char *at = text;
    for (int j = 0; j < plot->d; j++) {
        size_t len = strcspn(at, ",");
        char *end = NULL;
        char *field = arena_strndup(plot->arena, at, len);
        if (field == NULL) {
            return err_set(err, ERR_NOMEM, "no memory for --at");
        }
        out[j] = strtod(field, &end);
        if (len == 0 || *end != '\0' || !isfinite(out[j])) {
            struct column *column = &plot->inputs[j];
            if (len == 0 || column->n_members == 0) {
                return err_set(err, ERR_INVALID, "--at: \"%.40s\" is no number for %.60s", field,
                               column->name);
            }
            out[j] = place_of_member(column, field);
        }
        at += len + (at[len] == ',' ? 1 : 0);
        if (*at == '\0' && j + 1 < plot->d) {
            return err_set(err, ERR_INVALID, "--at has %d numbers, %d are needed", j + 1, plot->d);
        }
    }
    return *at == '\0' ? ERR_OK
                       : err_set(err, ERR_INVALID, "--at has more than %d numbers", plot->d);
}

static int compare_numbers(const void *a, const void *b)
{
    const double *x = a;
    const double *y = b;
    return (*x > *y) - (*x < *y);
}

/* Without a range of the training: that of the rows, and its middle their median. */
static enum err_code centre_of_rows(struct plot *plot, double *out, struct err *err)
{
    struct plot_rows rows;
    if (plot_read_rows(plot, false, &rows, err) != ERR_OK) {
        err_clear(err);
        return err_set(err, ERR_INVALID,
                       "where the other inputs are is not known; --at NUMBERS says so");
    }
    double *column = figure_numbers(plot->figure, rows.n);
    for (size_t j = 0; column != NULL && j < (size_t)plot->d; j++) {
        for (size_t i = 0; i < rows.n; i++) {
            column[i] = rows.x[i * (size_t)plot->d + j];
        }
        qsort(column, rows.n, sizeof *column, compare_numbers);
        out[j] = plot->inputs[j].n_members > 0 ? 0.0 : column[rows.n / 2];
        plot->range[2 * j] = column[0];
        plot->range[2 * j + 1] = column[rows.n - 1];
    }
    return column != NULL ? ERR_OK : err_set(err, ERR_NOMEM, "no memory for the rows");
}

/* What did not vary is drawn around its value. */
static void widen_constants(struct plot *plot)
{
    for (int j = 0; j < plot->d; j++) {
        double *ends = plot->range + 2 * (size_t)j;
        if (!(ends[0] < ends[1])) {
            double half = ends[0] != 0.0 && isfinite(ends[0]) ? 0.1 * fabs(ends[0]) : 0.5;
            double middle = isfinite(ends[0]) ? ends[0] : 0.0;
            ends[0] = middle - half;
            ends[1] = middle + half;
        }
    }
}

enum err_code plot_centre(struct plot *plot, double *out, struct err *err)
{
    const char *at = plot->client->args->values[OPT_AT];
    bool known = true;
    for (int j = 0; j < plot->d; j++) {
        out[j] = 0.5 * plot->range[2 * j] + 0.5 * plot->range[2 * j + 1];
        known = known && isfinite(out[j]);
    }
    const json_t *arch = json_object_get(plot->version, "architecture");
    bool categories = json_integer_value(json_object_get(arch, "inputs")) != plot->d;
    if ((!known || categories) && centre_of_rows(plot, out, err) != ERR_OK && at == NULL) {
        return err->code;
    }
    err_clear(err);
    widen_constants(plot);
    return at != NULL ? read_at(plot, at, out, err) : ERR_OK;
}
