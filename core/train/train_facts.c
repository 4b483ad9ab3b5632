/* SPDX-License-Identifier: Apache-2.0 */
/* What the rows of a training are like: what must be refused, and what its user should know. */
#include "base/mem.h"
#include "train/train_field.h"
#include "train/train_priv.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Columns in a warning; the report has all of them. */
#define MAX_NAMED      8
#define MAX_NAME_BYTES 40                   /* of a name */
#define COLUMN_CHARS   (MAX_NAME_BYTES + 8) /* with its quotes */
#define NOTE_CHARS     32                   /* what is said of one column */
#define LISTED_CHARS   120                  /* all of them: the rest of a warning has as much */
#define MORE_CHARS     24                   /* " and 3 more" */

/* ---- before the training ---- */

/* The scaling of input or output column j. */
static enum scaler_kind kind_of(const struct train_run *run, bool output, int j)
{
    if (run->spec->start == TRAIN_WARM && run->base != NULL) {
        return output ? run->base->out[j].kind : run->base->in[j].kind;
    }
    return output ? run->spec->output_scaling : run->spec->input_scaling;
}

/* " (\"T\")", or nothing for a column without a name. */
struct column_label {
    char text[64];
};

static struct column_label label_column(const struct space *space, bool output, int column)
{
    struct column_label label = {.text = ""};
    const char *name = space == NULL ? NULL
                       : output      ? space->outputs[column].name
                                     : space->inputs[column].name;
    if (name != NULL) {
        snprintf(label.text, sizeof label.text, " (\"%.50s\")", name);
    }
    return label;
}

enum err_code train_refuse_log(const struct space *space, const struct train_bad_log *bad,
                               struct err *err)
{
    struct column_label label = label_column(space, bad->output, bad->column);
    const char *part = bad->output ? "outputs" : "inputs";
    if (bad->row < 0) {
        return err_set_at(
            err, ERR_INVALID, -1, bad->column,
            "%s: log scaling needs positive values, column %d%s has values down to %g", part,
            bad->column, label.text, bad->value);
    }
    return err_set_at(err, ERR_INVALID, (int)bad->row, bad->column,
                      "%s: log scaling needs positive values, row %lld column %d%s is %g", part,
                      (long long)bad->row, bad->column, label.text, bad->value);
}

enum err_code train_refuse_spread(const struct space *space, bool output, int column,
                                  const double range[2], const char *fault, struct err *err)
{
    return err_set_at(err, ERR_INVALID, -1, column,
                      "%s: the values of column %d%s, from %g to %g, are %s",
                      output ? "outputs" : "inputs", column,
                      label_column(space, output, column).text, range[0], range[1], fault);
}

enum err_code train_refuse_absent(const struct space *space, int64_t n_rows, int output,
                                  struct err *err)
{
    return err_set_at(err, ERR_INVALID, -1, output,
                      "none of the %lld rows has output %d%s; rows with it are needed, or a model "
                      "without that output",
                      (long long)n_rows, output, label_column(space, true, output).text);
}

/* The place of a member is not scaled. */
static bool is_category(const struct train_run *run, int input)
{
    return run->space != NULL && run->space->inputs[input].type == SPACE_CATEGORY;
}

static enum err_code check_logs(const struct train_run *run, bool output, struct err *err)
{
    const struct data *data = &run->data;
    int k = output ? data->o : data->d;
    const double *v = output ? data->y : data->x;
    for (size_t i = 0; i < (size_t)data->n; i++) {
        for (int j = 0; j < k; j++) {
            double value = v[i * (size_t)k + (size_t)j];
            if (kind_of(run, output, j) == SCALER_LOG && !(value > 0.0) && !isnan(value) &&
                (output || !is_category(run, j))) {
                const struct train_bad_log bad = {output, j, (int64_t)i, value};
                return train_refuse_log(run->space, &bad, err);
            }
        }
    }
    return ERR_OK;
}

enum err_code train_check_rows(const struct train_run *run, struct err *err)
{
    const struct data *data = &run->data;
    if (data->n < 2) {
        return err_set(err, ERR_INVALID, "%d rows are too few to train on, 2 are needed", data->n);
    }
    if (run->spec->start == TRAIN_WARM && run->base != NULL &&
        (run->base->d != data->d || run->base->o != data->o)) {
        return ERR_OK; /* train_check_base says what differs */
    }
    if (run->spec->reduction.on && train_field_check(data, err) != ERR_OK) {
        return err->code;
    }
    if (check_logs(run, false, err) != ERR_OK || check_logs(run, true, err) != ERR_OK) {
        return err->code;
    }
    int *counts = mem_alloc_array((size_t)data->o, sizeof *counts);
    if (counts == NULL) {
        return err_set(err, ERR_NOMEM, "no memory to check %d outputs", data->o);
    }
    if (data_count(data, counts) == 0) {
        err_set(err, ERR_INVALID, "none of the %d rows has an output to train on", data->n);
    }
    for (int j = 0; j < data->o && err->code == ERR_OK; j++) {
        if (counts[j] == 0) {
            train_refuse_absent(run->space, data->n, j, err);
        }
    }
    mem_free(counts);
    return err->code;
}

/* ---- warm starts ---- */

/* Values of column j that are there. */
static struct scaler_rows column_of(const struct trainee *t, bool output)
{
    return (struct scaler_rows){.n = (size_t)t->train.n,
                                .k = output ? t->train.o : t->train.d,
                                .v = output ? t->train.y : t->train.x};
}

static enum err_code check_constants(const struct trainee *t, bool output, struct err *err)
{
    const struct scaler_rows rows = column_of(t, output);
    const struct scaler *scalers = output ? t->model->out : t->model->in;
    for (size_t c = 0; c < rows.n * (size_t)rows.k; c++) {
        const struct scaler *s = &scalers[c % (size_t)rows.k];
        double low = fmin(rows.v[c], s->shift);
        double high = fmax(rows.v[c], s->shift);
        if (scaler_is_constant(s) && !scaler_range_is_constant(low, high)) {
            return err_set(err, ERR_INVALID,
                           "%s %zu was %g in all rows of the model that a warm start would begin "
                           "from, and now is %g too; a cold start is needed",
                           output ? "output" : "input", c % (size_t)rows.k, s->shift, rows.v[c]);
        }
    }
    return ERR_OK;
}

enum err_code train_facts_check_warm(const struct trainee *t, struct err *err)
{
    return check_constants(t, false, err) == ERR_OK ? check_constants(t, true, err) : err->code;
}

/* ---- warnings ---- */

/* Columns in a warning: "k" (3.5), output 2 (1e-09) and 3 more. */
struct listed {
    char text[LISTED_CHARS];
    size_t len;
    int n; /* columns, of which some may only be counted */
    int n_shown;
};

/* How much of a name is shown: it ends where a character does. */
static int shown_bytes(const char *name)
{
    size_t len = strlen(name);
    if (len <= MAX_NAME_BYTES) {
        return (int)len;
    }
    len = MAX_NAME_BYTES;
    while (len > 0 && ((unsigned char)name[len] & 0xC0U) == 0x80U) {
        len--;
    }
    return (int)len;
}

/* A column as its user knows it: by its name, or, without one, by its place. */
static void name_column(const struct model *model, bool output, int j, char name[COLUMN_CHARS])
{
    char *const *names = output ? model->output_names : model->input_names;
    if (names == NULL || names[j] == NULL) {
        snprintf(name, COLUMN_CHARS, "%s %d", output ? "output" : "input", j);
        return;
    }
    int shown = shown_bytes(names[j]);
    snprintf(name, COLUMN_CHARS, "\"%.*s%s\"", shown, names[j],
             names[j][shown] != '\0' ? ".." : "");
}

/* note: what is said of the column. A column that has no room is counted. */
static void list_column(struct listed *listed, const struct trainee *t, bool output, int j,
                        const char *note)
{
    char name[COLUMN_CHARS];
    char item[COLUMN_CHARS + NOTE_CHARS + 8];
    listed->n++;
    name_column(t->model, output, j, name);
    int len = snprintf(item, sizeof item, "%s%s (%s)", listed->n > 1 ? ", " : "", name, note);
    if (listed->n_shown == listed->n - 1 && listed->n_shown < MAX_NAMED &&
        listed->len + (size_t)len + MORE_CHARS < sizeof listed->text) {
        memcpy(listed->text + listed->len, item, (size_t)len + 1);
        listed->len += (size_t)len;
        listed->n_shown++;
    }
}

static const char *end_list(struct listed *listed)
{
    if (listed->n > listed->n_shown) {
        snprintf(listed->text + listed->len, sizeof listed->text - listed->len, " and %d more",
                 listed->n - listed->n_shown);
    }
    return listed->text;
}

static enum err_code warn_constants(struct trainee *t, bool output, struct err *err)
{
    const struct scaler *scalers = output ? t->model->out : t->model->in;
    struct report *report = &t->model->report;
    int k = output ? t->model->o : t->model->d;
    /* NOLINTNEXTLINE(bugprone-branch-clone): the larger of two limits that are equal today */
    double numbers[ARCH_MAX_OUTPUTS > ARCH_MAX_INPUTS ? ARCH_MAX_OUTPUTS : ARCH_MAX_INPUTS];
    struct listed listed = {.n = 0};
    for (int j = 0; j < k; j++) {
        if (scaler_is_constant(&scalers[j])) {
            char note[NOTE_CHARS];
            numbers[listed.n] = (double)j;
            snprintf(note, sizeof note, "%.6g", scalers[j].shift);
            list_column(&listed, t, output, j, note);
        }
    }
    if (listed.n == 0 || report_add(report, output ? "constant_outputs" : "constant_inputs",
                                    listed.n, numbers, err) != ERR_OK) {
        return err->code;
    }
    return output ? report_warn(report, err, "constant_output",
                                "the same in all rows that train, and predicted so, without a "
                                "spread: %s",
                                end_list(&listed))
                  : report_warn(report, err, "constant_input",
                                "the same in all rows that train, so that predictions do not "
                                "depend on it: %s",
                                end_list(&listed));
}

/* How many different rows train, up to `max`: copies of a row say nothing that it does not. */
static int count_different(const struct train_rows *rows, int max)
{
    int first[TRAIN_FEW_ROWS];
    size_t d = (size_t)rows->d;
    size_t o = (size_t)rows->o;
    int n = 0;
    for (int i = 0; i < rows->n && n < max; i++) {
        int k = 0;
        while (k < n && (memcmp(rows->x + (size_t)i * d, rows->x + (size_t)first[k] * d,
                                d * sizeof *rows->x) != 0 ||
                         memcmp(rows->y + (size_t)i * o, rows->y + (size_t)first[k] * o,
                                o * sizeof *rows->y) != 0)) {
            k++;
        }
        if (k == n) {
            first[n++] = i;
        }
    }
    return n;
}

static enum err_code warn_few(struct trainee *t, struct err *err)
{
    const struct data rows = train_rows_user(&t->train);
    int counts[ARCH_MAX_OUTPUTS];
    int min = 0;
    data_count(&rows, counts);
    for (int j = 1; j < rows.o; j++) {
        min = counts[j] < counts[min] ? j : min;
    }
    bool few = counts[min] < TRAIN_FEW_ROWS || counts[min] <= rows.d + 1;
    if (!few) {
        int different = count_different(&t->train, TRAIN_FEW_ROWS);
        return different >= TRAIN_FEW_ROWS
                   ? ERR_OK
                   : report_warn(&t->model->report, err, "few_rows",
                                 "only %d of the %d rows that train are different: what a model "
                                 "says between and beyond them, and how sure it is, rests on "
                                 "little",
                                 different, rows.n);
    }
    bool whole = counts[min] == rows.n;
    char name[COLUMN_CHARS] = "a model";
    if (!whole) {
        name_column(t->model, true, min, name);
    }
    return report_warn(&t->model->report, err, "few_rows",
                       "%d row%s%s%s of %d input%s: what it says between and beyond them, and how "
                       "sure it is, rests on little",
                       counts[min], counts[min] == 1 ? " trains " : "s train ", name,
                       whole ? "" : ",", rows.d, rows.d == 1 ? "" : "s");
}

/* Outputs that are positive, span decades and are not scaled by their logarithm. */
static enum err_code hint_at_log(struct trainee *t, struct err *err)
{
    double numbers[ARCH_MAX_OUTPUTS];
    double range[2 * ARCH_MAX_OUTPUTS];
    struct listed listed = {.n = 0};
    train_rows_ranges(t->train.y, t->train.n, t->train.o, range);
    for (int j = 0; j < t->train.o; j++) {
        double decades = range[2 * j] > 0.0 ? log10(range[2 * j + 1]) - log10(range[2 * j]) : 0.0;
        if (decades >= TRAIN_LOG_DECADES && t->model->out[j].kind != SCALER_LOG) {
            char note[NOTE_CHARS];
            numbers[listed.n] = (double)j;
            snprintf(note, sizeof note, "%.1f", decades);
            list_column(&listed, t, true, j, note);
        }
    }
    if (listed.n == 0 ||
        report_add(&t->model->report, "try_log_outputs", listed.n, numbers, err) != ERR_OK) {
        return err->code;
    }
    return report_warn(&t->model->report, err, "try_log",
                       "positive and over decades: %s; with \"scaling\": {\"outputs\": \"log\"} "
                       "small values count as much as large ones",
                       end_list(&listed));
}

/* Of how many rows that train each output was learnt, where some miss it. */
static enum err_code report_counts(struct trainee *t, struct err *err)
{
    const struct data rows = train_rows_user(&t->train);
    int counts[ARCH_MAX_OUTPUTS];
    double numbers[ARCH_MAX_OUTPUTS];
    if (!data_has_holes(&rows)) {
        return ERR_OK;
    }
    data_count(&rows, counts);
    for (int j = 0; j < rows.o; j++) {
        numbers[j] = counts[j];
    }
    return report_add(&t->model->report, "train.output_rows", rows.o, numbers, err);
}

enum err_code train_facts_warn(struct trainee *t, struct err *err)
{
    return report_counts(t, err) == ERR_OK && warn_few(t, err) == ERR_OK &&
                   warn_constants(t, false, err) == ERR_OK && warn_constants(t, true, err) == ERR_OK
               ? hint_at_log(t, err)
               : err->code;
}

/* ---- after the training ---- */

/* The mean square of output j's distance from `from` in some rows, in units of 2^exponent; *n of
 * them. */
static double mean_square(const struct train_rows *rows, int j, int exponent, double from, int *n)
{
    double sum = 0.0;
    *n = 0;
    for (int i = 0; i < rows->n; i++) {
        double y = rows->y[(size_t)i * (size_t)rows->o + (size_t)j];
        if (!isnan(y)) {
            double dev = ldexp(y, -exponent) - from;
            sum += dev * dev;
            ++*n;
        }
    }
    return *n > 0 ? sum / (double)*n : 0.0;
}

static double mean_of(const struct train_rows *rows, int j, int exponent)
{
    double mean = 0.0;
    int n = 0;
    for (int i = 0; i < rows->n; i++) {
        double y = rows->y[(size_t)i * (size_t)rows->o + (size_t)j];
        if (!isnan(y)) {
            mean += (ldexp(y, -exponent) - mean) / (double)++n;
        }
    }
    return mean;
}

/*
 * The squared distance from the mean of the rows that train which a prediction has to beat. Few
 * kept rows may all lie near that mean by chance; then the rows that train say what the distance
 * is.
 */
static double spread_to_beat(const struct trainee *t, int j, int exponent, int *n_kept)
{
    int n_trained = 0;
    double mean = mean_of(&t->train, j, exponent);
    /* Scores of a cross-validation are of rows that train. */
    const struct train_rows *scored = t->kept.n > 0 ? &t->kept : &t->train;
    double kept = mean_square(scored, j, exponent, mean, n_kept);
    return *n_kept >= TRAIN_POOR_ROWS
               ? kept
               : fmax(kept, mean_square(&t->train, j, exponent, mean, &n_trained));
}

/* Is output j the same in all rows, those that train and those that are kept, but for rounding? */
static bool is_same_everywhere(const struct trainee *t, int j)
{
    const struct train_rows *parts[] = {&t->train, &t->kept};
    double low = INFINITY;
    double high = -INFINITY;
    for (int p = 0; p < 2; p++) {
        for (int i = 0; i < parts[p]->n; i++) {
            double y = parts[p]->y[(size_t)i * (size_t)parts[p]->o + (size_t)j];
            low = fmin(low, y); /* of a NaN and a number, the number */
            high = fmax(high, y);
        }
    }
    return scaler_range_is_constant(low, high);
}

/* 1 - squared error / squared distance from the mean; NaN where the kept rows tell nothing. */
static double explained(const struct trainee *t, int j)
{
    if (is_same_everywhere(t, j)) {
        return (double)NAN;
    }
    int exponent = model_exponent(t->model, j);
    int n = 0;
    double spread = spread_to_beat(t, j, exponent, &n);
    double error = ldexp(t->model->scores.rmse[j], -exponent);
    return n >= TRAIN_JUDGED_ROWS && spread > 0.0 ? 1.0 - error * error / spread : (double)NAN;
}

enum err_code train_facts_judge(struct trainee *t, struct err *err)
{
    struct report *report = &t->model->report;
    double shares[ARCH_MAX_OUTPUTS];
    struct listed listed = {.n = 0};
    int o = t->model->o;
    for (int j = 0; t->model->scores.n_rows > 0 && j < o; j++) {
        shares[j] = explained(t, j);
        if (shares[j] < 1.0 - TRAIN_POOR_SHARE * TRAIN_POOR_SHARE) {
            char note[NOTE_CHARS];
            snprintf(note, sizeof note, "%.0f %%", 100.0 * fmax(shares[j], -9.99));
            list_column(&listed, t, true, j, note);
        }
    }
    if (listed.n == 0 || report_add(report, "fit.explained", o, shares, err) != ERR_OK) {
        return err->code;
    }
    return report_warn(
        report, err, "poor_fit",
        "%d of %d outputs: rows that did not train are predicted hardly better, or worse, than "
        "by their mean; explained of %s",
        listed.n, o, end_list(&listed));
}
