/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scalers are fitted on the training rows alone, so the kept rows score an honest model. The
 * kept rows do choose the best epoch of each member; their error is a little optimistic for that.
 *
 * Noise: on kept rows E (y - mean)^2 = variance of the mean's error + sigma^2. The ensemble's own
 * variance stands for the first term, so sigma^2 of an output is estimated as the mean over kept
 * rows of (y - mean)^2 - variance, and never below 0.
 */
#include "train.h"

#include "mem.h"
#include "precision.h"
#include "predict.h"
#include "rng.h"

#include <math.h>
#include <string.h>

struct train_spec train_defaults(enum uq_kind solver)
{
    return (struct train_spec){
        .arch = arch_default(0, 0),
        .solver = solver,
        .settings = uq_defaults(solver),
        .input_scaling = SCALER_RANGE,
        .output_scaling = SCALER_UNIT,
        .validation = 0.1,
        .seed = 0,
    };
}

enum err_code train_validate(const struct train_spec *spec, struct err *err)
{
    if (!(spec->validation >= 0.0 && spec->validation <= 0.9)) {
        return err_set(err, ERR_INVALID,
                       "validation is %g, a share of the rows in [0, 0.9] is needed",
                       spec->validation);
    }
    struct train_spec trial = *spec;
    int d = spec->arch.inputs > 0 ? spec->arch.inputs : 1;
    int o = spec->arch.outputs > 0 ? spec->arch.outputs : 1;
    /* Shapes that only the data can settle are taken as they would have to be. */
    if (spec->arch.inputs == 0 && !spec->arch.layer_pre) {
        d = spec->arch.width;
    }
    if (spec->arch.outputs == 0 && !spec->arch.layer_post) {
        o = spec->arch.width;
    }
    trial.arch.inputs = d;
    trial.arch.outputs = o;
    if (arch_validate(&trial.arch, err) != ERR_OK) {
        err_prefix(err, "architecture");
        return err->code;
    }
    return uq_validate(spec->solver, &spec->settings, err);
}

enum err_code train_resolve(struct train_spec *spec, int d, int o, struct err *err)
{
    struct arch *a = &spec->arch;
    if (a->inputs == 0) {
        a->inputs = d;
    }
    if (a->outputs == 0) {
        a->outputs = o;
    }
    if (arch_validate(a, err) != ERR_OK) {
        err_prefix(err, "architecture");
        return err->code;
    }
    if (a->inputs != d || arch_n_outputs(a) != o) {
        return err_set(err, ERR_SHAPE,
                       "the architecture has %d inputs and %d outputs, the rows have %d and %d",
                       a->inputs, arch_n_outputs(a), d, o);
    }
    return ERR_OK;
}

/* The rows of one part of the split, scaled and not. */
struct part {
    int n;
    double *x;  /* [n x d] user's units */
    double *y;  /* [n x o] */
    double *zx; /* scaled */
    double *zy;
};

static void part_release(struct part *part)
{
    mem_free(part->x);
    mem_free(part->y);
    mem_free(part->zx);
    mem_free(part->zy);
}

static enum err_code part_init(struct part *part, const struct data *data, const int *index, int n,
                               struct err *err)
{
    size_t x_count = (size_t)n * (size_t)data->d;
    size_t y_count = (size_t)n * (size_t)data->o;
    part->n = n;
    part->x = mem_alloc_array(x_count, sizeof *part->x);
    part->y = mem_alloc_array(y_count, sizeof *part->y);
    part->zx = mem_alloc_array(x_count, sizeof *part->zx);
    part->zy = mem_alloc_array(y_count, sizeof *part->zy);
    if (part->x == NULL || part->y == NULL || part->zx == NULL || part->zy == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for %d training rows", n);
    }
    data_gather(data->x, data->d, index, n, part->x);
    data_gather(data->y, data->o, index, n, part->y);
    return ERR_OK;
}

static struct data part_scaled(const struct part *part, int d, int o)
{
    return (struct data){.n = part->n, .d = d, .o = o, .x = part->zx, .y = part->zy};
}

static enum err_code split(const struct train_run *run, struct part *train, struct part *kept,
                           struct err *err)
{
    const struct data *data = &run->data;
    int n_kept = data_n_kept(data->n, run->spec->validation);
    struct rng rng;
    int *order = mem_alloc_array((size_t)data->n, sizeof *order);
    if (order == NULL) {
        return err_set(err, ERR_NOMEM, "no memory to split %d rows", data->n);
    }
    rng_init(&rng, (uint64_t)run->spec->seed, RNG_SPLIT, 0);
    rng_permutation(&rng, data->n, order);
    enum err_code code = part_init(kept, data, order, n_kept, err);
    if (code == ERR_OK) {
        code = part_init(train, data, order + n_kept, data->n - n_kept, err);
    }
    mem_free(order);
    return code;
}

static enum err_code fit_scalers(const struct train_run *run, const struct part *train,
                                 struct scaler *in, struct scaler *out, struct err *err)
{
    size_t n = (size_t)train->n;
    if (scaler_fit(run->spec->input_scaling, n, run->data.d, train->x, in, err) != ERR_OK) {
        err_prefix(err, "inputs");
    } else if (scaler_fit(run->spec->output_scaling, n, run->data.o, train->y, out, err) !=
               ERR_OK) {
        err_prefix(err, "outputs");
    }
    return err->code;
}

static enum err_code scale_part(const struct model *model, struct part *part, struct err *err)
{
    size_t n = (size_t)part->n;
    if (scaler_apply(model->in, n, model->d, part->x, part->zx, 0, err) != ERR_OK) {
        return err->code;
    }
    return scaler_apply(model->out, n, model->o, part->y, part->zy, 0, err);
}

static void ranges(const double *v, int n, int k, double *low_high)
{
    for (int j = 0; j < k; j++) {
        double low = INFINITY;
        double high = -INFINITY;
        for (int i = 0; i < n; i++) {
            low = fmin(low, v[(size_t)i * (size_t)k + (size_t)j]);
            high = fmax(high, v[(size_t)i * (size_t)k + (size_t)j]);
        }
        low_high[2 * j] = low;
        low_high[2 * j + 1] = high;
    }
}

#define SCORE_ROWS 4096

struct residual_sums {
    double *square;  /* [o] sum of (f - y)^2 */
    double *excess;  /* [o] sum of (f - y)^2 - variance */
    double relative; /* sum of ||f - y|| / ||y||, scaled */
};

/* One block of rows and its prediction enter the sums. */
static void add_residuals(const struct predict_result *f, const double *y, size_t n, size_t o,
                          const double *output_range, struct residual_sums *sums)
{
    for (size_t i = 0; i < n; i++) {
        double above = 0.0;
        double below = 0.0;
        for (size_t j = 0; j < o; j++) {
            double low = output_range[2 * j];
            double unit = output_range[2 * j + 1] > low ? output_range[2 * j + 1] - low : 1.0;
            double residual = f->mean[i * o + j] - y[i * o + j];
            double target = (y[i * o + j] - low) / unit;
            sums->square[j] += residual * residual;
            sums->excess[j] += residual * residual - f->variance[i * o + j];
            above += residual * residual / (unit * unit);
            below += target * target;
        }
        sums->relative += below > 0.0 ? sqrt(above / below) : sqrt(above);
    }
}

enum err_code train_score(const struct model *model, const struct data *rows,
                          const double *output_range, int n_threads, struct train_scores *out,
                          struct err *err)
{
    size_t o = (size_t)model->o;
    struct residual_sums sums = {.relative = 0.0};
    struct arena arena = ARENA_INIT;
    sums.square = mem_zalloc_array(2 * o, sizeof *sums.square);
    if (sums.square == NULL) {
        return err_set(err, ERR_NOMEM, "no memory to score a model");
    }
    sums.excess = sums.square + o;
    for (int first = 0; first < rows->n; first += SCORE_ROWS) {
        int n = rows->n - first < SCORE_ROWS ? rows->n - first : SCORE_ROWS;
        struct predict_result result;
        struct predict_request req = {.n = n,
                                      .x = rows->x + (size_t)first * (size_t)rows->d,
                                      .want = PREDICT_MEAN | PREDICT_VARIANCE,
                                      .n_threads = n_threads};
        if (predict_run(model, &req, &arena, &result, err) != ERR_OK) {
            goto done;
        }
        add_residuals(&result, rows->y + (size_t)first * o, (size_t)n, o, output_range, &sums);
        arena_release(&arena);
    }
    for (size_t j = 0; j < o; j++) {
        out->rmse[j] = sqrt(sums.square[j] / (double)rows->n);
        if (out->noise_sigma != NULL) {
            out->noise_sigma[j] = sqrt(fmax(0.0, sums.excess[j] / (double)rows->n));
        }
    }
    out->relative_error = sums.relative / (double)rows->n;
done:
    arena_release(&arena);
    mem_free(sums.square);
    return err->code;
}

/* Everything about the model that is not its draws. */
static enum err_code describe(const struct train_run *run, const struct part *train,
                              struct model *model, struct err *err)
{
    model->seed = run->spec->seed;
    model->single = run->spec->single;
    model->solver = mem_strdup(uq_name(run->spec->solver));
    model->training_range = mem_alloc_array(2 * (size_t)model->d, sizeof(double));
    model->scores.output_range = mem_alloc_array(2 * (size_t)model->o, sizeof(double));
    if (run->settings_text != NULL) {
        model->settings = mem_strdup(run->settings_text);
    }
    if (model->solver == NULL || model->training_range == NULL ||
        model->scores.output_range == NULL ||
        (run->settings_text != NULL && model->settings == NULL)) {
        return err_set(err, ERR_NOMEM, "no memory for a model");
    }
    ranges(train->x, train->n, model->d, model->training_range);
    ranges(train->y, train->n, model->o, model->scores.output_range);
    return ERR_OK;
}

static enum err_code score_kept(const struct train_run *run, const struct part *kept,
                                struct model *model, struct err *err)
{
    size_t o = (size_t)model->o;
    struct data rows = {.n = kept->n, .d = model->d, .o = model->o, .x = kept->x, .y = kept->y};
    if (kept->n == 0) {
        return ERR_OK;
    }
    double *sigma = mem_alloc_array(o, sizeof *sigma);
    model->scores.rmse = mem_alloc_array(o, sizeof *model->scores.rmse);
    if (sigma == NULL || model->scores.rmse == NULL) {
        mem_free(sigma);
        return err_set(err, ERR_NOMEM, "no memory to score a model");
    }
    struct train_scores scores = {.rmse = model->scores.rmse, .noise_sigma = sigma};
    if (train_score(model, &rows, model->scores.output_range, run->n_threads, &scores, err) !=
        ERR_OK) {
        mem_free(sigma);
        return err->code;
    }
    model->scores.n_rows = kept->n;
    model->scores.relative_error = scores.relative_error;
    model->noise_sigma = sigma;
    return ERR_OK;
}

/* Draws of the solver, on scaled rows, into a model of its own. */
static enum err_code solve(const struct train_run *run, const struct part *train,
                           const struct part *kept, struct model *model, struct err *err)
{
    struct uq_result result;
    struct uq_problem problem = {
        .net = &model->net,
        .train = part_scaled(train, model->d, model->o),
        .validation = part_scaled(kept, model->d, model->o),
        .seed = (uint64_t)run->spec->seed,
        .n_threads = run->n_threads,
        .cancel = run->cancel,
        .progress = run->progress,
        .progress_ctx = run->progress_ctx,
    };
    if (uq_run(run->spec->solver, &problem, &run->spec->settings, &result, err) != ERR_OK) {
        return err->code;
    }
    memcpy(model->draws, result.draws,
           (size_t)result.m * (size_t)model->net.n_params * sizeof *result.draws);
    uq_result_release(&result);
    return ERR_OK;
}

enum err_code train_run(const struct train_run *run, struct model **out, struct err *err)
{
    struct part train = {.n = 0};
    struct part kept = {.n = 0};
    struct model *model = NULL;
    if (run->data.n < 2) {
        return err_set(err, ERR_INVALID, "%d rows are too few to train on, 2 are needed",
                       run->data.n);
    }
    if (split(run, &train, &kept, err) != ERR_OK ||
        model_new(&run->spec->arch, run->spec->settings.members, &model, err) != ERR_OK ||
        describe(run, &train, model, err) != ERR_OK ||
        fit_scalers(run, &train, model->in, model->out, err) != ERR_OK ||
        scale_part(model, &train, err) != ERR_OK || scale_part(model, &kept, err) != ERR_OK ||
        solve(run, &train, &kept, model, err) != ERR_OK ||
        precision_publish(model, err) != ERR_OK || score_kept(run, &kept, model, err) != ERR_OK) {
        model_unref(model);
        goto done;
    }
    *out = model;
done:
    part_release(&train);
    part_release(&kept);
    return err->code;
}
