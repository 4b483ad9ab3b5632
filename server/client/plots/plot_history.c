/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a history match rules out, as I. Vernon, M. Goldstein and R. Bower (Bayesian Analysis, 2010)
 * draw it: by two inputs the lowest implausibility over all others below the diagonal, above it the
 * share of the cell that is left, and on it the lowest implausibility along one input.
 */
#include "client/plots/plot.h"

#include <math.h>
#include <string.h>

#define MAX_INPUTS 4

/* An input of the result. */
struct side {
    const char *name;
    const char *label;
    int column; /* of the model's inputs; -1: none of them */
    const char *const *members;
    size_t n;       /* cells */
    double *places; /* [n] their middles; of a category 0, 1, .. */
    bool log;       /* they are even in the logarithm */
};

/* Even steps of the logarithm, and not of the number. */
static bool is_log(const double *values, size_t n)
{
    if (n < 3 || !(values[0] > 0.0)) {
        return false;
    }
    double first = values[1] / values[0];
    double last = values[n - 1] / values[n - 2];
    return fabs(first - last) < 1e-6 * first &&
           fabs((values[1] - values[0]) / (values[n - 1] - values[n - 2]) - 1.0) > 1e-3;
}

static bool read_side(struct plot *plot, const json_t *input, struct side *out)
{
    const json_t *values = json_object_get(input, "values");
    const char *name = json_string_value(json_object_get(input, "name"));
    size_t n = json_array_size(values);
    const char **members = arena_alloc_array(plot->arena, n + 1, sizeof *members);
    *out = (struct side){.name = name != NULL ? name : "?",
                         .label = name != NULL ? name : "?",
                         .column = -1,
                         .n = n,
                         .places = figure_numbers(plot->figure, n + 1)};
    if (members == NULL || out->places == NULL) {
        plot->figure->failed = true;
        return false;
    }
    for (int j = 0; j < plot->d; j++) {
        if (strcmp(plot->inputs[j].name, out->name) == 0) {
            out->column = j;
            out->label = plot->inputs[j].label;
        }
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *value = json_array_get(values, i);
        members[i] = json_string_value(value);
        out->places[i] = members[i] != NULL ? (double)i : plot_number(value);
        out->members = members[i] != NULL ? members : out->members;
    }
    out->log = out->members == NULL && is_log(out->places, n);
    return true;
}

static struct axis axis_of(const struct side *side)
{
    return (struct axis){.title = side->label,
                         .tight = true,
                         .log = side->log,
                         .categories = side->members,
                         .n_categories = side->members != NULL ? (int)side->n : 0};
}

struct match {
    const json_t *doc;
    struct side sides[MAX_INPUTS];
    int k;
    double cutoff;
};

/* Along one input, with the cutoff. */
static void add_single(struct plot *plot, const struct match *match, int i)
{
    const struct side *side = &match->sides[i];
    const json_t *input = json_array_get(json_object_get(match->doc, "inputs"), (size_t)i);
    const json_t *minimum = json_object_get(input, "minimum");
    struct panel *panel = figure_panel(plot->figure);
    double *values = figure_numbers(plot->figure, side->n + 1);
    struct mark *mark =
        figure_mark(plot->figure, panel, side->members != NULL ? MARK_POINTS : MARK_LINE,
                    values != NULL ? side->n : 0);
    for (size_t c = 0; values != NULL && c < side->n; c++) {
        values[c] = plot_number(json_array_get(minimum, c));
    }
    mark->x = side->places;
    mark->y = values;
    mark->name = "implausibility";
    mark->quiet = true;
    figure_rule_y(plot->figure, panel, match->cutoff);
    panel->x = axis_of(side);
    panel->y = (struct axis){.title = "implausibility", .from_zero = true};
}

/* What a member of a pair says of its cells: values [cells of a][cells of b]. */
static struct mark *add_cells(struct plot *plot, struct panel *panel, const json_t *values,
                              const struct side *x, const struct side *y)
{
    size_t n = x->n * y->n;
    double *numbers = figure_numbers(plot->figure, n + 1);
    struct mark *mark = figure_mark(plot->figure, panel, MARK_MAP, numbers != NULL ? n : 0);
    for (size_t c = 0; numbers != NULL && c < n; c++) {
        numbers[c] = plot_number(json_array_get(json_array_get(values, c % x->n), c / x->n));
    }
    mark->values = numbers;
    mark->x = x->places;
    mark->y = y->places;
    mark->n_x = x->n;
    mark->n_y = y->n;
    mark->quiet = true;
    return mark;
}

/* The points of the next wave, or nothing. */
static void add_points(struct plot *plot, struct panel *panel, const struct match *match,
                       const struct side *x, const struct side *y)
{
    const json_t *points = json_object_get(match->doc, "points");
    size_t n = x->column >= 0 && y->column >= 0 && x->members == NULL && y->members == NULL
                   ? json_array_size(points)
                   : 0;
    double *numbers = figure_numbers(plot->figure, 2 * n + 1);
    if (n == 0 || numbers == NULL) {
        return;
    }
    struct mark *mark = figure_mark(plot->figure, panel, MARK_POINTS, n);
    for (size_t i = 0; i < n; i++) {
        const json_t *point = json_array_get(points, i);
        numbers[i] = plot_number(json_array_get(point, (size_t)x->column));
        numbers[n + i] = plot_number(json_array_get(point, (size_t)y->column));
    }
    mark->x = numbers;
    mark->y = numbers + n;
    mark->colour = 1;
    mark->name = "to simulate next";
}

static const json_t *find_pair(const json_t *doc, const char *a, const char *b)
{
    const json_t *pairs = json_object_get(doc, "pairs");
    for (size_t i = 0; i < json_array_size(pairs); i++) {
        const json_t *names = json_object_get(json_array_get(pairs, i), "inputs");
        const char *first = json_string_value(json_array_get(names, 0));
        const char *second = json_string_value(json_array_get(names, 1));
        if (first != NULL && second != NULL && strcmp(first, a) == 0 && strcmp(second, b) == 0) {
            return json_array_get(pairs, i);
        }
    }
    return NULL;
}

/* Row i, column j of the panels: the input of the column lies along x. */
static void add_pair(struct plot *plot, const struct match *match, int i, int j)
{
    int first = i < j ? i : j;
    int second = i < j ? j : i;
    const struct side *x = &match->sides[first];
    const struct side *y = &match->sides[second];
    const json_t *pair = find_pair(match->doc, x->name, y->name);
    struct panel *panel = figure_panel(plot->figure);
    bool left = i < j;
    struct mark *mark =
        add_cells(plot, panel, json_object_get(pair, left ? "depth" : "minimum"), x, y);
    mark->name = left ? "share left" : "implausibility";
    mark->scale = left ? "share left" : "implausibility";
    mark->high = left ? 1.0 : 2.0 * match->cutoff;
    add_points(plot, panel, match, x, y);
    panel->x = axis_of(x);
    panel->y = axis_of(y);
}

static const char *describe_waves(struct plot *plot, const json_t *waves)
{
    struct textbuf text = textbuf_in(plot->arena);
    for (size_t i = 0; i < json_array_size(waves); i++) {
        const json_t *wave = json_array_get(waves, i);
        textbuf_printf(&text, "%s%.3g %% left after version %lld", i > 0 ? ", " : "",
                       100.0 * plot_number(json_object_get(wave, "share")),
                       (long long)json_integer_value(json_object_get(wave, "version")));
    }
    plot->figure->failed = plot->figure->failed || textbuf_failed(&text);
    return textbuf_failed(&text) || text.len == 0 ? "" : text.data;
}

enum err_code plot_history(struct plot *plot, struct err *err)
{
    static const struct plot_wanted wanted = {
        "calibration", "waves", "history match",
        "`surrogated calibrate` with \"kind\": \"history\" makes one"};
    const char *job = NULL;
    struct match match = {.k = 0};
    if (plot_find_result(plot, &wanted, &match.doc, &job, err) != ERR_OK) {
        return err->code;
    }
    const json_t *inputs = json_object_get(match.doc, "inputs");
    match.cutoff = plot_number(json_object_get(json_object_get(match.doc, "request"), "cutoff"));
    for (size_t i = 0; i < json_array_size(inputs) && match.k < MAX_INPUTS; i++) {
        match.k += read_side(plot, json_array_get(inputs, i), &match.sides[match.k]);
    }
    if (match.k == 0) {
        return err_set(err, ERR_NOT_FOUND,
                       "job %.20s has nothing by inputs; a match with \"grid\" has", job);
    }
    for (int i = 0; i < match.k; i++) {
        for (int j = 0; j < match.k; j++) {
            if (i == j) {
                add_single(plot, &match, i);
            } else {
                add_pair(plot, &match, i, j);
            }
        }
    }
    plot->figure->n_columns = match.k;
    plot->figure->panel_height = match.k > 2 ? 130.0 : 0.0;
    plot_title(plot, "history match",
               figure_text(plot->figure, "job %s; ruled out above %.3g; %s%s", job, match.cutoff,
                           describe_waves(plot, json_object_get(match.doc, "waves")),
                           (size_t)match.k < json_array_size(inputs) ? "; not all inputs" : ""));
    return ERR_OK;
}
