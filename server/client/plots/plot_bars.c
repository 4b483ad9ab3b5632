/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What matters, as lying bars: sensitivity indices of an analysis, and the relevance of inputs and
 * the effective parameters that `evidence` reports.
 *
 * Bars of an analysis have two bars of error each, both 95 %: the sampling error, of the finite
 * number of points, and the surrogate error, the spread over the draws of the posterior.
 */
#include "client/plots/plot.h"

#include <math.h>
#include <string.h>

#define Z_95        1.96
#define MAX_PANELS  6
#define MAX_BARS    40
#define MAX_RESULTS 20 /* analyses whose kind is looked at */

/* ---- indices ---- */

struct effect {
    const char *table; /* in the result */
    const char *name;  /* in the picture */
};

static const struct {
    const char *kind;
    const char *title;
    const char *axis;
    struct effect effects[2];
} analyses[] = {
    {"sobol",
     "Sobol\xe2\x80\x99 indices",
     "share of the variance",
     {{"first", "first order"}, {"total", "total"}}},
    {"shapley", "Shapley effects", "share of the variance", {{"effect", "Shapley effect"}}},
    {"morris",
     "elementary effects",
     "elementary effect",
     {{"mu_star", "mean of absolute values"}, {"sigma", "standard deviation"}}}};

#define N_ANALYSES ((int)(sizeof analyses / sizeof *analyses))

static int find_analysis(const json_t *doc)
{
    const char *kind = json_string_value(json_object_get(doc, "kind"));
    for (int i = 0; kind != NULL && i < N_ANALYSES; i++) {
        if (strcmp(analyses[i].kind, kind) == 0) {
            return i;
        }
    }
    return -1;
}

static const json_t *find_table(const json_t *doc, const char *name)
{
    const json_t *tables = json_object_get(doc, "tables");
    for (size_t i = 0; name != NULL && i < json_array_size(tables); i++) {
        const json_t *table = json_array_get(tables, i);
        const char *is = json_string_value(json_object_get(table, "name"));
        if (is != NULL && strcmp(is, name) == 0) {
            return table;
        }
    }
    return NULL;
}

static const json_t *labels_of(const json_t *table, size_t axis)
{
    return json_object_get(json_array_get(json_object_get(table, "axes"), axis), "labels");
}

/* Texts of an array; *n is how many. */
static const char **read_texts(struct plot *plot, const json_t *list, int *n)
{
    const char **texts = arena_alloc_array(plot->arena, json_array_size(list) + 1, sizeof *texts);
    *n = texts != NULL ? (int)json_array_size(list) : 0;
    plot->figure->failed = plot->figure->failed || texts == NULL;
    for (int i = 0; i < *n; i++) {
        const char *text = json_string_value(json_array_get(list, (size_t)i));
        texts[i] = text != NULL ? text : "?";
    }
    return texts;
}

/* Bars of one effect: where they are in the group of their category, and what they show. */
struct group {
    const char *name;
    int place, count; /* of the effects of a panel */
    const json_t *estimate, *sampling, *surrogate;
};

static struct mark bars_of(struct plot *plot, const struct group *group)
{
    size_t n = json_array_size(group->estimate);
    double *numbers = figure_numbers(plot->figure, 2 * n + 1);
    double share = 0.8 / group->count;
    for (size_t i = 0; numbers != NULL && i < n; i++) {
        numbers[i] = plot_number(json_array_get(group->estimate, i));
        numbers[n + i] = (double)i;
    }
    return (struct mark){
        .kind = MARK_BARS,
        .name = group->name,
        .colour = group->place,
        .n = numbers != NULL ? n : 0,
        .x = numbers,
        .y = numbers != NULL ? numbers + n : NULL,
        .offset = group->count > 1 ? (group->place - 0.5 * (group->count - 1)) * share : 0.0,
        .thickness = 0.9 * share};
}

/* Bars of error around bars; those of the surrogate are dashed and lie below. */
static void add_whiskers(struct plot *plot, struct panel *panel, const struct mark *bars,
                         const json_t *errors, bool of_surrogate)
{
    size_t n = bars->n;
    double *ends = figure_numbers(plot->figure, 2 * n + 1);
    struct mark *mark = figure_mark(plot->figure, panel, MARK_ERRORS, ends != NULL ? n : 0);
    for (size_t i = 0; ends != NULL && i < n; i++) {
        double half = Z_95 * plot_number(json_array_get(errors, i));
        ends[i] = bars->x[i] - half;
        ends[n + i] = bars->x[i] + half;
    }
    *mark = (struct mark){.kind = MARK_ERRORS,
                          .name = of_surrogate ? "95 % surrogate error" : "95 % sampling error",
                          .colour = MARK_INK,
                          .dashed = of_surrogate,
                          .n = mark->n,
                          .x = bars->x,
                          .y = bars->y,
                          .lower = ends,
                          .upper = ends != NULL ? ends + n : NULL,
                          .offset = bars->offset + (of_surrogate ? 0.22 : -0.22) * bars->thickness};
}

/* First all bars, so that the legend names them first. */
static void add_groups(struct plot *plot, struct panel *panel, const struct group *groups, int n)
{
    struct mark bars[2];
    for (int k = 0; k < n; k++) {
        bars[k] = bars_of(plot, &groups[k]);
        *figure_mark(plot->figure, panel, MARK_BARS, 0) = bars[k];
    }
    for (int k = 0; k < n; k++) {
        if (groups[k].sampling != NULL) {
            add_whiskers(plot, panel, &bars[k], groups[k].sampling, false);
        }
        if (groups[k].surrogate != NULL) {
            add_whiskers(plot, panel, &bars[k], groups[k].surrogate, true);
        }
    }
}

static bool wants_output(const struct plot *plot, const char *name)
{
    for (int k = 0; k < plot->n_outputs; k++) {
        if (strcmp(plot->outputs[plot->chosen_outputs[k]].name, name) == 0) {
            return true;
        }
    }
    return !plot->chose;
}

static struct group read_group(const json_t *table, const char *name, size_t output)
{
    return (struct group){
        .name = name,
        .count = 1,
        .estimate = json_array_get(json_object_get(table, "estimate"), output),
        .sampling = json_array_get(json_object_get(table, "sampling_error"), output),
        .surrogate = json_array_get(json_object_get(table, "surrogate_error"), output)};
}

static void name_effects(struct plot *plot, struct panel *panel, const json_t *table, size_t output)
{
    panel->y.categories = read_texts(plot, labels_of(table, 1), &panel->y.n_categories);
    panel->title = json_string_value(json_array_get(labels_of(table, 0), output));
}

static void add_effects(struct plot *plot, const json_t *doc, int analysis, size_t output)
{
    struct panel *panel = figure_panel(plot->figure);
    struct group groups[2];
    int count = analyses[analysis].effects[1].table != NULL ? 2 : 1;
    for (int e = 0; e < count; e++) {
        const struct effect *effect = &analyses[analysis].effects[e];
        groups[e] = read_group(find_table(doc, effect->table), effect->name, output);
        groups[e].place = e;
        groups[e].count = count;
    }
    add_groups(plot, panel, groups, count);
    name_effects(plot, panel, find_table(doc, analyses[analysis].effects[0].table), output);
    panel->x.title = analyses[analysis].axis;
    /* Of pairs, if the analysis was asked for them. */
    const json_t *pairs = find_table(doc, "second");
    if (pairs != NULL) {
        struct panel *beside = figure_panel(plot->figure);
        struct group group = read_group(pairs, "second order", output);
        group.place = 2; /* its colour */
        add_groups(plot, beside, &group, 1);
        name_effects(plot, beside, pairs, output);
        beside->x.title = analyses[analysis].axis;
    }
}

/* The result of --job, or of the newest analysis of that kind. */
static enum err_code find_result(struct plot *plot, const json_t **out, int *analysis,
                                 struct err *err)
{
    const char *job = NULL;
    const json_t *jobs = NULL;
    char *path = client_path(plot->client, "/v1/jobs?state=succeeded&model=", plot->model, NULL);
    if (plot->client->args->values[OPT_JOB] != NULL) {
        err_kept(plot_find_job(plot, "analysis", "", &job, err));
        path = client_path(plot->client, "/v1/jobs/", job, "/result", NULL);
        err_kept(plot_ask(plot, path, NULL, out, err));
        *analysis = err->code == ERR_OK ? find_analysis(*out) : 0;
        return *analysis >= 0
                   ? err->code
                   : err_set(err, ERR_INVALID,
                             "job %.20s is no analysis of sobol, shapley or morris", job);
    }
    if (plot_ask(plot, path, NULL, &jobs, err) != ERR_OK) {
        return err->code;
    }
    const json_t *list = client_list(jobs, "jobs", err);
    for (size_t i = 0, asked = 0; i < json_array_size(list) && asked < MAX_RESULTS; i++) {
        const json_t *row = json_array_get(list, i);
        const char *kind = json_string_value(json_object_get(row, "kind"));
        if (kind == NULL || strcmp(kind, "analysis") != 0) {
            continue;
        }
        asked++;
        job = figure_text(plot->figure, "%lld",
                          (long long)json_integer_value(json_object_get(row, "id")));
        path = client_path(plot->client, "/v1/jobs/", job, "/result", NULL);
        if (plot_ask(plot, path, NULL, out, err) != ERR_OK) {
            return err->code;
        }
        *analysis = find_analysis(*out);
        if (*analysis == 0) {
            return ERR_OK;
        }
    }
    return err_set(err, ERR_NOT_FOUND,
                   "%.60s has no analysis of that kind; `surrogated analyse %.60s sobol --wait` "
                   "makes one",
                   plot->model, plot->model);
}

enum err_code plot_sobol(struct plot *plot, struct err *err)
{
    const json_t *doc = NULL;
    int analysis = -1;
    int n = 0;
    if (find_result(plot, &doc, &analysis, err) != ERR_OK) {
        return err->code;
    }
    const json_t *table = find_table(doc, analyses[analysis].effects[0].table);
    const char **outputs = read_texts(plot, labels_of(table, 0), &n);
    int drawn = 0;
    for (int j = 0; j < n; j++) {
        if (wants_output(plot, outputs[j]) && drawn < MAX_PANELS) {
            add_effects(plot, doc, analysis, (size_t)j);
            drawn++;
        }
    }
    if (drawn == 0) {
        return err_set(err, ERR_NOT_FOUND, "the analysis has none of these outputs");
    }
    plot->figure->n_columns = plot->figure->n_panels < 2 ? 1 : 2;
    plot_title(plot, analyses[analysis].title,
               figure_text(
                   plot->figure, "%lld draws, %lld evaluations%s",
                   (long long)json_integer_value(json_object_get(doc, "draws")),
                   (long long)json_integer_value(json_object_get(doc, "evaluations")),
                   drawn < n ? figure_text(plot->figure, "; %d of %d outputs (--columns)", drawn, n)
                             : ""));
    return ERR_OK;
}

/* ---- relevance ---- */

/* Names of the network's inputs: those of the model, unless categories make them more. */
static const char **input_names(struct plot *plot, size_t n)
{
    const char **names = arena_alloc_array(plot->arena, n + 1, sizeof *names);
    plot->figure->failed = plot->figure->failed || names == NULL;
    for (size_t i = 0; names != NULL && i < n; i++) {
        names[i] = n == (size_t)plot->d ? plot->inputs[i].name
                                        : figure_text(plot->figure, "network input %zu", i + 1);
    }
    return names;
}

static void add_list(struct plot *plot, const json_t *list, const char *title, const char *axis)
{
    struct panel *panel = figure_panel(plot->figure);
    size_t n = json_array_size(list);
    panel->y.categories = input_names(plot, n);
    panel->y.n_categories = (int)n;
    panel->title = title;
    panel->x.title = axis;
    add_groups(plot, panel, &(struct group){.count = 1, .estimate = list}, 1);
}

/* How many parameters the rows determine in each part of the network. */
static void add_parts(struct plot *plot, const json_t *report)
{
    static const char *const parts[] = {"bias_pre", "blocks", "block_biases", "post", "bias_post"};
    static const char *const names[] = {"input biases", "blocks", "block biases", "output weights",
                                        "output biases"};
    const size_t n = sizeof parts / sizeof *parts;
    const char **labels = arena_alloc_array(plot->arena, n + 1, sizeof *labels);
    double *numbers = figure_numbers(plot->figure, 2 * (n + 1));
    const json_t *inputs = json_object_get(report, "evidence.effective_parameters.inputs");
    struct panel *panel = figure_panel(plot->figure);
    size_t count = 0;
    if (labels == NULL || numbers == NULL) {
        plot->figure->failed = true;
        return;
    }
    labels[count++] = "input weights";
    numbers[0] = 0.0;
    for (size_t i = 0; i < json_array_size(inputs); i++) {
        numbers[0] += plot_number(json_array_get(inputs, i));
    }
    for (size_t p = 0; p < n; p++) {
        char *key = arena_printf(plot->arena, "evidence.effective_parameters.%s", parts[p]);
        const json_t *value = key != NULL ? json_object_get(report, key) : NULL;
        value = json_is_array(value) ? json_array_get(value, 0) : value;
        if (json_is_number(value)) {
            labels[count] = names[p];
            numbers[count++] = plot_number(value);
        }
    }
    for (size_t i = 0; i < count; i++) {
        numbers[n + 1 + i] = (double)i;
    }
    *figure_mark(plot->figure, panel, MARK_BARS, 0) = (struct mark){
        .kind = MARK_BARS, .n = count, .x = numbers, .y = numbers + n + 1, .thickness = 0.7};
    panel->y.categories = labels;
    panel->y.n_categories = (int)count;
    panel->title = "effective parameters by part";
    panel->x.title = "parameters";
}

enum err_code plot_relevance(struct plot *plot, struct err *err)
{
    const json_t *doc = NULL;
    char *path = arena_printf(plot->arena, "%s/diagnostics", plot->path);
    if (plot_ask(plot, path, NULL, &doc, err) != ERR_OK) {
        return err->code;
    }
    const json_t *report = json_object_get(doc, "report");
    const json_t *relevance = json_object_get(report, "evidence.relevance");
    if (json_array_size(relevance) == 0) {
        return err_set(err, ERR_NOT_FOUND,
                       "only versions of the solver evidence, which auto may choose, report the "
                       "relevance of inputs; `surrogated plot %.60s sobol` works for all",
                       plot->model);
    }
    add_list(plot, relevance, "relevance of inputs", "prior scale of weights, largest = 1");
    add_list(plot, json_object_get(report, "evidence.effective_parameters.inputs"),
             "effective parameters by input", "parameters");
    add_parts(plot, report);
    plot->figure->n_columns = 2;
    plot_title(plot, "relevance",
               figure_text(plot->figure, "%lld parameters in all",
                           (long long)json_integer_value(json_object_get(doc, "parameters"))));
    return ERR_OK;
}
