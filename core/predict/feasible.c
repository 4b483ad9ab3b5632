/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The area under the curve is Mann and Whitney's statistic: of all pairs of a run that succeeded
 * and one that failed, the share in which the first has the higher probability, from the ranks of
 * all probabilities. Equal probabilities share the mean of their ranks, so that a tie counts half.
 */
#include "predict/feasible.h"

#include "base/mem.h"
#include "fit/cross_entropy.h"
#include "math/moments.h"
#include "model/space_rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MIN_PROBABILITY 1e-15 /* in a logarithm: a certain mistake costs 34.5, not infinity */

/* ---- predictions ---- */

enum err_code feasible_check(const struct model *model, const struct predict_request *req,
                             struct err *err)
{
    return !(req->want & PREDICT_FEASIBLE) || model->feasible != NULL
               ? ERR_OK
               : err_set(err, ERR_INVALID,
                         "the model was trained without failed runs, so it does not know whether a "
                         "run succeeds and feasible cannot be returned");
}

double feasible_work(const struct model *model)
{
    const struct model *f = model->feasible;
    return f != NULL ? (double)f->m * (double)f->net.pack_size : 0.0;
}

/* Scratch of a tile. */
struct tile {
    double *wide;   /* [rows x d of the logit] a number for each member of a category; or NULL */
    double *z;      /* [rows x d of the logit] */
    double *values; /* [group x rows] */
    double *p;      /* [rows] of a draw */
    double *mean;   /* [rows] */
    double *m2;     /* [rows] */
    void *scratch;  /* plan_scratch_bytes */
    int group;
};

static enum err_code tile_init(struct tile *tile, const struct model *model, size_t rows,
                               struct arena *arena, struct err *err)
{
    const struct model *f = model->feasible;
    bool ok = true;
    tile->wide = NULL;
    if (model_has_categories(model)) {
        tile->wide = arena_alloc_array(arena, rows * (size_t)f->d, sizeof *tile->wide);
        ok = tile->wide != NULL;
    }
    tile->group = plan_group(&f->plan, (int)rows);
    tile->z = arena_alloc_array(arena, rows * (size_t)f->d, sizeof *tile->z);
    tile->values = arena_alloc_array(arena, (size_t)tile->group * rows, sizeof *tile->values);
    tile->p = arena_alloc_array(arena, 3 * rows, sizeof *tile->p);
    tile->scratch = arena_alloc(arena, plan_scratch_bytes(&f->plan, (int)rows));
    if (!ok || tile->z == NULL || tile->values == NULL || tile->p == NULL ||
        tile->scratch == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a prediction");
    }
    tile->mean = tile->p + rows;
    tile->m2 = tile->mean + rows;
    return ERR_OK;
}

/* tile->mean and tile->m2 over all draws, at rows of the model's inputs. */
static enum err_code eval_rows(const struct model *model, const struct scaler_rows *rows,
                               struct tile *tile, struct err *err)
{
    const struct model *f = model->feasible;
    struct scaler_rows inputs = *rows;
    if (tile->wide != NULL) {
        space_expand(model->space, rows->n, rows->v, tile->wide);
        inputs.k = f->d;
        inputs.v = tile->wide;
    }
    const struct plan_tile planned = {.rows = (int)rows->n, .scratch = tile->scratch};
    if (scaler_apply(f->in, &inputs, tile->z, err) != ERR_OK) {
        return err->code;
    }
    plan_load(&f->plan, &planned, tile->z);
    for (int first = 0; first < f->m; first += tile->group) {
        int n = f->m - first < tile->group ? f->m - first : tile->group;
        plan_eval(&f->plan, &planned, first, n, tile->values);
        for (int j = 0; j < n; j++) {
            for (size_t i = 0; i < rows->n; i++) {
                tile->p[i] = cross_entropy_probability(tile->values[(size_t)j * rows->n + i]);
            }
            moments_add(first + j + 1, rows->n, tile->p, tile->mean, tile->m2);
        }
    }
    moments_finish(f->m, rows->n, tile->m2);
    return ERR_OK;
}

enum err_code feasible_tile(const struct predict_call *call, size_t first, size_t rows,
                            struct arena *scratch, struct err *err)
{
    const struct model *model = call->model;
    const struct scaler_rows inputs = {
        .n = rows, .k = model->d, .v = call->req->x + first * (size_t)model->d, .first_row = first};
    double *mean = call->out->feasible + first;
    double *std = mean + call->req->n;
    struct tile tile;
    if (tile_init(&tile, model, rows, scratch, err) != ERR_OK ||
        eval_rows(model, &inputs, &tile, err) != ERR_OK) {
        return err->code;
    }
    for (size_t i = 0; i < rows; i++) {
        mean[i] = tile.mean[i];
        std[i] = sqrt(tile.m2[i]);
        if (!isfinite(mean[i]) || !isfinite(std[i])) {
            return err_set_at(err, ERR_NUMERIC, (int)(first + i), -1,
                              "the probability of success at row %zu is not finite", first + i);
        }
    }
    return ERR_OK;
}

/* ---- scores ---- */

struct ranked {
    double p;
    bool failed;
};

static int compare(const void *a, const void *b)
{
    double x = ((const struct ranked *)a)->p;
    double y = ((const struct ranked *)b)->p;
    return (x > y) - (x < y);
}

/* The sum of the ranks, from 1, of those that succeeded; equal ones share their mean rank. */
static double rank_sum(const struct ranked *sorted, int n)
{
    double sum = 0.0;
    for (int i = 0; i < n;) {
        int end = i;
        int succeeded = 0;
        while (end < n && !(sorted[end].p > sorted[i].p)) {
            succeeded += !sorted[end++].failed;
        }
        sum += succeeded * 0.5 * (double)(i + 1 + end);
        i = end;
    }
    return sum;
}

enum err_code feasible_score(int n, const double *p, const unsigned char *failed,
                             struct feasible_scores *out, struct err *err)
{
    struct feasible_scores s = {.n = n, .auc = (double)NAN};
    if (n < 1) {
        return err_set(err, ERR_INVALID, "there are no rows to score on");
    }
    struct ranked *ranked = mem_alloc_array((size_t)n, sizeof *ranked);
    if (ranked == NULL) {
        return err_set(err, ERR_NOMEM, "no memory to score %d rows", n);
    }
    for (int i = 0; i < n; i++) {
        bool bad = failed[i] != 0;
        ranked[i] = (struct ranked){p[i], bad};
        s.n_failed += bad;
        s.log_loss -= log(fmax(bad ? 1.0 - p[i] : p[i], MIN_PROBABILITY));
    }
    s.log_loss /= (double)n;
    double good = (double)(n - s.n_failed);
    if (s.n_failed > 0 && s.n_failed < n) {
        qsort(ranked, (size_t)n, sizeof *ranked, compare);
        s.auc = (rank_sum(ranked, n) - 0.5 * good * (good + 1.0)) / (good * (double)s.n_failed);
    }
    mem_free(ranked);
    *out = s;
    return ERR_OK;
}

enum err_code feasible_score_rows(const struct model *model, const struct data *rows,
                                  const unsigned char *failed, const struct cancel *cancel,
                                  struct feasible_scores *out, struct err *err)
{
    struct arena arena = ARENA_INIT;
    double *p = mem_alloc_array((size_t)rows->n, sizeof *p);
    if (p == NULL) {
        err_set(err, ERR_NOMEM, "no memory to score %d rows", rows->n);
    }
    for (int first = 0; first < rows->n && err->code == ERR_OK; first += PLAN_TILE_ROWS) {
        struct tile tile;
        int left = rows->n - first;
        struct scaler_rows inputs = {.n = left < PLAN_TILE_ROWS ? (size_t)left : PLAN_TILE_ROWS,
                                     .k = model->d,
                                     .v = rows->x + (size_t)first * (size_t)model->d,
                                     .first_row = (size_t)first};
        if (cancel_is_requested(cancel)) {
            err_set(err, ERR_CANCELLED, "cancelled while rows were scored");
        } else if (tile_init(&tile, model, inputs.n, &arena, err) == ERR_OK &&
                   eval_rows(model, &inputs, &tile, err) == ERR_OK) {
            memcpy(p + first, tile.mean, inputs.n * sizeof *p);
        }
        arena_clear(&arena);
    }
    if (err->code == ERR_OK) {
        err_kept(feasible_score(rows->n, p, failed, out, err));
    }
    arena_release(&arena);
    mem_free(p);
    return err->code;
}
