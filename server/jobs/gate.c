/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs/gate.h"

#include "base/mem.h"
#include "base/phrase.h"
#include "fit/split.h"
#include "formats/json_write.h"
#include "model/space_rows.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MIN_ROWS 2 /* with fewer known or new rows, all that were kept out are compared */

/* ---- rows ---- */

struct picked {
    struct data data;
    double *x, *y;
    double *range; /* [o x 2] of the served version's outputs */
};

static void picked_release(struct picked *picked)
{
    mem_free(picked->x);
    mem_free(picked->y);
    mem_free(picked->range);
}

static bool is_wanted(enum gate_rows rows, int i, int n_known)
{
    return rows == GATE_ALL || (rows == GATE_KNOWN) == (i < n_known);
}

/* Has row i members of categories that the served version knows? */
static bool is_told(const struct gate_case *c, int i)
{
    struct space_fault fault;
    size_t d = (size_t)c->data->d;
    const struct space_rows row = {1, d, (double *)c->data->x + (size_t)i * d};
    return !model_has_categories(c->served) || !space_find_fault(c->served->space, &row, &fault);
}

static bool is_picked(const struct gate_case *c, const unsigned char *role, int i,
                      enum gate_rows rows)
{
    return role[i] == SPLIT_KEPT && is_wanted(rows, i, c->n_known) && is_told(c, i);
}

static int count_kept(const struct gate_case *c, const unsigned char *role, enum gate_rows rows)
{
    int found = 0;
    for (int i = 0; i < c->data->n; i++) {
        found += is_picked(c, role, i, rows);
    }
    return found;
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

void gate_find_range(const struct data *rows, int n, double *range)
{
    for (int j = 0; j < rows->o; j++) {
        range[2 * j] = INFINITY;
        range[2 * j + 1] = -INFINITY;
    }
    for (int i = 0; i < n; i++) {
        const double *y = rows->y + (size_t)i * (size_t)rows->o;
        for (int j = 0; j < rows->o; j++) {
            range[2 * j] = fmin(range[2 * j], y[j]);
            range[2 * j + 1] = fmax(range[2 * j + 1], y[j]);
        }
    }
}

static bool is_empty(const double *range, int output)
{
    return !(range[2 * output + 1] > range[2 * output]);
}

void gate_fill_range(double *range, int o)
{
    for (int j = 0; j < o; j++) {
        if (is_empty(range, j)) {
            range[2 * j] = 0.0;
            range[2 * j + 1] = 1.0;
        }
    }
}

/* The output range of the served version's rows; where they did not vary, as it is on record. */
static void find_served_range(const struct gate_case *c, double *range)
{
    gate_find_range(c->data, c->n_known, range);
    for (int j = 0; j < c->data->o; j++) {
        if (is_empty(range, j) && c->served->scores.n_rows > 0) {
            range[2 * j] = c->served->scores.output_range[2 * j];
            range[2 * j + 1] = c->served->scores.output_range[2 * j + 1];
        }
    }
    gate_fill_range(range, c->data->o);
}

/* The kept-out rows to compare on; *rows says which they are in the end. */
static enum err_code pick_rows(const struct gate_case *c, enum gate_rows *rows,
                               struct picked *picked, struct err *err)
{
    const struct data *data = c->data;
    size_t d = (size_t)data->d;
    size_t o = (size_t)data->o;
    unsigned char *role = mem_alloc((size_t)data->n);
    if (role == NULL) {
        goto no_memory;
    }
    split_rows(c->seed, data->n, c->validation, c->calibration, role);
    if (count_kept(c, role, *rows) < MIN_ROWS) {
        *rows = GATE_ALL;
    }
    size_t n = (size_t)count_kept(c, role, *rows);
    picked->data = (struct data){.d = data->d, .o = data->o};
    picked->x = mem_alloc_array(n * d, sizeof *picked->x);
    picked->y = mem_alloc_array(n * o, sizeof *picked->y);
    picked->range = mem_alloc_array(2 * o, sizeof *picked->range);
    if (picked->x == NULL || picked->y == NULL || picked->range == NULL) {
        goto no_memory;
    }
    for (size_t i = 0; i < (size_t)data->n; i++) {
        if (is_picked(c, role, (int)i, *rows)) {
            size_t to = (size_t)picked->data.n++;
            memcpy(picked->x + to * d, data->x + i * d, d * sizeof *data->x);
            memcpy(picked->y + to * o, data->y + i * o, o * sizeof *data->y);
        }
    }
    picked->data.x = picked->x;
    picked->data.y = picked->y;
    find_served_range(c, picked->range);
    mem_free(role);
    return ERR_OK;
no_memory:
    mem_free(role);
    return err_set(err, ERR_NOMEM, "no memory to compare a version with the served one");
}

/* ---- scores ---- */

static double mean_over_outputs(const struct scores *s, const double *range,
                                enum gate_metric metric, int o)
{
    const double *values = metric == GATE_RMSE ? s->rmse : metric == GATE_NLL ? s->nll : s->crps;
    double sum = 0.0;
    if (values == NULL) {
        return NAN;
    }
    for (int j = 0; j < o; j++) {
        double scale = range[2 * j + 1] - range[2 * j];
        double value = metric == GATE_NLL ? values[j] : values[j] / scale;
        sum += metric == GATE_RMSE ? value * value : value;
    }
    sum /= (double)o;
    return metric == GATE_RMSE ? sqrt(sum) : sum;
}

enum err_code gate_score(const struct model *model, const struct gate_sample *sample,
                         enum gate_metric metric, const struct evaluation_run *run, double *out,
                         struct err *err)
{
    struct scores scores = {.n_rows = 0};
    enum err_code code = evaluation_score(model, sample->rows, sample->range, run, &scores, err);
    *out = NAN;
    if (code == ERR_NUMERIC) {
        err_clear(err); /* some prediction is not finite: there is no score */
        return ERR_OK;
    }
    if (code == ERR_OK) {
        *out = mean_over_outputs(&scores, sample->range, metric, model->o);
        scores_release(&scores);
    }
    return code;
}

static void compare_scores(const struct gate_spec *spec, struct gate_verdict *v)
{
    const char *metric = gate_metric_name(v->metric);
    double bound = v->metric == GATE_NLL ? v->served + spec->max_increase
                                         : v->served * (1.0 + spec->max_increase);
    if (!isfinite(v->candidate)) {
        v->passed = false;
        snprintf(v->reason, sizeof v->reason,
                 "not promoted: it has no finite %s on %s kept out (%s)", metric,
                 phrase_count(v->n, "row").text, gate_rows_name(v->rows));
    } else if (!isfinite(v->served)) {
        v->passed = true;
        snprintf(v->reason, sizeof v->reason, "version %lld has no finite %s to compare with",
                 (long long)v->served_version, metric);
    } else {
        v->passed = v->candidate <= bound;
        if (!v->passed) {
            snprintf(v->reason, sizeof v->reason,
                     "not promoted: its %s on %s kept out (%s) is %.4g, that of version %lld "
                     "%.4g; at most %.4g is allowed",
                     metric, phrase_count(v->n, "row").text, gate_rows_name(v->rows), v->candidate,
                     (long long)v->served_version, v->served, bound);
        }
    }
}

static enum err_code score_both(const struct gate_case *c, const struct picked *picked,
                                struct gate_verdict *v, struct err *err)
{
    const struct evaluation_run run = {.n_threads = c->n_threads, .cancel = c->cancel};
    const struct gate_sample sample = {&picked->data, picked->range};
    return gate_score(c->candidate, &sample, v->metric, &run, &v->candidate, err) == ERR_OK
               ? gate_score(c->served, &sample, v->metric, &run, &v->served, err)
               : err->code;
}

enum err_code gate_judge(const struct gate_spec *spec, const struct gate_case *the_case,
                         struct gate_verdict *out, struct err *err)
{
    struct picked picked = {.x = NULL};
    *out = (struct gate_verdict){.passed = true,
                                 .metric = spec->metric,
                                 .rows = spec->rows,
                                 .candidate = NAN,
                                 .served = NAN,
                                 .served_version = the_case->served_version};
    if (the_case->served->d != the_case->data->d || the_case->served->o != the_case->data->o) {
        out->passed = false;
        snprintf(
            out->reason, sizeof out->reason,
            "not promoted: version %lld has %s and %s, this one has %d and %d, "
            "so they cannot be compared; \"gate\":null promotes it",
            (long long)the_case->served_version, phrase_count(the_case->served->d, "input").text,
            phrase_count(the_case->served->o, "output").text, the_case->data->d, the_case->data->o);
        return ERR_OK;
    }
    if (!means_the_same(the_case->served, the_case->candidate)) {
        out->passed = false;
        snprintf(out->reason, sizeof out->reason,
                 "not promoted: version %lld was trained with other categories, so they cannot be "
                 "compared; \"gate\":null promotes it",
                 (long long)the_case->served_version);
        return ERR_OK;
    }
    if (pick_rows(the_case, &out->rows, &picked, err) != ERR_OK) {
        goto done;
    }
    out->n = picked.data.n;
    if (out->n == 0) {
        out->passed = false;
        snprintf(out->reason, sizeof out->reason,
                 "not promoted: no rows were kept out, so it cannot be compared with version %lld; "
                 "a \"split\" with \"validation\" keeps some, \"gate\":null promotes it",
                 (long long)the_case->served_version);
        goto done;
    }
    if (score_both(the_case, &picked, out, err) == ERR_OK && !isfinite(out->served) &&
        out->metric != GATE_RMSE) {
        /* Without noise or draws a version has no density, but it has an error. */
        out->metric = GATE_RMSE;
        err_kept(score_both(the_case, &picked, out, err));
    }
    if (err->code == ERR_OK) {
        compare_scores(spec, out);
    }
done:
    picked_release(&picked);
    return err->code;
}

void gate_write(struct textbuf *text, const struct gate_verdict *v)
{
    struct json_write json = json_write_to(text);
    json_write_object(&json, NULL);
    json_write_bool(&json, "passed", v->passed);
    json_write_text(&json, "metric", gate_metric_name(v->metric));
    json_write_text(&json, "compared", gate_rows_name(v->rows));
    json_write_int(&json, "rows", v->n);
    json_write_real(&json, "candidate", v->candidate);
    json_write_real(&json, "served", v->served);
    json_write_int(&json, "served_version", v->served_version);
    json_write_text(&json, "reason", v->reason[0] != '\0' ? v->reason : NULL);
    json_write_object_end(&json);
    json_write_end(&json);
}
