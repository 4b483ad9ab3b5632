/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Samplers on known targets: whole chains from far starts, warm-up included; what the warm-up
 * learns; states in bytes. Single steps: test_sampler_steps.c.
 *
 * Significance: a mean may be Z standard errors off, Z = 5, which a right sampler exceeds about
 * once in 2e6 comparisons (there are some 160). Seeds are fixed.
 */
#include "batch_means.h"
#include "run.h"
#include "sampler_settings.h"
#include "targets.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "math/gemm.h"
#include "sample/chain.h"
#include "sample/sampler.h"

#define Z 5.0

/* ---- conformance ---- */

struct run {
    int n; /* draws of a chain */
    int dim;
    double *draws; /* [dim x CHAINS x n] */
    int divergent;
    double accept;
};

static void run_chains(enum sampler_kind kind, const struct known_target *known, int n, int thin,
                       struct run *out)
{
    struct sampler_settings settings = test_sampler_settings(kind);
    settings.warmup = 1500;
    settings.leapfrog_steps = 12;
    settings.target_accept = kind == SAMPLER_MALA ? 0.574 : 0.9;
    int dim = known->target.n;
    *out = (struct run){.n = n, .dim = dim};
    out->draws = calloc((size_t)(dim * CHAINS * n), sizeof *out->draws);
    for (int c = 0; c < CHAINS; c++) {
        struct err err = ERR_INIT;
        struct sampler sampler;
        struct sampler_info info;
        struct rng rng;
        double q0[TARGETS_MAX];
        rng_init(&rng, 17 + (uint64_t)kind, RNG_TEST, (uint32_t)c);
        for (int i = 0; i < dim; i++) {
            q0[i] =
                known->mean[i] + 2.0 * sqrt(known->variance[i]) * (2.0 * rng_uniform(&rng) - 1.0);
        }
        ck_assert_int_eq(sampler_init(&sampler, &settings, &known->target, q0, &rng, &err), ERR_OK);
        int warmup = kind == SAMPLER_AMCMC ? 20000 : settings.warmup;
        for (int t = 0; t < warmup; t++) {
            sampler_step(&sampler, &known->target, &rng, &info);
        }
        for (int t = 0; t < n; t++) {
            for (int k = 0; k < thin; k++) {
                sampler_step(&sampler, &known->target, &rng, &info);
                out->divergent += info.divergent;
                out->accept += info.accept / (n * thin * CHAINS);
            }
            for (int i = 0; i < dim; i++) {
                out->draws[(i * CHAINS + c) * n + t] = sampler.q[i];
            }
        }
        sampler_release(&sampler);
    }
}

static void check_mixing(const char *what, const double *values, int n)
{
    struct err err = ERR_INIT;
    struct chain_summary summary;
    ck_assert_int_eq(chain_summarise(CHAINS, n, values, &summary, &err), ERR_OK);
    ck_assert_msg(summary.rhat < 1.02, "%s: R-hat %g", what, summary.rhat);
    /* Batches must be long against the correlation of draws. */
    ck_assert_msg(summary.ess_bulk > 10.0 * CHAINS * BATCHES, "%s: effective size %g", what,
                  summary.ess_bulk);
}

/* Mean, variance and median of the first `dims` coordinates. */
static void check_moments(enum sampler_kind kind, const struct known_target *known,
                          const struct run *run, int dims)
{
    int n = run->n;
    double *g = calloc((size_t)(CHAINS * n), sizeof *g);
    for (int i = 0; i < dims; i++) {
        const double *x = run->draws + i * CHAINS * n;
        char what[80];
        snprintf(what, sizeof what, "%s on %s: mean of x%d", sampler_name(kind), known->name, i);
        check_mixing(what, x, n);
        check_mean(what, x, n, known->mean[i], Z);
        for (int k = 0; k < CHAINS * n; k++) {
            g[k] = (x[k] - known->mean[i]) * (x[k] - known->mean[i]);
        }
        snprintf(what, sizeof what, "%s on %s: variance of x%d", sampler_name(kind), known->name,
                 i);
        check_mean(what, g, n, known->variance[i], Z);
        if (isnan(known->median[i])) {
            continue;
        }
        for (int k = 0; k < CHAINS * n; k++) {
            g[k] = x[k] < known->median[i] ? 1.0 : 0.0;
        }
        snprintf(what, sizeof what, "%s on %s: median of x%d", sampler_name(kind), known->name, i);
        check_mean(what, g, n, 0.5, Z);
    }
    free(g);
}

static void conform(enum sampler_kind kind, const struct known_target *known, int n, int thin)
{
    struct run run;
    run_chains(kind, known, n, thin, &run);
    check_moments(kind, known, &run, run.dim);
    free(run.draws);
}

START_TEST(samplers_draw_from_known_targets)
{
    static const int thin[] = {20, 10, 2, 1};
    for (int t = 0; t < n_known_targets; t++) {
        conform((enum sampler_kind)_i, &known_targets[t], 4000, thin[_i]);
    }
}
END_TEST

/* ---- what the warm-up learns ---- */

/* A warmed-up chain. */
static void warm_up(struct sampler *sampler, const struct sampler_settings *settings,
                    const struct known_target *known, struct rng *rng)
{
    struct err err = ERR_INIT;
    struct sampler_info info;
    ck_assert_int_eq(sampler_init(sampler, settings, &known->target, known->mean, rng, &err),
                     ERR_OK);
    for (int t = 0; t < settings->warmup; t++) {
        sampler_step(sampler, &known->target, rng, &info);
    }
}

/* With acceptance exp(-epsilon), without noise, the average must settle where it is the target. */
START_TEST(dual_averaging_solves_for_the_target)
{
    static const double targets[] = {0.2, 0.574, 0.8, 0.95};
    for (int k = 0; k < 4; k++) {
        for (int far = -3; far <= 3; far++) {
            struct dual_averaging da;
            double epsilon = pow(10.0, far);
            dual_averaging_start(&da, targets[k], epsilon);
            for (int t = 0; t < 20000; t++) {
                epsilon = dual_averaging_update(&da, exp(-epsilon));
            }
            double accept = exp(-dual_averaging_final(&da));
            ck_assert_msg(fabs(accept - targets[k]) < 0.003,
                          "acceptance %g instead of %g from 1e%d", accept, targets[k], far);
        }
    }
}
END_TEST

/*
 * Without windows dual averaging goes on for the whole warm-up. What it brings to its target is the
 * mean acceptance over its own, changing steps; at their average it is a little above.
 */
START_TEST(the_warm_up_finds_the_wanted_acceptance)
{
    static const double wanted[] = {0.5, 0.65, 0.8};
    enum sampler_kind kind = (enum sampler_kind)_i;
    const struct known_target *known = &known_targets[1];
    for (int k = 0; k < 3; k++) {
        struct sampler_settings settings = test_sampler_settings(kind);
        double accept = 0.0;
        settings.warmup = 4000;
        settings.adapt_mass = false;
        settings.target_accept = wanted[k];
        for (int c = 0; c < CHAINS; c++) {
            struct sampler sampler;
            struct sampler_info info;
            struct rng rng;
            rng_init(&rng, 37, RNG_TEST, (uint32_t)c);
            warm_up(&sampler, &settings, known, &rng);
            double epsilon = sampler.epsilon;
            for (int t = 0; t < 2000; t++) {
                sampler_step(&sampler, &known->target, &rng, &info);
                accept += info.accept / (2000.0 * CHAINS);
            }
            ck_assert_double_eq(sampler.epsilon, epsilon);
            sampler_release(&sampler);
        }
        ck_assert_msg(accept > wanted[k] - 0.03 && accept < wanted[k] + 0.1,
                      "acceptance %g, %g is wanted", accept, wanted[k]);
    }
}
END_TEST

/* The last window has some 500 draws: variances of a chain to about 10 %, of 20 chains 2 %. */
START_TEST(the_warm_up_finds_the_scales)
{
    enum sampler_kind kind = (enum sampler_kind)_i;
    const struct known_target *known = &known_targets[0];
    struct sampler_settings settings = test_sampler_settings(kind);
    double scale[TARGETS_MAX] = {0};
    const int chains = 20;
    for (int c = 0; c < chains; c++) {
        struct sampler sampler;
        struct rng rng;
        rng_init(&rng, 38, RNG_TEST, (uint32_t)c);
        warm_up(&sampler, &settings, known, &rng);
        for (int i = 0; i < known->target.n; i++) {
            scale[i] += sampler.inv_mass[i] / known->variance[i] / chains;
        }
        sampler_release(&sampler);
    }
    for (int i = 0; i < known->target.n; i++) {
        ck_assert_msg(fabs(scale[i] - 1.0) < 0.15, "inverse mass %d is %g times the variance", i,
                      scale[i]);
    }
}
END_TEST

/* ---- states in bytes ---- */

START_TEST(a_saved_chain_goes_on_as_if_nothing_had_been)
{
    static const int stops[] = {0, 1, 50, 99, 100, 101, 150, 151, 400};
    enum sampler_kind kind = (enum sampler_kind)_i;
    const struct known_target *known = &known_targets[3];
    struct sampler_settings settings = test_sampler_settings(kind);
    settings.warmup = 300;
    for (size_t k = 0; k < sizeof stops / sizeof *stops; k++) {
        struct err err = ERR_INIT;
        struct sampler a;
        struct sampler b;
        struct sampler_info info;
        struct bytes_writer w = {.data = NULL};
        struct rng rng;
        rng_init(&rng, 41, RNG_TEST, 0);
        ck_assert_int_eq(sampler_init(&a, &settings, &known->target, known->mean, &rng, &err),
                         ERR_OK);
        for (int t = 0; t < stops[k]; t++) {
            sampler_step(&a, &known->target, &rng, &info);
        }
        sampler_save(&a, &w);
        struct rng copy = rng;
        struct bytes_reader r = {.data = w.data, .left = w.size};
        ck_assert_int_eq(sampler_load(&b, &settings, known->target.n, &r, &err), ERR_OK);
        ck_assert(!r.failed && r.left == 0);
        for (int t = stops[k]; t < 500; t++) {
            struct sampler_info other;
            sampler_step(&a, &known->target, &rng, &info);
            sampler_step(&b, &known->target, &copy, &other);
            ck_assert_int_eq(memcmp(a.q, b.q, (size_t)a.n * sizeof *a.q), 0);
            ck_assert_double_eq(info.accept, other.accept);
            ck_assert_double_eq(info.energy, other.energy);
        }
        ck_assert_double_eq(a.epsilon, b.epsilon);
        sampler_release(&a);
        sampler_release(&b);
        for (size_t cut = 0; k == 2 && cut < w.size; cut += 7) {
            r = (struct bytes_reader){.data = w.data, .left = cut};
            ck_assert_int_eq(sampler_load(&b, &settings, known->target.n, &r, &err), ERR_OK);
            ck_assert(r.failed);
            sampler_release(&b);
        }
        mem_free(w.data);
    }
}
END_TEST

START_TEST(same_seed_same_chain)
{
    for (int kind = SAMPLER_AMCMC; kind <= SAMPLER_NUTS; kind++) {
        struct run a;
        struct run b;
        run_chains((enum sampler_kind)kind, &known_targets[1], 50, 1, &a);
        run_chains((enum sampler_kind)kind, &known_targets[1], 50, 1, &b);
        ck_assert_int_eq(memcmp(a.draws, b.draws, (size_t)(a.dim * CHAINS * 50) * sizeof(double)),
                         0);
        free(a.draws);
        free(b.draws);
    }
}
END_TEST

START_TEST(a_start_without_density_is_refused)
{
    double q0[4] = {NAN, 0, 0, 0};
    for (int kind = SAMPLER_AMCMC; kind <= SAMPLER_NUTS; kind++) {
        struct sampler_settings settings = test_sampler_settings((enum sampler_kind)kind);
        struct err err = ERR_INIT;
        struct sampler sampler;
        struct rng rng;
        rng_init(&rng, 1, RNG_TEST, 0);
        ck_assert_int_eq(
            sampler_init(&sampler, &settings, &known_targets[3].target, q0, &rng, &err),
            ERR_NUMERIC);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sampler");
    TCase *tc = tcase_create("sampler");
    gemm_use_one_thread();
    tcase_set_timeout(tc, 200);
    tcase_add_loop_test(tc, samplers_draw_from_known_targets, SAMPLER_AMCMC, SAMPLER_NUTS + 1);
    tcase_add_test(tc, dual_averaging_solves_for_the_target);
    tcase_add_loop_test(tc, the_warm_up_finds_the_wanted_acceptance, SAMPLER_MALA,
                        SAMPLER_NUTS + 1);
    tcase_add_loop_test(tc, the_warm_up_finds_the_scales, SAMPLER_MALA, SAMPLER_NUTS + 1);
    tcase_add_loop_test(tc, a_saved_chain_goes_on_as_if_nothing_had_been, SAMPLER_AMCMC,
                        SAMPLER_NUTS + 1);
    tcase_add_test(tc, same_seed_same_chain);
    tcase_add_test(tc, a_start_without_density_is_refused);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
