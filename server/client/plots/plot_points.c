/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Points that the server finds: what to simulate next, on maps, and the best trade-offs of outputs.
 * Both are asked for with the request of --request and --set, as `surrogated suggest` and
 * `surrogated optimize` send it, and nothing is kept as pending.
 */
#include "client/plots/plot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define N_SUGGESTED    8
#define MAX_OBJECTIVES 4
#define MAX_FRONTS     50 /* of draws */

/* ---- requests ---- */

static enum err_code check_version(const struct plot *plot, struct err *err)
{
    return plot->client->args->values[OPT_VERSION] == NULL
               ? ERR_OK
               : err_set(err, ERR_INVALID,
                         "the server looks for points by the default version; "
                         "--version is not for this picture");
}

/* Takes the value. */
static enum err_code set_default(json_t *request, const char *key, json_t *value, struct err *err)
{
    if (value != NULL && json_object_get(request, key) != NULL) {
        json_decref(value);
        return ERR_OK;
    }
    return json_object_set_new(request, key, value) == 0
               ? ERR_OK
               : err_set(err, ERR_NOMEM, "no memory for the request");
}

static enum err_code send(struct plot *plot, const json_t *request, const char *route,
                          const json_t **out, struct err *err)
{
    char *text = json_dumps(request, JSON_COMPACT);
    if (text == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the request");
    }
    err_kept(plot_ask(plot, client_path(plot->client, "/v1/models/", plot->model, route, NULL),
                      text, out, err));
    mem_free(text);
    return err->code;
}

/* ---- suggestions ---- */

static enum err_code read_points(struct plot *plot, const json_t *list,
                                 struct plot_overlay *overlay, struct err *err)
{
    size_t d = (size_t)plot->d;
    size_t n = json_array_size(list);
    double *x = figure_numbers(plot->figure, n * d + 1);
    if (x == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for %zu points", n);
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *point = json_array_get(list, i);
        if (json_array_size(point) != d) {
            return err_set(err, ERR_CORRUPT, "the server's answer has points of another size");
        }
        for (size_t j = 0; j < d; j++) {
            x[i * d + j] = plot_input_value(plot, j, json_array_get(point, j));
        }
    }
    *overlay = (struct plot_overlay){.name = "to simulate next", .x = x, .n = n};
    return ERR_OK;
}

enum err_code plot_suggest(struct plot *plot, struct err *err)
{
    json_t *request = plot->request;
    const json_t *doc = NULL;
    struct plot_overlay overlay;
    if (check_version(plot, err) == ERR_OK &&
        set_default(request, "n", json_integer(N_SUGGESTED), err) == ERR_OK &&
        set_default(request, "hold_s", json_integer(0), err) == ERR_OK &&
        send(plot, request, "/suggest", &doc, err) == ERR_OK &&
        read_points(plot, json_object_get(doc, "points"), &overlay, err) == ERR_OK) {
        err_kept(plot_draw_maps(plot, &overlay, "points to simulate next", err));
    }
    return err->code;
}

/* ---- trade-offs ---- */

/* The first two of the chosen outputs, both to be small. */
static json_t *default_objectives(const struct plot *plot)
{
    json_t *list = json_array();
    for (int k = 0; list != NULL && k < 2 && k < plot->n_outputs; k++) {
        json_t *one = json_pack("{s:s}", "output", plot->outputs[plot->chosen_outputs[k]].name);
        if (one == NULL || json_array_append_new(list, one) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static const char *label_of(struct plot *plot, const json_t *objective, size_t i)
{
    const json_t *output = json_object_get(objective, "output");
    const char *name = json_string_value(output);
    const char *goal = json_string_value(json_object_get(objective, "goal"));
    const char *of = json_string_value(json_object_get(objective, "of"));
    const char *label = name != NULL ? figure_text(plot->figure, "%s", name)
                                     : figure_text(plot->figure, "objective %zu", i + 1);
    for (int j = 0; j < plot->o; j++) {
        bool same = name != NULL ? strcmp(plot->outputs[j].name, name) == 0
                                 : json_is_integer(output) && json_integer_value(output) == j;
        label = same ? plot->outputs[j].label : label;
    }
    return figure_text(plot->figure, "%s%s%s, %s", of != NULL && strcmp(of, "mean") != 0 ? of : "",
                       of != NULL && strcmp(of, "mean") != 0 ? " of " : "", label,
                       goal != NULL ? goal : "min");
}

static int compare_pairs(const void *a, const void *b)
{
    const double *x = a;
    const double *y = b;
    return (*x > *y) - (*x < *y);
}

/* Columns i and j of values [n] of the front, in the order of the first. */
struct front {
    const json_t *values;
    size_t i, j;
    bool is_curve; /* two objectives: the points lie along a line */
};

static struct mark *add_front(struct plot *plot, struct panel *panel, const struct front *front,
                              enum mark_kind kind)
{
    size_t n = json_array_size(front->values);
    double *pairs = figure_numbers(plot->figure, 2 * n + 1);
    double *numbers = figure_numbers(plot->figure, 2 * n + 1);
    struct mark *mark = figure_mark(plot->figure, panel, kind, 0);
    if (pairs == NULL || numbers == NULL) {
        return mark;
    }
    for (size_t k = 0; k < n; k++) {
        const json_t *row = json_array_get(front->values, k);
        pairs[2 * k] = plot_number(json_array_get(row, front->i));
        pairs[2 * k + 1] = plot_number(json_array_get(row, front->j));
    }
    qsort(pairs, n, 2 * sizeof *pairs, compare_pairs);
    for (size_t k = 0; k < n; k++) {
        numbers[k] = pairs[2 * k];
        numbers[n + k] = pairs[2 * k + 1];
    }
    mark->n = n;
    mark->x = numbers;
    mark->y = numbers + n;
    return mark;
}

static void add_trade_off(struct plot *plot, const json_t *doc, const struct front *which)
{
    const json_t *fronts = json_object_get(json_object_get(doc, "draws"), "fronts");
    struct panel *panel = figure_panel(plot->figure);
    size_t n = json_array_size(fronts) < MAX_FRONTS ? json_array_size(fronts) : MAX_FRONTS;
    struct front front = *which;
    for (size_t k = 0; k < n; k++) {
        front.values = json_object_get(json_array_get(fronts, k), "values");
        struct mark *mark =
            add_front(plot, panel, &front, front.is_curve ? MARK_LINE : MARK_POINTS);
        mark->colour = 5;
        mark->thin = true;
        mark->quiet = k > 0;
        mark->name = k > 0 ? figure_text(plot->figure, "draw %zu", k + 1) : "fronts of draws";
    }
    front.values = json_object_get(json_object_get(doc, "front"), "values");
    struct mark *mark = add_front(plot, panel, &front, MARK_POINTS);
    mark->name = "front";
}

static enum err_code add_trade_offs(struct plot *plot, const json_t *doc, const json_t *objectives,
                                    struct err *err)
{
    size_t m = json_array_size(objectives);
    const json_t *points = json_object_get(json_object_get(doc, "front"), "points");
    if (!json_is_array(points)) {
        return err_set(err, ERR_CORRUPT, "the server's answer has no front");
    }
    for (size_t i = 0; i < m && i < MAX_OBJECTIVES; i++) {
        for (size_t j = i + 1; j < m && j < MAX_OBJECTIVES; j++) {
            add_trade_off(plot, doc, &(struct front){.i = i, .j = j, .is_curve = m == 2});
            struct panel *panel = &plot->figure->panels[plot->figure->n_panels - 1];
            panel->x.title = label_of(plot, json_array_get(objectives, i), i);
            panel->y.title = label_of(plot, json_array_get(objectives, j), j);
        }
    }
    plot->figure->n_columns = plot->figure->n_panels > 1 ? 2 : 1;
    plot_title(plot, "Pareto front",
               figure_text(plot->figure, "%zu points that no other betters in all",
                           json_array_size(points)));
    return ERR_OK;
}

enum err_code plot_pareto(struct plot *plot, struct err *err)
{
    json_t *request = plot->request;
    const json_t *doc = NULL;
    if (check_version(plot, err) == ERR_OK &&
        set_default(request, "objectives", default_objectives(plot), err) == ERR_OK) {
        const json_t *objectives = json_object_get(request, "objectives");
        if (json_array_size(objectives) < 2) {
            err_set(err, ERR_INVALID,
                    "trade-offs need two outputs or more; --columns names two, "
                    "--request FILE has \"objectives\"");
        } else if (send(plot, request, "/optimize", &doc, err) == ERR_OK) {
            err_kept(add_trade_offs(plot, doc, objectives, err));
        }
    }
    return err->code;
}
