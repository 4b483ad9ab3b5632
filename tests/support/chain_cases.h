/* SPDX-License-Identifier: Apache-2.0 */
/* The small posterior that tests of chains sample, and what they ask of a report. */
#ifndef CHAIN_CASES_H
#define CHAIN_CASES_H

#include "run.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "math/gemm.h"
#include "sample/chain.h"
#include "sample/sampler.h"
#include "solve/logpost.h"
#include "solve/mcmc_report.h"
#include "solve/solver.h"

#define N_ROWS 20
#define K_MAX  64

/* One input, one output, a sine with noise; with two heads when the noise is predicted. */
struct fixture {
    struct resnet net;
    double x[N_ROWS], y[N_ROWS];
    double prior[K_MAX], noise;
    struct solver_problem problem;
    struct solver_settings settings;
};
static inline void fixture_init(struct fixture *f, enum solver_kind kind, enum noise_kind noise)
{
    struct err err = ERR_INIT;
    struct arch arch = arch_default(1, noise == NOISE_PREDICTED ? 2 : 1);
    struct rng rng;
    arch.width = 3;
    arch.layers = 1;
    ck_assert_int_eq(resnet_init(&f->net, &arch, &err), ERR_OK);
    ck_assert_int_le(f->net.n_params, K_MAX);
    rng_init(&rng, 51, RNG_TEST, 0);
    for (int i = 0; i < N_ROWS; i++) {
        f->x[i] = 2.0 * i / (N_ROWS - 1.0) - 1.0;
        f->y[i] = 0.5 * sin(3.0 * f->x[i]) + 0.1 * rng_normal(&rng);
    }
    for (int k = 0; k < K_MAX; k++) {
        f->prior[k] = 1.0;
    }
    f->noise = 0.1;
    f->problem = (struct solver_problem){
        .net = &f->net,
        .train = {.n = N_ROWS, .d = 1, .o = 1, .x = f->x, .y = f->y},
        .validation = {.d = 1, .o = 1},
        .beliefs = {.noise = noise,
                    .noise_sigmas =
                        noise == NOISE_GIVEN || noise == NOISE_ESTIMATED ? &f->noise : NULL,
                    .prior_sigmas = f->prior},
        .seed = 5,
        .n_threads = 1,
    };
    f->settings = solver_defaults(kind);
    f->settings.chains = 3;
    f->settings.draws = 12;
    f->settings.thin = 2;
    f->settings.warmup = 60;
    f->settings.epochs = 4;
    f->settings.leapfrog_steps = 4;
    f->settings.max_depth = 5;
    f->settings.t0 = 10;
    f->settings.tadapt = 20;
}

static inline bool has_warning(const struct report *report, const char *code)
{
    for (int i = 0; i < report->n_warnings; i++) {
        if (strcmp(report->warnings[i].code, code) == 0) {
            return true;
        }
    }
    return false;
}

static inline double number(const struct report *report, const char *name)
{
    const struct report_item *item = report_find(report, name);
    ck_assert_msg(item != NULL && item->n == 1, "no number %s", name);
    return item->values[0];
}

static inline const double *list(const struct report *report, const char *name, int n)
{
    const struct report_item *item = report_find(report, name);
    ck_assert_msg(item != NULL && item->n == n, "no list %s of %d", name, n);
    return item->values;
}

#endif
