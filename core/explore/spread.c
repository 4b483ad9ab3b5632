/* SPDX-License-Identifier: Apache-2.0 */
#include "explore/spread.h"

#include "base/par.h"
#include "predict/predict_linear_priv.h"

#include <math.h>
#include <string.h>

#define LINEAR_BLOCK 64 /* rows of a closed form whose factors are made at a time */

double spread_dot(const double *a, const double *b, size_t n)
{
    double sum[4] = {0.0, 0.0, 0.0, 0.0};
    size_t k = 0;
    for (; k + 4 <= n; k += 4) {
        for (size_t q = 0; q < 4; q++) {
            sum[q] += a[k + q] * b[k + q];
        }
    }
    for (; k < n; k++) {
        sum[0] += a[k] * b[k];
    }
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

size_t spread_width(const struct model *model)
{
    if (!predict_is_linear(model)) {
        return (size_t)model->m;
    }
    size_t members = (size_t)model->gaussian.n_members;
    return members * (predict_linear_extent(&model->gaussian).width + (members > 1 ? 1 : 0));
}

/* ---- from draws ---- */

static enum err_code fill_drawn(const struct model *model, const struct spread_points *points,
                                struct arena *arena, struct spread *out, struct err *err)
{
    struct predict_result result;
    size_t all = (size_t)model->o;
    size_t n = (size_t)points->n;
    double scale = model->m > 1 ? 1.0 / sqrt(model->m - 1.0) : 0.0;
    const struct predict_request req = {.n = points->n,
                                        .x = points->x,
                                        .want = PREDICT_SAMPLES,
                                        .n_samples = model->m,
                                        .seed = SPREAD_DRAWS_SEED,
                                        .n_threads = points->n_threads,
                                        .cancel = points->cancel};
    if (predict_run(model, &req, arena, &result, err) != ERR_OK) {
        return err->code;
    }
    for (size_t i = 0; i < n; i++) {
        for (int q = 0; q < out->o; q++) {
            size_t output = (size_t)points->outputs[q];
            double *row = spread_row(out, (int)i, q);
            double mean = result.mean[i * all + output];
            out->mean[i * (size_t)out->o + (size_t)q] = mean;
            for (size_t j = 0; j < out->width; j++) {
                row[j] = scale * (result.samples[(j * n + i) * all + output] - mean);
            }
        }
    }
    return ERR_OK;
}

/* ---- in closed form ---- */

/* Takes the factors that a call keeps of each row: [M x o x n x (width + 1)], W and the mean. */
static void take_factors(const struct predict_call *call, const struct spread_points *points,
                         int first, struct spread *out)
{
    const struct model *model = call->model;
    size_t members = (size_t)model->gaussian.n_members;
    size_t width = predict_linear_extent(&model->gaussian).width;
    size_t n = (size_t)call->req->n;
    double scale = 1.0 / sqrt((double)members);
    for (size_t i = 0; i < n; i++) {
        for (int q = 0; q < out->o; q++) {
            size_t output = (size_t)points->outputs[q];
            double unit = ldexp(1.0, model_exponent(model, (int)output));
            double mean = call->out->mean[i * (size_t)model->o + output];
            double *row = spread_row(out, first + (int)i, q);
            for (size_t k = 0; k < members; k++) {
                const double *from =
                    call->values + ((k * (size_t)model->o + output) * n + i) * (width + 1);
                for (size_t c = 0; c < width; c++) {
                    *row++ = scale * unit * from[c];
                }
                if (members > 1) {
                    *row++ = scale * unit * (from[width] - mean);
                }
            }
            out->mean[((size_t)first + i) * (size_t)out->o + (size_t)q] = unit * mean;
        }
    }
}

static enum err_code fill_block(const struct model *model, const struct spread_points *points,
                                int first, struct spread *out, struct err *err)
{
    struct arena arena = ARENA_INIT;
    struct arena scratch = ARENA_INIT;
    struct predict_call call;
    struct predict_result result;
    int left = points->n - first;
    const struct predict_request req = {.n = left < LINEAR_BLOCK ? left : LINEAR_BLOCK,
                                        .x = points->x + (size_t)first * (size_t)model->d,
                                        .want = PREDICT_COVARIANCE_ROWS,
                                        .first_row = first};
    if (cancel_is_requested(points->cancel)) {
        return err_set(err, ERR_CANCELLED, "the search was cancelled");
    }
    if (predict_begin(&call, model, &req, &arena, &result, err) == ERR_OK) {
        for (int tile = 0; tile < call.n_tiles && err->code == ERR_OK; tile++) {
            err_kept(predict_tile(&call, tile, &scratch, err));
            arena_clear(&scratch);
        }
        if (err->code == ERR_OK) {
            take_factors(&call, points, first, out);
        }
    }
    arena_release(&scratch);
    arena_release(&arena);
    return err->code;
}

struct blocks {
    const struct model *model;
    const struct spread_points *points;
    struct spread *out;
};

static enum err_code run_block(void *ctx, int worker, int task, struct err *err)
{
    const struct blocks *blocks = ctx;
    return fill_block(blocks->model, blocks->points, task * LINEAR_BLOCK, blocks->out, err);
}

/* ---- both ---- */

static enum err_code fill_noise(const struct model *model, const struct spread_points *points,
                                struct arena *arena, struct spread *out, struct err *err)
{
    struct predict_result result;
    const struct predict_request req = {.n = points->n,
                                        .x = points->x,
                                        .want = PREDICT_NOISE_VARIANCE,
                                        .n_threads = points->n_threads,
                                        .cancel = points->cancel};
    size_t cells = (size_t)out->n * (size_t)out->o;
    memset(out->noise, 0, cells * sizeof *out->noise);
    if (!model->noise_predicted && !model->noise_of_logs) {
        for (size_t c = 0; model->noise_sigma != NULL && c < cells; c++) {
            double sigma = model->noise_sigma[points->outputs[c % (size_t)out->o]];
            out->noise[c] = sigma * sigma;
        }
        return ERR_OK;
    }
    if (predict_run(model, &req, arena, &result, err) == ERR_OK) {
        for (size_t c = 0; c < cells; c++) {
            int output = points->outputs[c % (size_t)out->o];
            out->noise[c] =
                result.noise_variance[c / (size_t)out->o * (size_t)model->o + (size_t)output];
        }
    }
    return err->code;
}

enum err_code spread_make(const struct model *model, const struct spread_points *points,
                          struct arena *arena, struct spread *out, struct err *err)
{
    struct spread made = {.n = points->n,
                          .o = points->n_outputs,
                          .width = spread_width(model),
                          .drawn = !predict_is_linear(model)};
    if (model->reduction != NULL) {
        return err_set(err, ERR_UNSUPPORTED,
                       "the model's outputs are a field that is decoded from coefficients, for "
                       "which no points are suggested; optimise or analyse single outputs of it");
    }
    size_t cells = (size_t)points->n * (size_t)points->n_outputs;
    if ((double)cells * (double)made.width > (double)SPREAD_MAX_NUMBERS) {
        return err_set(err, ERR_LIMIT,
                       "the covariance of %d points takes more than %zu numbers; use fewer "
                       "candidates or outputs",
                       points->n, SPREAD_MAX_NUMBERS);
    }
    made.mean = arena_alloc_array(arena, cells, sizeof *made.mean);
    made.noise = arena_alloc_array(arena, cells, sizeof *made.noise);
    made.a = arena_alloc_array(arena, cells * made.width, sizeof *made.a);
    if (made.mean == NULL || made.noise == NULL || made.a == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the covariance of points");
    }
    if (made.drawn) {
        err_kept(fill_drawn(model, points, arena, &made, err));
    } else {
        struct blocks blocks = {model, points, &made};
        int n_blocks = (points->n + LINEAR_BLOCK - 1) / LINEAR_BLOCK;
        err_kept(par_run(points->n_threads, n_blocks, run_block, &blocks, err));
    }
    if (err->code == ERR_OK && fill_noise(model, points, arena, &made, err) == ERR_OK) {
        *out = made;
    }
    return err->code;
}

double spread_covariance(const struct spread *spread, int point, int output, int other_point,
                         int other_output)
{
    return spread_dot(spread_row(spread, point, output),
                      spread_row(spread, other_point, other_output), spread->width);
}

enum err_code spread_history_init(struct spread_history *history, size_t width, int room,
                                  struct arena *arena, struct err *err)
{
    *history = (struct spread_history){.room = room};
    history->rows = arena_alloc_array(arena, (size_t)room * width, sizeof *history->rows);
    history->gamma = arena_alloc_array(arena, (size_t)room, sizeof *history->gamma);
    history->step = arena_alloc_array(arena, (size_t)room, sizeof *history->step);
    return history->rows != NULL && history->gamma != NULL && history->step != NULL
               ? ERR_OK
               : err_set(err, ERR_NOMEM, "no memory for the points of a batch");
}

/* Conditions a row on one observation; its product with that is returned. */
static double apply(double *b, const double *row, double gamma, size_t width)
{
    double dot = spread_dot(b, row, width);
    for (size_t k = 0; k < width; k++) {
        b[k] -= gamma * dot * row[k];
    }
    return dot;
}

void spread_observe(struct spread *spread, int point, struct spread_history *history, double *dots)
{
    size_t width = spread->width;
    size_t rows = (size_t)spread->n * (size_t)spread->o;
    for (size_t i = 0; dots != NULL && i < rows; i++) {
        dots[i] = 0.0;
    }
    for (int q = 0; q < spread->o && history->n < history->room; q++) {
        double *row = history->rows + (size_t)history->n * width;
        memcpy(row, spread_row(spread, point, q), width * sizeof *row);
        double square = spread_dot(row, row, width);
        double noise = spread->noise[(size_t)point * (size_t)spread->o + (size_t)q];
        if (!(square > 0.0)) {
            continue;
        }
        noise = noise > SPREAD_NOISE_FLOOR * square ? noise : SPREAD_NOISE_FLOOR * square;
        double gamma = (1.0 - sqrt(noise / (square + noise))) / square;
        for (size_t i = 0; i < rows; i++) {
            double dot = apply(spread->a + i * width, row, gamma, width);
            if (dots != NULL) {
                dots[i] = dot;
            }
        }
        history->gamma[history->n] = gamma;
        history->step[history->n] = 1.0 / sqrt(square + noise);
        history->n++;
    }
}

void spread_condition(struct spread *spread, const struct spread_history *history, double *dots)
{
    size_t width = spread->width;
    size_t rows = (size_t)spread->n * (size_t)spread->o;
    for (int k = 0; k < history->n; k++) {
        const double *row = history->rows + (size_t)k * width;
        for (size_t i = 0; i < rows; i++) {
            double dot = apply(spread->a + i * width, row, history->gamma[k], width);
            if (dots != NULL && i == 0) {
                dots[k] = dot;
            }
        }
    }
}

void spread_condition_back(const struct spread_history *history, size_t width,
                           const double *by_dots, double *by_row)
{
    for (int k = history->n - 1; k >= 0; k--) {
        const double *row = history->rows + (size_t)k * width;
        double by = by_dots != NULL ? by_dots[k] : 0.0;
        by -= history->gamma[k] * spread_dot(by_row, row, width);
        for (size_t c = 0; c < width; c++) {
            by_row[c] += by * row[c];
        }
    }
}
