/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs/gate.h"

#include "base/mem.h"
#include "base/phrase.h"
#include "fit/scaler.h"
#include "formats/json_write.h"
#include "model/space_rows.h"
#include "train/train.h"

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A version has unlearnt known rows, of which few are left to judge by, if its error on them is
 * that of their mean, and so many times that of the served version. */
#define SPOILT_FACTOR 2.0

/* ---- ranges ---- */

static void widen_range(double *range, const double *y, int o)
{
    for (int j = 0; j < o; j++) {
        range[2 * j] = fmin(range[2 * j], y[j]); /* of a NaN and a number, the number */
        range[2 * j + 1] = fmax(range[2 * j + 1], y[j]);
    }
}

static void clear_range(double *range, int o)
{
    for (int j = 0; j < o; j++) {
        range[2 * j] = INFINITY;
        range[2 * j + 1] = -INFINITY;
    }
}

void gate_find_range(const struct data *rows, int n, double *range)
{
    clear_range(range, rows->o);
    for (int i = 0; i < n; i++) {
        widen_range(range, rows->y + (size_t)i * (size_t)rows->o, rows->o);
    }
}

static bool is_empty(const double *range, int output)
{
    return !(range[2 * output + 1] > range[2 * output]);
}

void gate_fill_range(double *range, int o)
{
    for (int j = 0; j < o; j++) {
        double low = range[2 * j];
        double high = range[2 * j + 1];
        if (is_empty(range, j)) {
            range[2 * j] = 0.0;
            range[2 * j + 1] = 1.0;
        } else if (scaler_range_is_constant(low, high)) {
            range[2 * j] = fmin(low, 0.0);
            range[2 * j + 1] = fmax(high, 0.0);
        }
    }
}

/* The output range of the served version's rows; where they did not vary, as it is on record. */
static void find_served_range(const struct gate_case *c, double *range)
{
    const struct data *data = c->data;
    clear_range(range, data->o);
    for (int i = 0; i < data->n; i++) {
        if ((c->facts[i] & GATE_HAD) != 0) {
            widen_range(range, data->y + (size_t)i * (size_t)data->o, data->o);
        }
    }
    for (int j = 0; j < data->o; j++) {
        if (is_empty(range, j) && c->served->scores.n_rows > 0) {
            range[2 * j] = c->served->scores.output_range[2 * j];
            range[2 * j + 1] = c->served->scores.output_range[2 * j + 1];
        }
    }
    gate_fill_range(range, data->o);
}

/* ---- scores ---- */

static const double *values_of(const struct scores *s, enum gate_metric metric)
{
    return metric == GATE_RMSE ? s->rmse : metric == GATE_NLL ? s->nll : s->crps;
}

/* What a score is averaged over. */
struct averaging {
    enum gate_metric metric;
    const double *range; /* [o x 2] */
    int o;
    int n; /* out: outputs with a score */
};

/* The mean over the outputs that have a score, also in `other` (may be NULL) if that has any. An
 * output that is constant in a training has no density, and one that no row has no score. */
static double average(const struct scores *s, const struct scores *other, struct averaging *a)
{
    const double *values = values_of(s, a->metric);
    const double *mask = other != NULL ? values_of(other, a->metric) : NULL;
    double sum = 0.0;
    a->n = 0;
    for (int j = 0; values != NULL && j < a->o; j++) {
        if (isnan(values[j]) || (mask != NULL && isnan(mask[j]))) {
            continue;
        }
        double scale = a->range[2 * j + 1] - a->range[2 * j];
        double value = a->metric == GATE_NLL ? values[j] : values[j] / scale;
        if (a->metric != GATE_NLL && fabs(value) <= SCALER_CONSTANT_ULPS * DBL_EPSILON) {
            value = 0.0; /* of two errors that are rounding neither is better */
        }
        sum += a->metric == GATE_RMSE ? value * value : value;
        a->n++;
    }
    if (a->n == 0) {
        return NAN;
    }
    sum /= (double)a->n;
    return a->metric == GATE_RMSE ? sqrt(sum) : sum;
}

/* *out stays empty where some prediction is not finite. */
static enum err_code score_rows(const struct model *model, const struct gate_sample *sample,
                                const struct evaluation_run *run, struct scores *out,
                                struct err *err)
{
    if (evaluation_score(model, sample->rows, sample->range, run, out, err) == ERR_NUMERIC) {
        err_clear(err);
    }
    return err->code;
}

enum err_code gate_score(const struct model *model, const struct gate_sample *sample,
                         enum gate_metric metric, const struct evaluation_run *run, double *out,
                         struct err *err)
{
    struct scores scores = {.n_rows = 0};
    struct averaging over = {.metric = metric, .range = sample->range, .o = model->o};
    if (score_rows(model, sample, run, &scores, err) == ERR_OK) {
        *out = average(&scores, NULL, &over);
        scores_release(&scores);
    }
    return err->code;
}

/* ---- a comparison ---- */

struct comparison {
    const struct gate_case *c;
    struct gate_choice choice;
    struct gate_picked picked;
    struct gate_picked unseen; /* with GATE_OWN, for the served version */
    double *range;             /* [o x 2] of the served version's outputs; mem */
    struct scores candidate;
    struct scores served; /* empty where they are on record */
};

static void comparison_release(struct comparison *comparison)
{
    gate_picked_release(&comparison->picked);
    gate_picked_release(&comparison->unseen);
    mem_free(comparison->range);
    scores_release(&comparison->candidate);
    scores_release(&comparison->served);
}

/* The candidate's scores on the chosen rows: its own, or those of the models of its folds. */
static enum err_code score_candidate(const struct comparison *comparison,
                                     const struct evaluation_run *run, struct scores *out,
                                     struct err *err)
{
    const struct gate_case *c = comparison->c;
    const struct gate_sample sample = {&comparison->picked.data, comparison->range};
    if (c->cross == NULL) {
        return score_rows(c->candidate, &sample, run, out, err);
    }
    unsigned char *chosen = mem_alloc((size_t)c->data->n);
    if (chosen == NULL) {
        return err_set(err, ERR_NOMEM, "no memory to compare a version with the served one");
    }
    gate_mark(c, &comparison->choice, chosen);
    const struct train_cross_rows rows = {c->data, chosen, sample.range};
    if (train_cross_score(c->cross, &rows, c->candidate, out, err) == ERR_NUMERIC) {
        err_clear(err);
    }
    mem_free(chosen);
    return err->code;
}

/* Scores both on the chosen rows. The caller releases the comparison in any case. */
static enum err_code compare_on(const struct gate_case *c, const struct gate_choice *choice,
                                struct comparison *out, struct err *err)
{
    const struct evaluation_run run = {.n_threads = c->n_threads, .cancel = c->cancel};
    *out = (struct comparison){.c = c, .choice = *choice};
    out->range = mem_alloc_array(2 * (size_t)c->data->o, sizeof *out->range);
    if (out->range == NULL) {
        return err_set(err, ERR_NOMEM, "no memory to compare a version with the served one");
    }
    find_served_range(c, out->range);
    const struct gate_choice unseen = gate_choose_unseen();
    const bool own = choice->basis == GATE_OWN;
    const struct gate_sample sample = {&out->picked.data, out->range};
    const struct gate_sample other = {own ? &out->unseen.data : sample.rows, out->range};
    if (gate_pick(c, choice, &out->picked, err) != ERR_OK ||
        (own && gate_pick(c, &unseen, &out->unseen, err) != ERR_OK) ||
        score_candidate(out, &run, &out->candidate, err) != ERR_OK ||
        choice->basis == GATE_RECORDED) {
        return err->code;
    }
    return score_rows(c->served, &other, &run, &out->served, err);
}

/* Fills in both scores by the verdict's metric. */
static void average_both(const struct comparison *comparison, struct gate_verdict *v)
{
    const struct scores *served = comparison->choice.basis == GATE_RECORDED
                                      ? &comparison->c->served->scores
                                      : &comparison->served;
    struct averaging over = {
        .metric = v->metric, .range = comparison->range, .o = comparison->c->data->o};
    v->served = average(served, &comparison->candidate, &over);
    v->candidate = average(&comparison->candidate, served, &over);
    v->n_outputs = over.n;
    v->max_outputs = over.o;
}

/* ---- the verdict ---- */

/* Cut off where it is longer than a job's message. */
static void PRINTF_LIKE(2, 3) give_reason(struct gate_verdict *v, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(v->reason, sizeof v->reason, fmt, args);
    va_end(args);
}

static struct gate_verdict verdict_begin(const struct gate_spec *spec, const struct gate_case *c)
{
    return (struct gate_verdict){.passed = true,
                                 .metric = spec->metric,
                                 .basis = GATE_NONE,
                                 .rows = spec->rows,
                                 .candidate = NAN,
                                 .served = NAN,
                                 .served_version = c->served_version};
}

/* Do the numbers of rows mean the same to both? New members of a category follow the old ones. */
static bool means_the_same(const struct model *served, const struct model *candidate)
{
    struct err err = ERR_INIT;
    if (!model_has_categories(served) || !model_has_categories(candidate)) {
        return model_has_categories(served) == model_has_categories(candidate);
    }
    return space_check_types(served->space, candidate->space, &err) == ERR_OK;
}

/* Says why two versions cannot be compared; false: they can. */
static bool refuse_others(const struct gate_case *c, struct gate_verdict *v)
{
    long long version = (long long)c->served_version;
    if (c->served->d != c->data->d || c->served->o != c->data->o) {
        give_reason(
            v,
            "not promoted: version %lld has %s and %s, this one has %d and %d, so they cannot "
            "be compared; \"gate\":null promotes it",
            version, phrase_count(c->served->d, "input").text,
            phrase_count(c->served->o, "output").text, c->data->d, c->data->o);
    } else if (!means_the_same(c->served, c->candidate)) {
        give_reason(
            v,
            "not promoted: version %lld was trained with other categories, so they cannot be "
            "compared; \"gate\":null promotes it",
            version);
    } else {
        return false;
    }
    v->passed = false;
    return true;
}

/* Why these rows are compared, if not for being the ones asked for that trained neither. */
static void explain_choice(const struct gate_spec *spec, const struct gate_verdict *v, char *out,
                           size_t size)
{
    static const char *const what_then[] = {
        [GATE_BOTH] = "",
        [GATE_RECORDED] = ", too few to be fair; each is judged by rows that it kept out itself",
        [GATE_OWN] = ", too few to be fair; each is judged by rows that did not train it",
        [GATE_MAYBE] = ", and the served one has no scores of its own",
        [GATE_NONE] = ""};
    const char *kind = spec->rows == GATE_ALL ? "" : gate_rows_name(spec->rows);
    out[0] = '\0';
    if (v->basis != GATE_BOTH || v->rows != spec->rows) {
        snprintf(out, size, "fewer than %d %s%srows trained neither%s: ", GATE_MIN_ROWS, kind,
                 kind[0] != '\0' ? " " : "", what_then[v->basis]);
    }
}

/* "its rmse on 37 rows kept out of both trainings is 0.2, that of version 3 0.1" */
static void write_numbers(const struct gate_verdict *v, char *out, size_t size)
{
    const char *metric = gate_metric_name(v->metric);
    long long version = (long long)v->served_version;
    char outputs[48] = "";
    if (v->n_outputs < v->max_outputs) {
        snprintf(outputs, sizeof outputs, " of %d of %d outputs", v->n_outputs, v->max_outputs);
    }
    if (v->basis == GATE_OWN || v->basis == GATE_RECORDED) {
        snprintf(out, size, "its %s%s on %s is %.4g, that of version %lld on %d %.4g", metric,
                 outputs, phrase_count(v->n, "row").text, v->candidate, version, v->n_served,
                 v->served);
    } else {
        snprintf(out, size, "its %s%s on %s is %.4g, that of version %lld %.4g", metric, outputs,
                 v->rows_used, v->candidate, version, v->served);
    }
}

static void decide(const struct gate_spec *spec, struct gate_verdict *v)
{
    const char *metric = gate_metric_name(v->metric);
    char why[128];
    char numbers[240];
    double bound = v->metric == GATE_NLL ? v->served + spec->max_increase
                                         : v->served * (1.0 + spec->max_increase);
    explain_choice(spec, v, why, sizeof why);
    write_numbers(v, numbers, sizeof numbers);
    if (!isfinite(v->candidate)) {
        v->passed = false;
        give_reason(v, "not promoted: it has no finite %s on %s", metric, v->rows_used);
    } else if (!isfinite(v->served)) {
        give_reason(v, "version %lld has no finite %s to compare with",
                    (long long)v->served_version, metric);
    } else if (v->candidate > bound) {
        v->passed = false;
        give_reason(v, "not promoted: %s%s; at most %.4g is allowed", why, numbers, bound);
    } else if (why[0] != '\0') {
        give_reason(v, "%s%s", why, numbers);
    }
}

/* The root mean square of the known rows' distance from their mean, as a share of the range. */
static double find_spread(const struct gate_case *c, const double *range)
{
    const struct data *rows = c->data;
    double sum = 0.0;
    int n_outputs = 0;
    for (int j = 0; j < rows->o; j++) {
        double scale = range[2 * j + 1] - range[2 * j];
        double mean = 0.0;
        double m2 = 0.0;
        int n = 0;
        for (int i = 0; i < rows->n; i++) {
            double y = rows->y[(size_t)i * (size_t)rows->o + (size_t)j] / scale;
            if ((c->facts[i] & GATE_HAD) != 0 && !isnan(y)) {
                double from = y - mean;
                mean += from / (double)++n;
                m2 += from * (y - mean);
            }
        }
        sum += n > 0 ? m2 / (double)n : 0.0;
        n_outputs += n > 0;
    }
    return n_outputs > 0 ? sqrt(sum / (double)n_outputs) : 0.0;
}

/*
 * Later rows say that the candidate is good. Has it unlearnt the known ones, of which too few
 * trained neither? Rows in a wrong unit do that.
 */
static enum err_code refuse_spoilt(const struct gate_case *c, struct gate_verdict *v,
                                   struct err *err)
{
    struct comparison known = {.range = NULL};
    struct gate_choice choice = gate_choose_known();
    choice.basis = GATE_MAYBE; /* both on the same rows */
    choice.n = gate_count(c, &choice);
    if (choice.n == 0) {
        return ERR_OK;
    }
    if (compare_on(c, &choice, &known, err) == ERR_OK) {
        struct averaging over = {.metric = GATE_RMSE, .range = known.range, .o = c->data->o};
        double served = average(&known.served, NULL, &over);
        double candidate = average(&known.candidate, NULL, &over);
        if (!(candidate < TRAIN_POOR_SHARE * find_spread(c, known.range)) &&
            candidate > SPOILT_FACTOR * served) {
            v->passed = false;
            give_reason(v,
                        "not promoted: %s of those that version %lld had it predicts hardly better "
                        "than by their mean: rmse %.4g, that of version %lld %.4g; "
                        "\"rows\":\"new\" leaves them out, PUT .../default promotes it by hand",
                        phrase_count(choice.n, "row").text, (long long)v->served_version, candidate,
                        (long long)v->served_version, served);
        }
    }
    comparison_release(&known);
    return err->code;
}

static void note_choice(const struct gate_case *c, const struct gate_choice *choice,
                        struct gate_verdict *v)
{
    v->basis = choice->basis;
    v->rows = choice->rows;
    v->n = choice->n;
    v->n_new = choice->n_new;
    v->n_served = choice->n_served;
    gate_describe(c, choice, v->rows_used, sizeof v->rows_used);
}

enum err_code gate_judge(const struct gate_spec *spec, const struct gate_case *the_case,
                         struct gate_verdict *out, struct err *err)
{
    struct comparison comparison = {.range = NULL};
    *out = verdict_begin(spec, the_case);
    if (refuse_others(the_case, out)) {
        return ERR_OK;
    }
    const struct gate_choice choice = gate_choose(spec->rows, the_case);
    if (choice.basis == GATE_NONE) {
        out->passed = false;
        give_reason(
            out,
            "not promoted: no rows were kept out, so it cannot be compared with version %lld; "
            "a \"split\" with \"validation\" keeps some, \"gate\":null promotes it",
            (long long)the_case->served_version);
        return ERR_OK;
    }
    note_choice(the_case, &choice, out);
    if (compare_on(the_case, &choice, &comparison, err) == ERR_OK) {
        average_both(&comparison, out);
        if (!isfinite(out->served) && out->metric != GATE_RMSE) {
            /* Without noise or draws a version has no density, but it has an error. */
            out->metric = GATE_RMSE;
            average_both(&comparison, out);
        }
        decide(spec, out);
    }
    comparison_release(&comparison);
    return err->code == ERR_OK && out->passed && choice.beyond_known
               ? refuse_spoilt(the_case, out, err)
               : err->code;
}

/* ---- poor fits ---- */

bool gate_is_poor(const struct model *candidate)
{
    for (int i = 0; i < candidate->report.n_warnings; i++) {
        if (strcmp(candidate->report.warnings[i].code, "poor_fit") == 0) {
            return true;
        }
    }
    return false;
}

enum err_code gate_judge_poor(enum gate_rows rows, const struct gate_case *the_case,
                              struct gate_verdict *out, struct err *err)
{
    const struct gate_spec spec = {.on = true, .metric = GATE_RMSE, .rows = rows};
    if (gate_judge(&spec, the_case, out, err) != ERR_OK || out->passed) {
        return err->code;
    }
    out->passed = !(out->candidate > out->served);
    out->reason[0] = '\0';
    if (!out->passed) {
        give_reason(out,
                    "not promoted: a poor fit (poor_fit), and version %lld does better: rmse %.4g "
                    "against %.4g on %s; PUT .../default promotes it by hand",
                    (long long)out->served_version, out->served, out->candidate, out->rows_used);
    }
    return ERR_OK;
}

/* ---- as JSON ---- */

void gate_write(struct textbuf *text, const struct gate_verdict *v)
{
    static const char *const bases[] = {"kept_out_of_both", "recorded", "own", "may_have_trained",
                                        "none"};
    struct json_write json = json_write_to(text);
    json_write_object(&json, NULL);
    json_write_bool(&json, "passed", v->passed);
    json_write_text(&json, "metric", gate_metric_name(v->metric));
    json_write_text(&json, "compared", gate_rows_name(v->rows));
    json_write_text(&json, "basis", bases[v->basis]);
    json_write_text(&json, "rows_used", v->rows_used[0] != '\0' ? v->rows_used : NULL);
    json_write_int(&json, "rows", v->n);
    json_write_int(&json, "new_rows", v->n_new);
    json_write_int(&json, "served_rows", v->n_served);
    json_write_int(&json, "outputs", v->n_outputs);
    json_write_real(&json, "candidate", v->candidate);
    json_write_real(&json, "served", v->served);
    json_write_int(&json, "served_version", v->served_version);
    json_write_text(&json, "reason", v->reason[0] != '\0' ? v->reason : NULL);
    json_write_object_end(&json);
    json_write_end(&json);
}
