/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scores of normal predictions N(mu, s^2), z = (y - mu) / s, phi and Phi the standard normal's
 * density and distribution function:
 *
 *   nll        z^2 / 2 + log s + log(2 pi) / 2
 *   crps       s (z (2 Phi(z) - 1) + 2 phi(z) - 1 / sqrt(pi))                 eq. 5 of [1]
 *   coverage   |z| <= Phi^-1((1 + level) / 2), width 2 s Phi^-1((1 + level) / 2)
 *   calibration  z <= Phi^-1(level)
 *
 * and of the mixture over draws, with noise of variance s^2:
 *
 *   nll_draws  log(2 pi s^2) / 2 - log (1/m) sum_j exp(-(y - f_j)^2 / (2 s^2))
 *
 * where the sum is taken relative to its largest term. All are means over the rows that have the
 * output. Rows are added in their order, so the scores
 * do not depend on the number of threads.
 *
 * [1] T. Gneiting, A. E. Raftery, A. H. Westveld, T. Goldman, Calibrated probabilistic forecasting
 *     using ensemble model output statistics and minimum CRPS estimation, Monthly Weather Review
 *     133, 2005.
 */
#include "predict/evaluation.h"

#include "base/mem.h"
#include "fit/scaler.h"
#include "math/normal.h"

#include <math.h>
#include <string.h>

#define BLOCK_DRAWN ((size_t)1 << 20) /* draws x rows x outputs of a block: 8 MiB, about 10 ms */
#define LOG_2PI     1.8378770664093454836
#define INV_SQRTPI  (0.5 * M_2_SQRTPI)

double evaluation_nll(double residual, double std)
{
    double z = residual / std;
    return 0.5 * z * z + log(std) + 0.5 * LOG_2PI;
}

double evaluation_crps(double residual, double std)
{
    double z = residual / std;
    double phi = exp(-0.5 * z * z) * INV_SQRTPI * M_SQRT1_2;
    return std * (z * erf(z * M_SQRT1_2) + 2.0 * phi - INV_SQRTPI);
}

/* ---- scores ---- */

enum { N_ARRAYS = 7 };

/* One of the arrays of sums, and how many numbers it has. */
static double **sums_array(struct scores *s, int i, size_t o, size_t *count)
{
    double **const arrays[N_ARRAYS] = {&s->rmse,     &s->nll,   &s->nll_draws,  &s->crps,
                                       &s->coverage, &s->width, &s->calibration};
    static const size_t by_output[N_ARRAYS] = {
        1, 1, 1, 1, SCORES_INTERVALS, SCORES_INTERVALS, SCORES_LEVELS};
    *count = o * by_output[i];
    return arrays[i];
}

static enum err_code allocate_sums(struct evaluation *evaluation, const double *output_range,
                                   struct err *err)
{
    struct scores *s = &evaluation->sums;
    size_t o = evaluation->o;
    bool ok = true;
    for (int i = 0; i < N_ARRAYS; i++) {
        size_t count;
        double **array = sums_array(s, i, o, &count);
        *array = mem_zalloc_array(count, sizeof(double));
        ok = ok && *array != NULL;
    }
    s->output_range = mem_dup(output_range, 2 * o * sizeof *output_range);
    evaluation->outputs = mem_zalloc_array(o, sizeof *evaluation->outputs);
    return ok && s->output_range != NULL && evaluation->outputs != NULL
               ? ERR_OK
               : err_set(err, ERR_NOMEM, "no memory to score a model");
}

enum err_code evaluation_begin(struct evaluation *evaluation, const struct model *model,
                               const double *output_range, struct err *err)
{
    size_t drawn = (size_t)model->m * (size_t)model->o;
    *evaluation = (struct evaluation){.o = (size_t)model->o, .noise = model_knows_noise(model)};
    evaluation->block.want = PREDICT_MEAN | PREDICT_VARIANCE;
    evaluation->block.in_units = true;
    if (evaluation->noise) {
        evaluation->block.want |= PREDICT_NOISE_VARIANCE | PREDICT_TOTAL_VARIANCE;
    }
    if (evaluation->noise && drawn <= EVALUATION_MAX_DRAWN) {
        size_t rows = drawn < BLOCK_DRAWN ? BLOCK_DRAWN / drawn : 1;
        evaluation->block.want |= PREDICT_SAMPLES;
        evaluation->block.n_samples = model->m;
        evaluation->block.n = rows < EVALUATION_BLOCK_ROWS ? (int)rows : EVALUATION_BLOCK_ROWS;
    } else {
        evaluation->block.n = evaluation_block_rows(model, &evaluation->block);
    }
    if (allocate_sums(evaluation, output_range, err) != ERR_OK) {
        evaluation_release(evaluation);
        return err->code;
    }
    for (size_t j = 0; j < evaluation->o; j++) {
        evaluation->outputs[j].constant = scaler_is_constant(&model->out[j]);
        evaluation->outputs[j].exponent = model_exponent(model, (int)j);
    }
    return ERR_OK;
}

void evaluation_release(struct evaluation *evaluation)
{
    scores_release(&evaluation->sums);
    mem_free(evaluation->outputs);
    evaluation->outputs = NULL;
}

/* A value in the user's unit of an output, in the unit of its sums. */
static double in_unit(const struct evaluation_output *output, double value)
{
    return output->exponent != 0 ? ldexp(value, -output->exponent) : value;
}

/* Are two values the same but for rounding? */
static bool are_same(double a, double b)
{
    return scaler_range_is_constant(fmin(a, b), fmax(a, b));
}

/*
 * What residuals of an output with this range are divided by. Rounding is no range: where the
 * values are the same but for that, they are measured by their size.
 */
static double unit_of(double low, double high)
{
    double size = fmax(fabs(low), fabs(high));
    return !(high > low) ? 1.0 : are_same(low, high) ? size : high - low;
}

/* Adds ||f - y|| / ||y|| of a row and the squares of its residuals; false: it has no output. */
static bool add_errors(struct evaluation *evaluation, const double *mean, const double *y)
{
    double above = 0.0;
    double below = 0.0;
    bool some = false;
    for (size_t j = 0; j < evaluation->o; j++) {
        if (isnan(y[j])) {
            continue;
        }
        struct evaluation_output *output = &evaluation->outputs[j];
        some = true;
        output->n++;
        double low = in_unit(output, evaluation->sums.output_range[2 * j]);
        double high = in_unit(output, evaluation->sums.output_range[2 * j + 1]);
        double unit = unit_of(low, high);
        double seen = in_unit(output, y[j]);
        double residual = mean[j] - seen;
        double target = (seen - low) / unit;
        evaluation->sums.rmse[j] += residual * residual;
        if (are_same(low, high) && are_same(low, seen) && are_same(low, mean[j])) {
            continue; /* a quotient of roundings says nothing */
        }
        above += residual * residual / (unit * unit);
        below += target * target;
    }
    evaluation->sums.relative_error += below > 0.0 ? sqrt(above / below) : sqrt(above);
    return some;
}

/* Of the standard normal. */
struct quantiles {
    double interval[SCORES_INTERVALS]; /* half widths of central intervals */
    double level[SCORES_LEVELS];
};

static void add_normal(struct scores *sums, const struct quantiles *q, size_t j, double residual,
                       double std)
{
    double z = residual / std;
    sums->nll[j] += evaluation_nll(residual, std);
    sums->crps[j] += evaluation_crps(residual, std);
    for (size_t k = 0; k < SCORES_INTERVALS; k++) {
        sums->coverage[j * SCORES_INTERVALS + k] += fabs(z) <= q->interval[k];
        sums->width[j * SCORES_INTERVALS + k] += 2.0 * std * q->interval[k];
    }
    for (size_t k = 0; k < SCORES_LEVELS; k++) {
        sums->calibration[j * SCORES_LEVELS + k] += z <= q->level[k];
    }
}

/* -log density at y of the mixture of m normals at f, `stride` apart, with this variance. */
static double mixture_nll(const double *f, int m, size_t stride, double y, double variance)
{
    double min = INFINITY; /* of the squared distances */
    double sum = 0.0;
    for (size_t j = 0; j < (size_t)m; j++) {
        double square = (f[j * stride] - y) * (f[j * stride] - y);
        min = square < min ? square : min;
    }
    for (size_t j = 0; j < (size_t)m; j++) {
        double square = (f[j * stride] - y) * (f[j * stride] - y);
        sum += exp(-0.5 * (square - min) / variance);
    }
    return 0.5 * min / variance - log(sum / (double)m) + 0.5 * (LOG_2PI + log(variance));
}

void evaluation_add(struct evaluation *evaluation, const struct predict_result *f, const double *y,
                    int n)
{
    struct scores *sums = &evaluation->sums;
    struct quantiles q;
    size_t o = evaluation->o;
    size_t cells = (size_t)n * o;
    for (int k = 0; k < SCORES_INTERVALS; k++) {
        q.interval[k] = normal_quantile(0.5 + 0.5 * scores_intervals[k]);
    }
    for (int k = 0; k < SCORES_LEVELS; k++) {
        q.level[k] = normal_quantile((double)(k + 1) / (SCORES_LEVELS + 1));
    }
    for (size_t c = 0; c < cells; c++) {
        struct evaluation_output *output = &evaluation->outputs[c % o];
        double variance = evaluation->noise ? f->total_variance[c] : f->variance[c];
        double noise = evaluation->noise ? f->noise_variance[c] : 0.0;
        if (c % o == 0) {
            sums->n_rows += add_errors(evaluation, f->mean + c, y + c);
        }
        if (isnan(y[c])) {
            continue;
        }
        if (variance > 0.0) {
            add_normal(sums, &q, c % o, in_unit(output, y[c]) - f->mean[c], sqrt(variance));
        }
        if (noise > 0.0 && f->samples != NULL) {
            sums->nll_draws[c % o] += mixture_nll(f->samples + c, evaluation->block.n_samples,
                                                  cells, in_unit(output, y[c]), noise);
        }
        output->no_density = output->no_density || !(variance > 0.0);
        output->no_mixture = output->no_mixture || !(noise > 0.0 && f->samples != NULL);
    }
}

/* An output's sums become means; false when one is not finite. */
static bool sums_to_means(double *sums, size_t count, int n)
{
    bool finite = true;
    for (size_t k = 0; k < count; k++) {
        sums[k] /= (double)n;
        finite = finite && isfinite(sums[k]);
    }
    return finite;
}

static void fill_unknown(double *values, size_t count)
{
    for (size_t k = 0; k < count; k++) {
        values[k] = (double)NAN;
    }
}

/*
 * The means of a score that not every model has, with `width` numbers an output. Outputs that
 * cannot have it are passed over; NULL when another one has not, or none has.
 */
static void finish_score(const struct evaluation *evaluation, double **array, size_t width)
{
    bool mixture = *array == evaluation->sums.nll_draws;
    bool all = true;
    bool some = false;
    for (size_t j = 0; j < evaluation->o; j++) {
        const struct evaluation_output *output = &evaluation->outputs[j];
        double *sums = *array + j * width;
        if (output->n == 0 || output->constant) {
            fill_unknown(sums, width);
            continue;
        }
        bool none = mixture ? output->no_mixture : output->no_density;
        some = true;
        all = !none && sums_to_means(sums, width, output->n) && all;
    }
    if (!some || !all) {
        mem_free(*array);
        *array = NULL;
    }
}

/* Sums of squares become roots of means, NaN where no row had the output; false: not finite. */
static bool finish_rmse(struct evaluation *evaluation)
{
    struct scores *s = &evaluation->sums;
    bool finite = isfinite(s->relative_error /= (double)s->n_rows);
    for (size_t j = 0; j < evaluation->o; j++) {
        int n = evaluation->outputs[j].n;
        s->rmse[j] = n > 0 ? sqrt(s->rmse[j] / (double)n) : (double)NAN;
        finite = finite && (n == 0 || isfinite(s->rmse[j]));
    }
    return finite;
}

/* Counts by output, where they differ from the number of rows. */
static enum err_code keep_counts(struct evaluation *evaluation, struct err *err)
{
    struct scores *s = &evaluation->sums;
    bool differ = false;
    for (size_t j = 0; j < evaluation->o; j++) {
        differ = differ || evaluation->outputs[j].n != s->n_rows;
    }
    if (!differ) {
        return ERR_OK;
    }
    s->counts = mem_alloc_array(evaluation->o, sizeof *s->counts);
    for (size_t j = 0; s->counts != NULL && j < evaluation->o; j++) {
        s->counts[j] = evaluation->outputs[j].n;
    }
    return s->counts != NULL ? ERR_OK : err_set(err, ERR_NOMEM, "no memory to score a model");
}

/* Scores of output j in the user's unit. A density of another unit is another density. */
static void scores_to_user(struct scores *s, size_t j, int exponent)
{
    if (exponent == 0) {
        return;
    }
    s->rmse[j] = ldexp(s->rmse[j], exponent);
    if (s->nll != NULL) {
        s->nll[j] += exponent * M_LN2;
    }
    if (s->nll_draws != NULL) {
        s->nll_draws[j] += exponent * M_LN2;
    }
    if (s->crps != NULL) {
        s->crps[j] = ldexp(s->crps[j], exponent);
    }
    for (size_t k = 0; s->width != NULL && k < SCORES_INTERVALS; k++) {
        s->width[j * SCORES_INTERVALS + k] = ldexp(s->width[j * SCORES_INTERVALS + k], exponent);
    }
}

enum err_code evaluation_end(struct evaluation *evaluation, struct scores *out, struct err *err)
{
    struct scores *s = &evaluation->sums;
    int n = s->n_rows;
    if (n == 0) {
        err_set(err, ERR_INVALID, "none of the rows has an output to score on");
    } else if (!finish_rmse(evaluation)) {
        err_set(err, ERR_NUMERIC, "the model's error on %d rows is not finite", n);
    }
    if (err->code != ERR_OK || keep_counts(evaluation, err) != ERR_OK) {
        evaluation_release(evaluation);
        return err->code;
    }
    finish_score(evaluation, &s->nll_draws, 1);
    finish_score(evaluation, &s->nll, 1);
    finish_score(evaluation, &s->crps, 1);
    finish_score(evaluation, &s->coverage, SCORES_INTERVALS);
    finish_score(evaluation, &s->width, SCORES_INTERVALS);
    finish_score(evaluation, &s->calibration, SCORES_LEVELS);
    for (size_t j = 0; j < evaluation->o; j++) {
        scores_to_user(s, j, evaluation->outputs[j].exponent);
    }
    *out = *s;
    *s = (struct scores){.n_rows = 0};
    evaluation_release(evaluation);
    return ERR_OK;
}

static enum err_code add_block(void *ctx, const struct predict_result *f, const double *y, int n,
                               struct err *err)
{
    evaluation_add(ctx, f, y, n);
    return err->code;
}

static void put_sums(const void *ctx, int n_done, struct bytes_writer *writer)
{
    const struct evaluation *evaluation = ctx;
    struct scores sums = evaluation->sums;
    (void)n_done;
    bytes_put_u32(writer, (uint32_t)sums.n_rows);
    for (size_t j = 0; j < evaluation->o; j++) {
        bytes_put_u32(writer, (uint32_t)evaluation->outputs[j].n);
        bytes_put_u32(writer, evaluation->outputs[j].no_density);
        bytes_put_u32(writer, evaluation->outputs[j].no_mixture);
    }
    bytes_put_f64(writer, &sums.relative_error, 1);
    for (int i = 0; i < N_ARRAYS; i++) {
        size_t count;
        double **array = sums_array(&sums, i, evaluation->o, &count);
        bytes_put_f64(writer, *array, count);
    }
}

static void get_sums(void *ctx, int n_done, struct bytes_reader *reader)
{
    struct evaluation *evaluation = ctx;
    evaluation->sums.n_rows = bytes_get_int(reader, n_done);
    for (size_t j = 0; j < evaluation->o; j++) {
        evaluation->outputs[j].n = bytes_get_int(reader, n_done);
        evaluation->outputs[j].no_density = bytes_get_int(reader, 1) == 1;
        evaluation->outputs[j].no_mixture = bytes_get_int(reader, 1) == 1;
    }
    bytes_get_f64(reader, &evaluation->sums.relative_error, 1);
    for (int i = 0; i < N_ARRAYS; i++) {
        size_t count;
        double **array = sums_array(&evaluation->sums, i, evaluation->o, &count);
        bytes_get_f64(reader, *array, count);
    }
}

enum err_code evaluation_score(const struct model *model, const struct data *rows,
                               const double *output_range, const struct evaluation_run *run,
                               struct scores *out, struct err *err)
{
    static const struct evaluation_keep keep = {.put = put_sums, .get = get_sums};
    struct evaluation evaluation;
    if (evaluation_begin(&evaluation, model, output_range, err) != ERR_OK) {
        return err->code;
    }
    const struct evaluation_work work = {
        .block = evaluation.block, .run = run, .keep = &keep, .fn = add_block, .ctx = &evaluation};
    if (evaluation_work(model, rows, &work, err) == ERR_OK) {
        err_kept(evaluation_end(&evaluation, out, err));
    }
    evaluation_release(&evaluation);
    return err->code;
}

/* ---- noise ---- */

struct excess {
    const struct model *model;
    size_t o;
    double *sum;   /* [o] of (f - y)^2 - variance */
    double *count; /* [o] of their rows */
};

static enum err_code add_excess(void *ctx, const struct predict_result *f, const double *y, int n,
                                struct err *err)
{
    struct excess *excess = ctx;
    for (size_t c = 0; c < (size_t)n * excess->o; c++) {
        int exponent = model_exponent(excess->model, (int)(c % excess->o));
        double residual = f->mean[c] - ldexp(y[c], -exponent);
        if (isnan(y[c])) {
            continue;
        }
        excess->sum[c % excess->o] += residual * residual - f->variance[c];
        excess->count[c % excess->o] += 1.0;
    }
    return err->code;
}

static void put_excess(const void *ctx, int n_done, struct bytes_writer *writer)
{
    const struct excess *excess = ctx;
    (void)n_done;
    bytes_put_f64(writer, excess->sum, excess->o);
    bytes_put_f64(writer, excess->count, excess->o);
}

static void get_excess(void *ctx, int n_done, struct bytes_reader *reader)
{
    struct excess *excess = ctx;
    (void)n_done;
    bytes_get_f64(reader, excess->sum, excess->o);
    bytes_get_f64(reader, excess->count, excess->o);
}

enum err_code evaluation_noise(const struct model *model, const struct data *rows,
                               const struct evaluation_run *run, double *sigma, struct err *err)
{
    static const struct evaluation_keep keep = {.put = put_excess, .get = get_excess};
    struct excess excess = {.model = model, .o = (size_t)model->o, .sum = sigma};
    const struct evaluation_work work = {
        .block = {.want = PREDICT_MEAN | PREDICT_VARIANCE, .in_units = true},
        .run = run,
        .keep = &keep,
        .fn = add_excess,
        .ctx = &excess};
    excess.count = mem_zalloc_array(excess.o, sizeof *excess.count);
    if (excess.count == NULL) {
        return err_set(err, ERR_NOMEM, "no memory to measure the noise");
    }
    memset(sigma, 0, excess.o * sizeof *sigma);
    if (evaluation_work(model, rows, &work, err) == ERR_OK) {
        for (size_t j = 0; j < excess.o; j++) {
            /* fmax would turn 0 / 0 into 0. */
            double n = excess.count[j];
            double root = n > 0.0 ? sqrt(fmax(0.0, sigma[j] / n)) : (double)NAN;
            sigma[j] = ldexp(root, model_exponent(model, (int)j));
        }
    }
    mem_free(excess.count);
    return err->code;
}
