/* SPDX-License-Identifier: Apache-2.0 */
/* The losses of a training, and correlations of outputs. */
#include "client/plots/plot.h"

#include "formats/json_write.h"

#include <math.h>

#define MANY_OUTPUTS 6 /* of which two matrices do not fit beside each other */

/* ---- losses ---- */

static double *read_list(struct plot *plot, const json_t *list, size_t n)
{
    double *numbers = figure_numbers(plot->figure, n + 1);
    for (size_t i = 0; numbers != NULL && i < n; i++) {
        numbers[i] = plot_number(json_array_get(list, i));
    }
    return numbers;
}

static void add_curve(struct plot *plot, struct panel *panel, const json_t *member, bool validation)
{
    const json_t *steps = json_object_get(member, "step");
    const json_t *losses = json_object_get(member, validation ? "validation_loss" : "loss");
    size_t n = json_array_size(steps);
    double *x = read_list(plot, steps, n);
    double *y = read_list(plot, losses, n);
    if (json_array_size(losses) == 0 || x == NULL || y == NULL) {
        return;
    }
    struct mark *line = figure_mark(plot->figure, panel, MARK_LINE, n);
    line->x = x;
    line->y = y;
    line->colour = validation ? 1 : 0;
    line->name = validation ? "rows that do not train" : "rows that train";
}

enum err_code plot_loss(struct plot *plot, struct err *err)
{
    const char *job = NULL;
    const json_t *doc = NULL;
    if (plot_find_job(plot, "train", "a version made elsewhere has no losses", &job, err) !=
            ERR_OK ||
        plot_ask(plot, client_path(plot->client, "/v1/jobs/", job, "/curves", NULL), NULL, &doc,
                 err) != ERR_OK) {
        return err->code;
    }
    const json_t *members = client_list(doc, "members", err);
    if (members == NULL) {
        return err->code;
    }
    struct panel *panel = figure_panel(plot->figure);
    for (size_t i = 0; i < json_array_size(members); i++) {
        add_curve(plot, panel, json_array_get(members, i), false);
        add_curve(plot, panel, json_array_get(members, i), true);
    }
    if (panel->n_marks == 0) {
        return err_set(err, ERR_NOT_FOUND, "job %.20s has left no losses", job);
    }
    struct extent extent = figure_extent(panel, false);
    panel->y.log = extent.low > 0.0 && extent.high / extent.low > 20.0;
    panel->x.title = "step";
    panel->y.title = "loss";
    plot->figure->n_columns = 1;
    plot_title(
        plot, "losses",
        figure_text(plot->figure, "job %s, %zu members or chains", job, json_array_size(members)));
    return ERR_OK;
}

/* ---- correlations ---- */

static void add_matrix(struct plot *plot, const double *values, const char *title)
{
    size_t k = (size_t)plot->n_outputs;
    struct panel *panel = figure_panel(plot->figure);
    struct mark *mark = figure_mark(plot->figure, panel, MARK_MAP, k * k);
    double *places = figure_numbers(plot->figure, k);
    const char **names = arena_alloc_array(plot->arena, k, sizeof *names);
    if (places == NULL || names == NULL) {
        plot->figure->failed = true;
        mark->n = 0;
        return;
    }
    for (size_t i = 0; i < k; i++) {
        places[i] = (double)i;
        names[i] = plot->outputs[plot->chosen_outputs[i]].name;
    }
    *mark = (struct mark){.kind = MARK_MAP,
                          .n = k * k,
                          .n_x = k,
                          .n_y = k,
                          .x = places,
                          .y = places,
                          .values = values,
                          .low = -1.0,
                          .high = 1.0,
                          .diverging = true,
                          .written = true,
                          .name = "correlation",
                          .quiet = true};
    panel->title = title;
    panel->x = (struct axis){.categories = names, .n_categories = (int)k};
    panel->y = panel->x;
    panel->square = true;
}

/* The correlations of the chosen outputs from a covariance [o x o]. NaN where one does not vary. */
static double *correlate(struct plot *plot, const double *covariance)
{
    size_t k = (size_t)plot->n_outputs;
    size_t o = (size_t)plot->o;
    double *out = figure_numbers(plot->figure, k * k);
    for (size_t i = 0; out != NULL && i < k * k; i++) {
        size_t a = (size_t)plot->chosen_outputs[i / k];
        size_t b = (size_t)plot->chosen_outputs[i % k];
        double size = sqrt(covariance[a * o + a]) * sqrt(covariance[b * o + b]);
        out[i] = size > 0.0 ? covariance[a * o + b] / size : NAN;
    }
    return out;
}

/* out [o x o] <- covariances of stored outputs, of rows that have both. */
static void cover_rows(const struct plot *plot, const struct plot_rows *rows, double *out)
{
    size_t o = (size_t)plot->o;
    for (size_t ab = 0; ab < o * o; ab++) {
        double n = 0.0;
        double mean_a = 0.0;
        double mean_b = 0.0;
        double sum = 0.0;
        for (size_t i = 0; i < rows->n; i++) {
            double a = rows->y[i * o + ab / o];
            double b = rows->y[i * o + ab % o];
            if (isfinite(a) && isfinite(b)) {
                n += 1.0;
                double gap = a - mean_a;
                mean_a += gap / n;
                mean_b += (b - mean_b) / n;
                sum += gap * (b - mean_b);
            }
        }
        out[ab] = n > 1.0 ? sum / (n - 1.0) : NAN;
    }
}

static enum err_code ask_covariance(struct plot *plot, const double *centre, double *out,
                                    struct err *err)
{
    struct textbuf text = textbuf_in(plot->arena);
    struct json_write json = json_write_to(&text);
    const json_t *doc = NULL;
    char *path = arena_printf(plot->arena, "%s/predict", plot->path);
    json_write_object(&json, NULL);
    plot_write_inputs(plot, &json, centre, 1);
    plot_write_outputs(plot, &json);
    json_write_text(&json, "covariance", "outputs");
    json_write_object_end(&json);
    json_write_end(&json);
    if (path == NULL || textbuf_failed(&text)) {
        return err_set(err, ERR_NOMEM, "no memory for the request");
    }
    if (plot_ask(plot, path, text.data, &doc, err) != ERR_OK) {
        return err->code;
    }
    const json_t *matrix = json_array_get(json_object_get(doc, "covariance"), 0);
    return plot_matrix(matrix, (size_t)plot->o, (size_t)plot->o, out, err);
}

enum err_code plot_covariance(struct plot *plot, struct err *err)
{
    struct plot_rows rows;
    const char *limited = plot_limit(plot, 0, 20);
    if (plot_narrow(plot, err) != ERR_OK) {
        return err->code;
    }
    size_t o = (size_t)plot->o;
    double *centre = figure_numbers(plot->figure, (size_t)plot->d);
    double *numbers = figure_numbers(plot->figure, 2 * o * o);
    if (plot->n_outputs < 2) {
        return err_set(err, ERR_INVALID, "correlations need two outputs; %s",
                       plot->o_all < 2 ? "the model has one" : "--columns names one");
    }
    if (centre == NULL || numbers == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the picture");
    }
    if (plot_centre(plot, centre, err) != ERR_OK ||
        ask_covariance(plot, centre, numbers, err) != ERR_OK) {
        return err->code;
    }
    add_matrix(plot, correlate(plot, numbers), "model uncertainty");
    if (plot_read_rows(plot, false, &rows, err) == ERR_OK) {
        cover_rows(plot, &rows, numbers + o * o);
        add_matrix(plot, correlate(plot, numbers + o * o), "stored rows");
    } else if (err->code == ERR_NOT_FOUND) {
        err_clear(err); /* a model that was registered may have none */
    }
    plot->figure->n_columns = plot->n_outputs > MANY_OUTPUTS ? 1 : plot->figure->n_panels;
    plot_title(
        plot, "correlations of outputs",
        figure_text(plot->figure, "of the model at the middle of its range, or --at%s", limited));
    return err->code;
}
