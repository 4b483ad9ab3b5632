/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Predictions from draws, a tile of rows at a time: the tile runs through the network of each draw
 * in turn (core/network/plan) and the draw's values enter the moments. The values of all draws are
 * kept only for quantiles, of one tile at a time, and for the covariance between rows.
 */
#include "predict/predict_priv.h"

#include "losses/objective.h"
#include "math/moments.h"
#include "predict/predict_interval.h"
#include "predict/predict_jacobian.h"
#include "predict/predict_observation.h"

#include <string.h>

/* Results that need the values of all draws at a row at once. */
#define KEEPS_DRAWS (PREDICT_QUANTILES | PREDICT_TOTAL_QUANTILES)

/* Scratch of one tile. */
struct tile {
    size_t first; /* row */
    size_t rows;
    double *z;          /* [rows x inputs of the network] */
    double *values;     /* [group x rows x outputs] of a group of draws */
    double *f;          /* [rows x o] one draw's values, within `values` */
    double *noise;      /* [group x rows x o] their predicted variances; NULL: not needed */
    void *scratch;      /* plan_scratch_bytes */
    int group;          /* draws evaluated at a time */
    double *kept;       /* [m x rows x o] for KEEPS_DRAWS; or NULL */
    double *kept_noise; /* [m x rows x o] for total quantiles where noise is predicted; or NULL */
    double *column;     /* [m] */
    double *delta;      /* [o] */
    struct predict_jacobians jacobians;
    struct predict_folds folds; /* for conformal intervals */
};

bool predict_tile_fits(const struct model *model, const struct predict_request *req)
{
    size_t rows = req->n < PLAN_TILE_ROWS ? (size_t)req->n : PLAN_TILE_ROWS;
    size_t arrays = model->noise_predicted ? 2 : 1;
    return !(req->want & KEEPS_DRAWS) ||
           predict_fits(rows, (size_t)model->o, (size_t)model->m, arrays);
}

static enum err_code tile_init(struct tile *tile, const struct predict_call *call,
                               struct arena *arena, struct err *err)
{
    const struct model *model = call->model;
    size_t o = (size_t)model->o;
    size_t m = (size_t)model->m;
    size_t rows = tile->rows;
    bool ok = true;
    tile->group = plan_group(&model->plan, (int)rows);
    tile->scratch =
        predict_scratch(arena, (plan_scratch_bytes(&model->plan, (int)rows) + 7) / 8, &ok);
    tile->z = predict_scratch(arena, rows * (size_t)model->net.arch.inputs, &ok);
    tile->values =
        predict_scratch(arena, (size_t)tile->group * rows * (size_t)model->net.arch.outputs, &ok);
    tile->delta = predict_scratch(arena, o, &ok);
    if (call->req->want & KEEPS_DRAWS) {
        tile->kept = predict_scratch(arena, m * rows * o, &ok);
        tile->column = predict_scratch(arena, m, &ok);
    }
    if (predict_observation_needs_noise(call)) {
        tile->noise = predict_scratch(arena, (size_t)tile->group * rows * o, &ok);
        tile->kept_noise = call->req->want & PREDICT_TOTAL_QUANTILES
                               ? predict_scratch(arena, m * rows * o, &ok)
                               : NULL;
    }
    ok = predict_jacobians_init(&tile->jacobians, call, tile->first, rows, arena) && ok;
    ok = predict_folds_init(&tile->folds, call, rows, arena) && ok;
    return ok ? ERR_OK : err_set(err, ERR_NOMEM, "no memory for a prediction");
}

static void quantiles_finish(const struct predict_call *call, const struct tile *tile)
{
    size_t o = (size_t)call->model->o;
    size_t cells = tile->rows * o;
    size_t m = (size_t)call->model->m;
    double found[PREDICT_MAX_LEVELS];
    for (size_t c = 0; c < cells; c++) {
        for (size_t j = 0; j < m; j++) {
            tile->column[j] = tile->kept[j * cells + c];
        }
        moments_quantiles((long)m, tile->column, call->req->n_levels, call->req->levels, found);
        for (int k = 0; k < call->req->n_levels; k++) {
            call->out->quantiles[((size_t)k * (size_t)call->req->n + tile->first) * o + c] =
                found[k];
        }
    }
}

/* The quantiles of draws; of cell c of the tile. */
static void total_quantiles_finish(const struct predict_call *call, const struct tile *tile)
{
    size_t o = (size_t)call->model->o;
    size_t cells = tile->rows * o;
    size_t all = (size_t)call->req->n * o;
    size_t m = (size_t)call->model->m;
    double found[PREDICT_MAX_LEVELS];
    for (size_t c = 0; c < cells; c++) {
        size_t at = tile->first * o + c;
        const struct normal_mixture mix = {
            .m = m,
            .mean = tile->kept + c,
            .stride = cells,
            .var = tile->kept_noise != NULL ? tile->kept_noise + c : NULL,
            .var_stride = cells,
            .more_var = tile->kept_noise != NULL
                            ? 0.0
                            : predict_observation_noise(call, c % o, call->out->mean[at])};
        if (!normal_mixture_is_discrete(&mix)) {
            predict_observation_quantiles(call, at, &mix);
            continue;
        }
        for (size_t j = 0; j < m; j++) { /* without noise they are the quantiles of the draws */
            tile->column[j] = tile->kept[j * cells + c];
        }
        moments_quantiles((long)m, tile->column, call->req->n_total_levels, call->req->total_levels,
                          found);
        for (int k = 0; k < call->req->n_total_levels; k++) {
            call->out->total_quantiles[(size_t)k * all + at] = found[k];
        }
    }
}

/* Writes the sample that a draw is. f, noise: [rows x o] its values, and its predicted variances or
 * NULL. */
static void put_sample(const struct predict_call *call, const struct tile *tile, int draw,
                       const double *f, const double *noise)
{
    size_t o = (size_t)call->model->o;
    int sample = call->sample_of[draw];
    double *to = call->out->samples + ((size_t)sample * (size_t)call->req->n + tile->first) * o;
    memcpy(to, f, tile->rows * o * sizeof *f);
    for (size_t i = 0; call->req->of_observations && i < tile->rows; i++) {
        predict_observation_add_noise(call, sample, tile->first + i,
                                      noise != NULL ? noise + i * o : NULL, to + i * o);
    }
}

/* Adds one draw's values to everything that was asked for. */
static void draw_add(const struct predict_call *call, struct tile *tile, int draw)
{
    size_t o = (size_t)call->model->o;
    size_t cells = tile->rows * o;
    size_t n = (size_t)call->req->n;
    double *mean = call->out->mean + tile->first * o;
    if (call->req->want & PREDICT_COVARIANCE_OUTPUTS) {
        const struct moments_covariance sums = {.n = tile->rows,
                                                .o = o,
                                                .mean = mean,
                                                .co = call->out->covariance + tile->first * o * o,
                                                .scratch = tile->delta};
        moments_add_covariance(&sums, draw + 1, tile->f);
    } else {
        moments_add(draw + 1, cells, tile->f, mean, call->out->variance + tile->first * o);
    }
    if (tile->kept != NULL) {
        memcpy(tile->kept + (size_t)draw * cells, tile->f, cells * sizeof *tile->f);
    }
    if (call->values != NULL) {
        memcpy(call->values + ((size_t)draw * n + tile->first) * o, tile->f,
               cells * sizeof *tile->f);
    }
    size_t in_group = (size_t)(tile->f - tile->values);
    const double *noise = tile->noise != NULL ? tile->noise + in_group : NULL;
    if (tile->kept_noise != NULL) {
        memcpy(tile->kept_noise + (size_t)draw * cells, noise, cells * sizeof *noise);
    }
    if (call->sample_of != NULL && call->sample_of[draw] >= 0) {
        put_sample(call, tile, draw, tile->f, noise);
    }
    if (tile->jacobians.group > 0) {
        predict_jacobians_add(&tile->jacobians, call, draw, tile->z, tile->f);
    }
    if (tile->folds.mean != NULL) {
        predict_folds_add(&tile->folds, draw, tile->f);
    }
}

static void tile_finish(const struct predict_call *call, struct tile *tile)
{
    const struct model *model = call->model;
    size_t o = (size_t)model->o;
    double *m2 = call->out->variance + tile->first * o;
    if (call->req->want & PREDICT_COVARIANCE_OUTPUTS) {
        double *cov = call->out->covariance + tile->first * o * o;
        moments_finish_covariance(model->m, tile->rows, o, cov);
        for (size_t i = 0; i < tile->rows; i++) {
            for (size_t a = 0; a < o; a++) {
                m2[i * o + a] = cov[(i * o + a) * o + a];
            }
        }
    } else {
        moments_finish(model->m, tile->rows * o, m2);
    }
    if (call->req->want & PREDICT_QUANTILES) {
        quantiles_finish(call, tile);
    }
    if (call->req->want & PREDICT_TOTAL_QUANTILES) {
        total_quantiles_finish(call, tile);
    }
    if (tile->jacobians.group > 0) {
        predict_jacobians_finish(&tile->jacobians, call);
    }
    if (tile->folds.mean != NULL) {
        predict_folds_finish(&tile->folds, call, tile->first);
    }
}

/*
 * Rows of (means, log variances) of n draws become rows of means, in place; the variances enter
 * the noise, draw after draw.
 */
static void split_heads(const struct predict_call *call, const struct tile *tile, int n)
{
    size_t o = (size_t)call->model->o;
    double *noise = call->noise != NULL ? call->noise + tile->first * o : NULL;
    for (size_t q = 0; q < (size_t)n * tile->rows; q++) {
        const double *from = tile->values + q * 2 * o;
        for (size_t a = 0; noise != NULL && a < o; a++) {
            noise[q % tile->rows * o + a] += objective_variance(from[o + a]);
        }
        for (size_t a = 0; tile->noise != NULL && a < o; a++) {
            double scale = predict_noise_scale(call, a);
            tile->noise[q * o + a] = objective_variance(from[o + a]) * scale * scale;
        }
        memmove(tile->values + q * o, from, o * sizeof *from);
    }
}

/* Values of draws [first, first + n) in the user's units, into tile->values. */
static void eval_draws(const struct predict_call *call, const struct plan_tile *planned,
                       struct tile *tile, int first, int n)
{
    const struct model *model = call->model;
    plan_eval(&model->plan, planned, first, n, tile->values);
    if (model->noise_predicted) {
        split_heads(call, tile, n);
    }
    scaler_invert(call->scalers, (size_t)n * tile->rows, model->o, tile->values);
}

/* Adds every draw to the moments and to what else was asked for. */
static void tile_draws(const struct predict_call *call, const struct plan_tile *planned,
                       struct tile *tile)
{
    const struct model *model = call->model;
    for (int first = 0; first < model->m; first += tile->group) {
        int left = model->m - first;
        int n = left < tile->group ? left : tile->group;
        eval_draws(call, planned, tile, first, n);
        for (int j = 0; j < n; j++) {
            tile->f = tile->values + (size_t)j * tile->rows * (size_t)model->o;
            draw_add(call, tile, first + j);
        }
    }
    tile_finish(call, tile);
    predict_noise_finish(call, tile->first, tile->rows, model->m);
}

/* Samples and nothing else: groups without a draw that was chosen are left out. */
static void tile_samples(const struct predict_call *call, const struct plan_tile *planned,
                         struct tile *tile)
{
    size_t cells = tile->rows * (size_t)call->model->o;
    int evaluated = -1; /* the first draw of the group whose values are there */
    for (int draw = 0; draw < call->model->m; draw++) {
        if (call->sample_of[draw] < 0) {
            continue;
        }
        int first = draw - draw % tile->group;
        int left = call->model->m - first;
        if (first != evaluated) {
            eval_draws(call, planned, tile, first, left < tile->group ? left : tile->group);
            evaluated = first;
        }
        size_t at = (size_t)(draw - first) * cells;
        put_sample(call, tile, draw, tile->values + at,
                   tile->noise != NULL ? tile->noise + at : NULL);
    }
}

enum err_code predict_draws_tile(const struct predict_call *call, int index, struct arena *scratch,
                                 struct err *err)
{
    const struct model *model = call->model;
    struct predict_span span = predict_tile_span(call, index);
    size_t first = span.first;
    struct tile tile = {.first = first, .rows = span.rows};
    const struct scaler_rows inputs = {.n = tile.rows,
                                       .k = model->d,
                                       .v = call->req->x + first * (size_t)model->d,
                                       .first_row = first,
                                       .names = model->input_names};
    if (tile_init(&tile, call, scratch, err) != ERR_OK ||
        model_scale_inputs(model, &inputs, tile.z, err) != ERR_OK) {
        return err->code;
    }
    const struct plan_tile planned = {.rows = (int)tile.rows, .scratch = tile.scratch};
    plan_load(&model->plan, &planned, tile.z);
    if (call->req->samples_alone) {
        tile_samples(call, &planned, &tile);
    } else {
        tile_draws(call, &planned, &tile);
    }
    return ERR_OK;
}
