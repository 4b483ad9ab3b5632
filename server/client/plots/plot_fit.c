/* SPDX-License-Identifier: Apache-2.0 */
/* Predictions beside stored outputs: parity and residuals. */
#include "client/plots/plot.h"
#include "plot/ticks.h"

#include <math.h>

#define MAX_PANELS 12
#define BAR        2.0 /* standard deviations, half the length of a bar of error */

static const char *describe_rows(struct plot *plot, const struct plot_rows *rows, const char *more)
{
    const char *batch = plot->client->args->values[OPT_BATCH];
    const char *from = batch != NULL ? figure_text(plot->figure, " of batch %s", batch) : "";
    const char *failed =
        rows->n_failed > 0 ? figure_text(plot->figure, " (%zu more failed)", rows->n_failed) : "";
    const char *all =
        rows->n < rows->n_all - rows->n_failed ? figure_text(plot->figure, "%zu of ", rows->n) : "";
    return figure_text(plot->figure, "%s%zu stored rows%s%s%s", all, rows->n_all - rows->n_failed,
                       from, failed, more);
}

/* Rows of one part, or all: their places. */
struct group {
    const char *name; /* in the legend */
    int colour;
    const size_t *at; /* [n] */
    size_t n;
};

struct compared {
    struct plot_rows rows;
    struct plot_prediction said;
    unsigned char *parts; /* [rows.n] */
};

static enum err_code compare(struct plot *plot, struct compared *out, struct err *err)
{
    if (plot_read_rows(plot, false, &out->rows, err) == ERR_OK &&
        plot_read_parts(plot, &out->rows, &out->parts, err) == ERR_OK) {
        err_kept(plot_predict(plot, out->rows.x, out->rows.n, &out->said, err));
    }
    return err->code;
}

/* In the order of drawing: what is to be believed comes last, above the others. */
static const struct {
    enum plot_part part;
    const char *name;
    int colour;
} drawn[] = {{PLOT_UNKNOWN, "may have trained it", 2},
             {PLOT_TRAINED, "trained it", 0},
             {PLOT_LATER, "came later", 3},
             {PLOT_KEPT_OUT, "kept out of its training", 1}};

#define N_DRAWN ((int)(sizeof drawn / sizeof *drawn))

/* groups [N_DRAWN] <- those that have rows; how many. */
static int group_rows(struct plot *plot, const struct compared *all, struct group *groups)
{
    int count = 0;
    for (int g = 0; g < N_DRAWN; g++) {
        size_t *at = arena_alloc_array(plot->arena, all->rows.n + 1, sizeof *at);
        size_t n = 0;
        plot->figure->failed = plot->figure->failed || at == NULL;
        for (size_t i = 0; at != NULL && i < all->rows.n; i++) {
            if (all->parts[i] == drawn[g].part) {
                at[n++] = i;
            }
        }
        if (n > 0) {
            groups[count++] = (struct group){drawn[g].name, drawn[g].colour, at, n};
        }
    }
    return count;
}

/* Of column j of values [rows x k] the rows of a group. */
static double *column_of(struct plot *plot, const double *values, const struct group *group, int k,
                         int j)
{
    double *column = figure_numbers(plot->figure, group->n);
    for (size_t i = 0; column != NULL && i < group->n; i++) {
        column[i] = values[group->at[i] * (size_t)k + (size_t)j];
    }
    return column;
}

/* "RMSE 0.01": of the rows that did not train, if there are such. */
static const char *describe_error(struct plot *plot, const struct compared *all, int j)
{
    char text[TICKS_LABEL_BYTES];
    double sums[2] = {0.0, 0.0}; /* of all, of the rows kept out */
    double counts[2] = {0.0, 0.0};
    for (size_t i = 0; i < all->rows.n; i++) {
        size_t at = i * (size_t)plot->o + (size_t)j;
        double error = all->rows.y[at] - all->said.mean[at];
        if (isfinite(error)) {
            bool kept = all->parts[i] == PLOT_KEPT_OUT;
            sums[0] += error * error;
            counts[0] += 1.0;
            sums[1] += kept ? error * error : 0.0;
            counts[1] += kept;
        }
    }
    int which = counts[1] > 0.0;
    ticks_write(sqrt(sums[which] / counts[which]), text);
    return figure_text(plot->figure, which ? "RMSE %s, kept out" : "RMSE %s", text);
}

static void add_parity_group(struct plot *plot, struct panel *panel, const struct compared *all,
                             const struct group *group, int j)
{
    size_t n = group->n;
    struct mark *mark = figure_mark(plot->figure, panel, MARK_POINTS, n);
    double *known = column_of(plot, all->rows.y, group, plot->o, j);
    double *mean = column_of(plot, all->said.mean, group, plot->o, j);
    double *total = column_of(plot, all->said.total, group, plot->o, j);
    double *ends = figure_numbers(plot->figure, 2 * n);
    if (known == NULL || mean == NULL || total == NULL || ends == NULL) {
        mark->n = 0;
        return;
    }
    for (size_t i = 0; i < n; i++) {
        ends[i] = mean[i] - BAR * total[i];
        ends[n + i] = mean[i] + BAR * total[i];
    }
    *mark = (struct mark){.kind = MARK_POINTS,
                          .n = n,
                          .x = known,
                          .y = mean,
                          .lower = ends,
                          .upper = ends + n,
                          .colour = group->colour,
                          .name = group->name};
}

enum err_code plot_parity(struct plot *plot, struct err *err)
{
    struct compared all;
    struct group groups[N_DRAWN];
    const char *limited = plot_limit(plot, 0, MAX_PANELS);
    if (plot_narrow(plot, err) != ERR_OK) {
        return err->code;
    }
    if (compare(plot, &all, err) != ERR_OK) {
        return err->code;
    }
    int n_groups = group_rows(plot, &all, groups);
    for (int k = 0; k < plot->n_outputs; k++) {
        int j = plot->chosen_outputs[k];
        struct panel *panel = figure_panel(plot->figure);
        for (int g = 0; g < n_groups; g++) {
            add_parity_group(plot, panel, &all, &groups[g], j);
        }
        figure_diagonal(plot->figure, panel);
        panel->title = plot->outputs[j].label;
        panel->note = describe_error(plot, &all, j);
        panel->square = true;
        panel->x.title = "stored";
        panel->y.title = "predicted";
    }
    plot->figure->n_columns = plot_columns(plot->n_outputs);
    plot_title(plot, "predictions against rows",
               describe_rows(
                   plot, &all.rows,
                   figure_text(plot->figure, "; mean \xc2\xb1 2 standard deviations%s", limited)));
    return ERR_OK;
}

/* How many rows have the standard deviation 0. */
static size_t add_residual_group(struct plot *plot, struct panel *panel, const struct compared *all,
                                 const struct group *group, int j)
{
    size_t n = group->n;
    size_t undefined = 0;
    struct mark *mark = figure_mark(plot->figure, panel, MARK_POINTS, n);
    double *known = column_of(plot, all->rows.y, group, plot->o, j);
    double *mean = column_of(plot, all->said.mean, group, plot->o, j);
    double *total = column_of(plot, all->said.total, group, plot->o, j);
    double *scaled = figure_numbers(plot->figure, n);
    if (known == NULL || mean == NULL || total == NULL || scaled == NULL) {
        mark->n = 0;
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        scaled[i] = total[i] > 0.0 ? (known[i] - mean[i]) / total[i] : NAN;
        undefined += !(total[i] > 0.0) && isfinite(known[i]);
    }
    *mark = (struct mark){.kind = MARK_POINTS,
                          .n = n,
                          .x = mean,
                          .y = scaled,
                          .colour = group->colour,
                          .name = group->name};
    return undefined;
}

static void add_residuals(struct plot *plot, const struct compared *all, const struct group *groups,
                          int n_groups, int j)
{
    struct figure *figure = plot->figure;
    struct panel *panel = figure_panel(figure);
    size_t undefined = 0;
    for (int g = 0; g < n_groups; g++) {
        undefined += add_residual_group(plot, panel, all, &groups[g], j);
    }
    figure_rule_y(figure, panel, 0.0);
    figure_rule_y(figure, panel, -BAR);
    figure_rule_y(figure, panel, BAR);
    panel->title = plot->outputs[j].label;
    panel->x.title = "predicted mean";
    panel->y.title = "residual / \xcf\x83";
    if (undefined > 0) {
        panel->note = figure_text(figure, "%zu rows with standard deviation 0", undefined);
    }
}

enum err_code plot_residuals(struct plot *plot, struct err *err)
{
    struct compared all;
    struct group groups[N_DRAWN];
    const char *limited = plot_limit(plot, 0, MAX_PANELS);
    if (plot_narrow(plot, err) != ERR_OK) {
        return err->code;
    }
    if (compare(plot, &all, err) != ERR_OK) {
        return err->code;
    }
    int n_groups = group_rows(plot, &all, groups);
    for (int k = 0; k < plot->n_outputs; k++) {
        add_residuals(plot, &all, groups, n_groups, plot->chosen_outputs[k]);
    }
    plot->figure->n_columns = plot_columns(plot->n_outputs);
    plot_title(plot, "residuals",
               describe_rows(plot, &all.rows,
                             figure_text(plot->figure, "; lines at 0 and \xc2\xb1 2%s", limited)));
    return ERR_OK;
}
