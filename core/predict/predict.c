/* SPDX-License-Identifier: Apache-2.0 */
#include "predict/predict_priv.h"

#include "base/mem.h"
#include "base/par.h"
#include "base/rng.h"
#include "math/moments.h"
#include "model/space_rows.h"
#include "predict/derivative.h"
#include "predict/feasible.h"
#include "predict/predict_field.h"
#include "predict/predict_interval.h"
#include "predict/predict_observation.h"
#include "predict/predict_units.h"

#include <math.h>
#include <string.h>

/* Below this many multiplications a second thread costs more than it brings. */
#define PARALLEL_WORK 2e7
/* A last tile of fewer rows is not divided between two threads. */
#define SPLIT_ROWS 16

bool predict_fits(size_t a, size_t b, size_t c, size_t d)
{
    size_t total;
    return size_mul(a, b, &total) && size_mul(total, c, &total) && size_mul(total, d, &total) &&
           total <= PREDICT_MAX_VALUES;
}

/* What only the values of categories can make wrong, and derivatives that they do not have. */
static enum err_code check_categories(const struct model *model, const struct predict_request *req,
                                      struct err *err)
{
    const struct space *space = model->space;
    struct space_fault fault;
    char wanted[SPACE_WANTED_CHARS];
    const struct space_rows rows = {(size_t)req->n, (size_t)model->d, (double *)req->x};
    int first = space_first_category(space);
    if ((req->want & PREDICT_JACOBIAN) || req->derivative != NULL) {
        return err_set(err, ERR_UNSUPPORTED,
                       "input %d, \"%.40s\", is a category, by which there is no derivative", first,
                       space->inputs[first].name);
    }
    if (req->x != NULL && space_find_fault(space, &rows, &fault)) { /* a request may be asked of
                                                                        before it has rows */
        space_describe_wanted(&space->inputs[fault.column], wanted);
        return err_set_at(err, ERR_INVALID, (int)fault.row, fault.column,
                          "row %zu, column %d (%.40s) is %.15g, %s", fault.row, fault.column,
                          space->inputs[fault.column].name, fault.value, wanted);
    }
    return ERR_OK;
}

/* Are all arrays of the answer, and those kept to make it, within the limit? */
static bool answer_fits(const struct model *model, const struct predict_request *req)
{
    size_t n = (size_t)req->n;
    size_t o = (size_t)predict_n_outputs(model, req);
    bool fits =
        predict_fits(n, o, 1, 1) && (model->reduction != NULL || predict_tile_fits(model, req));
    for (int i = 0; i < PREDICT_N_RESULTS; i++) {
        if (req->want & (1U << i)) {
            struct predict_dims dims = predict_result_dims((enum predict_index)i, model, req);
            fits =
                fits && predict_fits(dims.size[0], dims.size[1], dims.rank > 2 ? dims.size[2] : 1,
                                     dims.rank > 3 ? dims.size[3] : 1);
        }
    }
    if (req->want & PREDICT_INTERVALS) {
        size_t rows = n < PLAN_TILE_ROWS ? n : PLAN_TILE_ROWS;
        fits = fits && predict_fits(rows, o, (size_t)predict_intervals_n_folds(model), 2);
    }
    return fits && (!(req->want & PREDICT_COVARIANCE_ROWS) || model->reduction != NULL ||
                    predict_fits(n, o, (size_t)model->m, 1));
}

static enum err_code check_outputs(const struct model *model, const struct predict_request *req,
                                   struct err *err)
{
    for (int j = 0; j < req->n_outputs; j++) {
        if (req->outputs[j] < 0 || req->outputs[j] >= model->o) {
            return err_set(err, ERR_INVALID, "outputs: there is no output %d, the model has %d",
                           req->outputs[j], model->o);
        }
    }
    return ERR_OK;
}

enum err_code predict_check(const struct model *model, const struct predict_request *req,
                            struct err *err)
{
    if ((model_has_categories(model) && check_categories(model, req, err) != ERR_OK) ||
        check_outputs(model, req, err) != ERR_OK) {
        return err->code;
    }
    if (!draw_choice_is_all(&req->part)) {
        return err_set(err, ERR_UNSUPPORTED,
                       "burn_in and at are not supported here; predict of /v1 has them");
    }
    if (predict_is_chosen(model, req)) {
        const struct predict_request whole = predict_chosen_whole(req);
        return predict_check(model, &whole, err);
    }
    if ((req->want & (PREDICT_NOISE_VARIANCE | PREDICT_TOTAL_VARIANCE)) &&
        !model_knows_noise(model)) {
        return err_set(err, ERR_INVALID,
                       "the model has no noise, so noise_variance and "
                       "total_variance cannot be returned");
    }
    if ((req->want & PREDICT_SAMPLES) &&
        (req->n_samples < 1 || req->n_samples > model->m - req->first_sample)) {
        return err_set(err, ERR_INVALID, "samples is %d, 1 to %d draws are possible",
                       req->n_samples, model->m - req->first_sample);
    }
    if (predict_observation_check(model, req, err) != ERR_OK ||
        feasible_check(model, req, err) != ERR_OK ||
        predict_units_check(model, req, err) != ERR_OK ||
        ((req->want & PREDICT_INTERVALS) && predict_intervals_check(model, req, err) != ERR_OK)) {
        return err->code;
    }
    if (!answer_fits(model, req)) {
        return err_set(err, ERR_LIMIT,
                       "the answer would hold more than %zu numbers; ask for fewer "
                       "rows at a time",
                       PREDICT_MAX_VALUES);
    }
    if (req->derivative != NULL && model->reduction == NULL &&
        derivative_check(model, req, err) != ERR_OK) {
        return err->code;
    }
    if (model->reduction != NULL) {
        return predict_field_check(model, req, err);
    }
    return predict_is_linear(model) ? predict_linear_check(model, req, err) : ERR_OK;
}

/* Allocates what tiles keep besides the results. */
static enum err_code allocate_kept(struct predict_call *call, struct arena *arena, struct err *err)
{
    const struct model *model = call->model;
    unsigned want = call->req->want;
    size_t cells = (size_t)call->req->n * (size_t)predict_n_outputs(model, call->req);
    bool ok = true;
    if ((want & PREDICT_COVARIANCE_ROWS) && model->reduction == NULL) {
        size_t kept = predict_is_linear(model) ? predict_linear_values(model, call->req->n)
                                               : (size_t)model->m * cells;
        call->values = predict_scratch(arena, kept, &ok);
    }
    if (model->noise_predicted &&
        (want & (PREDICT_NOISE_VARIANCE | PREDICT_TOTAL_VARIANCE | PREDICT_INTERVALS))) {
        call->noise = predict_scratch(arena, cells, &ok);
        if (call->noise != NULL) {
            memset(call->noise, 0, cells * sizeof *call->noise);
        }
    }
    return ok ? ERR_OK : err_set(err, ERR_NOMEM, "no memory for the answer");
}

void predict_order_draws(int m, uint64_t seed, int *order)
{
    struct rng rng;
    rng_init(&rng, seed, RNG_SAMPLE, 0);
    rng_permutation(&rng, m, order);
}

static enum err_code choose_samples(struct predict_call *call, struct arena *arena, struct err *err)
{
    int m = call->model->m;
    int *order = arena_alloc_array(arena, (size_t)m, sizeof *order);
    call->sample_of = arena_alloc_array(arena, (size_t)m, sizeof *call->sample_of);
    if (order == NULL || call->sample_of == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the samples");
    }
    predict_order_draws(m, call->req->seed, order);
    for (int j = 0; j < m; j++) {
        int sample = j - call->req->first_sample;
        call->sample_of[order[j]] = sample < call->req->n_samples && sample >= 0 ? sample : -1;
    }
    return ERR_OK;
}

int predict_n_tiles(const struct model *model, int n)
{
    int tile = predict_is_linear(model) ? predict_linear_rows(model) : PLAN_TILE_ROWS;
    int tiles = n / tile + (n % tile > 0);
    int last = n - (tiles - 1) * tile;
    bool odd = !predict_is_linear(model) && tiles > 1 && tiles % 2 == 1;
    return odd && last >= SPLIT_ROWS ? tiles + 1 : tiles;
}

struct predict_span predict_tile_span(const struct predict_call *call, int tile)
{
    size_t n = (size_t)call->req->n;
    bool linear = predict_is_linear(call->model);
    size_t size = linear ? (size_t)predict_linear_rows(call->model) : PLAN_TILE_ROWS;
    size_t first = (size_t)tile * size;
    size_t before = call->n_tiles > 1 ? ((size_t)call->n_tiles - 2) * size : 0;
    if (linear || call->n_tiles % 2 == 1 || first < before) {
        return (struct predict_span){first, n - first < size ? n - first : size};
    }
    /* The last two; the first of them is a whole number of vectors, if that leaves rows. */
    bool single = call->model->plan.precision == PRECISION_FLOAT32;
    size_t pad = single ? KERNELS_PAD_F32 : KERNELS_PAD_F64;
    size_t left = n - before;
    size_t half = (left / 2 + pad - 1) / pad * pad;
    half = half < left ? half : left / 2;
    return first == before ? (struct predict_span){before, half}
                           : (struct predict_span){before + half, left - half};
}

static unsigned needed_of(const struct model *model, const struct predict_request *req)
{
    return model->reduction != NULL ? predict_field_needed(model, req) : predict_needed(req);
}

enum err_code predict_begin(struct predict_call *call, const struct model *model,
                            const struct predict_request *req, struct arena *arena,
                            struct predict_result *out, struct err *err)
{
    *call = (struct predict_call){.model = model, .req = req, .out = out};
    *out = (struct predict_result){.mean = NULL};
    bool field = model->reduction != NULL;
    unsigned needed = needed_of(model, req);
    call->n_tiles = predict_n_tiles(model, req->n);
    if (req->derivative != NULL) {
        return predict_check(model, req, err);
    }
    if (predict_is_chosen(model, req)) {
        return predict_check(model, req, err) == ERR_OK &&
                       predict_result_alloc(out, needed, model, req, arena, err) == ERR_OK
                   ? predict_chosen_begin(call, arena, err)
                   : err->code;
    }
    if (predict_check(model, req, err) != ERR_OK ||
        predict_units_begin(call, arena, err) != ERR_OK ||
        predict_result_alloc(out, needed, model, req, arena, err) != ERR_OK ||
        allocate_kept(call, arena, err) != ERR_OK ||
        ((field || predict_is_linear(model)) && predict_linear_begin(call, arena, err) != ERR_OK) ||
        predict_observation_begin(call, arena, err) != ERR_OK ||
        ((req->want & PREDICT_INTERVALS) && predict_intervals_begin(call, arena, err) != ERR_OK)) {
        return err->code;
    }
    if (field) {
        return predict_field_begin(call, arena, err);
    }
    return req->want & PREDICT_SAMPLES ? choose_samples(call, arena, err) : ERR_OK;
}

void predict_noise_finish(const struct predict_call *call, size_t first, size_t rows, int count)
{
    size_t o = (size_t)call->model->o;
    for (size_t c = first * o; call->noise != NULL && c < (first + rows) * o; c++) {
        double scale = predict_noise_scale(call, c % o);
        call->noise[c] = call->noise[c] / (double)count * scale * scale;
    }
}

/* Of cell c of [n x o]; 0 when it is not known or not asked for. */
static double noise_variance_of(const struct predict_call *call, size_t c)
{
    const struct model *model = call->model;
    if (call->noise != NULL) {
        return call->noise[c];
    }
    return predict_observation_noise(call, c % (size_t)model->o, call->out->mean[c]);
}

/* The results that follow from mean and variance. ERR_NUMERIC where these are not finite. */
static enum err_code derive_moments(const struct predict_call *call, struct err *err)
{
    const struct model *model = call->model;
    struct predict_result *out = call->out;
    size_t o = (size_t)model->o;
    for (size_t c = 0; c < (size_t)call->req->n * o; c++) {
        double variance = out->variance[c];
        double noise = noise_variance_of(call, c);
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
    return ERR_OK;
}

static enum err_code check_samples(const struct predict_call *call, struct err *err)
{
    size_t o = (size_t)predict_n_outputs(call->model, call->req);
    size_t cells = (size_t)call->req->n * o;
    for (size_t at = 0; at < (size_t)call->req->n_samples * cells; at++) {
        if (!isfinite(call->out->samples[at])) {
            size_t row = at % cells / o;
            return err_set_at(err, ERR_NUMERIC, (int)row, -1,
                              "a sample of the model's answer at row %zu is not finite", row);
        }
    }
    return ERR_OK;
}

enum err_code predict_end(struct predict_call *call, struct arena *arena, struct err *err)
{
    const struct model *model = call->model;
    if (call->req->derivative != NULL) {
        return ERR_OK;
    }
    if (call->chosen != NULL) {
        return predict_chosen_end(call, arena, err);
    }
    if (call->field != NULL && predict_field_end(call, arena, err) != ERR_OK) {
        return err->code;
    }
    if (call->req->samples_alone) {
        return check_samples(call, err);
    }
    if (call->field != NULL) {
        return call->intervals != NULL ? predict_intervals_end(call, err) : ERR_OK;
    }
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
        moments_row_covariance(&draws, call->out->covariance_rows, scratch);
    }
    if (derive_moments(call, err) != ERR_OK) {
        return err->code;
    }
    if (call->intervals != NULL && predict_intervals_end(call, err) != ERR_OK) {
        return err->code;
    }
    return predict_units_end(call, err);
}

size_t predict_bytes(const struct model *model, const struct predict_request *req)
{
    unsigned needed = needed_of(model, req);
    size_t values = 0;
    for (int i = 0; i < PREDICT_N_RESULTS; i++) {
        if (needed & (1U << i)) {
            struct predict_dims dims = predict_result_dims((enum predict_index)i, model, req);
            size_t count = 1;
            for (int k = 0; k < dims.rank; k++) {
                count *= dims.size[k];
            }
            values += count;
        }
    }
    if (predict_is_chosen(model, req)) {
        const struct predict_request whole = predict_chosen_whole(req);
        return values * sizeof(double) + predict_bytes(model, &whole);
    }
    if (model->reduction != NULL) {
        return values * sizeof(double) + predict_field_bytes(model, req);
    }
    if (req->want & PREDICT_COVARIANCE_ROWS) {
        values += predict_is_linear(model)
                      ? predict_linear_values(model, req->n)
                      : (size_t)(model->o + 1) * (size_t)model->m * (size_t)req->n;
    }
    return values * sizeof(double);
}

double predict_work(const struct model *model, const struct predict_request *req)
{
    if (req->derivative != NULL) {
        return derivative_work(model, req);
    }
    if (predict_is_chosen(model, req)) {
        const struct predict_request whole = predict_chosen_whole(req);
        return predict_work(model, &whole);
    }
    if (model->reduction != NULL) {
        double more = req->want & PREDICT_FEASIBLE ? feasible_work(model) : 0.0;
        return predict_field_work(model, req) + (double)req->n * more;
    }
    int n_draws = req->samples_alone ? req->n_samples : model->m;
    double per_row = (double)n_draws * (double)model->net.pack_size;
    if (predict_is_linear(model)) {
        per_row = predict_linear_work(model, req->want);
    } else if (req->want & PREDICT_JACOBIAN) {
        /* A forward pass with its tape and a backward pass for each output. */
        per_row *= 3.0 + 2.0 * model->o;
    }
    per_row += req->want & PREDICT_FEASIBLE ? feasible_work(model) : 0.0;
    double work = (double)req->n * per_row + predict_observation_work(model, req);
    return req->want & PREDICT_INTERVALS ? work + predict_intervals_work(model, req) : work;
}

enum err_code predict_tile(const struct predict_call *call, int tile, struct arena *scratch,
                           struct err *err)
{
    if (call->req->derivative != NULL) {
        return derivative_compute(call->model, call->req, scratch, err);
    }
    if (call->chosen != NULL) {
        return predict_chosen_tile(call, tile, scratch, err);
    }
    bool linear = predict_is_linear(call->model);
    enum err_code code = call->field != NULL ? predict_field_tile(call, tile, scratch, err)
                         : linear            ? predict_linear_tile(call, tile, scratch, err)
                                             : predict_draws_tile(call, tile, scratch, err);
    if (code != ERR_OK || !(call->req->want & PREDICT_FEASIBLE)) {
        return code;
    }
    struct predict_span span = predict_tile_span(call, tile);
    return feasible_tile(call, span.first, span.rows, scratch, err);
}

/* ---- a whole prediction ---- */

struct shared_call {
    struct predict_call call;
    struct arena *scratch; /* [threads] */
};

static enum err_code predict_shared_tile(void *ctx, int worker, int tile, struct err *err)
{
    struct shared_call *shared = ctx;
    if (cancel_is_requested(shared->call.req->cancel)) {
        return err_set(err, ERR_CANCELLED, "cancelled in a prediction");
    }
    err_kept(predict_tile(&shared->call, tile, &shared->scratch[worker], err));
    arena_clear(&shared->scratch[worker]);
    return err->code;
}

static enum err_code predict_tiles(struct shared_call *shared, int threads, struct arena *arena,
                                   struct err *err)
{
    shared->scratch = arena_zalloc_array(arena, (size_t)threads, sizeof *shared->scratch);
    if (shared->scratch == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a prediction");
    }
    err_kept(par_run(threads, shared->call.n_tiles, predict_shared_tile, shared, err));
    for (int i = 0; i < threads; i++) {
        arena_release(&shared->scratch[i]);
    }
    return err->code;
}

enum err_code predict_run(const struct model *model, const struct predict_request *req,
                          struct arena *arena, struct predict_result *out, struct err *err)
{
    struct shared_call shared;
    int threads = predict_work(model, req) > PARALLEL_WORK ? req->n_threads : 1;
    if (predict_begin(&shared.call, model, req, arena, out, err) != ERR_OK) {
        return err->code;
    }
    threads = threads < shared.call.n_tiles ? threads : shared.call.n_tiles;
    if (cancel_is_requested(req->cancel)) {
        return err_set(err, ERR_CANCELLED, "cancelled before a prediction");
    }
    enum err_code code = shared.call.n_tiles == 1 ? predict_tile(&shared.call, 0, arena, err)
                                                  : predict_tiles(&shared, threads, arena, err);
    return code == ERR_OK ? predict_end(&shared.call, arena, err) : code;
}
