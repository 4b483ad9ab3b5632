/* SPDX-License-Identifier: Apache-2.0 */
/*
 * With p the density, g the normal distribution and r the integral, n draws of each,
 *
 *   r <- mean over g of (p/g) / (p/g + r)  /  mean over p of 1 / (p/g + r)
 *
 * which is repeated until it stands. Ratios are relative to their median, which is near r. Even
 * draws fit g, odd ones are compared, so that both halves have draws of all chains.
 */
#include "analyse/calibrate_bridge.h"

#include "base/arena.h"
#include "base/rng.h"
#include "math/linalg.h"
#include "math/moments.h"

#include <math.h>
#include <string.h>

#define MAX_SWEEPS 1000
#define TOLERANCE  1e-10
#define LOG_2_PI   1.8378770664093453

struct normal {
    int n;
    double *mean; /* [n] */
    double *l;    /* [n x n] */
    double *z;    /* [n] */
};

/* False: the covariance is not positive. */
static bool fit_normal(const struct bridge *bridge, struct normal *g)
{
    size_t n = (size_t)g->n;
    size_t half = (size_t)bridge->n / 2;
    memset(g->mean, 0, n * sizeof *g->mean);
    memset(g->l, 0, n * n * sizeof *g->l);
    for (size_t i = 0; i < half; i++) {
        for (size_t b = 0; b < n; b++) {
            g->mean[b] += bridge->q[2 * i * n + b] / (double)half;
        }
    }
    for (size_t i = 0; i < half; i++) {
        const double *q = bridge->q + 2 * i * n;
        for (size_t b = 0; b < n; b++) {
            for (size_t c = 0; c <= b; c++) {
                g->l[b * n + c] += (q[b] - g->mean[b]) * (q[c] - g->mean[c]) / ((double)half - 1.0);
            }
        }
    }
    return linalg_cholesky(g->n, g->l);
}

static double log_normal(const struct normal *g, const double *q)
{
    double sum = 0.0;
    for (int i = 0; i < g->n; i++) {
        double z = q[i] - g->mean[i];
        for (int j = 0; j < i; j++) {
            z -= g->l[i * g->n + j] * g->z[j];
        }
        g->z[i] = z / g->l[i * g->n + i];
        sum += g->z[i] * g->z[i];
    }
    return -0.5 * (sum + linalg_logdet(g->n, g->l) + g->n * LOG_2_PI);
}

static void draw_normal(const struct normal *g, struct rng *rng, double *q)
{
    for (int i = 0; i < g->n; i++) {
        g->z[i] = rng_normal(rng);
    }
    for (int i = 0; i < g->n; i++) {
        q[i] = g->mean[i];
        for (int j = 0; j <= i; j++) {
            q[i] += g->l[i * g->n + j] * g->z[j];
        }
    }
}

/* of_p, of_g [n]: log p/g at draws of each. */
static double iterate(int n, const double *of_p, const double *of_g, double median)
{
    double r = 1.0;
    for (int sweep = 0; sweep < MAX_SWEEPS; sweep++) {
        double above = 0.0;
        double below = 0.0;
        for (int i = 0; i < n; i++) {
            double a = exp(of_g[i] - median);
            above += isfinite(a) ? a / (a + r) : 1.0;
            below += 1.0 / (exp(of_p[i] - median) + r);
        }
        double next = above / below;
        bool stands = fabs(next - r) <= TOLERANCE * next;
        r = next;
        if (stands) {
            break;
        }
    }
    return log(r) + median;
}

enum err_code bridge_log_evidence(const struct bridge *bridge, double *out, struct err *err)
{
    struct arena arena = ARENA_INIT;
    const struct target *target = bridge->target;
    size_t p = (size_t)target->n;
    int n = bridge->n / 2;
    struct rng rng;
    struct normal g = {.n = target->n};
    const double middle = 0.5;
    g.mean = arena_alloc_array(&arena, p, sizeof(double));
    g.l = arena_alloc_array(&arena, p * p, sizeof(double));
    g.z = arena_alloc_array(&arena, p, sizeof(double));
    double *q = arena_alloc_array(&arena, p, sizeof(double));
    double *of_p = arena_alloc_array(&arena, (size_t)n, sizeof(double));
    double *of_g = arena_alloc_array(&arena, (size_t)n, sizeof(double));
    double *sorted = arena_alloc_array(&arena, (size_t)n, sizeof(double));
    *out = NAN;
    if (g.mean == NULL || g.l == NULL || g.z == NULL || q == NULL || of_p == NULL || of_g == NULL ||
        sorted == NULL) {
        err_set(err, ERR_NOMEM, "no memory for an evidence");
    } else if (fit_normal(bridge, &g)) {
        rng_init(&rng, bridge->seed, RNG_ANALYSE, bridge->stream);
        for (int i = 0; i < n; i++) {
            size_t odd = 2 * (size_t)i + 1;
            of_p[i] = bridge->logp[odd] - log_normal(&g, bridge->q + odd * p);
            draw_normal(&g, &rng, q);
            double density = target->logp(target->ctx, q, NULL);
            of_g[i] = isfinite(density) ? density - log_normal(&g, q) : -INFINITY;
        }
        memcpy(sorted, of_p, (size_t)n * sizeof *sorted);
        moments_quantiles(n, sorted, 1, &middle, &g.mean[0]);
        *out = iterate(n, of_p, of_g, g.mean[0]);
    }
    arena_release(&arena);
    return err->code;
}
