/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The maximin design minimises phi = sum over pairs of |x_i - x_k|^-2p, p = 8, which is the
 * criterion of Morris and Mitchell up to a power: for large p the closest pairs decide. Two points
 * exchange one coordinate, which keeps the hypercube Latin; the exchange is kept when phi falls. A
 * step costs the distances of two points, O(n d), and the number of steps is what MAX_WORK allows,
 * so designs of very many points are improved only a little.
 */
#include "explore/lhs.h"

#include "base/mem.h"
#include "base/rng.h"

#include <float.h>
#include <math.h>

#define STEPS_PER_NUMBER 20  /* exchanges for each of the n d numbers */
#define MAX_WORK         3e8 /* multiplications of all steps */

static double distance2(int d, const double *a, const double *b)
{
    double sum = 0.0;
    for (int j = 0; j < d; j++) {
        sum += (a[j] - b[j]) * (a[j] - b[j]);
    }
    return sum;
}

double lhs_min_distance2(int n, int d, const double *x)
{
    double closest = DBL_MAX;
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < i; k++) {
            double here = distance2(d, x + (size_t)i * (size_t)d, x + (size_t)k * (size_t)d);
            closest = here < closest ? here : closest;
        }
    }
    return n > 1 ? closest : 0.0;
}

/* The terms of phi of the points i and k, the one between them left out: an exchange keeps it. */
static double phi_of_two(int n, int d, const double *x, int i, int k)
{
    const double *a = x + (size_t)i * (size_t)d;
    const double *b = x + (size_t)k * (size_t)d;
    double sum = 0.0;
    for (int q = 0; q < n; q++) {
        const double *at = x + (size_t)q * (size_t)d;
        if (q != i && q != k) {
            double from_a = 1.0 / (distance2(d, a, at) + DBL_MIN);
            double from_b = 1.0 / (distance2(d, b, at) + DBL_MIN);
            double a4 = from_a * from_a * from_a * from_a;
            double b4 = from_b * from_b * from_b * from_b;
            sum += a4 * a4 + b4 * b4;
        }
    }
    return sum;
}

static void spread_out(const struct lhs_spec *spec, struct rng *rng, double *x)
{
    int n = spec->n;
    int d = spec->d;
    double steps = (double)STEPS_PER_NUMBER * n * d;
    double affordable = MAX_WORK / (4.0 * n * d);
    steps = steps < affordable ? steps : affordable;
    int64_t n_steps = n > 2 ? (int64_t)ceil(steps) : 0;
    for (int64_t step = 0; step < n_steps && !cancel_is_requested(spec->cancel); step++) {
        int i = (int)rng_below(rng, (uint64_t)n);
        int k = (int)rng_below(rng, (uint64_t)n - 1);
        int j = (int)rng_below(rng, (uint64_t)d);
        k += k >= i;
        double *a = x + (size_t)i * (size_t)d + j;
        double *b = x + (size_t)k * (size_t)d + j;
        double before = phi_of_two(n, d, x, i, k);
        double kept = *a;
        *a = *b;
        *b = kept;
        if (!(phi_of_two(n, d, x, i, k) < before)) {
            *b = *a;
            *a = kept;
        }
    }
}

enum err_code lhs_fill(const struct lhs_spec *spec, double *x, struct err *err)
{
    struct rng rng;
    int n = spec->n;
    int d = spec->d;
    int *order = mem_alloc_array((size_t)n, sizeof *order);
    if (order == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a Latin hypercube");
    }
    rng_init(&rng, spec->seed, RNG_DESIGN, 0);
    for (int j = 0; j < d; j++) {
        rng_permutation(&rng, n, order);
        for (int i = 0; i < n; i++) {
            double at = ((double)order[i] + rng_uniform(&rng)) / n;
            x[(size_t)i * (size_t)d + (size_t)j] = at < 1.0 ? at : 1.0 - DBL_EPSILON;
        }
    }
    if (spec->maximin) {
        spread_out(spec, &rng, x);
    }
    mem_free(order);
    return cancel_is_requested(spec->cancel) ? err_set(err, ERR_CANCELLED, "it was cancelled")
                                             : ERR_OK;
}
