/* SPDX-License-Identifier: Apache-2.0 */
/* Pairs of columns with histograms on the diagonal: of stored rows, and of what a calibration
 * inferred. */
#include "client/plots/plot.h"

#include <math.h>
#include <string.h>

#define MAX_PARALLEL 16
#define MAX_LINES    300

static const char *const thirds[] = {"lowest", "middle", "highest"};

/* ---- the form ---- */

static double *copy_column(struct plot *plot, const struct corner *corner, int j)
{
    double *column = figure_numbers(plot->figure, corner->n);
    for (size_t i = 0; column != NULL && i < corner->n; i++) {
        column[i] = corner->values[i * (size_t)corner->k + (size_t)j];
    }
    return column;
}

static void add_pair(struct plot *plot, struct panel *panel, const struct corner *corner,
                     const double *x, const double *y)
{
    struct mark *mark =
        figure_mark(plot->figure, panel, MARK_POINTS, x != NULL && y != NULL ? corner->n : 0);
    mark->x = x;
    mark->y = y;
}

/* How many rows have each member. */
static void add_counts(struct plot *plot, struct panel *panel, const struct column *column,
                       const double *values, size_t n_rows)
{
    size_t n = (size_t)column->n_members;
    double *numbers = figure_numbers(plot->figure, 4 * n);
    struct mark *mark = figure_mark(plot->figure, panel, MARK_STEPS, numbers != NULL ? n : 0);
    for (size_t k = 0; numbers != NULL && k < n; k++) {
        numbers[k] = (double)k;
        numbers[n + k] = (double)k - 0.35;
        numbers[2 * n + k] = (double)k + 0.35;
        numbers[3 * n + k] = 0.0;
        for (size_t i = 0; i < n_rows; i++) {
            numbers[3 * n + k] += values[i] == (double)k;
        }
    }
    mark->x = numbers;
    mark->lower = numbers != NULL ? numbers + n : NULL;
    mark->upper = numbers != NULL ? numbers + 2 * n : NULL;
    mark->y = numbers != NULL ? numbers + 3 * n : NULL;
}

static void name_axis(struct axis *axis, const struct column *column, bool bare)
{
    axis->title = bare ? NULL : column->label;
    axis->bare = bare;
    if (column->n_members > 0) {
        axis->categories = column->members;
        axis->n_categories = column->n_members;
    }
}

void plot_corner(struct plot *plot, const struct corner *corner)
{
    double *columns[PLOT_MAX_CORNER];
    int k = corner->k < PLOT_MAX_CORNER ? corner->k : PLOT_MAX_CORNER;
    for (int j = 0; j < k; j++) {
        columns[j] = copy_column(plot, corner, j);
    }
    for (int row = 0; row < k; row++) {
        for (int column = 0; column < k; column++) {
            struct panel *panel = figure_panel(plot->figure);
            panel->empty = column > row;
            name_axis(&panel->x, corner->columns[column], row < k - 1);
            if (column < row) {
                add_pair(plot, panel, corner, columns[column], columns[row]);
                name_axis(&panel->y, corner->columns[row], column > 0);
            } else if (column == row && columns[row] != NULL) {
                panel->y.bare = true;
                if (corner->columns[row]->n_members > 0) {
                    add_counts(plot, panel, corner->columns[row], columns[row], corner->n);
                } else {
                    figure_histogram(plot->figure, panel, columns[row], corner->n);
                }
            }
        }
    }
    plot->figure->n_columns = k;
    plot->figure->compact = true;
}

/* ---- stored rows ---- */

/* At most `max` of the chosen columns, first inputs and then outputs; each has a share of the
 * places. */
static int choose_corner(const struct plot *plot, int max, int *chosen)
{
    int outputs = plot->n_outputs < max / 2 ? plot->n_outputs : max / 2;
    int inputs = plot->n_inputs < max - outputs ? plot->n_inputs : max - outputs;
    int k = 0;
    outputs = plot->n_outputs < max - inputs ? plot->n_outputs : max - inputs;
    for (int j = 0; j < inputs; j++) {
        chosen[k++] = plot->chosen_inputs[j];
    }
    for (int j = 0; j < outputs; j++) {
        chosen[k++] = plot->d + plot->chosen_outputs[j];
    }
    return k;
}

static double value_of(const struct plot *plot, const struct plot_rows *rows, size_t i, int column)
{
    return column < plot->d ? rows->x[i * (size_t)plot->d + (size_t)column]
                            : rows->y[i * (size_t)plot->o + (size_t)(column - plot->d)];
}

/* The stored rows with at most `max` columns. */
static enum err_code gather_columns(struct plot *plot, int max, struct corner *out,
                                    struct plot_rows *rows, struct err *err)
{
    if (plot_read_rows(plot, false, rows, err) != ERR_OK) {
        return err->code;
    }
    int *chosen = arena_alloc_array(plot->arena, (size_t)max, sizeof *chosen);
    const struct column **columns = arena_alloc_array(plot->arena, (size_t)max, sizeof *columns);
    double *values = figure_numbers(plot->figure, rows->n * (size_t)max);
    if (chosen == NULL || columns == NULL || values == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for %zu rows", rows->n);
    }
    int k = choose_corner(plot, max, chosen);
    for (int j = 0; j < k; j++) {
        columns[j] =
            chosen[j] < plot->d ? &plot->inputs[chosen[j]] : &plot->outputs[chosen[j] - plot->d];
    }
    for (size_t i = 0; i < rows->n; i++) {
        for (int j = 0; j < k; j++) {
            values[i * (size_t)k + (size_t)j] = value_of(plot, rows, i, chosen[j]);
        }
    }
    *out = (struct corner){.columns = columns, .k = k, .values = values, .n = rows->n};
    return ERR_OK;
}

static struct extent column_extent(const struct corner *rows, size_t j)
{
    struct extent range = {NAN, NAN};
    for (size_t i = 0; i < rows->n; i++) {
        range.low = fmin(range.low, rows->values[i * (size_t)rows->k + j]);
        range.high = fmax(range.high, rows->values[i * (size_t)rows->k + j]);
    }
    return range;
}

enum err_code plot_data(struct plot *plot, struct err *err)
{
    struct corner corner;
    struct plot_rows rows;
    int all = plot->n_inputs + plot->n_outputs;
    if (gather_columns(plot, PLOT_MAX_CORNER, &corner, &rows, err) != ERR_OK) {
        return err->code;
    }
    plot_corner(plot, &corner);
    plot_title(
        plot, "rows",
        figure_text(plot->figure, "%zu of %zu stored rows, %zu failed%s", rows.n, rows.n_all,
                    rows.n_failed,
                    corner.k < all
                        ? figure_text(plot->figure, "; %d of %d columns (--columns)", corner.k, all)
                        : ""));
    return ERR_OK;
}

/* ---- parallel coordinates ---- */

/* A row as a line: its numbers as shares of the ranges of the columns. */
static struct mark *add_line(struct plot *plot, struct panel *panel, const struct corner *rows,
                             const double *row, const struct extent *ranges)
{
    size_t k = (size_t)rows->k;
    double *numbers = figure_numbers(plot->figure, 2 * k);
    struct mark *mark = figure_mark(plot->figure, panel, MARK_LINE, numbers != NULL ? k : 0);
    for (size_t j = 0; numbers != NULL && j < k; j++) {
        double range = ranges[j].high - ranges[j].low;
        numbers[j] = (double)j;
        numbers[k + j] = range > 0.0 ? (row[j] - ranges[j].low) / range : 0.5 + 0.0 * row[j];
    }
    mark->x = numbers;
    mark->y = numbers != NULL ? numbers + k : NULL;
    mark->thin = true;
    return mark;
}

/* The third of its range in which the last number of a row lies; -1: it is missing. */
static int third_of(const double *row, const struct extent *ranges, size_t k)
{
    double share = (row[k - 1] - ranges[k - 1].low) / (ranges[k - 1].high - ranges[k - 1].low);
    return isnan(share) ? -1 : share < 1.0 / 3.0 ? 0 : share < 2.0 / 3.0 ? 1 : 2;
}

/* The lines of each third in its colour, those without a number there in that of text. */
static void add_lines(struct plot *plot, struct panel *panel, const struct corner *rows)
{
    static const int colours[] = {0, 2, 1};
    struct extent ranges[MAX_PARALLEL];
    size_t k = (size_t)rows->k;
    size_t n = rows->n < MAX_LINES ? rows->n : MAX_LINES;
    for (size_t j = 0; j < k; j++) {
        ranges[j] = column_extent(rows, j);
    }
    for (int third = -1; third < 3; third++) {
        const char *name = third >= 0 ? figure_text(plot->figure, "%s third of %s", thirds[third],
                                                    rows->columns[k - 1]->name)
                                      : NULL;
        for (size_t line = 0; line < n; line++) {
            const double *row = rows->values + line * rows->n / n * k;
            if (third_of(row, ranges, k) == third) {
                struct mark *mark = add_line(plot, panel, rows, row, ranges);
                mark->colour = third >= 0 ? colours[third] : MARK_INK;
                mark->name = name;
            }
        }
    }
}

enum err_code plot_parallel(struct plot *plot, struct err *err)
{
    struct corner rows;
    struct plot_rows stored;
    int all = plot->n_inputs + plot->n_outputs;
    if (gather_columns(plot, MAX_PARALLEL, &rows, &stored, err) != ERR_OK) {
        return err->code;
    }
    struct panel *panel = figure_panel(plot->figure);
    const char **names = arena_alloc_array(plot->arena, (size_t)rows.k, sizeof *names);
    if (names == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the picture");
    }
    for (int j = 0; j < rows.k; j++) {
        names[j] = rows.columns[j]->label;
    }
    add_lines(plot, panel, &rows);
    panel->x = (struct axis){.categories = names, .n_categories = rows.k};
    panel->y = (struct axis){.title = "share of the range", .low = -0.03, .high = 1.03};
    plot->figure->n_columns = 1;
    plot_title(plot, "rows across columns",
               figure_text(plot->figure, "%zu of %zu stored rows%s",
                           rows.n < MAX_LINES ? rows.n : (size_t)MAX_LINES, stored.n_all,
                           rows.k < all ? figure_text(plot->figure,
                                                      "; %d of %d columns (--columns)", rows.k, all)
                                        : ""));
    return ERR_OK;
}

/* ---- what a calibration inferred ---- */

static enum err_code add_inferred(struct plot *plot, const json_t *doc, const char *job,
                                  struct err *err)
{
    struct column named[PLOT_MAX_CORNER];
    const struct column *columns[PLOT_MAX_CORNER];
    const json_t *parameters = json_object_get(doc, "parameters");
    const json_t *samples = json_object_get(doc, "samples");
    size_t all = json_array_size(parameters);
    size_t k = all < PLOT_MAX_CORNER ? all : PLOT_MAX_CORNER;
    size_t n_all = json_array_size(samples);
    size_t n = n_all < PLOT_MAX_ROWS ? n_all : PLOT_MAX_ROWS;
    double *values = figure_numbers(plot->figure, n * k + 1);
    if (k == 0 || n == 0) {
        return err_set(err, ERR_INVALID, "job %.20s is no calibration", job);
    }
    if (values == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for %zu samples", n);
    }
    for (size_t j = 0; j < k; j++) {
        const json_t *name = json_object_get(json_array_get(parameters, j), "name");
        named[j] = (struct column){.label = json_is_string(name) ? json_string_value(name) : "?"};
        columns[j] = &named[j];
        for (int i = 0; i < plot->d; i++) {
            columns[j] =
                strcmp(named[j].label, plot->inputs[i].name) == 0 ? &plot->inputs[i] : columns[j];
        }
        for (size_t i = 0; i < n; i++) {
            const json_t *sample = json_array_get(samples, i * n_all / n);
            values[i * k + j] = plot_number(json_array_get(sample, j));
        }
    }
    plot_corner(plot, &(struct corner){.columns = columns, .k = (int)k, .values = values, .n = n});
    plot_title(
        plot, "inferred parameters",
        figure_text(plot->figure, "%zu of %zu samples of job %s%s", n, n_all, job,
                    k < all ? figure_text(plot->figure, "; %zu of %zu parameters", k, all) : ""));
    return ERR_OK;
}

enum err_code plot_inferred(struct plot *plot, struct err *err)
{
    static const struct plot_wanted wanted = {"calibration", "samples", "calibration",
                                              "`surrogated calibrate` makes one"};
    const char *job = NULL;
    const json_t *doc = NULL;
    if (plot_find_result(plot, &wanted, &doc, &job, err) != ERR_OK) {
        return err->code;
    }
    return add_inferred(plot, doc, job, err);
}
