/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tile is decoded a block of outputs at a time (REDUCTION_BLOCK), all rows of the tile for each
 * block, so that the modes of the block stay in the cache and no array has the size of a row but
 * the answer itself. A variance is a sum of products of the covariance with pairs of modes and not
 * a moment over decoded draws: it costs k^2 multiplications an output in place of m k, and does not
 * depend on how many draws there are.
 */
#include "predict/predict_field.h"

#include "base/rng.h"
#include "math/moments.h"
#include "math/normal_mixture.h"
#include "predict/predict_observation.h"
#include "predict/predict_priv.h"

#include <math.h>
#include <string.h>

/* Results for which the covariance of the coefficients is needed. */
#define SPREADS                                                                                    \
    (PREDICT_VARIANCE | PREDICT_STD | PREDICT_TOTAL_VARIANCE | PREDICT_COVARIANCE_OUTPUTS |        \
     PREDICT_INTERVALS)
#define ANY_QUANTILES (PREDICT_QUANTILES | PREDICT_TOTAL_QUANTILES)
#define SORT_WORK     30.0 /* multiplications that a draw costs where it is sorted */

struct predict_field {
    struct model view; /* whose outputs are the coefficients */
    struct predict_request req;
    struct predict_result out;
    struct predict_call call;
};

static bool needs_spread(const struct model *model, const struct predict_request *req)
{
    return !req->samples_alone &&
           ((req->want & SPREADS) || (predict_is_linear(model) && (req->want & ANY_QUANTILES)));
}

/* Are the coefficients of all draws needed at once? */
static bool keeps_draws(const struct model *model, const struct predict_request *req)
{
    return !predict_is_linear(model) &&
           (req->want & (ANY_QUANTILES | PREDICT_COVARIANCE_ROWS)) != 0;
}

/* What is asked of the coefficients. */
static struct predict_request coefficients_request(const struct model *model,
                                                   const struct predict_request *req)
{
    struct predict_request own = {.n = req->n,
                                  .x = req->x,
                                  .want = PREDICT_MEAN,
                                  .seed = req->seed,
                                  .first_row = req->first_row,
                                  .n_threads = req->n_threads,
                                  .cancel = req->cancel};
    if (needs_spread(model, req)) {
        own.want |= PREDICT_COVARIANCE_OUTPUTS;
    }
    if (model->noise_predicted &&
        (req->want & (PREDICT_NOISE_VARIANCE | PREDICT_TOTAL_VARIANCE | PREDICT_INTERVALS))) {
        own.want |= PREDICT_NOISE_VARIANCE;
    }
    if (keeps_draws(model, req)) {
        own.want |= PREDICT_SAMPLES;
        own.n_samples = model->m;
    } else if (req->want & PREDICT_SAMPLES) {
        own.want |= PREDICT_SAMPLES;
        own.n_samples = req->n_samples;
        own.first_sample = req->first_sample;
        own.samples_alone = req->samples_alone;
    }
    return own;
}

unsigned predict_field_needed(const struct model *model, const struct predict_request *req)
{
    unsigned needed = predict_needed(req);
    return needs_spread(model, req) ? needed : needed & ~(unsigned)PREDICT_VARIANCE;
}

static enum err_code refuse(const char *what, const char *instead, struct err *err)
{
    return err_set(
        err, ERR_UNSUPPORTED,
        "the model's outputs are a field that is decoded from coefficients, which has no "
        "%s; %s",
        what, instead);
}

static enum err_code check_results(const struct model *model, const struct predict_request *req,
                                   struct err *err)
{
    bool linear = predict_is_linear(model);
    bool with_noise = (req->want & PREDICT_TOTAL_QUANTILES) ||
                      ((req->want & PREDICT_SAMPLES) && req->of_observations);
    if ((req->want & PREDICT_JACOBIAN) || req->derivative != NULL) {
        return refuse("jacobian or other derivatives", "take differences of predictions", err);
    }
    if (linear && (req->want & PREDICT_COVARIANCE_ROWS)) {
        return refuse("covariance between rows in closed form", "ask for samples", err);
    }
    if (linear && (req->want & ANY_QUANTILES) && model->gaussian.n_members > 1) {
        return refuse("quantiles in closed form of several members",
                      "ask for samples, or for intervals", err);
    }
    if (with_noise && model->noise_predicted) {
        return refuse("quantiles and samples of observations whose noise is predicted",
                      "ask for total_variance, or for intervals", err);
    }
    for (int k = 0; (req->want & PREDICT_QUANTILES) && k < req->n_levels; k++) {
        if (!(req->levels[k] > 0.0 && req->levels[k] < 1.0)) {
            return err_set(err, ERR_INVALID,
                           "quantile level %g is not finite for a field, part of whose variance is "
                           "normal; levels must be above 0 and below 1",
                           req->levels[k]);
        }
    }
    return ERR_OK;
}

enum err_code predict_field_check(const struct model *model, const struct predict_request *req,
                                  struct err *err)
{
    struct model view;
    const struct predict_request own = coefficients_request(model, req);
    if (check_results(model, req, err) != ERR_OK) {
        return err->code;
    }
    model_view_coefficients(model, &view);
    if (predict_check(&view, &own, err) != ERR_OK) {
        err_prefix(err, "coefficients of the outputs");
    }
    return err->code;
}

size_t predict_field_bytes(const struct model *model, const struct predict_request *req)
{
    struct model view;
    const struct predict_request own = coefficients_request(model, req);
    model_view_coefficients(model, &view);
    return predict_bytes(&view, &own);
}

double predict_field_work(const struct model *model, const struct predict_request *req)
{
    struct model view;
    const struct predict_request own = coefficients_request(model, req);
    double k = model->reduction->k;
    double m = model->m;
    double each = k + (needs_spread(model, req) ? 0.5 * k * (k + 3.0) : 0.0);
    if (keeps_draws(model, req)) {
        each += m * (k + SORT_WORK);
    }
    if (req->want & PREDICT_SAMPLES) {
        each += req->n_samples * k;
    }
    if (req->want & PREDICT_COVARIANCE_OUTPUTS) {
        each += k * predict_n_outputs(model, req);
    }
    model_view_coefficients(model, &view);
    return predict_work(&view, &own) + (double)req->n * predict_n_outputs(model, req) * each;
}

enum err_code predict_field_begin(struct predict_call *call, struct arena *arena, struct err *err)
{
    struct predict_field *field = arena_zalloc_array(arena, 1, sizeof *field);
    if (field == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a prediction");
    }
    model_view_coefficients(call->model, &field->view);
    field->req = coefficients_request(call->model, call->req);
    call->field = field;
    return predict_begin(&field->call, &field->view, &field->req, arena, &field->out, err);
}

/* ---- a tile ---- */

/* A block of outputs of the rows of a tile. */
struct block {
    const struct predict_call *call;
    const struct predict_field *field;
    const struct reduction *r;
    struct reduction_points points;
    size_t n_outputs; /* of the answer */
    size_t first;     /* output of the answer */
    size_t row;
    double *scratch; /* [k x REDUCTION_BLOCK] */
    double *draws;   /* [m x REDUCTION_BLOCK]; NULL: none are kept */
    double *column;  /* [m] */
};

/* Where the block begins in a result [.. x n x outputs]. */
static size_t place_of(const struct block *b)
{
    return b->row * b->n_outputs + b->first;
}

static size_t cells_of(const struct block *b)
{
    return (size_t)b->call->req->n * b->n_outputs;
}

static void decode_moments(const struct block *b)
{
    const struct predict_result *out = b->call->out;
    size_t k = (size_t)b->r->k;
    size_t at = place_of(b);
    reduction_decode(b->r, &b->points, b->field->out.mean + b->row * k, out->mean + at);
    if (out->variance != NULL) {
        double *v = out->variance + at;
        reduction_variance(b->r, &b->points, b->field->out.covariance + b->row * k * k, v);
        for (int j = 0; j < b->points.n; j++) {
            v[j] += b->points.truncation[j];
        }
    }
    if (b->call->noise != NULL) {
        /* The result of the coefficients follows from this at their end only. */
        reduction_independent(b->r, &b->points, b->field->call.noise + b->row * k,
                              b->call->noise + at);
    }
}

/* The variance of the noise of output j of the block, where it is not predicted. */
static double noise_of(const struct block *b, int j)
{
    size_t output = (size_t)predict_output(b->call->req, (int)b->first + j);
    return predict_observation_noise(b->call, output, 0.0);
}

static void decode_samples(const struct block *b)
{
    const struct predict_request *req = b->call->req;
    const struct predict_request *own = &b->field->req;
    size_t k = (size_t)b->r->k;
    size_t n = (size_t)req->n;
    int before = req->first_sample - own->first_sample; /* all draws may be there */
    for (int s = 0; s < req->n_samples; s++) {
        const double *c = b->field->out.samples + ((size_t)(s + before) * n + b->row) * k;
        double *y = b->call->out->samples + (size_t)s * cells_of(b) + place_of(b);
        reduction_decode(b->r, &b->points, c, y);
        uint64_t number = ((uint64_t)s + (uint64_t)req->first_sample) * (uint64_t)b->r->p;
        for (int j = 0; req->of_observations && j < b->points.n; j++) {
            uint64_t at = number + (uint64_t)predict_output(req, (int)b->first + j);
            y[j] += sqrt(noise_of(b, j) + b->points.truncation[j]) *
                    rng_normal_at(req->seed, RNG_OBSERVATION,
                                  (uint32_t)((size_t)req->first_row + b->row), at);
        }
    }
}

/* Levels and the normal's quantiles there. */
struct levels {
    int n;
    const double *level, *z;
};

static void put_quantiles(const struct block *b, const struct normal_mixture *mix,
                          const struct levels *levels, double *to)
{
    double found[PREDICT_MAX_LEVELS];
    if (normal_mixture_is_discrete(mix)) {
        for (size_t d = 0; d < mix->m; d++) {
            b->column[d] = mix->mean[d * mix->stride];
        }
        moments_quantiles((long)mix->m, b->column, levels->n, levels->level, found);
    }
    for (int i = 0; i < levels->n; i++) {
        to[(size_t)i * cells_of(b)] =
            normal_mixture_is_discrete(mix)
                ? found[i]
                : normal_mixture_quantile(mix, levels->level[i], levels->z[i]);
    }
}

/* Quantiles of a row of the block, around the draws or, in closed form, around the mean. */
static void find_quantiles(const struct block *b)
{
    const struct predict_call *call = b->call;
    const struct predict_request *req = call->req;
    size_t k = (size_t)b->r->k;
    size_t m = (size_t)call->model->m;
    bool closed = b->draws == NULL;
    const struct levels plain = {req->n_levels, req->levels, call->z};
    const struct levels total = {req->n_total_levels, req->total_levels, call->total_z};
    for (size_t d = 0; !closed && d < m; d++) {
        const double *c = b->field->out.samples + (d * (size_t)req->n + b->row) * k;
        reduction_decode(b->r, &b->points, c, b->draws + d * REDUCTION_BLOCK);
    }
    for (int j = 0; j < b->points.n; j++) {
        size_t at = place_of(b) + (size_t)j;
        struct normal_mixture mix = {.m = closed ? 1 : m,
                                     .mean = closed ? call->out->mean + at : b->draws + j,
                                     .stride = REDUCTION_BLOCK,
                                     .more_var = closed ? call->out->variance[at]
                                                        : b->points.truncation[j]};
        if (req->want & PREDICT_QUANTILES) {
            put_quantiles(b, &mix, &plain, call->out->quantiles + at);
        }
        if (req->want & PREDICT_TOTAL_QUANTILES) {
            mix.more_var += noise_of(b, j);
            put_quantiles(b, &mix, &total, call->out->total_quantiles + at);
        }
    }
}

/* Between all outputs at a row. times: [k x outputs] scratch, S v_b. */
static void put_covariance(const struct predict_call *call, size_t row, double *times)
{
    const struct predict_request *req = call->req;
    const struct reduction *r = call->model->reduction;
    size_t o = (size_t)predict_n_outputs(call->model, req);
    size_t k = (size_t)r->k;
    size_t p = (size_t)r->p;
    const double *s = call->field->out.covariance + row * k * k;
    double *cov = call->out->covariance + row * o * o;
    for (size_t b = 0; b < o; b++) {
        const double *v = r->modes + predict_output(req, (int)b);
        for (size_t i = 0; i < k; i++) {
            times[i * o + b] = 0.0;
            for (size_t l = 0; l < k; l++) {
                times[i * o + b] += s[i * k + l] * v[l * p];
            }
        }
    }
    for (size_t a = 0; a < o; a++) {
        const double *v = r->modes + predict_output(req, (int)a);
        memset(cov + a * o, 0, o * sizeof *cov);
        for (size_t i = 0; i < k; i++) {
            for (size_t b = 0; b <= a; b++) {
                cov[a * o + b] += v[i * p] * times[i * o + b];
            }
        }
        cov[a * o + a] = call->out->variance[row * o + a];
        for (size_t b = 0; b < a; b++) {
            cov[b * o + a] = cov[a * o + b];
        }
    }
}

static void decode_block(struct block *b, const struct predict_span *span)
{
    const struct predict_request *req = b->call->req;
    size_t left = b->n_outputs - b->first;
    int n = left < REDUCTION_BLOCK ? (int)left : REDUCTION_BLOCK;
    const int *list = req->n_outputs > 0 ? req->outputs + b->first : NULL;
    const struct reduction_choice choice = {list, b->first, n};
    reduction_take_points(b->r, choice, b->scratch, &b->points);
    for (b->row = span->first; b->row < span->first + span->rows; b->row++) {
        if (!req->samples_alone) {
            decode_moments(b);
        }
        if (req->want & PREDICT_SAMPLES) {
            decode_samples(b);
        }
        if (!req->samples_alone && (req->want & ANY_QUANTILES)) {
            find_quantiles(b);
        }
    }
}

enum err_code predict_field_tile(const struct predict_call *call, int tile, struct arena *scratch,
                                 struct err *err)
{
    const struct predict_request *req = call->req;
    const struct model *model = call->model;
    struct predict_span span = predict_tile_span(call, tile);
    struct block b = {.call = call,
                      .field = call->field,
                      .r = model->reduction,
                      .n_outputs = (size_t)predict_n_outputs(model, req)};
    size_t m = (size_t)model->m;
    bool ok = true;
    double *times = NULL;
    if (predict_tile(&call->field->call, tile, scratch, err) != ERR_OK) {
        return err->code;
    }
    b.scratch = predict_scratch(scratch, (size_t)b.r->k * REDUCTION_BLOCK, &ok);
    if (req->want & ANY_QUANTILES) {
        b.column = predict_scratch(scratch, m, &ok);
        b.draws =
            keeps_draws(model, req) ? predict_scratch(scratch, m * REDUCTION_BLOCK, &ok) : NULL;
    }
    if (req->want & PREDICT_COVARIANCE_OUTPUTS) {
        times = predict_scratch(scratch, (size_t)b.r->k * b.n_outputs, &ok);
    }
    if (!ok) {
        return err_set(err, ERR_NOMEM, "no memory to decode a field");
    }
    for (b.first = 0; b.first < b.n_outputs; b.first += REDUCTION_BLOCK) {
        decode_block(&b, &span);
    }
    for (size_t row = span.first; times != NULL && row < span.first + span.rows; row++) {
        put_covariance(call, row, times);
    }
    return ERR_OK;
}

/* ---- the end ---- */

/* cov [outputs x n x n] between rows, from the coefficients of all draws. */
static enum err_code put_row_covariance(const struct predict_call *call, struct arena *arena,
                                        struct err *err)
{
    const struct predict_request *req = call->req;
    const struct reduction *r = call->model->reduction;
    size_t n = (size_t)req->n;
    size_t m = (size_t)call->model->m;
    size_t k = (size_t)r->k;
    size_t o = (size_t)predict_n_outputs(call->model, req);
    double *values = arena_alloc_array(arena, m * n, sizeof *values);
    double *scratch = arena_alloc_array(arena, m * n, sizeof *scratch);
    double *mean = arena_alloc_array(arena, n, sizeof *mean);
    double *block = arena_alloc_array(arena, k * REDUCTION_BLOCK, sizeof *block);
    struct reduction_points point;
    if (values == NULL || scratch == NULL || mean == NULL || block == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the covariance between rows");
    }
    for (size_t j = 0; j < o; j++) {
        int output = predict_output(req, (int)j);
        double *cov = call->out->covariance_rows + j * n * n;
        reduction_take_points(r, (struct reduction_choice){&output, 0, 1}, block, &point);
        for (size_t c = 0; c < m * n; c++) {
            reduction_decode(r, &point, call->field->out.samples + c * k, values + c);
        }
        for (size_t i = 0; i < n; i++) {
            mean[i] = call->out->mean[i * o + j];
        }
        const struct moments_draws draws = {
            .m = (long)m, .n = n, .o = 1, .values = values, .mean = mean};
        moments_row_covariance(&draws, cov, scratch);
        for (size_t i = 0; i < n; i++) {
            cov[i * n + i] += r->truncation[output];
        }
    }
    return ERR_OK;
}

/* The results that follow from mean and variance. ERR_NUMERIC where one is not finite. */
static enum err_code derive(const struct predict_call *call, struct err *err)
{
    const struct predict_result *out = call->out;
    size_t o = (size_t)predict_n_outputs(call->model, call->req);
    for (size_t c = 0; c < (size_t)call->req->n * o; c++) {
        size_t output = (size_t)predict_output(call->req, (int)(c % o));
        double variance = out->variance != NULL ? out->variance[c] : 0.0;
        double noise = call->noise != NULL ? call->noise[c]
                                           : predict_observation_noise(call, output, out->mean[c]);
        if (!isfinite(out->mean[c]) || !isfinite(variance) || !isfinite(noise)) {
            return err_set_at(err, ERR_NUMERIC, (int)(c / o), (int)output,
                              "the model's answer at row %zu, output %zu is not finite", c / o,
                              output);
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

enum err_code predict_field_end(struct predict_call *call, struct arena *arena, struct err *err)
{
    if (predict_end(&call->field->call, arena, err) != ERR_OK || call->req->samples_alone) {
        return err->code;
    }
    if ((call->req->want & PREDICT_COVARIANCE_ROWS) &&
        put_row_covariance(call, arena, err) != ERR_OK) {
        return err->code;
    }
    return derive(call, err);
}
