/* SPDX-License-Identifier: Apache-2.0 */
#include "losses/gradient_check.h"

#include "base/mem.h"

#include <math.h>

struct work {
    const struct gradient_check *check;
    double *grad; /* [n], as are the next two */
    double *moved;
    double *v;
};

static double value_along(const struct work *work, double h)
{
    const struct gradient_check *check = work->check;
    for (int k = 0; k < check->n; k++) {
        work->moved[k] = check->w[k] + h * work->v[k];
    }
    return check->fn(check->ctx, work->moved, NULL);
}

static void draw_direction(const struct work *work, struct rng *rng)
{
    double sum = 0.0;
    for (int k = 0; k < work->check->n; k++) {
        work->v[k] = rng_normal(rng);
        sum += work->v[k] * work->v[k];
    }
    for (int k = 0; k < work->check->n; k++) {
        work->v[k] /= sqrt(sum);
    }
}

/* The smallest error over the steps. */
static double error_along(const struct work *work)
{
    static const double steps[] = {1e-2, 1e-3, 1e-4, 1e-5, 1e-6};
    double along = 0.0;
    double norm = 0.0;
    double best = INFINITY;
    for (int k = 0; k < work->check->n; k++) {
        along += work->grad[k] * work->v[k];
        norm += work->grad[k] * work->grad[k];
    }
    if (!isfinite(norm)) {
        return NAN;
    }
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        double h = steps[i];
        double slope = (value_along(work, h) - value_along(work, -h)) / (2.0 * h);
        /* Of a gradient that is 0 the difference itself counts. */
        double scale = norm > 0.0 ? sqrt(norm / (double)work->check->n) : 1.0;
        best = fmin(best, fabs(along - slope) / scale);
    }
    return isfinite(best) ? best : (double)NAN;
}

enum err_code gradient_check_run(const struct gradient_check *check, struct rng *rng, double *error,
                                 struct err *err)
{
    size_t n = (size_t)check->n;
    double *memory = mem_alloc_array(3 * n, sizeof *memory);
    if (memory == NULL) {
        return err_set(err, ERR_NOMEM, "no memory to check a gradient of %d parameters", check->n);
    }
    const struct work work = {
        .check = check, .grad = memory, .moved = memory + n, .v = memory + 2 * n};
    double worst = 0.0;
    check->fn(check->ctx, check->w, work.grad);
    for (int i = 0; i < GRADIENT_CHECK_DIRECTIONS; i++) {
        draw_direction(&work, rng);
        double found = error_along(&work);
        worst = found > worst || isnan(found) ? found : worst;
    }
    mem_free(memory);
    *error = worst;
    return ERR_OK;
}
