/* SPDX-License-Identifier: Apache-2.0 */
/* Predictions along one input, and over two. */
#include "client/plots/plot.h"
#include "plot/ticks.h"

#include <math.h>
#include <string.h>

#define N_ALONG      81 /* predictions along an input */
#define N_MAP        41 /* along each of two */
#define MAX_INPUTS   6  /* of slices */
#define MAX_OUTPUTS  6
#define MAX_MAPS     4
#define NOISE_COLOUR 4
#define BAND         2.0 /* standard deviations, half the width of a band */

/* ---- slices ---- */

/* Row i of n along input j; for a category its members. */
static double place_along(const struct plot *plot, int j, size_t i, size_t n)
{
    double share = n > 1 ? (double)i / (double)(n - 1) : 0.5;
    return plot->inputs[j].n_members > 0
               ? (double)i
               : plot->range[2 * j] * (1.0 - share) + plot->range[2 * j + 1] * share;
}

/* Predictions along an input. */
struct slice {
    double *x; /* [n] */
    size_t n;
    bool members;
    struct plot_prediction said;
};

/* An area around means [n], every stride-th number of an array, as are their deviations. */
struct area {
    const char *name;
    const double *x, *mean, *std;
    size_t n, stride;
    bool members; /* x are members of a category, between which there is nothing: bars, no area */
};

static void add_area(struct plot *plot, struct panel *panel, const struct area *area, int colour)
{
    size_t n = area->n;
    double *ends = figure_numbers(plot->figure, 3 * n);
    struct mark *mark = figure_mark(plot->figure, panel, area->members ? MARK_POINTS : MARK_BAND,
                                    ends != NULL ? n : 0);
    for (size_t i = 0; ends != NULL && i < n; i++) {
        double mean = area->mean[i * area->stride];
        double half = BAND * area->std[i * area->stride];
        ends[i] = mean - half;
        ends[n + i] = mean + half;
        ends[2 * n + i] = mean;
    }
    mark->x = area->x;
    mark->y = area->members && ends != NULL ? ends + 2 * n : NULL;
    mark->lower = ends;
    mark->upper = ends != NULL ? ends + n : NULL;
    mark->name = area->name;
    mark->colour = colour;
}

/* One output along one input: the mean, and areas with and without the noise. */
static void add_slice(struct plot *plot, struct panel *panel, const struct slice *slice, int j)
{
    size_t o = (size_t)plot->o;
    double *mean = figure_numbers(plot->figure, slice->n);
    struct area area = {.name = "\xc2\xb1 2 standard deviations, with noise",
                        .x = slice->x,
                        .n = slice->n,
                        .members = slice->members,
                        .stride = o,
                        .mean = slice->said.mean + j,
                        .std = slice->said.total + j};
    for (size_t i = 0; mean != NULL && i < slice->n; i++) {
        mean[i] = slice->said.mean[i * o + (size_t)j];
    }
    if (plot->knows_noise) {
        add_area(plot, panel, &area, NOISE_COLOUR);
    }
    area.name = "\xc2\xb1 2 standard deviations of the mean";
    area.std = slice->said.std + j;
    add_area(plot, panel, &area, 0);
    struct mark *line = figure_mark(plot->figure, panel, slice->members ? MARK_POINTS : MARK_LINE,
                                    mean != NULL ? slice->n : 0);
    line->x = slice->x;
    line->y = mean;
    line->name = "mean";
}

static void add_rows(struct plot *plot, struct panel *panel, const struct plot_rows *rows, int j)
{
    double *y = figure_numbers(plot->figure, rows->n);
    struct mark *mark = figure_mark(plot->figure, panel, MARK_POINTS, y != NULL ? rows->n : 0);
    for (size_t i = 0; y != NULL && i < rows->n; i++) {
        y[i] = rows->y[i * (size_t)plot->o + (size_t)j];
    }
    mark->x = rows->x;
    mark->y = y;
    mark->colour = 1;
    mark->name = "stored rows";
}

static enum err_code predict_slice(struct plot *plot, const double *centre, int j,
                                   struct slice *out, struct err *err)
{
    size_t d = (size_t)plot->d;
    size_t n = plot->inputs[j].n_members > 0 ? (size_t)plot->inputs[j].n_members : N_ALONG;
    double *points = figure_numbers(plot->figure, n * d);
    *out = (struct slice){
        .n = n, .members = plot->inputs[j].n_members > 0, .x = figure_numbers(plot->figure, n)};
    if (points == NULL || out->x == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the predictions");
    }
    for (size_t i = 0; i < n; i++) {
        memcpy(points + i * d, centre, d * sizeof *points);
        out->x[i] = points[i * d + (size_t)j] = place_along(plot, j, i, n);
    }
    return plot_predict(plot, points, n, &out->said, err);
}

/* Titles and labels stand at the left and below alone, since a row has one range and a column one
 * input. */
static void name_slice(struct plot *plot, struct panel *panel, int i, int k)
{
    const struct column *column = &plot->inputs[plot->chosen_inputs[i]];
    panel->x.bare = k < plot->n_outputs - 1;
    panel->y.bare = i > 0;
    panel->x.title = panel->x.bare ? NULL : column->label;
    panel->y.title = panel->y.bare ? NULL : plot->outputs[plot->chosen_outputs[k]].label;
    panel->x.tight = true;
    if (column->n_members > 0) {
        panel->x.categories = column->members;
        panel->x.n_categories = column->n_members;
    }
}

/* One range of the outputs for the n panels of a row. */
static void share_range(struct panel *const *panels, int n)
{
    double low = NAN;
    double high = NAN;
    for (int i = 0; i < n; i++) {
        struct extent extent = figure_extent(panels[i], false);
        low = fmin(low, extent.low); /* which passes over NaN */
        high = fmax(high, extent.high);
    }
    const struct scale scale = scale_around(low, high, false);
    for (int i = 0; i < n; i++) {
        panels[i]->y.low = scale.lo;
        panels[i]->y.high = scale.hi;
    }
}

/* Panels stand in rows, one for each output; all of an input come from one request. */
static enum err_code add_slices(struct plot *plot, const double *centre,
                                const struct plot_rows *rows, struct err *err)
{
    struct panel *panels[MAX_OUTPUTS * MAX_INPUTS];
    for (int p = 0; p < plot->n_outputs * plot->n_inputs; p++) {
        panels[p] = figure_panel(plot->figure);
    }
    for (int i = 0; i < plot->n_inputs; i++) {
        struct slice slice;
        int input = plot->chosen_inputs[i];
        if (predict_slice(plot, centre, input, &slice, err) != ERR_OK) {
            return err->code;
        }
        for (int k = 0; k < plot->n_outputs; k++) {
            struct panel *panel = panels[k * plot->n_inputs + i];
            add_slice(plot, panel, &slice, plot->chosen_outputs[k]);
            if (rows->n > 0) {
                add_rows(plot, panel, rows, plot->chosen_outputs[k]);
            }
            name_slice(plot, panel, i, k);
        }
    }
    for (int k = 0; k < plot->n_outputs; k++) {
        share_range(panels + k * plot->n_inputs, plot->n_inputs);
    }
    return ERR_OK;
}

/* "the others at k 0.5, T 300" */
static const char *describe_centre(struct plot *plot, const double *centre)
{
    struct textbuf text = textbuf_in(plot->arena);
    for (int j = 0; j < plot->d && j < 8; j++) {
        const struct column *column = &plot->inputs[j];
        textbuf_printf(&text, "%s%s ", j > 0 ? ", " : "", column->name);
        if (column->n_members > 0 && centre[j] < column->n_members) {
            textbuf_puts(&text, column->members[(int)centre[j]]);
        } else {
            textbuf_printf(&text, "%.4g", centre[j]);
        }
    }
    textbuf_puts(&text, plot->d > 8 ? ", .." : "");
    return textbuf_failed(&text) ? "" : text.data;
}

enum err_code plot_slices(struct plot *plot, struct err *err)
{
    struct plot_rows rows = {.n = 0};
    double *centre = figure_numbers(plot->figure, (size_t)plot->d);
    const char *limited = plot_limit(plot, MAX_INPUTS, MAX_OUTPUTS);
    if (plot_narrow(plot, err) != ERR_OK) {
        return err->code;
    }
    if (centre == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the picture");
    }
    if (plot_centre(plot, centre, err) != ERR_OK) {
        return err->code;
    }
    if (plot->d == 1 && plot_read_rows(plot, false, &rows, err) == ERR_NOT_FOUND) {
        err_clear(err); /* a model that was registered may have none */
    }
    if (err->code != ERR_OK || add_slices(plot, centre, &rows, err) != ERR_OK) {
        return err->code;
    }
    plot->figure->n_columns = plot->n_inputs;
    plot->figure->panel_height = plot->n_inputs > 2 ? 120.0 : 0.0;
    plot->figure->compact = plot->n_inputs > 1;
    plot_title(plot, plot->d == 1 ? "fit" : "slices",
               plot->d == 1 ? "over the range of its training"
                            : figure_text(plot->figure, "through %s%s",
                                          describe_centre(plot, centre), limited));
    return ERR_OK;
}

/* ---- maps ---- */

struct map {
    int a, b; /* inputs along x and y */
    double *x, *y;
    struct plot_prediction said;
};

static enum err_code predict_map(struct plot *plot, const double *centre, struct map *map,
                                 struct err *err)
{
    size_t d = (size_t)plot->d;
    double *points = figure_numbers(plot->figure, (size_t)N_MAP * N_MAP * d);
    map->x = figure_numbers(plot->figure, N_MAP);
    map->y = figure_numbers(plot->figure, N_MAP);
    if (points == NULL || map->x == NULL || map->y == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the predictions");
    }
    for (size_t i = 0; i < N_MAP; i++) {
        map->x[i] = place_along(plot, map->a, i, N_MAP);
        map->y[i] = place_along(plot, map->b, i, N_MAP);
    }
    for (size_t k = 0; k < (size_t)N_MAP * N_MAP; k++) {
        memcpy(points + k * d, centre, d * sizeof *points);
        points[k * d + (size_t)map->a] = map->x[k % N_MAP];
        points[k * d + (size_t)map->b] = map->y[k / N_MAP];
    }
    return plot_predict(plot, points, (size_t)N_MAP * N_MAP, &map->said, err);
}

static void add_map(struct plot *plot, const struct map *map, int j, bool of_std)
{
    size_t n = (size_t)N_MAP * N_MAP;
    struct panel *panel = figure_panel(plot->figure);
    struct mark *mark = figure_mark(plot->figure, panel, MARK_MAP, n);
    double *values = figure_numbers(plot->figure, n);
    for (size_t k = 0; values != NULL && k < n; k++) {
        values[k] = (of_std ? map->said.std : map->said.mean)[k * (size_t)plot->o + (size_t)j];
    }
    if (values == NULL) {
        mark->n = 0;
        return;
    }
    mark->values = values;
    mark->x = map->x;
    mark->y = map->y;
    mark->n_x = mark->n_y = N_MAP;
    mark->name = of_std ? "std" : "mean";
    mark->quiet = true;
    panel->title = figure_text(plot->figure, "%s, %s", plot->outputs[j].label,
                               of_std ? "standard deviation" : "mean");
    panel->x = (struct axis){.title = plot->inputs[map->a].label, .tight = true};
    panel->y = (struct axis){.title = plot->inputs[map->b].label, .tight = true};
}

static void add_overlay(struct plot *plot, const struct map *map,
                        const struct plot_overlay *overlay)
{
    struct panel *panel = &plot->figure->panels[plot->figure->n_panels - 1];
    double *places = figure_numbers(plot->figure, 2 * overlay->n + 1);
    struct mark *mark =
        figure_mark(plot->figure, panel, MARK_POINTS, places != NULL ? overlay->n : 0);
    for (size_t i = 0; places != NULL && i < overlay->n; i++) {
        places[i] = overlay->x[i * (size_t)plot->d + (size_t)map->a];
        places[overlay->n + i] = overlay->x[i * (size_t)plot->d + (size_t)map->b];
    }
    mark->x = places;
    mark->y = places != NULL ? places + overlay->n : NULL;
    mark->colour = 1;
    mark->name = overlay->name;
}

/* The range of input j gets wider until it has the points. */
static void reach(struct plot *plot, const struct plot_overlay *overlay, int j)
{
    double *ends = plot->range + 2 * (size_t)j;
    for (size_t i = 0; i < overlay->n; i++) {
        double value = overlay->x[i * (size_t)plot->d + (size_t)j];
        ends[0] = fmin(ends[0], value); /* which passes over NaN */
        ends[1] = fmax(ends[1], value);
    }
}

static enum err_code choose_axes(struct plot *plot, struct map *map, struct err *err)
{
    if (plot->n_inputs < 2) {
        return err_set(err, ERR_INVALID, "a map needs two inputs%s",
                       plot->d < 2 ? ", and the model has one; slices shows it"
                                   : "; --columns names them");
    }
    *map = (struct map){.a = plot->chosen_inputs[0], .b = plot->chosen_inputs[1]};
    return ERR_OK;
}

enum err_code plot_draw_maps(struct plot *plot, const struct plot_overlay *overlay,
                             const char *what, struct err *err)
{
    struct map map;
    double *centre = figure_numbers(plot->figure, (size_t)plot->d);
    const char *limited = plot_limit(plot, 0, MAX_MAPS);
    if (plot_narrow(plot, err) != ERR_OK) {
        return err->code;
    }
    if (choose_axes(plot, &map, err) != ERR_OK) {
        return err->code;
    }
    if (centre == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the picture");
    }
    if (plot_centre(plot, centre, err) != ERR_OK) {
        return err->code;
    }
    if (plot->inputs[map.a].n_members > 0 || plot->inputs[map.b].n_members > 0) {
        return err_set(err, ERR_UNSUPPORTED, "a map is over numbers, not over categories");
    }
    if (overlay != NULL) {
        reach(plot, overlay, map.a);
        reach(plot, overlay, map.b);
    }
    if (predict_map(plot, centre, &map, err) != ERR_OK) {
        return err->code;
    }
    for (int k = 0; k < plot->n_outputs; k++) {
        for (int of_std = 0; of_std < 2; of_std++) {
            add_map(plot, &map, plot->chosen_outputs[k], of_std == 1);
            if (overlay != NULL && plot->figure->n_panels > 0) {
                add_overlay(plot, &map, overlay);
            }
        }
    }
    plot->figure->n_columns = 2;
    plot_title(plot, what,
               figure_text(plot->figure, "through %s%s", describe_centre(plot, centre), limited));
    return ERR_OK;
}

enum err_code plot_map(struct plot *plot, struct err *err)
{
    return plot_draw_maps(plot, NULL, "map", err);
}
