/* SPDX-License-Identifier: Apache-2.0 */
/* Small problems for the solvers with Gaussian posteriors, and dense algebra of the tests' own. */
#ifndef GAUSSIAN_PROBLEM_H
#define GAUSSIAN_PROBLEM_H

#include <check.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "math/gemm.h"
#include "solve/solver.h"

/* ---- dense algebra of its own: Gauss-Jordan ---- */

/* a [n x n] -> inverse in place of a positive definite matrix; log det. */
static inline double invert(int n, double *a)
{
    double logdet = 0.0;
    for (int p = 0; p < n; p++) {
        double pivot = a[p * n + p];
        ck_assert_double_gt(pivot, 0.0);
        logdet += log(pivot);
        a[p * n + p] = 1.0;
        for (int j = 0; j < n; j++) {
            a[p * n + j] /= pivot;
        }
        for (int i = 0; i < n; i++) {
            double factor = a[i * n + p];
            if (i == p) {
                continue;
            }
            a[i * n + p] = 0.0;
            for (int j = 0; j < n; j++) {
                a[i * n + j] -= factor * a[p * n + j];
            }
        }
    }
    return logdet;
}

/* Covariance of parameters i, j of a member. */
static inline double covariance(const struct gauss *g, int i, int j)
{
    double sum = g->std != NULL && i == j ? g->std[i] * g->std[i] : 0.0;
    for (int k = 0; k < g->rank; k++) {
        sum += g->factor[i * g->rank + k] * g->factor[j * g->rank + k];
    }
    return sum;
}

/* The features of a linear model: n rows of p. */
struct design {
    int n, p;
    const double *x; /* [n x p] */
};

/* log N(y; 0, noise^2 I + X diag(prior^2) X'). */
static inline double log_marginal(struct design design, const double *y, double noise,
                                  const double *prior)
{
    int n = design.n;
    int p = design.p;
    const double *x = design.x;
    double *c = mem_zalloc_array((size_t)n * (size_t)n, sizeof *c);
    double value = -0.5 * n * log(2.0 * acos(-1.0));
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
            c[i * n + j] = i == j ? noise * noise : 0.0;
            for (int k = 0; k < p; k++) {
                c[i * n + j] += x[i * p + k] * prior[k] * prior[k] * x[j * p + k];
            }
        }
    }
    value -= 0.5 * invert(n, c);
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
            value -= 0.5 * y[i] * c[i * n + j] * y[j];
        }
    }
    mem_free(c);
    return value;
}

/* ---- a problem ---- */

#define N    60
#define KEPT 20

struct problem {
    struct resnet net;
    struct solver_problem uq;
    struct solver_settings settings;
    double x[2 * (N + KEPT)], y[2 * (N + KEPT)];
    double prior[512], sigmas[2];
};

static inline void problem_init(struct problem *p, const struct arch *arch, enum solver_kind kind)
{
    struct err err = ERR_INIT;
    struct rng rng;
    int d = arch->inputs;
    int o = arch->outputs;
    memset(p, 0, sizeof *p);
    ck_assert_int_eq(resnet_init(&p->net, arch, &err), ERR_OK);
    ck_assert_int_le(p->net.n_params, 512);
    rng_init(&rng, 11, RNG_TEST, 0);
    for (int i = 0; i < N + KEPT; i++) {
        double a = p->x[d * i] = 2.0 * rng_uniform(&rng) - 1.0;
        double b = d > 1 ? (p->x[d * i + 1] = 2.0 * rng_uniform(&rng) - 1.0) : 0.0;
        p->y[o * i] = 0.4 + sin(2.0 * a) + 0.5 * b + 0.1 * rng_normal(&rng);
        if (o > 1) {
            p->y[o * i + 1] = a * b - 0.3 + 0.05 * rng_normal(&rng);
        }
    }
    for (int k = 0; k < p->net.n_params; k++) {
        p->prior[k] = 0.8 + 0.1 * (k % 5);
    }
    p->sigmas[0] = 0.1;
    p->sigmas[1] = 0.05;
    p->uq = (struct solver_problem){
        .net = &p->net,
        .train = {.n = N, .d = d, .o = o, .x = p->x, .y = p->y},
        .validation = {.n = KEPT, .d = d, .o = o, .x = p->x + N * d, .y = p->y + N * o},
        .beliefs = {.noise = NOISE_LEARNED, .prior_sigmas = p->prior},
        .seed = 3,
        .n_threads = 1,
    };
    p->settings = solver_defaults(kind);
}

static inline void give_noise(struct problem *p)
{
    p->uq.beliefs.noise = NOISE_GIVEN;
    p->uq.beliefs.noise_sigmas = p->sigmas;
}

/* A network with two inputs and outputs. */
static inline struct arch two_by_two(void)
{
    struct arch arch = arch_default(2, 2);
    arch.width = 5;
    arch.layers = 1;
    return arch;
}

/* y = W x + b: linear in all its parameters. */
static inline struct arch linear(int d)
{
    struct arch arch = arch_default(d, d);
    arch.width = d;
    arch.layers = 0;
    arch.basis = WPFN_CONSTANT;
    arch.activation = ACT_IDENTITY;
    arch.residual = false;
    arch.layer_pre = false;
    arch.layer_post = false;
    return arch;
}

static inline const double *reported(const struct solver_result *result, const char *name, int n)
{
    const struct report_item *item = report_find(&result->report, name);
    ck_assert_ptr_nonnull(item);
    ck_assert_int_eq(item->n, n);
    return item->values;
}

#endif
