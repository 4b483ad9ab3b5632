/* SPDX-License-Identifier: Apache-2.0 */
#include "base/par.h"
#include "explore/pareto.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define GENERATIONS_SHARE 4 /* a draw begins with the front, and needs fewer generations */
#define MIN_GENERATIONS   10

struct fronts {
    const struct region *region;
    const struct pareto_spec *spec;
    const struct pareto_front *front;
    struct pareto_front *list; /* [n] of the draws, in arenas of their own */
    struct arena *arenas;      /* [n] */
};

static enum err_code run_draw(void *ctx, int worker, int task, struct err *err)
{
    struct fronts *fronts = ctx;
    struct pareto_spec spec = *fronts->spec;
    int generations = spec.generations / GENERATIONS_SHARE;
    spec.terms.n_threads = 1;
    const struct terms_draw draw = {.terms = &spec.terms, .draw = task, .seed = spec.seed};
    spec.draw = &draw;
    spec.generations = generations > MIN_GENERATIONS ? generations : MIN_GENERATIONS;
    spec.n_start = fronts->front->n < spec.population ? fronts->front->n : spec.population;
    spec.start = fronts->front->x;
    return pareto_run(fronts->region, &spec, &fronts->arenas[task], &fronts->list[task], err);
}

/* ---- the nearest points ---- */

/* The largest and smallest of each objective on a front, apart. */
static void find_spans(const struct pareto_front *front, const struct terms *terms, double *spans)
{
    for (int t = 0; t < terms->n_objectives; t++) {
        double low = DBL_MAX;
        double high = -DBL_MAX;
        for (int i = 0; i < front->n; i++) {
            double value = front->values[i * terms->n + t];
            low = fmin(low, value);
            high = fmax(high, value);
        }
        spans[t] = high > low ? high - low : 1.0;
    }
}

static int nearest(const struct pareto_front *front, const struct terms *terms, const double *spans,
                   const double *values)
{
    int found = 0;
    double closest = DBL_MAX;
    for (int i = 0; i < front->n; i++) {
        double square = 0.0;
        for (int t = 0; t < terms->n_objectives; t++) {
            double gap = (front->values[i * terms->n + t] - values[t]) / spans[t];
            square += gap * gap;
        }
        found = square < closest ? i : found;
        closest = fmin(square, closest);
    }
    return found;
}

/* Adds number k to a mean and a sum of squared deviations. */
static void add(int k, size_t n, const double *from, double *mean, double *square)
{
    for (size_t c = 0; c < n; c++) {
        double gap = from[c] - mean[c];
        mean[c] += gap / (k + 1);
        square[c] += gap * (from[c] - mean[c]);
    }
}

static void summarise(const struct fronts *fronts, struct pareto_spread *out)
{
    const struct terms *terms = &fronts->spec->terms;
    size_t goals = (size_t)terms->n_objectives;
    size_t d = (size_t)fronts->region->d;
    double spans[PARETO_MAX_OBJECTIVES];
    find_spans(fronts->front, terms, spans);
    for (int i = 0; i < fronts->front->n; i++) {
        const double *here = fronts->front->values + i * terms->n;
        size_t at = (size_t)i;
        for (int k = 0; k < out->n_draws; k++) {
            const struct pareto_front *draw = &out->draws[k];
            size_t near = (size_t)nearest(draw, terms, spans, here);
            add(k, goals, draw->values + near * (size_t)terms->n, out->values_mean + at * goals,
                out->values_std + at * goals);
            add(k, d, draw->x + near * d, out->inputs_mean + at * d, out->inputs_std + at * d);
        }
        for (size_t c = 0; c < goals; c++) {
            double *std = &out->values_std[at * goals + c];
            *std = out->n_draws > 1 ? sqrt(*std / (out->n_draws - 1)) : 0.0;
        }
        for (size_t c = 0; c < d; c++) {
            double *std = &out->inputs_std[at * d + c];
            *std = out->n_draws > 1 ? sqrt(*std / (out->n_draws - 1)) : 0.0;
        }
    }
}

/* ---- all of it ---- */

static enum err_code copy_front(const struct pareto_front *from, size_t d, size_t n_terms,
                                struct arena *arena, struct pareto_front *to, struct err *err)
{
    size_t n = (size_t)from->n;
    *to = (struct pareto_front){.n = from->n};
    to->x = arena_alloc_array(arena, n * d, sizeof *to->x);
    to->values = arena_alloc_array(arena, n * n_terms, sizeof *to->values);
    if (to->x == NULL || to->values == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the fronts of draws");
    }
    memcpy(to->x, from->x, n * d * sizeof *to->x);
    memcpy(to->values, from->values, n * n_terms * sizeof *to->values);
    return ERR_OK;
}

static enum err_code take_fronts(const struct fronts *fronts, int n, struct arena *arena,
                                 struct pareto_spread *out, struct err *err)
{
    size_t rows = (size_t)fronts->front->n;
    size_t goals = (size_t)fronts->spec->terms.n_objectives;
    size_t d = (size_t)fronts->region->d;
    out->draws = arena_alloc_array(arena, (size_t)n + 1, sizeof *out->draws);
    out->values_mean = arena_zalloc_array(arena, 2 * rows * (goals + d) + 1, sizeof(double));
    if (out->draws == NULL || out->values_mean == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the fronts of draws");
    }
    out->values_std = out->values_mean + rows * goals;
    out->inputs_mean = out->values_std + rows * goals;
    out->inputs_std = out->inputs_mean + rows * d;
    for (int k = 0; k < n; k++) {
        if (fronts->list[k].n == 0) {
            out->n_failed++;
        } else if (copy_front(&fronts->list[k], d, (size_t)fronts->spec->terms.n, arena,
                              &out->draws[out->n_draws], err) == ERR_OK) {
            out->n_draws++;
        } else {
            return err->code;
        }
    }
    summarise(fronts, out);
    return ERR_OK;
}

enum err_code pareto_draws(const struct region *region, const struct pareto_spec *spec,
                           const struct pareto_front *front, struct arena *arena,
                           struct pareto_spread *out, struct err *err)
{
    struct pareto_spread made = {.n_draws = 0};
    struct fronts fronts = {.region = region, .spec = spec, .front = front};
    int n = spec->n_draws < spec->terms.model->m ? spec->n_draws : spec->terms.model->m;
    if (spec->n_draws < 0 || spec->n_draws > PARETO_MAX_DRAWS) {
        return err_set(err, ERR_LIMIT, "draws must be from 0 to %d for several objectives",
                       PARETO_MAX_DRAWS);
    }
    fronts.list = arena_zalloc_array(arena, (size_t)n + 1, sizeof *fronts.list);
    fronts.arenas = arena_zalloc_array(arena, (size_t)n + 1, sizeof *fronts.arenas);
    if (fronts.list == NULL || fronts.arenas == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the fronts of draws");
    }
    if (par_run(spec->terms.n_threads, n, run_draw, &fronts, err) == ERR_OK &&
        take_fronts(&fronts, n, arena, &made, err) == ERR_OK) {
        *out = made;
    }
    for (int k = 0; k < n; k++) {
        arena_release(&fronts.arenas[k]);
    }
    return err->code;
}
