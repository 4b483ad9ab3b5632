/* SPDX-License-Identifier: Apache-2.0 */
#include "losses/gradient_check.h"

#include "base/mem.h"

#include <math.h>

struct check {
    gradient_check_fn *fn;
    void *ctx;
    int n;
    const double *at; /* [n], as are the next three */
    double *grad;
    double *moved;
    double *v;
};

static double value_along(const struct check *check, double h)
{
    for (int k = 0; k < check->n; k++) {
        check->moved[k] = check->at[k] + h * check->v[k];
    }
    return check->fn(check->ctx, check->moved, NULL);
}

static void draw_direction(const struct check *check, struct rng *rng)
{
    double sum = 0.0;
    for (int k = 0; k < check->n; k++) {
        check->v[k] = rng_normal(rng);
        sum += check->v[k] * check->v[k];
    }
    for (int k = 0; k < check->n; k++) {
        check->v[k] /= sqrt(sum);
    }
}

/* The smallest error over the steps. */
static double error_along(const struct check *check)
{
    static const double steps[] = {1e-2, 1e-3, 1e-4, 1e-5, 1e-6};
    double along = 0.0;
    double norm = 0.0;
    double best = INFINITY;
    for (int k = 0; k < check->n; k++) {
        along += check->grad[k] * check->v[k];
        norm += check->grad[k] * check->grad[k];
    }
    if (!isfinite(norm)) {
        return NAN;
    }
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        double h = steps[i];
        double slope = (value_along(check, h) - value_along(check, -h)) / (2.0 * h);
        /* Of a gradient that is 0 the difference itself counts. */
        double scale = norm > 0.0 ? sqrt(norm / (double)check->n) : 1.0;
        best = fmin(best, fabs(along - slope) / scale);
    }
    return isfinite(best) ? best : (double)NAN;
}

enum err_code gradient_check(gradient_check_fn *fn, void *ctx, int n, const double *w,
                             struct rng *rng, double *error, struct err *err)
{
    size_t k = (size_t)n;
    double *memory = mem_alloc_array(3 * k, sizeof *memory);
    if (memory == NULL) {
        return err_set(err, ERR_NOMEM, "no memory to check a gradient of %d parameters", n);
    }
    const struct check check = {.fn = fn,
                                .ctx = ctx,
                                .n = n,
                                .at = w,
                                .grad = memory,
                                .moved = memory + k,
                                .v = memory + 2 * k};
    double worst = 0.0;
    fn(ctx, w, check.grad);
    for (int i = 0; i < GRADIENT_CHECK_DIRECTIONS; i++) {
        draw_direction(&check, rng);
        double found = error_along(&check);
        worst = found > worst || isnan(found) ? found : worst;
    }
    mem_free(memory);
    *error = worst;
    return ERR_OK;
}
