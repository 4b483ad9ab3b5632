/* SPDX-License-Identifier: Apache-2.0 */
#include "api/native/scoring.h"

#include <math.h>
#include <string.h>

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
    *scoring = (struct scoring){.model = model, .n_rows = rows->n};
    err_clear(&scoring->feasible_err);
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
    if (model->feasible != NULL) {
        scoring->feasible = arena_alloc_array(arena, (size_t)rows->n, sizeof *scoring->feasible);
        scoring->failed = arena_alloc_array(arena, (size_t)rows->n, sizeof *scoring->failed);
        if (scoring->feasible == NULL || scoring->failed == NULL) {
            return err_set(err, ERR_NOMEM, "no memory for the request");
        }
        scoring->block.want |= PREDICT_FEASIBLE;
    }
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

/* Here and not when the answer is written, since it takes longest of all that is left. */
static void score_feasible(struct scoring *scoring)
{
    err_kept(feasible_score(scoring->n, scoring->feasible, scoring->failed,
                            &scoring->feasible_scores, &scoring->feasible_err));
}

static void add_feasible(struct scoring *scoring, const struct predict_result *f, const double *y,
                         int n)
{
    size_t o = (size_t)scoring->model->o;
    memcpy(scoring->feasible + scoring->n, f->feasible, (size_t)n * sizeof *scoring->feasible);
    for (size_t i = 0; i < (size_t)n; i++) {
        bool some = false;
        for (size_t j = 0; j < o && !some; j++) {
            some = !isnan(y[i * o + j]);
        }
        scoring->failed[(size_t)scoring->n + i] = !some;
    }
}

void scoring_add(struct scoring *scoring, const struct predict_result *f, const double *y, int n)
{
    size_t o = (size_t)scoring->model->o;
    size_t cells = (size_t)n * o;
    evaluation_add(&scoring->evaluation, f, y, n);
    for (size_t c = 0; scoring->intervals && c < cells; c++) {
        double lower = f->intervals[c];
        double upper = f->intervals[cells + c];
        if (!isnan(y[c])) {
            scoring->covered[c % o] += lower <= y[c] && y[c] <= upper;
            scoring->width[c % o] += upper - lower;
        }
    }
    if (scoring->feasible != NULL) {
        add_feasible(scoring, f, y, n);
    }
    scoring->n += n;
    if (scoring->feasible != NULL && scoring->n == scoring->n_rows) {
        score_feasible(scoring);
    }
}

/* ---- the answer ---- */

static double value_or_nan(const double *values, size_t j)
{
    return values != NULL ? values[j] : (double)NAN;
}

/* The range of an output, 1 where it did not vary. */
static double unit_of(const double *range, size_t j)
{
    double span = range[2 * j + 1] - range[2 * j];
    return span > 0.0 ? span : 1.0;
}

/*
 * The mean over the outputs that have the score; null: none has. range: [o x 2], by which scores in
 * the outputs' units are divided first, since the outputs may have different ones; or NULL.
 */
static void write_mean(struct json_write *json, const char *key, const double *values, size_t o,
                       const double *range)
{
    double sum = 0.0;
    size_t n = 0;
    for (size_t j = 0; values != NULL && j < o; j++) {
        n += isnan(values[j]) ? 0 : 1;
    }
    for (size_t j = 0; n > 0 && j < o; j++) {
        double unit = range != NULL ? unit_of(range, j) : 1.0;
        sum += isnan(values[j]) ? 0.0 : values[j] / unit / (double)n;
    }
    json_write_real(json, key, n > 0 ? sum : (double)NAN);
}

/* Rows that had output j. */
static int count_rows(const struct scores *s, size_t j)
{
    return s->counts != NULL ? s->counts[j] : s->n_rows;
}

static void write_coverage(struct json_write *json, const struct scores *s, size_t j)
{
    if (s->coverage == NULL) {
        json_write_null(json, "coverage");
        json_write_null(json, "calibration");
        return;
    }
    json_write_array(json, "coverage");
    for (size_t k = 0; k < SCORES_INTERVALS; k++) {
        json_write_object(json, NULL);
        json_write_real(json, "level", scores_intervals[k]);
        json_write_real(json, "observed", s->coverage[j * SCORES_INTERVALS + k]);
        json_write_real(json, "width", s->width[j * SCORES_INTERVALS + k]);
        json_write_object_end(json);
    }
    json_write_array_end(json);
    json_write_array(json, "calibration");
    for (size_t k = 0; k < SCORES_LEVELS; k++) {
        json_write_object(json, NULL);
        json_write_real(json, "level", (double)(k + 1) / (SCORES_LEVELS + 1));
        json_write_real(json, "observed", s->calibration[j * SCORES_LEVELS + k]);
        json_write_object_end(json);
    }
    json_write_array_end(json);
}

/* Null if the calibration has too few rows for the level; no member if there is no calibration. */
static void write_conformal(struct json_write *json, const struct scoring *scoring,
                            const struct scores *s, size_t j)
{
    double n = count_rows(s, j); /* 0: what follows is null */
    enum conformal_method method = scoring->model->conformal.method;
    if (method == CONFORMAL_NONE) {
        return;
    }
    if (!scoring->intervals) {
        json_write_null(json, "conformal");
        return;
    }
    json_write_object(json, "conformal");
    json_write_real(json, "level", conformal_level);
    json_write_text(json, "method", conformal_method_name(method));
    json_write_real(json, "observed", (double)scoring->covered[j] / n);
    json_write_real(json, "width", scoring->width[j] / n);
    json_write_object_end(json);
}

static void write_output(struct json_write *json, const struct scoring *scoring,
                         const struct scores *s, size_t j)
{
    const struct model *model = scoring->model;
    json_write_object(json, NULL);
    json_write_text(json, "name", model->output_names != NULL ? model->output_names[j] : NULL);
    json_write_int(json, "rows", count_rows(s, j));
    json_write_real(json, "rmse", value_or_nan(s->rmse, j));
    json_write_real(json, "nll", value_or_nan(s->nll, j));
    json_write_real(json, "nll_draws", value_or_nan(s->nll_draws, j));
    json_write_real(json, "crps", value_or_nan(s->crps, j));
    write_coverage(json, s, j);
    write_conformal(json, scoring, s, j);
    json_write_object_end(json);
}

/* How well the probability of success tells what happened. */
static void write_feasible(struct json_write *json, const struct scoring *scoring, int n_failed)
{
    const struct feasible_scores *f = &scoring->feasible_scores;
    bool known = scoring->feasible != NULL;
    const char *reason = !known                   ? "the model was trained without failed runs"
                         : n_failed == 0          ? "none of these runs failed"
                         : n_failed == scoring->n ? "all of these runs failed"
                                                  : NULL;
    if (!known && n_failed == 0) {
        return;
    }
    json_write_object(json, "feasible");
    json_write_int(json, "rows", scoring->n);
    json_write_int(json, "failed", n_failed);
    json_write_real(json, "log_loss", known ? f->log_loss : (double)NAN);
    json_write_real(json, "auc", known ? f->auc : (double)NAN);
    if (reason != NULL) {
        json_write_text(json, "reason", reason);
    }
    json_write_object_end(json);
}

/* The scores; none where all runs failed and only the probability of that can be scored. */
static enum err_code end_evaluation(struct scoring *scoring, struct scores *s, struct err *err)
{
    if (scoring->evaluation.sums.n_rows == 0 && scoring->feasible != NULL) {
        s->relative_error = (double)NAN;
        return ERR_OK;
    }
    return evaluation_end(&scoring->evaluation, s, err);
}

enum err_code scoring_write(struct scoring *scoring, struct json_write *json, struct err *err)
{
    struct scores s = {.n_rows = 0};
    size_t o = (size_t)scoring->model->o;
    if (scoring->feasible_err.code != ERR_OK) {
        *err = scoring->feasible_err;
        return err->code;
    }
    if (end_evaluation(scoring, &s, err) != ERR_OK) {
        return err->code;
    }
    json_write_int(json, "rows", s.n_rows);
    json_write_int(json, "failed_rows", scoring->n - s.n_rows);
    json_write_real(json, "relative_error", s.relative_error);
    write_mean(json, "nll", s.nll, o, NULL);
    write_mean(json, "nll_draws", s.nll_draws, o, NULL);
    write_mean(json, "crps", s.crps, o, s.output_range);
    json_write_array(json, "outputs");
    for (size_t j = 0; j < o; j++) {
        write_output(json, scoring, &s, j);
    }
    json_write_array_end(json);
    write_feasible(json, scoring, scoring->n - s.n_rows);
    scores_release(&s);
    return ERR_OK;
}
