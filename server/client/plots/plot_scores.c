/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How well predicted distributions fit: calibration, coverage, and the histogram of the probability
 * integral transform. All come from the scores on the rows that were kept out of the training, or,
 * with --batch, of that batch: the share of rows below the quantile of each level 0.05, 0.10 ..
 * 0.95. The differences of neighbouring shares are the heights of the histogram.
 *
 * The grey areas have 95 % of what n independent rows of a calibrated model would show: the normal
 * approximation of the binomial distribution, 1.96 sqrt(p (1 - p) / n).
 */
#include "client/plots/plot.h"

#include "formats/json_write.h"

#include <math.h>

#define Z_95       1.96
#define MAX_PANELS 12
#define N_LEVELS   19 /* 0.05 .. 0.95 */
#define N_BINS     (N_LEVELS + 1)
#define N_COVERAGE 3

struct judged {
    const json_t *calibration; /* [o] of [19] numbers, or of objects with `observed` */
    const json_t *coverage;    /* [o] of [3] likewise */
    double rows;
    const char *where;
};

static enum err_code read_kept(struct plot *plot, struct judged *out, struct err *err)
{
    const json_t *doc = NULL;
    char *path = arena_printf(plot->arena, "%s/diagnostics", plot->path);
    if (plot_ask(plot, path, NULL, &doc, err) != ERR_OK) {
        return err->code;
    }
    const json_t *scores = json_object_get(doc, "scores");
    if (!json_is_object(scores)) {
        return err_set(err, ERR_NOT_FOUND,
                       "the version has no scores, since no rows were kept out of its training or "
                       "it was made elsewhere; --batch B scores it on a stored batch");
    }
    if (json_is_null(json_object_get(scores, "rmse"))) {
        return err_set(err, ERR_NOT_FOUND, "of %d outputs there are no scores of each", plot->o);
    }
    *out = (struct judged){.calibration = json_object_get(scores, "calibration"),
                           .coverage = json_object_get(scores, "coverage"),
                           .rows = plot_number(json_object_get(scores, "rows")),
                           .where = "that did not train"};
    return ERR_OK;
}

static const char *body_of(struct plot *plot, const struct plot_rows *rows)
{
    struct textbuf text = textbuf_in(plot->arena);
    struct json_write json = json_write_to(&text);
    json_write_object(&json, NULL);
    plot_write_inputs(plot, &json, rows->x, rows->n);
    json_write_matrix(&json, "outputs", rows->y, rows->n, (size_t)plot->o);
    json_write_object_end(&json);
    json_write_end(&json);
    return textbuf_failed(&text) ? NULL : text.data;
}

/* The lists of all outputs under a key, in one array. */
static const json_t *gather(struct plot *plot, const json_t *outputs, const char *key)
{
    json_t *lists = json_array();
    for (size_t j = 0; j < json_array_size(outputs); j++) {
        json_t *list = json_object_get(json_array_get(outputs, j), key);
        json_array_append(lists, list != NULL ? list : json_null());
    }
    if (lists == NULL || plot->n_documents == PLOT_MAX_DOCUMENTS) {
        json_decref(lists);
        return NULL;
    }
    plot->documents[plot->n_documents++] = lists;
    return lists;
}

static enum err_code score_batch(struct plot *plot, struct judged *out, struct err *err)
{
    struct plot_rows rows;
    const json_t *doc = NULL;
    if (plot_read_rows(plot, true, &rows, err) != ERR_OK) {
        return err->code;
    }
    char *path = arena_printf(plot->arena, "%s/evaluate", plot->path);
    const char *body = body_of(plot, &rows);
    if (path == NULL || body == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the rows");
    }
    if (plot_ask(plot, path, body, &doc, err) != ERR_OK) {
        return err->code;
    }
    const json_t *outputs = client_list(doc, "outputs", err);
    *out = (struct judged){
        .calibration = gather(plot, outputs, "calibration"),
        .coverage = gather(plot, outputs, "coverage"),
        .rows = (double)rows.n,
        .where = figure_text(plot->figure, "of batch %s", plot->client->args->values[OPT_BATCH])};
    return outputs == NULL ? err->code : ERR_OK;
}

static enum err_code judge(struct plot *plot, struct judged *out, struct err *err)
{
    return plot->client->args->values[OPT_BATCH] != NULL ? score_batch(plot, out, err)
                                                         : read_kept(plot, out, err);
}

/* Number k of output j. */
static double share_of(const json_t *lists, int j, int k)
{
    const json_t *value = json_array_get(json_array_get(lists, (size_t)j), (size_t)k);
    return plot_number(json_is_object(value) ? json_object_get(value, "observed") : value);
}

/* ---- calibration and coverage ---- */

/* Around the diagonal. */
static void add_scatter(struct plot *plot, struct panel *panel, double rows)
{
    const size_t n = 101;
    double *numbers = figure_numbers(plot->figure, 3 * n);
    struct mark *band = figure_mark(plot->figure, panel, MARK_BAND, n);
    if (numbers == NULL) {
        band->n = 0;
        return;
    }
    for (size_t i = 0; i < n; i++) {
        double p = (double)i / (double)(n - 1);
        double half = Z_95 * sqrt(p * (1.0 - p) / rows);
        numbers[i] = p;
        numbers[n + i] = fmax(0.0, p - half);
        numbers[2 * n + i] = fmin(1.0, p + half);
    }
    band->x = numbers;
    band->lower = numbers + n;
    band->upper = numbers + 2 * n;
    band->colour = MARK_INK;
    band->name = "95 % of calibrated models";
    figure_diagonal(plot->figure, panel);
}

static void add_shares(struct plot *plot, struct panel *panel, const struct judged *judged, int k)
{
    int j = plot->chosen_outputs[k];
    double *numbers = figure_numbers(plot->figure, 2 * N_BINS + 2);
    struct mark *line = figure_mark(plot->figure, panel, MARK_LINE, N_LEVELS + 2);
    if (numbers == NULL) {
        line->n = 0;
        return;
    }
    double *shares = numbers + N_LEVELS + 2;
    numbers[0] = shares[0] = 0.0;
    numbers[N_LEVELS + 1] = shares[N_LEVELS + 1] = 1.0;
    for (int i = 0; i < N_LEVELS; i++) {
        numbers[i + 1] = 0.05 * (i + 1);
        shares[i + 1] = share_of(judged->calibration, j, i);
    }
    line->x = numbers;
    line->y = shares;
    line->colour = k;
    line->name = plot->outputs[j].name;
}

static void add_coverage(struct plot *plot, struct panel *panel, const struct judged *judged, int k)
{
    static const double levels[N_COVERAGE] = {0.5, 0.9, 0.95};
    int j = plot->chosen_outputs[k];
    double *shares = figure_numbers(plot->figure, N_COVERAGE);
    struct mark *points = figure_mark(plot->figure, panel, MARK_POINTS, N_COVERAGE);
    for (int i = 0; shares != NULL && i < N_COVERAGE; i++) {
        shares[i] = share_of(judged->coverage, j, i);
    }
    points->n = shares != NULL ? N_COVERAGE : 0;
    points->x = levels;
    points->y = shares;
    points->colour = k;
    points->quiet = true;
    points->name = plot->outputs[j].name;
}

static struct panel *shares_panel(struct plot *plot, const char *title, const char *x,
                                  const char *y)
{
    struct panel *panel = figure_panel(plot->figure);
    panel->title = title;
    panel->square = true;
    panel->x = (struct axis){.title = x, .low = -0.02, .high = 1.02};
    panel->y = (struct axis){.title = y, .low = -0.02, .high = 1.02};
    return panel;
}

enum err_code plot_calibration(struct plot *plot, struct err *err)
{
    struct judged judged;
    const char *limited = plot_limit(plot, 0, PLOT_MAX_LINES);
    if (judge(plot, &judged, err) != ERR_OK) {
        return err->code;
    }
    struct panel *below = shares_panel(plot, "quantiles", "level", "share of rows below");
    struct panel *within = shares_panel(plot, "central intervals", "level", "share of rows inside");
    add_scatter(plot, below, judged.rows);
    add_scatter(plot, within, judged.rows);
    for (int k = 0; k < plot->n_outputs; k++) {
        add_shares(plot, below, &judged, k);
        add_coverage(plot, within, &judged, k);
    }
    plot->figure->n_columns = 2;
    plot_title(plot, "calibration",
               figure_text(plot->figure, "%.0f rows %s%s", judged.rows, judged.where, limited));
    return ERR_OK;
}

/* ---- probability integral transform ---- */

static void add_expected(struct plot *plot, struct panel *panel, double rows)
{
    double mean = rows / N_BINS;
    double half = Z_95 * sqrt(mean * (1.0 - 1.0 / N_BINS));
    double *numbers = figure_numbers(plot->figure, 6);
    struct mark *band = figure_mark(plot->figure, panel, MARK_BAND, 2);
    if (numbers == NULL) {
        band->n = 0;
        return;
    }
    numbers[0] = 0.0;
    numbers[1] = 1.0;
    numbers[2] = numbers[3] = fmax(0.0, mean - half);
    numbers[4] = numbers[5] = mean + half;
    band->x = numbers;
    band->lower = numbers + 2;
    band->upper = numbers + 4;
    band->colour = MARK_INK;
    band->name = "95 % of calibrated models";
    figure_rule_y(plot->figure, panel, mean);
}

static void add_pit(struct plot *plot, const struct judged *judged, int j)
{
    struct panel *panel = figure_panel(plot->figure);
    struct mark *bars = figure_mark(plot->figure, panel, MARK_STEPS, N_BINS);
    double *numbers = figure_numbers(plot->figure, 4 * N_BINS);
    if (numbers == NULL) {
        bars->n = 0;
        return;
    }
    for (int b = 0; b < N_BINS; b++) {
        double low = b > 0 ? share_of(judged->calibration, j, b - 1) : 0.0;
        double high = b < N_LEVELS ? share_of(judged->calibration, j, b) : 1.0;
        numbers[b] = (b + 0.5) / N_BINS;
        numbers[N_BINS + b] = (double)b / N_BINS;
        numbers[2 * N_BINS + b] = (b + 1.0) / N_BINS;
        numbers[3 * N_BINS + b] = judged->rows * (high - low);
    }
    bars->x = numbers;
    bars->lower = numbers + N_BINS;
    bars->upper = numbers + 2 * N_BINS;
    bars->y = numbers + 3 * N_BINS;
    add_expected(plot, panel, judged->rows);
    panel->title = plot->outputs[j].label;
    panel->x = (struct axis){.title = "predicted probability", .low = 0.0, .high = 1.0};
    panel->y.title = "rows";
}

enum err_code plot_pit(struct plot *plot, struct err *err)
{
    struct judged judged;
    const char *limited = plot_limit(plot, 0, MAX_PANELS);
    if (judge(plot, &judged, err) != ERR_OK) {
        return err->code;
    }
    for (int k = 0; k < plot->n_outputs; k++) {
        add_pit(plot, &judged, plot->chosen_outputs[k]);
    }
    plot->figure->n_columns = plot_columns(plot->n_outputs);
    plot_title(plot, "probability integral transform",
               figure_text(plot->figure, "%.0f rows %s%s", judged.rows, judged.where, limited));
    return ERR_OK;
}
