/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows go in tiles: for each draw in turn (core/plan) a tile runs through the network, then its
 * values enter the moments. Nothing of size
 * [m x n x o] is held unless quantiles (of one tile) or the covariance between rows ask for it.
 */
#include "predict.h"

#include "mem.h"
#include "moments.h"
#include "par.h"
#include "rng.h"

#include <math.h>
#include <string.h>

#define TILE_ROWS PLAN_TILE_ROWS
/* Below this many multiplications a second thread costs more than it brings. */
#define PARALLEL_WORK 2e7

struct job {
    const struct model *model;
    const struct predict_request *req;
    struct predict_result *out;
    double *m2;     /* [n x o] sums of squared deviations, becomes the variance */
    double *values; /* [m x n x o] for the covariance between rows; or NULL */
    int *sample_of; /* [m] which sample a draw is, or -1; or NULL */
};

/* Scratch of one tile, in one block. */
struct tile {
    size_t first; /* row */
    size_t rows;
    double *z;           /* [rows x d] scaled inputs */
    double *values;      /* [group x rows x outputs] of a group of draws */
    double *f;           /* [rows x o] in it: one draw's values */
    void *scratch;       /* plan_scratch_bytes */
    int group;           /* draws evaluated at a time */
    double *kept;        /* [m x rows x o] for quantiles; or NULL */
    double *column;      /* [m] */
    double *delta;       /* [o] */
    double *jac;         /* [rows x o x d], or NULL */
    double *jac_scratch; /* [rows x (o + d)] */
    double *jac_values;  /* [rows x o] */
    struct resnet_tape *tape;
    double *memory;
};

static void tile_release(struct tile *tile)
{
    resnet_tape_free(tile->tape);
    mem_free(tile->memory);
}

static enum err_code tile_init(struct tile *tile, const struct job *job, struct err *err)
{
    const struct model *model = job->model;
    size_t d = (size_t)model->d;
    size_t o = (size_t)model->o;
    size_t m = (size_t)model->m;
    size_t rows = tile->rows;
    bool keep = (job->req->want & PREDICT_QUANTILES) != 0;
    bool jac = (job->req->want & PREDICT_JACOBIAN) != 0;
    size_t scratch = (plan_scratch_bytes(&model->plan, (int)rows) + 7) / 8;
    size_t wide = (size_t)model->net.arch.outputs;
    tile->group = plan_group(&model->plan, (int)rows);
    size_t values = (size_t)tile->group * rows * wide;
    size_t total = scratch + rows * d + values + (keep ? m * rows * o + m : 0) + o +
                   (jac ? rows * o * d + rows * (o + d) + rows * o : 0);
    tile->memory = mem_alloc_array(total, sizeof *tile->memory);
    tile->tape = jac ? resnet_tape_new(&model->net, (int)rows) : NULL;
    if (tile->memory == NULL || (jac && tile->tape == NULL)) {
        return err_set(err, ERR_NOMEM, "no memory for a prediction");
    }
    double *at = tile->memory;
    tile->scratch = at;
    at += scratch;
    tile->z = at;
    at += rows * d;
    tile->values = at;
    at += values;
    tile->delta = at;
    at += o;
    if (keep) {
        tile->kept = at;
        at += m * rows * o;
        tile->column = at;
        at += m;
    }
    if (jac) {
        tile->jac = at;
        at += rows * o * d;
        tile->jac_values = at;
        at += rows * o;
        tile->jac_scratch = at;
    }
    return ERR_OK;
}

/* From dz_out/dz_in to the user's units: times dy/dz_out and dz_in/dx. */
static void jacobian_to_user(const struct model *model, const double *x, const double *f,
                             size_t rows, double *jac)
{
    for (size_t i = 0; i < rows; i++) {
        for (int a = 0; a < model->o; a++) {
            double by = 1.0 / scaler_slope(&model->out[a], f[i * (size_t)model->o + (size_t)a]);
            double *row = jac + (i * (size_t)model->o + (size_t)a) * (size_t)model->d;
            for (int b = 0; b < model->d; b++) {
                row[b] *= by * scaler_slope(&model->in[b], x[i * (size_t)model->d + (size_t)b]);
            }
        }
    }
}

/*
 * Streams d mean/dx and, in jacobian_std, the co-moment sum (f - mean)(J - mean J), from which
 * d std/dx = co / ((m - 1) std). mean already includes this draw.
 */
static void jacobian_add(const struct job *job, struct tile *tile, int draw)
{
    const struct model *model = job->model;
    size_t d = (size_t)model->d;
    size_t cells = tile->rows * (size_t)model->o;
    double *mean_jac = job->out->jacobian_mean + tile->first * (size_t)model->o * d;
    double *co = job->out->jacobian_std + tile->first * (size_t)model->o * d;
    const double *mean = job->out->mean + tile->first * (size_t)model->o;

    resnet_set_params(tile->tape, model->draws + (size_t)draw * (size_t)model->net.n_params);
    resnet_forward(tile->tape, (int)tile->rows, tile->z, tile->jac_values);
    resnet_input_jacobian(tile->tape, tile->jac, tile->jac_scratch);
    jacobian_to_user(model, job->req->x + tile->first * d, tile->f, tile->rows, tile->jac);
    for (size_t c = 0; c < cells; c++) {
        for (size_t b = 0; b < d; b++) {
            double *mj = &mean_jac[c * d + b];
            double delta = tile->jac[c * d + b] - (draw == 0 ? 0.0 : *mj);
            *mj = draw == 0 ? tile->jac[c * d + b] : *mj + delta / (double)(draw + 1);
            co[c * d + b] = draw == 0 ? 0.0 : co[c * d + b] + (tile->f[c] - mean[c]) * delta;
        }
    }
}

static void jacobian_finish(const struct job *job, const struct tile *tile)
{
    const struct model *model = job->model;
    size_t d = (size_t)model->d;
    size_t first = tile->first * (size_t)model->o;
    for (size_t c = first; c < first + tile->rows * (size_t)model->o; c++) {
        double std = sqrt(job->m2[c]); /* the variance by now */
        for (size_t b = 0; b < d; b++) {
            double *value = &job->out->jacobian_std[c * d + b];
            *value = std > 0.0 ? *value / ((double)(model->m - 1) * std) : 0.0;
        }
    }
}

static void quantiles_finish(const struct job *job, const struct tile *tile)
{
    size_t o = (size_t)job->model->o;
    size_t cells = tile->rows * o;
    size_t m = (size_t)job->model->m;
    double found[PREDICT_MAX_LEVELS];
    for (size_t c = 0; c < cells; c++) {
        for (size_t j = 0; j < m; j++) {
            tile->column[j] = tile->kept[j * cells + c];
        }
        moments_quantiles((long)m, tile->column, job->req->n_levels, job->req->levels, found);
        for (int k = 0; k < job->req->n_levels; k++) {
            job->out->quantiles[((size_t)k * (size_t)job->req->n + tile->first) * o + c] = found[k];
        }
    }
}

/* One draw's values enter everything that was asked for. */
static void draw_add(const struct job *job, struct tile *tile, int draw)
{
    size_t o = (size_t)job->model->o;
    size_t cells = tile->rows * o;
    size_t n = (size_t)job->req->n;
    double *mean = job->out->mean + tile->first * o;
    if (job->req->want & PREDICT_COVARIANCE_OUTPUTS) {
        moments_add_covariance(draw + 1, tile->rows, o, tile->f, mean,
                               job->out->covariance + tile->first * o * o, tile->delta);
    } else {
        moments_add(draw + 1, cells, tile->f, mean, job->m2 + tile->first * o);
    }
    if (tile->kept != NULL) {
        memcpy(tile->kept + (size_t)draw * cells, tile->f, cells * sizeof *tile->f);
    }
    if (job->values != NULL) {
        memcpy(job->values + ((size_t)draw * n + tile->first) * o, tile->f,
               cells * sizeof *tile->f);
    }
    if (job->sample_of != NULL && job->sample_of[draw] >= 0) {
        memcpy(job->out->samples + ((size_t)job->sample_of[draw] * n + tile->first) * o, tile->f,
               cells * sizeof *tile->f);
    }
    if (tile->jac != NULL) {
        jacobian_add(job, tile, draw);
    }
}

static void tile_finish(const struct job *job, struct tile *tile)
{
    const struct model *model = job->model;
    size_t o = (size_t)model->o;
    double *m2 = job->m2 + tile->first * o;
    if (job->req->want & PREDICT_COVARIANCE_OUTPUTS) {
        double *cov = job->out->covariance + tile->first * o * o;
        moments_finish_covariance(model->m, tile->rows, o, cov);
        for (size_t i = 0; i < tile->rows; i++) {
            for (size_t a = 0; a < o; a++) {
                m2[i * o + a] = cov[(i * o + a) * o + a];
            }
        }
    } else {
        moments_finish(model->m, tile->rows * o, m2);
    }
    if (tile->kept != NULL) {
        quantiles_finish(job, tile);
    }
    if (tile->jac != NULL) {
        jacobian_finish(job, tile);
    }
}

static enum err_code run_tile(void *ctx, int index, struct err *err)
{
    const struct job *job = ctx;
    const struct model *model = job->model;
    size_t first = (size_t)index * TILE_ROWS;
    size_t left = (size_t)job->req->n - first;
    struct tile tile = {.first = first, .rows = left < TILE_ROWS ? left : TILE_ROWS};
    if (tile_init(&tile, job, err) != ERR_OK ||
        scaler_apply(model->in, tile.rows, model->d, job->req->x + first * (size_t)model->d, tile.z,
                     first, err) != ERR_OK) {
        goto done;
    }
    plan_load(&model->plan, (int)tile.rows, tile.z, tile.scratch);
    for (int first_draw = 0; first_draw < model->m; first_draw += tile.group) {
        int left_draws = model->m - first_draw;
        int n = left_draws < tile.group ? left_draws : tile.group;
        plan_eval(&model->plan, first_draw, n, (int)tile.rows, tile.scratch, tile.values);
        scaler_invert(model->out, (size_t)n * tile.rows, model->o, tile.values);
        for (int j = 0; j < n; j++) {
            tile.f = tile.values + (size_t)j * tile.rows * (size_t)model->o;
            draw_add(job, &tile, first_draw + j);
        }
    }
    tile_finish(job, &tile);
done:
    tile_release(&tile);
    return err->code;
}

/* The product of up to four factors against a limit. */
static bool within(size_t limit, size_t a, size_t b, size_t c, size_t d)
{
    size_t total;
    return size_mul(a, b, &total) && size_mul(total, c, &total) && size_mul(total, d, &total) &&
           total <= limit;
}

static enum err_code check(const struct model *model, const struct predict_request *req,
                           struct err *err)
{
    size_t n = (size_t)req->n;
    size_t o = (size_t)model->o;
    size_t d = (size_t)model->d;
    size_t m = (size_t)model->m;
    if ((req->want & (PREDICT_NOISE_VARIANCE | PREDICT_TOTAL_VARIANCE)) &&
        model->noise_sigma == NULL) {
        return err_set(err, ERR_INVALID,
                       "the model knows no noise, so noise_variance and "
                       "total_variance cannot be returned");
    }
    if ((req->want & PREDICT_SAMPLES) && (req->n_samples < 1 || req->n_samples > model->m)) {
        return err_set(err, ERR_INVALID, "samples is %d, the model has 1 to %d draws to give",
                       req->n_samples, model->m);
    }
    if (!within(PREDICT_MAX_VALUES, n, o, 1, 1) ||
        ((req->want & PREDICT_QUANTILES) &&
         (!within(PREDICT_MAX_VALUES, n, o, (size_t)req->n_levels, 1) ||
          !within(PREDICT_MAX_VALUES, n < TILE_ROWS ? n : TILE_ROWS, o, m, 1))) ||
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
    return ERR_OK;
}

static enum err_code allocate(struct job *job, struct arena *arena, struct err *err)
{
    const struct model *model = job->model;
    const struct predict_request *req = job->req;
    struct predict_result *out = job->out;
    unsigned want = req->want;
    size_t n = (size_t)req->n;
    size_t o = (size_t)model->o;
    size_t d = (size_t)model->d;
    struct {
        bool wanted;
        size_t count;
        double **array;
    } plan[] = {
        {true, n * o, &out->mean},
        {true, n * o, &job->m2},
        {want & PREDICT_STD, n * o, &out->std},
        {want & PREDICT_NOISE_VARIANCE, n * o, &out->noise_variance},
        {want & PREDICT_TOTAL_VARIANCE, n * o, &out->total_variance},
        {want & PREDICT_QUANTILES, (size_t)req->n_levels * n * o, &out->quantiles},
        {want & PREDICT_COVARIANCE_OUTPUTS, n * o * o, &out->covariance},
        {want & PREDICT_COVARIANCE_ROWS, o * n * n, &out->covariance},
        {want & PREDICT_COVARIANCE_ROWS, (size_t)model->m * n * o, &job->values},
        {want & PREDICT_SAMPLES, (size_t)req->n_samples * n * o, &out->samples},
        {want & PREDICT_JACOBIAN, n * o * d, &out->jacobian_mean},
        {want & PREDICT_JACOBIAN, n * o * d, &out->jacobian_std},
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

static enum err_code choose_samples(struct job *job, struct arena *arena, struct err *err)
{
    int m = job->model->m;
    struct rng rng;
    int *order = arena_alloc_array(arena, (size_t)m, sizeof *order);
    job->sample_of = arena_alloc_array(arena, (size_t)m, sizeof *job->sample_of);
    if (order == NULL || job->sample_of == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the samples");
    }
    rng_init(&rng, job->req->seed, RNG_SAMPLE, 0);
    rng_permutation(&rng, m, order);
    for (int j = 0; j < m; j++) {
        job->sample_of[order[j]] = j < job->req->n_samples ? j : -1;
    }
    return ERR_OK;
}

/* What follows from mean and variance; and no answer without finite numbers. */
static enum err_code finish(const struct job *job, struct err *err)
{
    const struct model *model = job->model;
    struct predict_result *out = job->out;
    size_t o = (size_t)model->o;
    for (size_t c = 0; c < (size_t)job->req->n * o; c++) {
        double variance = job->m2[c];
        if (!isfinite(out->mean[c]) || !isfinite(variance)) {
            return err_set_at(err, ERR_NUMERIC, (int)(c / o), (int)(c % o),
                              "the model's answer at row %zu, output %zu is not finite", c / o,
                              c % o);
        }
        double noise = model->noise_sigma != NULL
                           ? model->noise_sigma[c % o] * model->noise_sigma[c % o]
                           : 0.0;
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
    out->variance = job->m2;
    return ERR_OK;
}

enum err_code predict_run(const struct model *model, const struct predict_request *req,
                          struct arena *arena, struct predict_result *out, struct err *err)
{
    struct job job = {.model = model, .req = req, .out = out};
    *out = (struct predict_result){.mean = NULL};
    if (check(model, req, err) != ERR_OK || allocate(&job, arena, err) != ERR_OK) {
        return err->code;
    }
    if ((req->want & PREDICT_SAMPLES) && choose_samples(&job, arena, err) != ERR_OK) {
        return err->code;
    }
    int tiles = (req->n + TILE_ROWS - 1) / TILE_ROWS;
    double work = (double)req->n * (double)model->m * (double)model->net.pack_size;
    int threads = work > PARALLEL_WORK ? req->n_threads : 1;
    if (par_run(threads, tiles, run_tile, &job, err) != ERR_OK) {
        return err->code;
    }
    if (req->want & PREDICT_COVARIANCE_ROWS) {
        size_t n = (size_t)req->n;
        double *scratch = arena_alloc_array(arena, (size_t)model->m * n, sizeof *scratch);
        if (scratch == NULL) {
            return err_set(err, ERR_NOMEM, "no memory for the covariance between rows");
        }
        moments_row_covariance(model->m, n, (size_t)model->o, job.values, out->mean,
                               out->covariance, scratch);
    }
    return finish(&job, err);
}
