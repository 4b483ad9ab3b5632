/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows are split as they would be without a reduction, which is found from those that train
 * alone; kept and calibration rows are encoded by it. So the scores of kept fields show what the
 * modes cannot say of fields that they have not seen.
 *
 * A warm run keeps the modes and the scales of its base, since its parameters mean coefficients of
 * these. New modes need a cold start.
 *
 * Noise that is given is that of the outputs; coefficient i has the variance sum_j (w_j V_ji
 * sigma_j)^2 then. Noise that is learned is that of the coefficients, and sum_i V_ji^2 times it is
 * that of output j. Otherwise it is measured on kept fields, beyond the variance of the truncation.
 */
#include "train/train_field.h"

#include "base/mem.h"
#include "model/reduction_fit.h"

#include <math.h>
#include <string.h>

struct train_field {
    const struct train_run *run; /* of the fields */
    struct reduction *reduction;
    struct train_rows train, kept, calibration; /* fields */
    struct train_spec spec;                     /* of the coefficients */
    double *noise_sigmas;                       /* [k] that are given; mem; or NULL */
    double *coefficients;                       /* [n x k] of all rows; NaN where a run failed */
    struct space space; /* of the inputs and coefficients; its inputs are borrowed */
    struct model base;  /* of a warm run, as its network sees it */
};

static void release(struct train_field *f)
{
    reduction_unref(f->reduction);
    train_rows_release(&f->train);
    train_rows_release(&f->kept);
    train_rows_release(&f->calibration);
    mem_free(f->noise_sigmas);
    mem_free(f->coefficients);
    mem_free(f->space.outputs);
}

/* ---- rows ---- */

enum err_code train_field_check(const struct data *data, struct err *err)
{
    for (int i = 0; i < data->n; i++) {
        const double *y = data->y + (size_t)i * (size_t)data->o;
        int missing = 0;
        int first = -1;
        for (int j = 0; j < data->o; j++) {
            missing += isnan(y[j]);
            first = first < 0 && isnan(y[j]) ? j : first;
        }
        if (missing > 0 && missing < data->o) {
            return err_set_at(err, ERR_INVALID, i, first,
                              "output_reduction: row %d misses %d of its %d outputs, output %d "
                              "among them; a field must be whole, or missing as that of a run that "
                              "failed",
                              i, missing, data->o, first);
        }
    }
    return ERR_OK;
}

static enum err_code split_fields(struct train_field *f, struct err *err)
{
    struct train_rows *const parts[] = {
        [SPLIT_TRAIN] = &f->train, [SPLIT_KEPT] = &f->kept, [SPLIT_CALIBRATION] = &f->calibration};
    if (train_rows_split(f->run->spec, &f->run->data, parts, err) != ERR_OK) {
        return err->code;
    }
    for (int i = 0; i < 3; i++) { /* fields are not scaled */
        mem_free(parts[i]->zx);
        mem_free(parts[i]->zy);
        parts[i]->zx = parts[i]->zy = NULL;
    }
    return ERR_OK;
}

static enum err_code find_reduction(struct train_field *f, struct err *err)
{
    const struct train_run *run = f->run;
    if (run->spec->start == TRAIN_COLD) {
        const struct reduction_rows rows = {f->train.n, f->train.o, f->train.y};
        return reduction_fit(&run->spec->reduction, &rows, run->cancel, &f->reduction, err);
    }
    if (run->base == NULL) {
        return err_set(err, ERR_INVALID, "a warm start needs a model to start from");
    }
    if (run->base->reduction == NULL || run->base->o != run->data.o) {
        return err_set(err, ERR_INVALID,
                       "a warm start with output_reduction needs a model of as many outputs that "
                       "has one; \"start\":\"cold\" needs none");
    }
    f->reduction = reduction_ref(run->base->reduction);
    model_view_coefficients(run->base, &f->base);
    return ERR_OK;
}

static enum err_code encode_rows(struct train_field *f, struct err *err)
{
    const struct data *data = &f->run->data;
    size_t k = (size_t)f->reduction->k;
    size_t p = (size_t)data->o;
    f->coefficients = mem_alloc_array((size_t)data->n * k, sizeof *f->coefficients);
    if (f->coefficients == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the coefficients of %d rows", data->n);
    }
    for (size_t i = 0; i < (size_t)data->n && err->code == ERR_OK; i++) {
        double *c = f->coefficients + i * k;
        for (size_t a = 0; a < k; a++) {
            c[a] = (double)NAN;
        }
        if (!isnan(data->y[i * p])) {
            err_kept(reduction_encode(f->reduction, 1, data->y + i * p, c, err));
        }
    }
    return err->code;
}

/* ---- the run of the coefficients ---- */

static enum err_code encode_noise(struct train_field *f, struct err *err)
{
    const struct train_spec *spec = f->run->spec;
    const struct reduction *r = f->reduction;
    size_t p = (size_t)r->p;
    if (spec->noise != NOISE_GIVEN) {
        return ERR_OK;
    }
    f->noise_sigmas = mem_alloc_array((size_t)r->k, sizeof *f->noise_sigmas);
    if (f->noise_sigmas == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the noise");
    }
    for (size_t i = 0; i < (size_t)r->k; i++) {
        double sum = 0.0;
        for (size_t j = 0; j < p; j++) {
            double w = r->weights != NULL ? r->weights[j] : 1.0;
            double part =
                w * r->modes[i * p + j] * spec->noise_sigmas[spec->n_noise_sigmas > 1 ? j : 0];
            sum += part * part;
        }
        f->noise_sigmas[i] = sqrt(sum);
    }
    f->spec.noise_sigmas = f->noise_sigmas;
    f->spec.n_noise_sigmas = r->k;
    return ERR_OK;
}

/* The space of the rows with coefficients, which have no names, for outputs. */
static enum err_code make_space(struct train_field *f, struct err *err)
{
    const struct space *space = f->run->space;
    if (space == NULL) {
        return ERR_OK;
    }
    f->space.d = space->d;
    f->space.o = f->reduction->k;
    f->space.inputs = space->inputs;
    f->space.outputs = mem_zalloc_array((size_t)f->space.o, sizeof *f->space.outputs);
    atomic_init(&f->space.refs, 1);
    return f->space.outputs != NULL ? ERR_OK
                                    : err_set(err, ERR_NOMEM, "no memory for the coefficients");
}

static enum err_code run_coefficients(struct train_field *f, struct model **out, struct err *err)
{
    struct train_run run = *f->run;
    int heads = f->spec.noise == NOISE_PREDICTED ? 2 : 1;
    f->spec.reduction = (struct reduction_spec){.on = false};
    f->spec.arch.outputs = heads * f->reduction->k;
    if (arch_validate(&f->spec.arch, err) != ERR_OK) {
        err_prefix(err, "architecture for %d coefficients", f->reduction->k);
        return err->code;
    }
    run.spec = &f->spec;
    run.data.y = f->coefficients;
    run.data.o = f->reduction->k;
    run.space = f->run->space != NULL ? &f->space : NULL;
    run.base = f->run->spec->start == TRAIN_WARM ? &f->base : NULL;
    return train_run_coefficients(&run, f, out, err);
}

enum err_code train_field_run(const struct train_run *run, struct model **out, struct err *err)
{
    struct train_field *f = mem_zalloc(sizeof *f);
    if (f == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a training");
    }
    f->run = run;
    f->spec = *run->spec;
    if (train_check_rows(run, err) == ERR_OK && split_fields(f, err) == ERR_OK &&
        find_reduction(f, err) == ERR_OK && encode_rows(f, err) == ERR_OK &&
        encode_noise(f, err) == ERR_OK && make_space(f, err) == ERR_OK) {
        err_kept(run_coefficients(f, out, err));
    }
    release(f);
    mem_free(f);
    return err->code;
}

/* ---- the model ---- */

/* noise_sigma [p] of noise that is given or learned. */
static enum err_code decode_noise(const struct train_field *f, struct model *model, struct err *err)
{
    const struct train_spec *spec = f->run->spec;
    const struct reduction *r = f->reduction;
    struct reduction_points all = {
        .n = r->p, .stride = (size_t)r->p, .modes = r->modes, .mean = r->mean};
    double *squares = mem_alloc_array((size_t)r->k, sizeof *squares);
    model->noise_sigma = mem_alloc_array((size_t)r->p, sizeof *model->noise_sigma);
    if (squares == NULL || model->noise_sigma == NULL) {
        mem_free(squares);
        return err_set(err, ERR_NOMEM, "no memory for the noise");
    }
    for (int i = 0; i < r->k; i++) {
        squares[i] = model->coefficient_noise[i] * model->coefficient_noise[i];
    }
    reduction_independent(r, &all, squares, model->noise_sigma);
    for (int j = 0; j < r->p; j++) {
        model->noise_sigma[j] = spec->noise == NOISE_GIVEN
                                    ? spec->noise_sigmas[spec->n_noise_sigmas > 1 ? j : 0]
                                    : sqrt(model->noise_sigma[j]);
    }
    mem_free(squares);
    return ERR_OK;
}

/* The names, and the space, of the fields in place of those of the coefficients. */
static enum err_code restore_space(const struct train_field *f, struct model *model,
                                   struct err *err)
{
    if (f->run->space == NULL) {
        return ERR_OK;
    }
    model_drop_space(model);
    return model_set_space(model, f->run->space, err);
}

/* zx as the model sees the inputs, which stay the same; y are fields. */
static void take_fields(struct train_rows *rows, struct train_rows *fields)
{
    train_rows_release(rows);
    *rows = *fields;
    *fields = (struct train_rows){.n = 0};
}

enum err_code train_field_attach(struct train_field *f, struct trainee *t, struct err *err)
{
    struct model *model = t->model;
    struct report *report = &model->report;
    if (model_set_reduction(model, f->reduction, err) != ERR_OK ||
        restore_space(f, model, err) != ERR_OK ||
        (model->coefficient_noise != NULL && decode_noise(f, model, err) != ERR_OK) ||
        report_add_number(report, "reduction.modes", f->reduction->k, err) != ERR_OK ||
        report_add_number(report, "reduction.explained", f->reduction->explained, err) != ERR_OK) {
        return err->code;
    }
    take_fields(&t->train, &f->train);
    take_fields(&t->kept, &f->kept);
    take_fields(&t->calibration, &f->calibration);
    t->run = f->run;
    return ERR_OK;
}

/* ---- the judgement ---- */

/* Sums of squared distances of all outputs of some fields from a mean field. */
static double sum_squares(const struct train_rows *rows, const double *mean)
{
    double sum = 0.0;
    for (size_t c = 0; c < (size_t)rows->n * (size_t)rows->o; c++) {
        double gap = rows->y[c] - mean[c % (size_t)rows->o];
        sum += gap * gap;
    }
    return sum;
}

/*
 * Reports the coverage of all outputs together. That of each, and the scores that need many numbers
 * of each, are not kept: a map has ten thousand outputs.
 */
static enum err_code report_coverage(struct model *model, struct err *err)
{
    struct scores *scores = &model->scores;
    double covered[SCORES_INTERVALS] = {0.0};
    if (scores->coverage != NULL) {
        for (size_t c = 0; c < (size_t)model->o * SCORES_INTERVALS; c++) {
            covered[c % SCORES_INTERVALS] += scores->coverage[c] / model->o;
        }
        err_kept(report_add(&model->report, "field.coverage", SCORES_INTERVALS, covered, err));
    }
    double **const wide[] = {&scores->coverage, &scores->width, &scores->calibration,
                             &scores->nll_draws};
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++) {
        mem_free(*wide[i]);
        *wide[i] = NULL;
    }
    return err->code;
}

enum err_code train_field_judge(struct trainee *t, struct err *err)
{
    const struct scores *scores = &t->model->scores;
    const struct reduction *r = t->model->reduction;
    const struct train_rows *rows = t->kept.n > 0 ? &t->kept : &t->train;
    double error = 0.0;
    for (int j = 0; scores->n_rows > 0 && j < r->p; j++) {
        error += scores->rmse[j] * scores->rmse[j] * scores->n_rows;
    }
    double spread = sum_squares(rows, r->mean);
    if (report_coverage(t->model, err) != ERR_OK || scores->n_rows < TRAIN_JUDGED_ROWS ||
        !(spread > 0.0)) {
        return err->code;
    }
    double explained = 1.0 - error / spread;
    if (report_add_number(&t->model->report, "field.explained", explained, err) != ERR_OK ||
        explained >= 1.0 - TRAIN_POOR_SHARE * TRAIN_POOR_SHARE) {
        return err->code;
    }
    return report_warn(&t->model->report, err, "poor_fit",
                       "fields that did not train are predicted hardly better, or worse, than by "
                       "their mean: %.0f %% of their variance is explained",
                       100.0 * fmax(explained, -9.99));
}
