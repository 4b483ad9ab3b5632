/* SPDX-License-Identifier: Apache-2.0 */
#include "calib.h"

#include "mem.h"
#include "predict.h"

#include <math.h>
#include <string.h>

#define BLOCK_ROWS 4096

/* Takes the predictions of rows first .. first + n - 1. */
typedef void block_fn(void *ctx, const struct predict_result *f, const double *y, int n);

/* Predicts the rows block by block. */
static enum err_code for_blocks(const struct model *model, const struct data *rows, unsigned want,
                                int n_threads, block_fn *fn, void *ctx, struct err *err)
{
    struct arena arena = ARENA_INIT;
    if (rows->n < 1) {
        return err_set(err, ERR_INVALID, "there are no rows to score on");
    }
    for (int first = 0; first < rows->n; first += BLOCK_ROWS) {
        int n = rows->n - first < BLOCK_ROWS ? rows->n - first : BLOCK_ROWS;
        struct predict_result result;
        struct predict_request req = {.n = n,
                                      .x = rows->x + (size_t)first * (size_t)rows->d,
                                      .want = want,
                                      .n_threads = n_threads};
        if (predict_run(model, &req, &arena, &result, err) != ERR_OK) {
            break;
        }
        fn(ctx, &result, rows->y + (size_t)first * (size_t)rows->o, n);
        arena_clear(&arena);
    }
    arena_release(&arena);
    return err->code;
}

struct sums {
    size_t o;
    const double *output_range;
    double *square;  /* [o] sum of (f - y)^2 */
    double relative; /* sum of ||f - y|| / ||y||, scaled */
};

static void add_errors(void *ctx, const struct predict_result *f, const double *y, int n)
{
    struct sums *sums = ctx;
    for (size_t i = 0; i < (size_t)n; i++) {
        double above = 0.0;
        double below = 0.0;
        for (size_t j = 0; j < sums->o; j++) {
            double low = sums->output_range[2 * j];
            double high = sums->output_range[2 * j + 1];
            double unit = high > low ? high - low : 1.0;
            double residual = f->mean[i * sums->o + j] - y[i * sums->o + j];
            double target = (y[i * sums->o + j] - low) / unit;
            sums->square[j] += residual * residual;
            above += residual * residual / (unit * unit);
            below += target * target;
        }
        sums->relative += below > 0.0 ? sqrt(above / below) : sqrt(above);
    }
}

enum err_code calib_score(const struct model *model, const struct data *rows,
                          const double *output_range, int n_threads, struct scores *out,
                          struct err *err)
{
    size_t o = (size_t)model->o;
    out->rmse = mem_zalloc_array(o, sizeof *out->rmse);
    out->output_range = mem_dup(output_range, 2 * o * sizeof *output_range);
    if (out->rmse == NULL || out->output_range == NULL) {
        scores_release(out);
        return err_set(err, ERR_NOMEM, "no memory to score a model");
    }
    struct sums sums = {.o = o, .output_range = output_range, .square = out->rmse};
    if (for_blocks(model, rows, PREDICT_MEAN | PREDICT_VARIANCE, n_threads, add_errors, &sums,
                   err) != ERR_OK) {
        scores_release(out);
        return err->code;
    }
    for (size_t j = 0; j < o; j++) {
        out->rmse[j] = sqrt(out->rmse[j] / (double)rows->n);
    }
    out->relative_error = sums.relative / (double)rows->n;
    out->n_rows = rows->n;
    return ERR_OK;
}

struct excess {
    size_t o;
    double *sum; /* [o] of (f - y)^2 - variance */
};

static void add_excess(void *ctx, const struct predict_result *f, const double *y, int n)
{
    struct excess *excess = ctx;
    for (size_t c = 0; c < (size_t)n * excess->o; c++) {
        double residual = f->mean[c] - y[c];
        excess->sum[c % excess->o] += residual * residual - f->variance[c];
    }
}

enum err_code calib_noise(const struct model *model, const struct data *rows, int n_threads,
                          double *sigma, struct err *err)
{
    struct excess excess = {.o = (size_t)model->o, .sum = sigma};
    memset(sigma, 0, excess.o * sizeof *sigma);
    if (for_blocks(model, rows, PREDICT_MEAN | PREDICT_VARIANCE, n_threads, add_excess, &excess,
                   err) == ERR_OK) {
        for (size_t j = 0; j < excess.o; j++) {
            sigma[j] = sqrt(fmax(0.0, sigma[j] / (double)rows->n));
        }
    }
    return err->code;
}
