/* SPDX-License-Identifier: Apache-2.0 */
#include "predict/predict_priv.h"

#include "base/mem.h"
#include "base/par.h"
#include "base/rng.h"
#include "math/moments.h"
#include "predict/predict_interval.h"

#include <math.h>

/* Below this many multiplications a second thread costs more than it brings. */
#define PARALLEL_WORK 2e7

/* The product of up to four factors against a limit. */
static bool within(size_t limit, size_t a, size_t b, size_t c, size_t d)
{
    size_t total;
    return size_mul(a, b, &total) && size_mul(total, c, &total) && size_mul(total, d, &total) &&
           total <= limit;
}

enum err_code predict_check(const struct model *model, const struct predict_request *req,
                            struct err *err)
{
    size_t n = (size_t)req->n;
    size_t o = (size_t)model->o;
    size_t d = (size_t)model->d;
    size_t m = (size_t)model->m;
    if ((req->want & (PREDICT_NOISE_VARIANCE | PREDICT_TOTAL_VARIANCE)) &&
        model->noise_sigma == NULL && !model->noise_predicted) {
        return err_set(err, ERR_INVALID,
                       "the model knows no noise, so noise_variance and "
                       "total_variance cannot be returned");
    }
    if ((req->want & PREDICT_SAMPLES) && (req->n_samples < 1 || req->n_samples > model->m)) {
        return err_set(err, ERR_INVALID, "samples is %d, the model has 1 to %d draws to give",
                       req->n_samples, model->m);
    }
    if ((req->want & PREDICT_INTERVALS) && predict_intervals_check(model, req, err) != ERR_OK) {
        return err->code;
    }
    if (!within(PREDICT_MAX_VALUES, n, o, 1, 1) ||
        ((req->want & PREDICT_INTERVALS) &&
         (!within(PREDICT_MAX_VALUES, n, o, (size_t)req->n_intervals, 2) ||
          !within(PREDICT_MAX_VALUES, n < PLAN_TILE_ROWS ? n : PLAN_TILE_ROWS, o,
                  (size_t)predict_intervals_n_folds(model), 2))) ||
        ((req->want & PREDICT_QUANTILES) &&
         (!within(PREDICT_MAX_VALUES, n, o, (size_t)req->n_levels, 1) ||
          !within(PREDICT_MAX_VALUES, n < PLAN_TILE_ROWS ? n : PLAN_TILE_ROWS, o, m, 1))) ||
        ((req->want & PREDICT_SAMPLES) &&
         !within(PREDICT_MAX_VALUES, n, o, (size_t)req->n_samples, 1)) ||
        ((req->want & PREDICT_JACOBIAN) && !within(PREDICT_MAX_VALUES, n, o, d, 2)) ||
        ((req->want & PREDICT_COVARIANCE_OUTPUTS) && !within(PREDICT_MAX_VALUES, n, o, o, 1)) ||
        ((req->want & PREDICT_COVARIANCE_ROWS) &&
         (!within(PREDICT_MAX_VALUES, n, n, o, 1) || !within(PREDICT_MAX_VALUES, n, o, m, 1)))) {
        return err_set(err, ERR_LIMIT,
                       "the answer would hold more than %zu numbers; ask for fewer "
                       "rows at a time",
                       PREDICT_MAX_VALUES);
    }
    return predict_is_linear(model) ? predict_linear_check(model, req, err) : ERR_OK;
}

static enum err_code allocate(struct predict_call *call, struct arena *arena, struct err *err)
{
    const struct model *model = call->model;
    const struct predict_request *req = call->req;
    struct predict_result *out = call->out;
    unsigned want = req->want;
    size_t n = (size_t)req->n;
    size_t o = (size_t)model->o;
    size_t d = (size_t)model->d;
    size_t kept =
        predict_is_linear(model) ? predict_linear_values(model, req->n) : (size_t)model->m * n * o;
    bool noise = want & (PREDICT_NOISE_VARIANCE | PREDICT_TOTAL_VARIANCE | PREDICT_INTERVALS);
    struct {
        bool wanted;
        size_t count;
        double **array;
    } plan[] = {
        {true, n * o, &out->mean},
        {true, n * o, &call->m2},
        {want & PREDICT_STD, n * o, &out->std},
        {want & PREDICT_NOISE_VARIANCE, n * o, &out->noise_variance},
        {want & (PREDICT_TOTAL_VARIANCE | PREDICT_INTERVALS), n * o, &out->total_variance},
        {want & PREDICT_QUANTILES, (size_t)req->n_levels * n * o, &out->quantiles},
        {want & PREDICT_COVARIANCE_OUTPUTS, n * o * o, &out->covariance},
        {want & PREDICT_COVARIANCE_ROWS, o * n * n, &out->covariance},
        {want & PREDICT_COVARIANCE_ROWS, kept, &call->values},
        {noise && model->noise_predicted, n * o, &call->noise},
        {want & PREDICT_SAMPLES, (size_t)req->n_samples * n * o, &out->samples},
        {want & PREDICT_JACOBIAN, n * o * d, &out->jacobian_mean},
        {want & PREDICT_JACOBIAN, n * o * d, &out->jacobian_std},
        {want & PREDICT_INTERVALS, (size_t)req->n_intervals * n * o, &out->lower},
        {want & PREDICT_INTERVALS, (size_t)req->n_intervals * n * o, &out->upper},
    };
    for (size_t i = 0; i < sizeof plan / sizeof *plan; i++) {
        if (plan[i].wanted) {
            *plan[i].array = arena_alloc_array(arena, plan[i].count, sizeof(double));
            if (*plan[i].array == NULL) {
                return err_set(err, ERR_NOMEM, "no memory for the answer");
            }
        }
    }
    return ERR_OK;
}

static enum err_code choose_samples(struct predict_call *call, struct arena *arena, struct err *err)
{
    int m = call->model->m;
    struct rng rng;
    int *order = arena_alloc_array(arena, (size_t)m, sizeof *order);
    call->sample_of = arena_alloc_array(arena, (size_t)m, sizeof *call->sample_of);
    if (order == NULL || call->sample_of == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the samples");
    }
    rng_init(&rng, call->req->seed, RNG_SAMPLE, 0);
    rng_permutation(&rng, m, order);
    for (int j = 0; j < m; j++) {
        call->sample_of[order[j]] = j < call->req->n_samples ? j : -1;
    }
    return ERR_OK;
}

enum err_code predict_begin(struct predict_call *call, const struct model *model,
                            const struct predict_request *req, struct arena *arena,
                            struct predict_result *out, struct err *err)
{
    *call = (struct predict_call){.model = model, .req = req, .out = out};
    *out = (struct predict_result){.mean = NULL};
    int tile = predict_is_linear(model) ? PREDICT_LINEAR_TILE : PLAN_TILE_ROWS;
    call->n_tiles = (req->n + tile - 1) / tile;
    if (predict_check(model, req, err) != ERR_OK || allocate(call, arena, err) != ERR_OK ||
        (predict_is_linear(model) && predict_linear_begin(call, arena, err) != ERR_OK)) {
        return err->code;
    }
    if ((req->want & PREDICT_INTERVALS) && predict_intervals_begin(call, arena, err) != ERR_OK) {
        return err->code;
    }
    for (size_t c = 0; call->noise != NULL && c < (size_t)req->n * (size_t)model->o; c++) {
        call->noise[c] = 0.0;
    }
    return req->want & PREDICT_SAMPLES ? choose_samples(call, arena, err) : ERR_OK;
}

void predict_noise_finish(const struct predict_call *call, size_t first, size_t rows, int count)
{
    size_t o = (size_t)call->model->o;
    for (size_t c = first * o; call->noise != NULL && c < (first + rows) * o; c++) {
        /* Linear scalers: model_publish takes no logarithmic ones. */
        const struct scaler *s = &call->model->out[c % o];
        double scale = s->kind != SCALER_NONE ? s->scale : 1.0;
        call->noise[c] = call->noise[c] / (double)count * scale * scale;
    }
}

/* Of cell c of [n x o]; 0 when it is not known or not wanted. */
static double noise_variance(const struct predict_call *call, size_t c)
{
    const struct model *model = call->model;
    if (call->noise != NULL) {
        return call->noise[c];
    }
    double sigma = model->noise_sigma != NULL ? model->noise_sigma[c % (size_t)model->o] : 0.0;
    return sigma * sigma;
}

/* What follows from mean and variance; and no answer without finite numbers. */
static enum err_code derive(const struct predict_call *call, struct err *err)
{
    const struct model *model = call->model;
    struct predict_result *out = call->out;
    size_t o = (size_t)model->o;
    for (size_t c = 0; c < (size_t)call->req->n * o; c++) {
        double variance = call->m2[c];
        double noise = noise_variance(call, c);
        if (!isfinite(out->mean[c]) || !isfinite(variance) || !isfinite(noise)) {
            return err_set_at(err, ERR_NUMERIC, (int)(c / o), (int)(c % o),
                              "the model's answer at row %zu, output %zu is not finite", c / o,
                              c % o);
        }
        if (out->std != NULL) {
            out->std[c] = sqrt(variance);
        }
        if (out->noise_variance != NULL) {
            out->noise_variance[c] = noise;
        }
        if (out->total_variance != NULL) {
            out->total_variance[c] = variance + noise;
        }
    }
    out->variance = call->m2;
    return ERR_OK;
}

enum err_code predict_end(struct predict_call *call, struct arena *arena, struct err *err)
{
    const struct model *model = call->model;
    if ((call->req->want & PREDICT_COVARIANCE_ROWS) && predict_is_linear(model)) {
        predict_linear_row_covariance(call);
    } else if (call->req->want & PREDICT_COVARIANCE_ROWS) {
        size_t n = (size_t)call->req->n;
        double *scratch = arena_alloc_array(arena, (size_t)model->m * n, sizeof *scratch);
        if (scratch == NULL) {
            return err_set(err, ERR_NOMEM, "no memory for the covariance between rows");
        }
        const struct moments_draws draws = {.m = model->m,
                                            .n = n,
                                            .o = (size_t)model->o,
                                            .values = call->values,
                                            .mean = call->out->mean};
        moments_row_covariance(&draws, call->out->covariance, scratch);
    }
    if (derive(call, err) != ERR_OK) {
        return err->code;
    }
    return call->intervals != NULL ? predict_intervals_end(call, err) : ERR_OK;
}

double predict_work(const struct model *model, const struct predict_request *req)
{
    double per_row = (double)model->m * (double)model->net.pack_size;
    if (predict_is_linear(model)) {
        per_row = predict_linear_work(model, req->want);
    } else if (req->want & PREDICT_JACOBIAN) {
        /* A forward pass with its tape and a backward pass for each output. */
        per_row *= 3.0 + 2.0 * model->o;
    }
    double work = (double)req->n * per_row;
    return req->want & PREDICT_INTERVALS ? work + predict_intervals_work(model, req) : work;
}

/* ---- a whole prediction ---- */

struct run {
    struct predict_call call;
    struct arena *scratch; /* [threads] */
};

static enum err_code run_tile(void *ctx, int worker, int tile, struct err *err)
{
    struct run *run = ctx;
    if (cancel_is_requested(run->call.req->cancel)) {
        return err_set(err, ERR_CANCELLED, "cancelled in a prediction");
    }
    err_kept(predict_tile(&run->call, tile, &run->scratch[worker], err));
    arena_clear(&run->scratch[worker]);
    return err->code;
}

static enum err_code run_tiles(struct run *run, int threads, struct arena *arena, struct err *err)
{
    run->scratch = arena_zalloc_array(arena, (size_t)threads, sizeof *run->scratch);
    if (run->scratch == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a prediction");
    }
    err_kept(par_run(threads, run->call.n_tiles, run_tile, run, err));
    for (int i = 0; i < threads; i++) {
        arena_release(&run->scratch[i]);
    }
    return err->code;
}

enum err_code predict_run(const struct model *model, const struct predict_request *req,
                          struct arena *arena, struct predict_result *out, struct err *err)
{
    struct run run;
    int threads = predict_work(model, req) > PARALLEL_WORK ? req->n_threads : 1;
    if (predict_begin(&run.call, model, req, arena, out, err) != ERR_OK) {
        return err->code;
    }
    threads = threads < run.call.n_tiles ? threads : run.call.n_tiles;
    if (cancel_is_requested(req->cancel)) {
        return err_set(err, ERR_CANCELLED, "cancelled before a prediction");
    }
    enum err_code code = run.call.n_tiles == 1 ? predict_tile(&run.call, 0, arena, err)
                                               : run_tiles(&run, threads, arena, err);
    return code == ERR_OK ? predict_end(&run.call, arena, err) : code;
}
