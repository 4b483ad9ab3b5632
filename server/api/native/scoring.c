/* SPDX-License-Identifier: Apache-2.0 */
#include "api/native/scoring.h"

#include "train/train_rows.h"

static const double conformal_level = 0.9;

/* ---- sums ---- */

static bool has_intervals(const struct model *model)
{
    struct err few = ERR_INIT;
    struct predict_request probe = {
        .n = 1, .want = PREDICT_INTERVALS, .n_intervals = 1, .intervals = &conformal_level};
    return model->conformal.method != CONFORMAL_NONE &&
           predict_check(model, &probe, &few) == ERR_OK;
}

enum err_code scoring_begin(struct scoring *scoring, const struct model *model,
                            const struct data *rows, struct arena *arena, struct err *err)
{
    size_t o = (size_t)model->o;
    const double *range = model->scores.output_range;
    double *own = arena_alloc_array(arena, 2 * o, sizeof *own);
    *scoring = (struct scoring){.model = model};
    scoring->covered = arena_zalloc_array(arena, o, sizeof *scoring->covered);
    scoring->width = arena_zalloc_array(arena, o, sizeof *scoring->width);
    if (own == NULL || scoring->covered == NULL || scoring->width == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the request");
    }
    if (model->scores.n_rows == 0) {
        train_rows_ranges(rows->y, rows->n, model->o, own);
        range = own;
    }
    if (evaluation_begin(&scoring->evaluation, model, range, err) != ERR_OK) {
        return err->code;
    }
    scoring->block = scoring->evaluation.block;
    scoring->intervals = has_intervals(model);
    if (scoring->intervals) {
        scoring->block.want |= PREDICT_INTERVALS;
        scoring->block.n_intervals = 1;
        scoring->block.intervals = &conformal_level;
    }
    return ERR_OK;
}

void scoring_release(struct scoring *scoring)
{
    evaluation_release(&scoring->evaluation);
}

const double *scoring_range(const struct scoring *scoring)
{
    return scoring->evaluation.sums.output_range;
}

void scoring_add(struct scoring *scoring, const struct predict_result *f, const double *y, int n)
{
    size_t o = (size_t)scoring->model->o;
    size_t cells = (size_t)n * o;
    evaluation_add(&scoring->evaluation, f, y, n);
    for (size_t c = 0; scoring->intervals && c < cells; c++) {
        double lower = f->intervals[c];
        double upper = f->intervals[cells + c];
        scoring->covered[c % o] += lower <= y[c] && y[c] <= upper;
        scoring->width[c % o] += upper - lower;
    }
    scoring->n += n;
}

/* ---- the answer ---- */

static void put_number(struct textbuf *text, const char *before, const double *value)
{
    textbuf_puts(text, before);
    if (value != NULL) {
        textbuf_real(text, *value);
    } else {
        textbuf_puts(text, "null");
    }
}

/* The mean over outputs, or null. */
static void put_mean(struct textbuf *text, const char *before, const double *values, size_t o)
{
    double sum = 0.0;
    for (size_t j = 0; values != NULL && j < o; j++) {
        sum += values[j] / (double)o;
    }
    put_number(text, before, values != NULL ? &sum : NULL);
}

static void put_coverage(struct textbuf *text, const struct scores *s, size_t j)
{
    if (s->coverage == NULL) {
        textbuf_puts(text, ",\"coverage\":null,\"calibration\":null");
        return;
    }
    textbuf_puts(text, ",\"coverage\":[");
    for (size_t k = 0; k < SCORES_INTERVALS; k++) {
        put_number(text, k > 0 ? ",{\"level\":" : "{\"level\":", &scores_intervals[k]);
        put_number(text, ",\"observed\":", &s->coverage[j * SCORES_INTERVALS + k]);
        put_number(text, ",\"width\":", &s->width[j * SCORES_INTERVALS + k]);
        textbuf_puts(text, "}");
    }
    textbuf_puts(text, "],\"calibration\":[");
    for (size_t k = 0; k < SCORES_LEVELS; k++) {
        double level = (double)(k + 1) / (SCORES_LEVELS + 1);
        put_number(text, k > 0 ? ",{\"level\":" : "{\"level\":", &level);
        put_number(text, ",\"observed\":", &s->calibration[j * SCORES_LEVELS + k]);
        textbuf_puts(text, "}");
    }
    textbuf_puts(text, "]");
}

/* Null where the calibration is too small for the level; nothing where there is none. */
static void put_conformal(struct textbuf *text, const struct scoring *scoring, size_t j)
{
    enum conformal_method method = scoring->model->conformal.method;
    if (method == CONFORMAL_NONE) {
        return;
    }
    if (!scoring->intervals) {
        textbuf_puts(text, ",\"conformal\":null");
        return;
    }
    double observed = (double)scoring->covered[j] / (double)scoring->n;
    double width = scoring->width[j] / (double)scoring->n;
    put_number(text, ",\"conformal\":{\"level\":", &conformal_level);
    textbuf_puts(text, ",\"method\":");
    textbuf_json_string(text, conformal_method_name(method));
    put_number(text, ",\"observed\":", &observed);
    put_number(text, ",\"width\":", &width);
    textbuf_puts(text, "}");
}

static void put_output(struct textbuf *text, const struct scoring *scoring, const struct scores *s,
                       size_t j)
{
    const struct model *model = scoring->model;
    textbuf_puts(text, j > 0 ? ",{\"name\":" : "{\"name\":");
    if (model->output_names != NULL && model->output_names[j] != NULL) {
        textbuf_json_string(text, model->output_names[j]);
    } else {
        textbuf_puts(text, "null");
    }
    put_number(text, ",\"rmse\":", &s->rmse[j]);
    put_number(text, ",\"nll\":", s->nll != NULL ? &s->nll[j] : NULL);
    put_number(text, ",\"nll_draws\":", s->nll_draws != NULL ? &s->nll_draws[j] : NULL);
    put_number(text, ",\"crps\":", s->crps != NULL ? &s->crps[j] : NULL);
    put_coverage(text, s, j);
    put_conformal(text, scoring, j);
    textbuf_puts(text, "}");
}

enum err_code scoring_write(struct scoring *scoring, struct textbuf *text, struct err *err)
{
    struct scores s = {.n_rows = 0};
    size_t o = (size_t)scoring->model->o;
    if (evaluation_end(&scoring->evaluation, &s, err) != ERR_OK) {
        return err->code;
    }
    textbuf_printf(text, "\"rows\":%d", s.n_rows);
    put_number(text, ",\"relative_error\":", &s.relative_error);
    put_mean(text, ",\"nll\":", s.nll, o);
    put_mean(text, ",\"nll_draws\":", s.nll_draws, o);
    put_mean(text, ",\"crps\":", s.crps, o);
    textbuf_puts(text, ",\"outputs\":[");
    for (size_t j = 0; j < o; j++) {
        put_output(text, scoring, &s, j);
    }
    textbuf_puts(text, "]");
    scores_release(&s);
    return ERR_OK;
}
