/* SPDX-License-Identifier: Apache-2.0 */
#include "documents/model_json_priv.h"

#include "base/known.h"
#include "base/mem.h"
#include "base/phrase.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#define BIG 1.7976931348623157e308

/* ---- numbers that may not be known ---- */

/* A number, or NaN for null; messages name it what[at]. */
static enum err_code read_known(const json_t *value, const char *what, size_t at, double *out,
                                struct err *err)
{
    if (!json_is_number(value) && !json_is_null(value)) {
        return err_set(err, ERR_INVALID, "%s[%zu] is %s, a number or null is needed", what, at,
                       json_read_kind(value));
    }
    *out = json_is_null(value) ? (double)NAN : json_number_value(value);
    return ERR_OK;
}

static enum err_code read_known_row(const json_t *list, const char *what, size_t n, double *out,
                                    struct err *err)
{
    if (!json_is_array(list) || json_array_size(list) != n) {
        return err_set(err, ERR_SHAPE, "%s: an array of %s is needed", what,
                       phrase_count((int64_t)n, "number").text);
    }
    for (size_t i = 0; i < n; i++) {
        if (read_known(json_array_get(list, i), what, i, &out[i], err) != ERR_OK) {
            return err->code;
        }
    }
    return ERR_OK;
}

/* ---- scores ---- */

/* The arrays that may be missing: o numbers, or o rows of `width` numbers. */
struct score_list {
    const char *key;
    double **array;
    size_t width;
};

#define N_SCORES 6

static void list_scores(struct scores *s, struct score_list *list)
{
    const struct score_list all[N_SCORES] = {
        {"nll", &s->nll, 1},
        {"nll_draws", &s->nll_draws, 1},
        {"crps", &s->crps, 1},
        {"coverage", &s->coverage, SCORES_INTERVALS},
        {"width", &s->width, SCORES_INTERVALS},
        {"calibration", &s->calibration, SCORES_LEVELS},
    };
    memcpy(list, all, sizeof all);
}

static enum err_code read_score(const json_t *scores, const struct score_list *entry, size_t o,
                                struct err *err)
{
    const json_t *value = json_object_get(scores, entry->key);
    char what[48];
    snprintf(what, sizeof what, "scores %s", entry->key);
    if (value == NULL || json_is_null(value)) {
        return ERR_OK;
    }
    double *array = mem_zalloc_array(o * entry->width, sizeof *array);
    *entry->array = array;
    if (array == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a model");
    }
    if (entry->width == 1) {
        return read_known_row(value, what, o, array, err);
    }
    if (!json_is_array(value) || json_array_size(value) != o) {
        return err_set(err, ERR_SHAPE, "%s: an array with %s is needed", what,
                       phrase_count((int64_t)o, "row").text);
    }
    for (size_t j = 0; j < o; j++) {
        if (read_known_row(json_array_get(value, j), what, entry->width, array + j * entry->width,
                           err) != ERR_OK) {
            return err->code;
        }
    }
    return ERR_OK;
}

static enum err_code read_score_numbers(const json_t *scores, int64_t *rows, double *relative_error,
                                        struct err *err)
{
    const struct json_members members = {scores, "scores", err};
    json_read_require(members, "rows");
    json_read_int(members, "rows", 1, INT_MAX, rows);
    json_read_require(members, "relative_error");
    return json_read_real(members, "relative_error", 0.0, BIG, relative_error);
}

/* How many rows had each output, where they did not all have it. */
static enum err_code read_counts(const json_t *scores, struct model *model, int64_t rows,
                                 struct err *err)
{
    const json_t *list = json_object_get(scores, "counts");
    size_t o = (size_t)model->o;
    if (list == NULL || json_is_null(list)) {
        return ERR_OK;
    }
    if (!json_is_array(list) || json_array_size(list) != o) {
        return err_set(err, ERR_SHAPE, "scores counts: an array of %s is needed",
                       phrase_count((int64_t)o, "number").text);
    }
    model->scores.counts = mem_zalloc_array(o, sizeof *model->scores.counts);
    if (model->scores.counts == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a model");
    }
    for (size_t j = 0; j < o; j++) {
        const json_t *value = json_array_get(list, j);
        int64_t count = 0;
        if (!json_read_whole(value, &count) || count < 0 || count > rows) {
            return err_set(err, ERR_INVALID,
                           "scores counts[%zu] must be a whole number from 0 to %lld, the number "
                           "of rows",
                           j, (long long)rows);
        }
        model->scores.counts[j] = (int)count;
    }
    return ERR_OK;
}

/* Unknown where no row had the output, and only there. */
static enum err_code read_rmse(const json_t *scores, struct model *model, struct err *err)
{
    size_t o = (size_t)model->o;
    const int *counts = model->scores.counts;
    model->scores.rmse = mem_zalloc_array(o, sizeof *model->scores.rmse);
    if (model->scores.rmse == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a model");
    }
    if (read_known_row(json_object_get(scores, "rmse"), "scores rmse", o, model->scores.rmse,
                       err) != ERR_OK) {
        return err->code;
    }
    for (size_t j = 0; j < o; j++) {
        bool none = counts != NULL && counts[j] == 0;
        if (isnan(model->scores.rmse[j]) != none) {
            return err_set(err, ERR_INVALID, "scores rmse[%zu] is %s, but %s rows have output %zu",
                           j, none ? "a number" : "null", none ? "no" : "some", j);
        }
    }
    return ERR_OK;
}

static enum err_code read_scores(const json_t *document, struct model *model, struct err *err)
{
    static const char *const keys[] = {
        "rows",     "relative_error", "rmse",        "output_range", "nll",   "nll_draws", "crps",
        "coverage", "width",          "calibration", "counts",       "folds", NULL};
    const json_t *scores = NULL;
    struct score_list list[N_SCORES];
    int64_t rows = 0;
    int64_t folds = 0; /* the report has them */
    if (model_json_object(document, "scores", &scores, err) != ERR_OK || scores == NULL) {
        return err->code;
    }
    if (json_read_check_keys(scores, "scores", keys, err) != ERR_OK ||
        read_score_numbers(scores, &rows, &model->scores.relative_error, err) != ERR_OK ||
        json_read_int((struct json_members){scores, "scores", err}, "folds", 2, INT_MAX, &folds) !=
            ERR_OK ||
        read_counts(scores, model, rows, err) != ERR_OK ||
        read_rmse(scores, model, err) != ERR_OK ||
        model_json_ranges(json_object_get(scores, "output_range"), "scores output_range", model->o,
                          &model->scores.output_range, err) != ERR_OK) {
        return err->code;
    }
    if (model->scores.output_range == NULL) {
        return err_set(err, ERR_INVALID, "scores: output_range is missing");
    }
    list_scores(&model->scores, list);
    for (int i = 0; i < N_SCORES; i++) {
        if (read_score(scores, &list[i], (size_t)model->o, err) != ERR_OK) {
            return err->code;
        }
    }
    model->scores.n_rows = (int)rows;
    return ERR_OK;
}

void quality_json_write_scores(struct json_write *json, const char *key, const struct model *model)
{
    struct scores scores = model->scores;
    struct score_list list[N_SCORES];
    size_t o = (size_t)model->o;
    if (scores.n_rows == 0) {
        json_write_null(json, key);
        return;
    }
    json_write_object(json, key);
    json_write_int(json, "rows", scores.n_rows);
    const struct report_item *folds = report_find(&model->report, "scores.folds");
    if (folds != NULL && folds->n == 1) {
        json_write_real(json, "folds", folds->values[0]);
    }
    if (scores.counts != NULL) {
        json_write_array(json, "counts");
        for (size_t j = 0; j < o; j++) {
            json_write_int(json, NULL, scores.counts[j]);
        }
        json_write_array_end(json);
    }
    json_write_real(json, "relative_error", scores.relative_error);
    json_write_reals(json, "rmse", scores.rmse, o);
    json_write_matrix(json, "output_range", scores.output_range, o, 2);
    list_scores(&scores, list);
    for (int i = 0; i < N_SCORES; i++) {
        if (list[i].width == 1) {
            json_write_reals(json, list[i].key, *list[i].array, o);
        } else {
            json_write_matrix(json, list[i].key, *list[i].array, o, list[i].width);
        }
    }
    json_write_object_end(json);
}

void quality_json_summarise_scores(struct json_write *json, const char *key,
                                   const struct model *model)
{
    const struct scores *scores = &model->scores;
    double squares = 0.0;
    if (!model_json_is_wide(model) || scores->n_rows == 0) {
        quality_json_write_scores(json, key, model);
        return;
    }
    for (int j = 0; j < model->o; j++) {
        squares += scores->rmse[j] * scores->rmse[j] / model->o;
    }
    json_write_object(json, key);
    json_write_int(json, "rows", scores->n_rows);
    json_write_real(json, "relative_error", scores->relative_error);
    json_write_real(json, "rmse_of_all", sqrt(squares));
    json_write_null(json, "rmse");
    json_write_null(json, "output_range");
    json_write_object_end(json);
}

/* ---- calibration ---- */

static enum err_code read_folds(const struct json_tensor *fold, const json_t *calibration,
                                struct conformal *c, struct err *err)
{
    if (!fold->found) {
        return model_json_check_optional(fold, calibration, "calibration", "fold", err);
    }
    if (!fold->flat || fold->k != c->n) {
        return err_set(err, ERR_SHAPE, "calibration: fold must be a flat array of %s",
                       phrase_count(c->n, "number").text);
    }
    c->fold = mem_zalloc_array((size_t)c->n, sizeof *c->fold);
    if (c->fold == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a calibration");
    }
    for (int i = 0; i < c->n; i++) {
        double number = fold->values[i];
        if (!(number >= 0.0 && number < (double)c->n_folds && number == floor(number))) {
            return err_set(err, ERR_INVALID,
                           "calibration: fold[%d] is %g, a whole number from 0 to %d is needed", i,
                           number, c->n_folds - 1);
        }
        c->fold[i] = (int)number;
    }
    return ERR_OK;
}

static enum err_code read_fold_noise(const struct json_tensor *noise, const json_t *calibration,
                                     int o, struct conformal *c, struct err *err)
{
    if (!noise->found) {
        return model_json_check_optional(noise, calibration, "calibration", "fold_noise", err);
    }
    if (noise->flat || noise->n != c->n_folds || noise->k != o) {
        return err_set(err, ERR_SHAPE, "calibration: fold_noise must be %s of %s",
                       phrase_count(c->n_folds, "row").text, phrase_count(o, "number").text);
    }
    size_t count = (size_t)noise->n * (size_t)noise->k;
    c->fold_noise = mem_alloc_array(count, sizeof *c->fold_noise);
    if (c->fold_noise == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a calibration");
    }
    memcpy(c->fold_noise, noise->values, count * sizeof *c->fold_noise);
    return ERR_OK;
}

static enum err_code read_calibration(const json_t *document, const struct model_tensors *tensors,
                                      struct model *model, struct err *err)
{
    static const char *const keys[] = {"method", "normalised", "folds", "fold",
                                       "scores", "fold_noise", NULL};
    const struct json_tensor *scores = &tensors->of[TENSOR_SCORES];
    const json_t *object = NULL;
    const char *method = NULL;
    struct conformal *c = &model->conformal;
    int64_t folds = 1;
    if (model_json_object(document, "calibration", &object, err) != ERR_OK || object == NULL) {
        return err->code;
    }
    const struct json_members members = {object, "calibration", err};
    if (json_read_check_keys(object, "calibration", keys, err) != ERR_OK) {
        return err->code;
    }
    json_read_require(members, "method");
    json_read_text(members, "method", 64, &method);
    json_read_bool(members, "normalised", &c->normalised);
    json_read_int(members, "folds", 1, CONFORMAL_MAX_ROWS, &folds);
    if (err->code != ERR_OK || json_tensor_check(scores, object, model->o, err) != ERR_OK) {
        return err->code;
    }
    /* All but the first, CONFORMAL_NONE: without a method there is no calibration. */
    struct names known = conformal_method_known();
    known.list++;
    known.n--;
    int found = names_find(known, method);
    if (found < 0) {
        return known_refuse("calibration: method", method, known, err);
    }
    c->method = (enum conformal_method)(found + 1);
    if (scores->flat) {
        return err_set(err, ERR_SHAPE,
                       "calibration: scores is one row, an array of rows is needed");
    }
    size_t count = (size_t)scores->n * (size_t)scores->k;
    c->n = scores->n;
    c->n_folds = (int)folds;
    c->scores = mem_alloc_array(count, sizeof *c->scores);
    if (c->scores == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a calibration");
    }
    memcpy(c->scores, scores->values, count * sizeof *c->scores);
    if (read_folds(&tensors->of[TENSOR_FOLD], object, c, err) != ERR_OK) {
        return err->code;
    }
    if ((c->method == CONFORMAL_SPLIT) != (c->fold == NULL)) {
        return err_set(err, ERR_INVALID, "calibration: %s %s the fold of each row", method,
                       c->fold != NULL ? "does not take" : "needs");
    }
    return read_fold_noise(&tensors->of[TENSOR_FOLD_NOISE], object, model->o, c, err);
}

static void write_calibration_head(struct json_write *json, const struct conformal *c)
{
    json_write_text(json, "method", conformal_method_name(c->method));
    json_write_bool(json, "normalised", c->normalised);
    json_write_int(json, "folds", c->n_folds);
}

void quality_json_write_calibration_kind(struct json_write *json, const char *key,
                                         const struct model *model)
{
    const struct conformal *c = &model->conformal;
    if (c->method == CONFORMAL_NONE) {
        json_write_null(json, key);
        return;
    }
    json_write_object(json, key);
    write_calibration_head(json, c);
    json_write_int(json, "rows", c->n);
    json_write_object_end(json);
}

static void write_folds(struct json_write *json, const struct conformal *c)
{
    if (c->fold == NULL) {
        json_write_null(json, "fold");
        return;
    }
    json_write_array(json, "fold");
    for (int i = 0; i < c->n; i++) {
        json_write_int(json, NULL, c->fold[i]);
    }
    json_write_array_end(json);
}

void quality_json_write_calibration(struct json_write *json, const char *key,
                                    const struct model *model)
{
    const struct conformal *c = &model->conformal;
    size_t o = (size_t)model->o;
    if (c->method == CONFORMAL_NONE) {
        json_write_null(json, key);
        return;
    }
    json_write_object(json, key);
    write_calibration_head(json, c);
    write_folds(json, c);
    json_write_matrix(json, "scores", c->scores, (size_t)c->n, o);
    json_write_matrix(json, "fold_noise", c->fold_noise, (size_t)c->n_folds, o);
    json_write_object_end(json);
}

/* ---- the report ---- */

static enum err_code read_item(struct report *report, const char *name, const json_t *value,
                               struct err *err)
{
    double number = 0.0;
    char what[REPORT_NAME_CHARS + 16];
    snprintf(what, sizeof what, "report: %s", name);
    if (name[0] == '\0' || strlen(name) >= REPORT_NAME_CHARS) {
        return err_set(err, ERR_INVALID, "report: the name %.60s must have 1 to %d bytes", name,
                       REPORT_NAME_CHARS - 1);
    }
    if (!json_is_array(value)) {
        return read_known(value, what, 0, &number, err) == ERR_OK
                   ? report_add_number(report, name, number, err)
                   : err->code;
    }
    size_t n = json_array_size(value);
    if (n > REPORT_MAX_VALUES) {
        return err_set(err, ERR_LIMIT, "%s has more than %d numbers", what, REPORT_MAX_VALUES);
    }
    double *values = mem_zalloc_array(n, sizeof *values);
    if (values == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a report");
    }
    if (read_known_row(value, what, n, values, err) == ERR_OK) {
        err_kept(report_add(report, name, (int)n, values, err));
    }
    mem_free(values);
    return err->code;
}

static enum err_code read_report(const json_t *document, struct report *report, struct err *err)
{
    const json_t *object = NULL;
    const char *name;
    json_t *value;
    if (model_json_object(document, "report", &object, err) != ERR_OK || object == NULL) {
        return err->code;
    }
    json_object_foreach((json_t *)object, name, value)
    {
        if (read_item(report, name, value, err) != ERR_OK) {
            return err->code;
        }
    }
    return ERR_OK;
}

static enum err_code read_warnings(const json_t *document, struct report *report, struct err *err)
{
    static const char *const keys[] = {"code", "text", NULL};
    const json_t *list = json_object_get(document, "warnings");
    const json_t *warning;
    size_t i;
    char where[48];
    if (list == NULL || json_is_null(list)) {
        return ERR_OK;
    }
    if (!json_is_array(list) || json_array_size(list) > REPORT_MAX_WARNINGS) {
        return err_set(err, ERR_INVALID, "warnings is not an array of at most %d objects",
                       REPORT_MAX_WARNINGS);
    }
    json_array_foreach(list, i, warning)
    {
        const char *code = NULL;
        const char *text = NULL;
        snprintf(where, sizeof where, "warnings[%zu]", i);
        if (!json_is_object(warning)) {
            return err_set(err, ERR_INVALID, "%s is %s, an object is needed", where,
                           json_read_kind(warning));
        }
        const struct json_members members = {warning, where, err};
        if (json_read_check_keys(warning, where, keys, err) != ERR_OK) {
            return err->code;
        }
        json_read_require(members, "code");
        json_read_text(members, "code", REPORT_NAME_CHARS - 1, &code);
        json_read_require(members, "text");
        json_read_text(members, "text", REPORT_TEXT_CHARS - 1, &text);
        if (err->code != ERR_OK || report_warn(report, err, code, "%s", text) != ERR_OK) {
            return err->code;
        }
        if ((size_t)report->n_warnings != i + 1) {
            return err_set(err, ERR_INVALID, "%s: code \"%.40s\" is given twice", where, code);
        }
    }
    return ERR_OK;
}

void quality_json_write_report(struct json_write *json, const char *key,
                               const struct report *report)
{
    json_write_object(json, key);
    for (int i = 0; i < report->n_items; i++) {
        const struct report_item *item = &report->items[i];
        if (item->scalar) {
            json_write_real(json, item->name, item->values[0]);
        } else {
            json_write_reals(json, item->name, item->values, (size_t)item->n);
        }
    }
    json_write_object_end(json);
}

void quality_json_write_warnings(struct json_write *json, const char *key,
                                 const struct report *report)
{
    json_write_array(json, key);
    for (int i = 0; i < report->n_warnings; i++) {
        json_write_object(json, NULL);
        json_write_text(json, "code", report->warnings[i].code);
        json_write_text(json, "text", report->warnings[i].text);
        json_write_object_end(json);
    }
    json_write_array_end(json);
}

enum err_code quality_json_read(const json_t *document, const struct model_tensors *tensors,
                                struct model *model, struct err *err)
{
    if (read_scores(document, model, err) != ERR_OK ||
        read_calibration(document, tensors, model, err) != ERR_OK ||
        read_report(document, &model->report, err) != ERR_OK) {
        return err->code;
    }
    return read_warnings(document, &model->report, err);
}
