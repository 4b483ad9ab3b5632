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

/* Column j of values [n x k]. */
static double *column_of(struct plot *plot, const double *values, size_t n, int k, int j)
{
    double *column = figure_numbers(plot->figure, n);
    for (size_t i = 0; column != NULL && i < n; i++) {
        column[i] = values[i * (size_t)k + (size_t)j];
    }
    return column;
}

static double rmse_of(const double *a, const double *b, size_t n)
{
    double sum = 0.0;
    double count = 0.0;
    for (size_t i = 0; i < n; i++) {
        if (isfinite(a[i]) && isfinite(b[i])) {
            sum += (a[i] - b[i]) * (a[i] - b[i]);
            count += 1.0;
        }
    }
    return sqrt(sum / count);
}

struct compared {
    struct plot_rows rows;
    struct plot_prediction said;
};

static enum err_code compare(struct plot *plot, struct compared *out, struct err *err)
{
    if (plot_read_rows(plot, false, &out->rows, err) == ERR_OK) {
        err_kept(plot_predict(plot, out->rows.x, out->rows.n, &out->said, err));
    }
    return err->code;
}

static void add_parity(struct plot *plot, const struct compared *all, int j)
{
    struct figure *figure = plot->figure;
    size_t n = all->rows.n;
    char rmse[TICKS_LABEL_BYTES];
    struct panel *panel = figure_panel(figure);
    struct mark *mark = figure_mark(figure, panel, MARK_POINTS, n);
    double *known = column_of(plot, all->rows.y, n, plot->o, j);
    double *mean = column_of(plot, all->said.mean, n, plot->o, j);
    double *ends = figure_numbers(figure, 2 * n);
    if (known == NULL || mean == NULL || ends == NULL) {
        mark->n = 0;
        return;
    }
    for (size_t i = 0; i < n; i++) {
        double total = all->said.total[i * (size_t)plot->o + (size_t)j];
        ends[i] = mean[i] - BAR * total;
        ends[n + i] = mean[i] + BAR * total;
    }
    *mark = (struct mark){.kind = MARK_POINTS,
                          .n = n,
                          .x = known,
                          .y = mean,
                          .lower = ends,
                          .upper = ends + n,
                          .name = "mean \xc2\xb1 2 standard deviations"};
    figure_diagonal(figure, panel);
    ticks_write(rmse_of(known, mean, n), rmse);
    panel->title = plot->outputs[j].label;
    panel->note = figure_text(figure, "RMSE %s", rmse);
    panel->square = true;
    panel->x.title = "stored";
    panel->y.title = "predicted";
}

enum err_code plot_parity(struct plot *plot, struct err *err)
{
    struct compared all;
    const char *limited = plot_limit(plot, 0, MAX_PANELS);
    if (compare(plot, &all, err) != ERR_OK) {
        return err->code;
    }
    for (int k = 0; k < plot->n_outputs; k++) {
        add_parity(plot, &all, plot->chosen_outputs[k]);
    }
    plot->figure->n_columns = plot_columns(plot->n_outputs);
    plot_title(plot, "predictions against rows", describe_rows(plot, &all.rows, limited));
    return ERR_OK;
}

static void add_residuals(struct plot *plot, const struct compared *all, int j)
{
    struct figure *figure = plot->figure;
    size_t n = all->rows.n;
    size_t undefined = 0;
    struct panel *panel = figure_panel(figure);
    struct mark *mark = figure_mark(figure, panel, MARK_POINTS, n);
    double *known = column_of(plot, all->rows.y, n, plot->o, j);
    double *mean = column_of(plot, all->said.mean, n, plot->o, j);
    double *scaled = figure_numbers(figure, n);
    if (known == NULL || mean == NULL || scaled == NULL) {
        mark->n = 0;
        return;
    }
    for (size_t i = 0; i < n; i++) {
        double total = all->said.total[i * (size_t)plot->o + (size_t)j];
        scaled[i] = total > 0.0 ? (known[i] - mean[i]) / total : NAN;
        undefined += !(total > 0.0) && isfinite(known[i]);
    }
    *mark = (struct mark){
        .kind = MARK_POINTS, .n = n, .x = mean, .y = scaled, .name = "residual", .quiet = true};
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
    const char *limited = plot_limit(plot, 0, MAX_PANELS);
    if (compare(plot, &all, err) != ERR_OK) {
        return err->code;
    }
    for (int k = 0; k < plot->n_outputs; k++) {
        add_residuals(plot, &all, plot->chosen_outputs[k]);
    }
    plot->figure->n_columns = plot_columns(plot->n_outputs);
    plot_title(plot, "residuals",
               describe_rows(plot, &all.rows,
                             figure_text(plot->figure, "; lines at 0 and \xc2\xb1 2%s", limited)));
    return ERR_OK;
}
