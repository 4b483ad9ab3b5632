/* SPDX-License-Identifier: Apache-2.0 */
#include "client/plots/plot.h"

#include <math.h>
#include <string.h>

#define MAX_RESULTS  20 /* of jobs that are looked at */
#define MANY_OUTPUTS 24 /* above which the others are not asked for */

/* ---- documents ---- */

enum err_code plot_ask(struct plot *plot, const char *path, const char *body, const json_t **out,
                       struct err *err)
{
    json_t *doc = NULL;
    const struct payload payload = {
        .type = "application/json", .bytes = body, .n_bytes = body != NULL ? strlen(body) : 0};
    if (plot->n_documents == PLOT_MAX_DOCUMENTS) {
        return err_set(err, ERR_INTERNAL, "a picture of too many documents");
    }
    if (client_ask(plot->client, body != NULL ? "POST" : "GET", path,
                   body != NULL ? &payload : NULL, &doc, err) != ERR_OK) {
        return err->code;
    }
    plot->documents[plot->n_documents++] = doc;
    *out = doc;
    return ERR_OK;
}

void plot_end(struct plot *plot)
{
    while (plot->n_documents > 0) {
        json_decref(plot->documents[--plot->n_documents]);
    }
}

double plot_number(const json_t *value)
{
    return json_is_number(value) ? json_number_value(value) : NAN;
}

enum err_code plot_matrix(const json_t *rows, size_t n, size_t k, double *values, struct err *err)
{
    if (json_array_size(rows) != n) {
        return err_set(err, ERR_CORRUPT, "the server's answer has %zu rows, %zu were asked for",
                       json_array_size(rows), n);
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *row = json_array_get(rows, i);
        if (json_array_size(row) != k) {
            return err_set(err, ERR_CORRUPT, "the server's answer has rows of different lengths");
        }
        for (size_t j = 0; j < k; j++) {
            values[i * k + j] = plot_number(json_array_get(row, j));
        }
    }
    return ERR_OK;
}

/* ---- columns ---- */

/* "T [K]", or the name alone. */
static const char *label_of(struct plot *plot, const char *name, const json_t *unit)
{
    const char *text = json_string_value(unit);
    return text != NULL && *text != '\0' ? figure_text(plot->figure, "%s [%s]", name, text) : name;
}

static struct column *read_columns(struct plot *plot, const char *list, const char *letter, int n)
{
    const json_t *names = json_object_get(json_object_get(plot->version, "names"), list);
    const json_t *units = json_object_get(json_object_get(plot->version, "units"), list);
    struct column *columns = arena_zalloc_array(plot->arena, (size_t)n, sizeof *columns);
    for (int j = 0; columns != NULL && j < n; j++) {
        const char *name = json_string_value(json_array_get(names, (size_t)j));
        columns[j].name = name != NULL ? name : figure_text(plot->figure, "%s%d", letter, j + 1);
        columns[j].label = label_of(plot, columns[j].name, json_array_get(units, (size_t)j));
    }
    return columns;
}

static int find_column(const struct column *columns, int n, const char *name, size_t len)
{
    for (int j = 0; j < n; j++) {
        if (strlen(columns[j].name) == len && memcmp(columns[j].name, name, len) == 0) {
            return j;
        }
    }
    return -1;
}

/* What names there are, as far as a message has place. */
static enum err_code refuse_column(struct plot *plot, const char *name, size_t len, struct err *err)
{
    struct textbuf known = textbuf_in(plot->arena);
    for (int j = 0; j < plot->d + plot->o; j++) {
        const struct column *column = j < plot->d ? &plot->inputs[j] : &plot->outputs[j - plot->d];
        textbuf_printf(&known, "%s%s", j > 0 ? ", " : "", column->name);
    }
    return err_set(err, ERR_INVALID, "--columns: \"%.*s\" is no input or output; there are %.150s",
                   (int)(len > 40 ? 40 : len), name,
                   textbuf_failed(&known) ? "others" : known.data);
}

/* The names of --columns, separated by commas. Of the kind that is not named all are taken. */
static enum err_code choose_columns(struct plot *plot, const char *list, struct err *err)
{
    for (const char *at = list; *at != '\0' && err->code == ERR_OK;) {
        size_t len = strcspn(at, ",");
        int input = find_column(plot->inputs, plot->d, at, len);
        int output = find_column(plot->outputs, plot->o, at, len);
        if (input >= 0 && plot->n_inputs < plot->d) {
            plot->chosen_inputs[plot->n_inputs++] = input;
        } else if (output >= 0 && plot->n_outputs < plot->o) {
            plot->chosen_outputs[plot->n_outputs++] = output;
        } else {
            err_kept(refuse_column(plot, at, len, err));
        }
        at += len + (at[len] == ',' ? 1 : 0);
    }
    return err->code;
}

static void choose_all(int n, int *chosen, int *n_chosen)
{
    for (int j = 0; *n_chosen == 0 && j < n; j++) {
        chosen[j] = j;
    }
    *n_chosen = *n_chosen == 0 ? n : *n_chosen;
}

/* ---- the version ---- */

static void read_range(struct plot *plot)
{
    const json_t *range = json_object_get(plot->version, "training_range");
    for (int j = 0; j < plot->d; j++) {
        const json_t *ends = json_array_get(range, (size_t)j);
        plot->range[2 * j] = plot_number(json_array_get(ends, 0));
        plot->range[2 * j + 1] = plot_number(json_array_get(ends, 1));
    }
}

static int read_size(const json_t *version, const char *list, const char *key)
{
    const json_t *names = json_object_get(json_object_get(version, "names"), list);
    const json_t *arch = json_object_get(version, "architecture");
    return json_is_array(names) ? (int)json_array_size(names)
                                : (int)json_integer_value(json_object_get(arch, key));
}

static enum err_code read_version(struct plot *plot, struct err *err)
{
    const json_t *noise = json_object_get(plot->version, "noise");
    const json_t *sigma = json_object_get(noise, "sigma");
    const json_t *range = json_object_get(plot->version, "training_range");
    plot->d = json_is_array(range) ? (int)json_array_size(range)
                                   : read_size(plot->version, "inputs", "inputs");
    plot->o = read_size(plot->version, "outputs", "outputs");
    plot->knows_noise = json_is_object(noise);
    const json_t *field =
        json_object_get(json_object_get(plot->version, "output_reduction"), "outputs");
    if (json_is_integer(field)) {
        plot->o = (int)json_integer_value(field);
    } else if (json_is_array(sigma)) {
        plot->o = (int)json_array_size(sigma);
    } else if (plot->knows_noise && json_object_get(noise, "kind") != NULL &&
               !json_is_array(
                   json_object_get(json_object_get(plot->version, "names"), "outputs"))) {
        plot->o /= 2; /* its network predicts a mean and a variance of each */
    }
    if (plot->d < 1 || plot->o < 1) {
        return err_set(err, ERR_CORRUPT, "the server's answer does not describe a version");
    }
    plot->o_all = plot->o;
    plot->inputs = read_columns(plot, "inputs", "x", plot->d);
    plot->outputs = read_columns(plot, "outputs", "y", plot->o);
    plot->range = figure_numbers(plot->figure, 2 * (size_t)plot->d);
    plot->chosen_inputs = arena_alloc_array(plot->arena, (size_t)plot->d, sizeof(int));
    plot->chosen_outputs = arena_alloc_array(plot->arena, (size_t)plot->o, sizeof(int));
    if (plot->inputs == NULL || plot->outputs == NULL || plot->range == NULL ||
        plot->chosen_inputs == NULL || plot->chosen_outputs == NULL || plot->figure->failed) {
        return err_set(err, ERR_NOMEM, "no memory for the picture");
    }
    read_range(plot);
    return ERR_OK;
}

enum err_code plot_begin(struct plot *plot, struct err *err)
{
    const char *version = plot->client->args->values[OPT_VERSION];
    const char *columns = plot->client->args->values[OPT_COLUMNS];
    plot->path = client_path(plot->client, "/v1/models/", plot->model, "/versions/",
                             version != NULL ? version : "@default", NULL);
    if (plot_ask(plot, plot->path, NULL, &plot->version, err) != ERR_OK ||
        read_version(plot, err) != ERR_OK) {
        return err->code;
    }
    plot->chose = columns != NULL;
    if (columns != NULL && choose_columns(plot, columns, err) != ERR_OK) {
        return err->code;
    }
    choose_all(plot->d, plot->chosen_inputs, &plot->n_inputs);
    choose_all(plot->o, plot->chosen_outputs, &plot->n_outputs);
    return ERR_OK;
}

void plot_title(struct plot *plot, const char *what, const char *subtitle)
{
    const char *given = plot->client->args->values[OPT_TITLE];
    const char *solver = json_string_value(json_object_get(plot->version, "solver"));
    json_int_t number = json_integer_value(json_object_get(plot->version, "version"));
    plot->figure->title = given != NULL ? (*given != '\0' ? given : NULL)
                                        : figure_text(plot->figure, "%s: %s", plot->model, what);
    plot->figure->subtitle = figure_text(plot->figure, "version %lld (%s); %s", (long long)number,
                                         solver != NULL ? solver : "unknown", subtitle);
}

const char *plot_limit(struct plot *plot, int max_inputs, int max_outputs)
{
    const char *inputs = "";
    const char *outputs = "";
    if (max_inputs > 0 && plot->n_inputs > max_inputs) {
        inputs = figure_text(plot->figure, "; %d of %d inputs", max_inputs, plot->n_inputs);
        plot->n_inputs = max_inputs;
    }
    if (max_outputs > 0 && plot->n_outputs > max_outputs) {
        outputs = figure_text(plot->figure, "; %d of %d outputs", max_outputs, plot->n_outputs);
        plot->n_outputs = max_outputs;
    }
    return *inputs == '\0' && *outputs == '\0'
               ? ""
               : figure_text(plot->figure, "%s%s (--columns)", inputs, outputs);
}

enum err_code plot_narrow(struct plot *plot, struct err *err)
{
    size_t n = (size_t)plot->n_outputs;
    if (plot->places != NULL || plot->o <= MANY_OUTPUTS || plot->n_outputs == plot->o) {
        return ERR_OK;
    }
    struct column *outputs = arena_alloc_array(plot->arena, n + 1, sizeof *outputs);
    int *order = arena_alloc_array(plot->arena, n + 1, sizeof *order);
    if (outputs == NULL || order == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the picture");
    }
    for (size_t k = 0; k < n; k++) {
        outputs[k] = plot->outputs[plot->chosen_outputs[k]];
        order[k] = (int)k;
    }
    plot->places = plot->chosen_outputs;
    plot->chosen_outputs = order;
    plot->outputs = outputs;
    plot->o = plot->n_outputs;
    return ERR_OK;
}

void plot_write_outputs(const struct plot *plot, struct json_write *json)
{
    if (plot->places == NULL) {
        return;
    }
    json_write_array(json, "outputs");
    for (int j = 0; j < plot->o; j++) {
        json_write_int(json, NULL, plot->places[j]);
    }
    json_write_array_end(json);
}

int plot_columns(int n)
{
    return n <= 3 ? n : n == 4 ? 2 : 3;
}

enum err_code plot_find_job(struct plot *plot, const char *kind, const char *advice,
                            const char **out, struct err *err)
{
    const json_t *doc = NULL;
    const char *given = plot->client->args->values[OPT_JOB];
    json_int_t version = json_integer_value(json_object_get(plot->version, "version"));
    char *path = client_path(plot->client, "/v1/jobs?state=succeeded&model=", plot->model, NULL);
    if (given != NULL) {
        *out = given;
        return ERR_OK;
    }
    if (plot_ask(plot, path, NULL, &doc, err) != ERR_OK) {
        return err->code;
    }
    const json_t *jobs = client_list(doc, "jobs", err);
    for (size_t i = 0; i < json_array_size(jobs); i++) {
        const json_t *job = json_array_get(jobs, i);
        const char *is = json_string_value(json_object_get(job, "kind"));
        bool trains = strcmp(kind, "train") == 0;
        json_int_t of =
            json_integer_value(json_object_get(job, trains ? "version" : "started_from"));
        if (is != NULL && strcmp(is, kind) == 0 && of == version) {
            *out = figure_text(plot->figure, "%lld",
                               (long long)json_integer_value(json_object_get(job, "id")));
            return ERR_OK;
        }
    }
    return err_set(err, ERR_NOT_FOUND, "version %lld of %.60s has no such job; %s",
                   (long long)version, plot->model, advice);
}

static bool has_member(const json_t *doc, const struct plot_wanted *wanted)
{
    return json_object_get(doc, wanted->member) != NULL;
}

static enum err_code ask_result(struct plot *plot, const char *job, const json_t **out,
                                struct err *err)
{
    return plot_ask(plot, client_path(plot->client, "/v1/jobs/", job, "/result", NULL), NULL, out,
                    err);
}

enum err_code plot_find_result(struct plot *plot, const struct plot_wanted *wanted,
                               const json_t **out, const char **job, struct err *err)
{
    const json_t *doc = NULL;
    json_int_t version = json_integer_value(json_object_get(plot->version, "version"));
    *job = plot->client->args->values[OPT_JOB];
    if (*job != NULL) {
        if (ask_result(plot, *job, out, err) == ERR_OK && !has_member(*out, wanted)) {
            err_set(err, ERR_INVALID, "job %.20s is no %s", *job, wanted->name);
        }
        return err->code;
    }
    char *path = client_path(plot->client, "/v1/jobs?state=succeeded&model=", plot->model, NULL);
    if (plot_ask(plot, path, NULL, &doc, err) != ERR_OK) {
        return err->code;
    }
    const json_t *jobs = client_list(doc, "jobs", err);
    for (size_t i = 0, asked = 0; i < json_array_size(jobs) && asked < MAX_RESULTS; i++) {
        const json_t *row = json_array_get(jobs, i);
        const char *is = json_string_value(json_object_get(row, "kind"));
        if (is == NULL || strcmp(is, wanted->kind) != 0 ||
            json_integer_value(json_object_get(row, "started_from")) != version) {
            continue;
        }
        asked++;
        *job = figure_text(plot->figure, "%lld",
                           (long long)json_integer_value(json_object_get(row, "id")));
        if (ask_result(plot, *job, out, err) != ERR_OK || has_member(*out, wanted)) {
            return err->code;
        }
    }
    return jobs == NULL ? err->code
                        : err_set(err, ERR_NOT_FOUND, "version %lld of %.60s has no %s; %s",
                                  (long long)version, plot->model, wanted->name, wanted->advice);
}
