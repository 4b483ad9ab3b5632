/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Markov chains: R-hat and effective sample sizes as the training reported them, and predictions of
 * the draws along each chain. Predictions and not parameters are traced, since the units of a
 * network may be exchanged without changing what it computes.
 *
 * Rank plots (A. Vehtari, A. Gelman, D. Simpson, B. Carpenter, P. Buerkner, Bayesian Analysis 16,
 * 2021) count how the ranks of a chain's values among those of all chains are spread; chains that
 * agree have flat lines.
 */
#include "client/plots/plot_network.h"

#include <math.h>
#include <stdlib.h>

#define MAX_RHAT    1.05 /* from where the training warns (core/solve/mcmc_report.h) */
#define TRACED_ROWS 4
#define MAX_TRACED  8 /* panels */
#define RANK_BINS   20
#define MAX_CHAINS  7

/* ---- R-hat and effective sample sizes ---- */

static const json_t *report_list(const json_t *doc, const char *name)
{
    return json_object_get(json_object_get(doc, "report"), name);
}

static void add_diagnostic(struct plot *plot, const json_t *list, const json_t *rows,
                           struct panel *panel)
{
    size_t o = (size_t)plot->o;
    size_t n = json_array_size(list) / o;
    double *x = figure_numbers(plot->figure, n);
    for (size_t i = 0; x != NULL && i < n; i++) {
        x[i] = plot_number(json_array_get(rows, i));
    }
    for (int k = 0; k < plot->n_outputs; k++) {
        size_t j = (size_t)plot->chosen_outputs[k];
        double *y = figure_numbers(plot->figure, n);
        bool there = x != NULL && y != NULL;
        struct mark *mark = figure_mark(plot->figure, panel, MARK_POINTS, there ? n : 0);
        for (size_t i = 0; there && i < n; i++) {
            y[i] = plot_number(json_array_get(list, i * o + j));
        }
        mark->x = x;
        mark->y = y;
        mark->colour = k;
        mark->name = plot->outputs[j].name;
    }
    panel->x.title = "row of the training";
}

enum err_code plot_chains(struct plot *plot, struct err *err)
{
    static const struct {
        const char *list, *title, *axis;
    } parts[] = {{"predictions.rhat", "R-hat", "R-hat"},
                 {"predictions.ess_bulk", "bulk effective sample size", "draws"},
                 {"predictions.ess_tail", "tail effective sample size", "draws"}};
    const json_t *doc = NULL;
    const char *limited = plot_limit(plot, 0, PLOT_MAX_LINES);
    char *path = arena_printf(plot->arena, "%s/diagnostics", plot->path);
    if (plot_ask(plot, path, NULL, &doc, err) != ERR_OK) {
        return err->code;
    }
    const json_t *rows = report_list(doc, "predictions.rows");
    if (json_array_size(rows) == 0) {
        return err_set(err, ERR_NOT_FOUND,
                       "the version was not sampled by Markov chains, or not here: there is no "
                       "R-hat");
    }
    for (size_t k = 0; k < sizeof parts / sizeof *parts; k++) {
        struct panel *panel = figure_panel(plot->figure);
        add_diagnostic(plot, report_list(doc, parts[k].list), rows, panel);
        panel->title = parts[k].title;
        panel->y.title = parts[k].axis;
        panel->y.from_zero = k > 0;
        if (k == 0) {
            figure_rule_y(plot->figure, panel, MAX_RHAT);
        }
    }
    plot->figure->n_columns = 3;
    plot_title(plot, "convergence of predictions",
               figure_text(plot->figure, "of %zu training rows; the line is R-hat = %.2f%s",
                           json_array_size(rows), MAX_RHAT, limited));
    return ERR_OK;
}

/* ---- traces and ranks ---- */

/* Predictions of all draws: values [m x n_panels], a panel for each output and row. */
struct traced {
    struct network network;
    struct plot_rows rows; /* those that are traced */
    struct chains chains;
    size_t n_panels;
    double *values;
};

static enum err_code trace_draws(struct plot *plot, struct traced *out, struct err *err)
{
    const struct model *model = out->network.model;
    size_t o = (size_t)plot->o;
    size_t width = (size_t)model->net.n_out;
    size_t m = (size_t)out->chains.n * out->chains.length;
    size_t n_rows = out->rows.n;
    double *row = figure_numbers(plot->figure, o);
    out->n_panels = n_rows * (size_t)plot->n_outputs;
    out->values = figure_numbers(plot->figure, m * out->n_panels);
    if (row == NULL || out->values == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for %zu draws", m);
    }
    for (size_t draw = 0; draw < m; draw++) {
        network_run(&out->network, model->draws + draw * (size_t)model->net.n_params);
        for (size_t i = 0; i < n_rows; i++) {
            for (size_t j = 0; j < o; j++) {
                row[j] = out->network.y[i * width + j];
            }
            scaler_invert(model->out, 1, (int)o, row);
            for (int k = 0; k < plot->n_outputs; k++) {
                out->values[draw * out->n_panels + (size_t)k * n_rows + i] =
                    row[plot->chosen_outputs[k]];
            }
        }
    }
    return ERR_OK;
}

/* A few of the stored rows, evenly. */
static void thin_rows(struct plot *plot, struct plot_rows *rows, size_t wanted)
{
    size_t n = rows->n < wanted ? rows->n : wanted;
    for (size_t k = 0; k < n; k++) {
        size_t from = (2 * k + 1) * rows->n / (2 * n);
        for (size_t j = 0; j < (size_t)plot->d; j++) {
            rows->x[k * (size_t)plot->d + j] = rows->x[from * (size_t)plot->d + j];
        }
        for (size_t j = 0; j < (size_t)plot->o; j++) {
            rows->y[k * (size_t)plot->o + j] = rows->y[from * (size_t)plot->o + j];
        }
    }
    rows->n = n;
}

static enum err_code trace(struct plot *plot, struct traced *out, struct err *err)
{
    *out = (struct traced){.n_panels = 0};
    if (network_open(plot, &out->network, err) != ERR_OK) {
        return err->code;
    }
    out->chains = network_chains(&out->network);
    if (out->chains.n == 0) {
        return err_set(err, ERR_NOT_FOUND,
                       "the version was not sampled by Markov chains, or not here");
    }
    if (plot_read_rows(plot, false, &out->rows, err) != ERR_OK) {
        return err->code;
    }
    thin_rows(plot, &out->rows, TRACED_ROWS);
    if (network_take_rows(plot, &out->network, &out->rows, err) == ERR_OK) {
        err_kept(trace_draws(plot, out, err));
    }
    return err->code;
}

/* "(0.5, 300, fine)", as far as there is place. */
static const char *describe_row(struct plot *plot, const struct plot_rows *rows, size_t i)
{
    struct textbuf text = textbuf_in(plot->arena);
    for (int j = 0; j < plot->d && j < 5; j++) {
        double value = rows->x[i * (size_t)plot->d + (size_t)j];
        const struct column *column = &plot->inputs[j];
        textbuf_puts(&text, j > 0 ? ", " : "(");
        if (column->n_members > 0 && value < column->n_members) {
            textbuf_puts(&text, column->members[(int)value]);
        } else {
            textbuf_printf(&text, "%.3g", value);
        }
    }
    textbuf_puts(&text, plot->d > 5 ? ", ..)" : ")");
    return textbuf_failed(&text) ? "" : text.data;
}

/* A line through numbers [2 x n], x and then y; NULL: there is none. */
static void add_chain(struct plot *plot, struct panel *panel, int chain, const double *numbers,
                      size_t n)
{
    struct mark *mark = figure_mark(plot->figure, panel, MARK_LINE, numbers != NULL ? n : 0);
    mark->x = numbers;
    mark->y = numbers != NULL ? numbers + n : NULL;
    mark->colour = chain;
    mark->name = figure_text(plot->figure, "chain %d", chain + 1);
}

static int compare_numbers(const void *a, const void *b)
{
    const double *x = a;
    const double *y = b;
    return (*x > *y) - (*x < *y);
}

static void add_trace(struct plot *plot, const struct traced *all, struct panel *panel, size_t at)
{
    for (int c = 0; c < all->chains.n && c < MAX_CHAINS; c++) {
        double *numbers = figure_numbers(plot->figure, 2 * all->chains.length);
        for (size_t i = 0; numbers != NULL && i < all->chains.length; i++) {
            size_t draw = (size_t)c * all->chains.length + i;
            numbers[i] = (double)(i + 1);
            numbers[all->chains.length + i] = all->values[draw * all->n_panels + at];
        }
        add_chain(plot, panel, c, numbers, all->chains.length);
    }
    panel->x.title = "draw";
    panel->x.tight = true;
}

/* How many of the m sorted values are below a value; of equal ones half. */
static double rank_of(const double *sorted, size_t m, double value)
{
    size_t below = 0;
    size_t upto = 0;
    for (size_t low = 0, high = m; low < high;) {
        size_t middle = low + (high - low) / 2;
        if (sorted[middle] < value) {
            low = middle + 1;
        } else {
            high = middle;
        }
        below = low;
    }
    for (upto = below; upto < m && sorted[upto] == value;) {
        upto++;
    }
    return 0.5 * ((double)below + (double)upto);
}

static void add_ranks(struct plot *plot, const struct traced *all, struct panel *panel, size_t at)
{
    size_t m = (size_t)all->chains.n * all->chains.length;
    double *sorted = figure_numbers(plot->figure, m);
    for (size_t i = 0; sorted != NULL && i < m; i++) {
        sorted[i] = all->values[i * all->n_panels + at];
    }
    if (sorted == NULL) {
        return;
    }
    qsort(sorted, m, sizeof *sorted, compare_numbers);
    for (int c = 0; c < all->chains.n && c < MAX_CHAINS; c++) {
        double *numbers = figure_numbers(plot->figure, 2 * RANK_BINS);
        for (size_t b = 0; numbers != NULL && b < RANK_BINS; b++) {
            numbers[b] = ((double)b + 0.5) / RANK_BINS * (double)m;
            numbers[RANK_BINS + b] = 0.0;
        }
        for (size_t i = 0; numbers != NULL && i < all->chains.length; i++) {
            double value = all->values[((size_t)c * all->chains.length + i) * all->n_panels + at];
            size_t bin = (size_t)(rank_of(sorted, m, value) / (double)m * RANK_BINS);
            numbers[RANK_BINS + (bin < RANK_BINS ? bin : RANK_BINS - 1)] += 1.0;
        }
        add_chain(plot, panel, c, numbers, RANK_BINS);
    }
    figure_rule_y(plot->figure, panel, (double)all->chains.length / RANK_BINS);
    panel->x = (struct axis){.title = "rank among all draws", .low = 0.0, .high = (double)m};
    panel->y = (struct axis){.title = "draws", .from_zero = true};
}

static enum err_code draw_chains(struct plot *plot, bool ranks, struct err *err)
{
    struct traced all;
    const char *limited = plot_limit(plot, 0, MAX_TRACED / TRACED_ROWS);
    if (trace(plot, &all, err) != ERR_OK) {
        network_close(&all.network);
        return err->code;
    }
    for (size_t at = 0; at < all.n_panels; at++) {
        int output = plot->chosen_outputs[at / all.rows.n];
        struct panel *panel = figure_panel(plot->figure);
        (ranks ? add_ranks : add_trace)(plot, &all, panel, at);
        panel->title = figure_text(plot->figure, "%s at %s", plot->outputs[output].name,
                                   describe_row(plot, &all.rows, at % all.rows.n));
        if (!ranks) {
            panel->y.title = plot->outputs[output].label;
        }
    }
    plot->figure->n_columns = all.n_panels > 1 ? 2 : 1;
    plot->figure->panel_height = 130.0;
    plot_title(plot, ranks ? "ranks of predictions" : "traces of predictions",
               figure_text(plot->figure, "%d chains of %zu draws, at %zu stored rows%s",
                           all.chains.n, all.chains.length, all.rows.n, limited));
    network_close(&all.network);
    return ERR_OK;
}

enum err_code plot_trace(struct plot *plot, struct err *err)
{
    return draw_chains(plot, false, err);
}

enum err_code plot_ranks(struct plot *plot, struct err *err)
{
    return draw_chains(plot, true, err);
}
