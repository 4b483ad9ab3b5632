/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The probability that a run goes beyond a limit: by plain Monte Carlo, by subset simulation
 * (failure_subset.c) or by importance sampling (failure_importance.c). The reliability index is
 * beta = -Phi^-1(p).
 *
 * Where N points of all replicates show no failure, the error of the estimate cannot be estimated.
 * The interval then ends at a bound below which the probability is with 95 % confidence, since more
 * than 3/N of the distribution of these points would have shown itself:
 *
 *   monte_carlo   3/N, also from 1 where no point succeeded
 *   subset        3/N of the first levels, whose points are plain Monte Carlo; the later levels
 *                 bound nothing, as a failure region may be where no level leads
 *   importance    3 W/N, with W the largest weight that a point can have
 */
#include "analyse/failure.h"

#include "math/normal.h"

#include <math.h>
#include <string.h>

#define NONE_SEEN 3.0 /* -ln 0.05, rounded up */

static double failure_rows(const struct analysis *a)
{
    double levels = a->spec->method == ANALYSE_SUBSET ? 5.0 : 1.0; /* a guess for rare failures */
    return levels * a->spec->n;
}

static enum err_code failure_check(const struct analysis *a, struct err *err)
{
    const struct analyse_spec *spec = a->spec;
    if (spec->n_limits < 1 || spec->n_limits > ANALYSE_MAX_LEVELS) {
        return err_set(err, ERR_INVALID, "%d limits, 1 to %d are possible", spec->n_limits,
                       ANALYSE_MAX_LEVELS);
    }
    for (int i = 0; i < spec->n_limits; i++) {
        if (!isfinite(spec->limits[i].value)) {
            return err_set(err, ERR_NONFINITE, "limits[%d] is not finite", i);
        }
    }
    if (spec->method == ANALYSE_SUBSET && spec->n % FAILURE_SUBSET_SHARE != 0) {
        return err_set(err, ERR_INVALID, "points is %d, subset simulation needs a multiple of %d",
                       spec->n, FAILURE_SUBSET_SHARE);
    }
    return ERR_OK;
}

static enum err_code failure_plan(struct analysis *a, struct err *err)
{
    bool ok = true;
    analysis_add_table(a, "probability", 0, NULL, &ok);
    analysis_add_table(a, "reliability_index", 0, NULL, &ok);
    a->n_statistics = 1;
    return ok ? ERR_OK : err_set(err, ERR_NOMEM, "no memory for an analysis");
}

static enum err_code failure_prepare(struct analysis *a, struct err *err)
{
    struct failure_mixture *mixture = arena_zalloc_array(a->arena, 1, sizeof *mixture);
    if (mixture == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for an analysis");
    }
    a->own = mixture;
    return a->spec->method == ANALYSE_IMPORTANCE ? failure_mixture_find(a, mixture, err) : ERR_OK;
}

/* ---- margins ---- */

static double margin(const struct analyse_spec *spec, const double *y)
{
    double g = INFINITY;
    for (int i = 0; i < spec->n_limits; i++) {
        const struct analyse_limit *limit = &spec->limits[i];
        double of = y[limit->output] - limit->value;
        g = fmin(g, limit->above ? -of : of);
    }
    return g;
}

static void rows_from_normals(const struct analysis *a, int n, const double *z, double *x)
{
    size_t d = (size_t)a->field->d;
    for (size_t i = 0; i < (size_t)n; i++) {
        for (size_t b = 0, at = 0; b < d; b++) {
            const struct law *law = &a->run->laws[b];
            x[i * d + b] = law_is_fixed(law)
                               ? law->fixed
                               : law_from_normal(law, z[i * (size_t)a->n_free + at++]);
        }
    }
}

enum err_code failure_margins(const struct analysis *a, const struct failure_points *points,
                              struct arena *scratch, double *g, struct err *err)
{
    size_t o = (size_t)a->field->o;
    size_t all = (size_t)points->m * (size_t)points->n;
    double *x = arena_alloc_array(scratch, (size_t)points->n * (size_t)a->field->d, sizeof *x);
    double *y = arena_alloc_array(scratch, all * o, sizeof *y);
    const struct field_rows rows = {.first = points->first, .m = points->m, .n = points->n, .x = x};
    if (x == NULL || y == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for an analysis");
    }
    if (cancel_is_requested(a->run->terms.cancel)) {
        return err_set(err, ERR_CANCELLED, "cancelled in an analysis");
    }
    rows_from_normals(a, points->n, points->z, x);
    if (a->field->ops->values(a->field, &rows, scratch, y, err) == ERR_OK) {
        for (size_t i = 0; i < all; i++) {
            g[i] = margin(a->spec, y + i * o);
        }
    }
    arena_clear(scratch);
    return err->code;
}

/* ---- a replicate ---- */

static enum err_code monte_carlo(const struct analysis *a, int replicate, struct arena *scratch,
                                 double *p, struct err *err)
{
    size_t k = (size_t)a->n_free;
    size_t m = (size_t)a->field->m;
    int block = analysis_block(a, a->spec->n, 1);
    struct points points = {.dims = 0};
    struct arena inner = ARENA_INIT;
    double *z = arena_alloc_array(scratch, (size_t)block * k, sizeof *z);
    double *g = arena_alloc_array(scratch, (size_t)block * m, sizeof *g);
    if (z == NULL || g == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for an analysis");
    }
    err_kept(points_init(&points, a->spec->seed, replicate, a->n_free, err));
    memset(p, 0, m * sizeof *p);
    for (int first = 0; first < a->spec->n && err->code == ERR_OK; first += block) {
        int n = a->spec->n - first < block ? a->spec->n - first : block;
        const struct failure_points at = {.m = (int)m, .n = n, .z = z};
        points_next(&points, n, z);
        for (size_t i = 0; i < (size_t)n * k; i++) {
            z[i] = normal_quantile(z[i]);
        }
        if (failure_margins(a, &at, &inner, g, err) == ERR_OK) {
            for (size_t i = 0; i < m * (size_t)n; i++) {
                p[i / (size_t)n] += g[i] < 0.0 ? 1.0 / a->spec->n : 0.0;
            }
        }
    }
    points_release(&points);
    arena_release(&inner);
    return err->code;
}

static enum err_code failure_replicate(const struct analysis *a, int replicate,
                                       struct arena *scratch, double *out, struct err *err)
{
    const struct failure_subset subset = {
        .a = a, .replicate = replicate, .first = 0, .m = a->field->m};
    switch (a->spec->method) {
    case ANALYSE_SUBSET:
        return failure_subset_run(&subset, scratch, out, err);
    case ANALYSE_IMPORTANCE:
        return failure_mixture_run(a, a->own, replicate, scratch, out, err);
    case ANALYSE_MONTE_CARLO:
        break;
    }
    return monte_carlo(a, replicate, scratch, out, err);
}

static enum err_code failure_finish(const struct analysis *a, int draw, const double *s,
                                    double *numbers, struct err *err)
{
    bool inside = s[0] > 0.0 && s[0] < 1.0;
    (void)a;
    (void)draw;
    numbers[0] = s[0];
    numbers[1] = inside ? -normal_quantile(s[0]) : NAN;
    return err->code;
}

static void failure_mend(const struct analysis *a, struct analyse_result *result)
{
    double room = NONE_SEEN / ((double)a->spec->n * a->replicates);
    double p = result->estimate[0];
    if (a->spec->method == ANALYSE_IMPORTANCE) {
        room *= failure_max_weight(a->own);
    }
    if (p == 0.0) {
        result->upper[0] += room;
    } else if (p == 1.0 && a->spec->method != ANALYSE_IMPORTANCE) {
        result->lower[0] -= room;
    }
    result->lower[0] = fmax(result->lower[0], 0.0);
    result->upper[0] = fmin(result->upper[0], 1.0);
}

const struct analyse_ops analyse_failure_ops = {.points = 1000,
                                                .check = failure_check,
                                                .plan = failure_plan,
                                                .prepare = failure_prepare,
                                                .replicate = failure_replicate,
                                                .finish = failure_finish,
                                                .rows = failure_rows,
                                                .mend = failure_mend};
