/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Diagnostics of chains: effective sizes against a direct sum and against autoregressions of known
 * ones, R-hat of chains that disagree, energies.
 */
#include "run.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "math/normal.h"
#include "sample/chain.h"

START_TEST(normal_quantiles_are_exact)
{
    static const double known[][2] = {{0.5, 0.0},
                                      {0.975, 1.959963984540054},
                                      {0.025, -1.959963984540054},
                                      {0.001, -3.090232306167813},
                                      {1e-10, -6.361340902404056}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        ck_assert_double_eq_tol(normal_quantile(known[i][0]), known[i][1], 1e-12);
    }
}
END_TEST

/* AR(1) of coefficient a has (1 - a) / (1 + a) effective draws each. */
START_TEST(effective_sizes_are_those_of_autoregressions)
{
    static const double coefficients[] = {0.0, 0.5, 0.9, -0.3};
    for (int k = 0; k < 4; k++) {
        double a = coefficients[k];
        static double x[4 * 10000];
        struct err err = ERR_INIT;
        struct chain_summary s;
        for (int c = 0; c < 4; c++) {
            struct rng rng;
            rng_init(&rng, 3, RNG_TEST, (uint32_t)c);
            double now = rng_normal(&rng);
            for (int i = 0; i < 10000; i++) {
                now = a * now + sqrt(1.0 - a * a) * rng_normal(&rng);
                x[c * 10000 + i] = now;
            }
        }
        ck_assert_int_eq(chain_summarise(4, 10000, x, &s, &err), ERR_OK);
        double expected = 40000.0 * (1.0 - a) / (1.0 + a);
        ck_assert_msg(fabs(s.ess_bulk / expected - 1.0) < 0.15, "%g: %g, %g is expected", a,
                      s.ess_bulk, expected);
        ck_assert_double_lt(s.rhat, 1.01);
        ck_assert_double_gt(s.ess_tail, 1000.0);
    }
}
END_TEST

START_TEST(chains_that_disagree_are_seen)
{
    static double x[4 * 1000];
    struct err err = ERR_INIT;
    struct chain_summary s;
    struct rng rng;
    for (int kind = 0; kind < 3; kind++) {
        rng_init(&rng, 4, RNG_TEST, 0);
        for (int i = 0; i < 4000; i++) {
            double z = rng_normal(&rng);
            /* One chain aside; one of another spread (folding sees it); all drifting. */
            x[i] = kind == 0 ? z + (i < 1000 ? 1.0 : 0.0)
                             : (kind == 1 ? z * (i < 1000 ? 3.0 : 1.0) : z + 0.002 * (i % 1000));
        }
        ck_assert_int_eq(chain_summarise(4, 1000, x, &s, &err), ERR_OK);
        ck_assert_msg(s.rhat > 1.05, "kind %d: R-hat %g", kind, s.rhat);
    }
    for (int i = 0; i < 4000; i++) {
        x[i] = 2.0;
    }
    ck_assert_int_eq(chain_summarise(4, 1000, x, &s, &err), ERR_OK);
    ck_assert(isnan(s.rhat) && isnan(s.ess_bulk));
}
END_TEST

/* ---- a direct sum, as [1, section 3.2] writes it ---- */

#define MAX 4000

static double direct_ess(int c, int n, const double *x)
{
    int half = n / 2;
    int m = 2 * c;
    double z[MAX];
    double mean[16] = {0};
    double within = 0.0;
    double grand = 0.0;
    double between = 0.0;
    /* Halves, then normal scores of ranks counted one by one. */
    double v[MAX];
    for (int k = 0; k < m; k++) {
        const double *from = x + (k / 2) * n + (k % 2 == 0 ? 0 : n - half);
        memcpy(v + k * half, from, (size_t)half * sizeof *v);
    }
    for (int i = 0; i < m * half; i++) {
        double rank = 0.5;
        for (int j = 0; j < m * half; j++) {
            rank += v[j] < v[i] ? 1.0 : (v[j] == v[i] ? 0.5 : 0.0);
        }
        z[i] = normal_quantile((rank - 0.375) / (m * half + 0.25));
    }
    for (int k = 0; k < m; k++) {
        for (int i = 0; i < half; i++) {
            mean[k] += z[k * half + i] / half;
        }
        grand += mean[k] / m;
    }
    for (int k = 0; k < m; k++) {
        for (int i = 0; i < half; i++) {
            double d = z[k * half + i] - mean[k];
            within += d * d / (half - 1) / m;
        }
        between += (mean[k] - grand) * (mean[k] - grand) / (m - 1);
    }
    double pooled = (half - 1.0) / half * within + between;
    double tau = -1.0;
    double last = INFINITY;
    for (int t = 0; 2 * t + 1 < half; t++) {
        double rho[2];
        for (int s = 0; s < 2; s++) {
            int lag = 2 * t + s;
            double sum = 0.0;
            for (int k = 0; k < m; k++) {
                for (int i = 0; i + lag < half; i++) {
                    sum += (z[k * half + i] - mean[k]) * (z[k * half + i + lag] - mean[k]);
                }
            }
            rho[s] = lag == 0 ? 1.0 : 1.0 - (within - sum / half / m) / pooled;
        }
        if (!(rho[0] + rho[1] > 0.0)) {
            break;
        }
        last = fmin(last, rho[0] + rho[1]);
        tau += 2.0 * last;
    }
    return m * half / fmax(tau, 1.0 / log10(m * half));
}

START_TEST(effective_sizes_agree_with_a_direct_sum)
{
    static const struct {
        int c, n;
        double a;
    } cases[] = {{1, 4, 0.0},   {1, 9, 0.5},    {2, 100, 0.0},  {4, 500, 0.9},
                 {3, 257, 0.7}, {4, 256, 0.99}, {2, 1000, -0.5}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        int c = cases[k].c;
        int n = cases[k].n;
        double x[MAX];
        struct err err = ERR_INIT;
        struct chain_summary s;
        struct rng rng;
        rng_init(&rng, 7, RNG_TEST, (uint32_t)k);
        double now = rng_normal(&rng);
        for (int i = 0; i < c * n; i++) {
            now = cases[k].a * now + rng_normal(&rng);
            x[i] = round(4.0 * now) / 4.0; /* ties */
        }
        ck_assert_int_eq(chain_summarise(c, n, x, &s, &err), ERR_OK);
        double expected = direct_ess(c, n, x);
        ck_assert_msg(fabs(s.ess_bulk / expected - 1.0) < 1e-10, "case %zu: %.15g, %.15g", k,
                      s.ess_bulk, expected);
    }
}
END_TEST

/* Independent energies change by twice their variance; a slow walk's by little. */
START_TEST(energies_that_mix_badly_are_seen)
{
    struct chain_energy free_energy = {0};
    struct chain_energy slow = {0};
    struct chain_energy still = {0};
    struct rng rng;
    double walk = 0.0;
    double values[1000];
    double mean = 0.0;
    double change = 0.0;
    double square = 0.0;
    rng_init(&rng, 5, RNG_TEST, 0);
    for (int i = 0; i < 1000; i++) {
        values[i] = 1e3 + rng_normal(&rng);
        walk = 0.99 * walk + 0.1 * rng_normal(&rng);
        chain_energy_add(&free_energy, values[i]);
        chain_energy_add(&slow, walk);
        chain_energy_add(&still, 2.0);
        mean += values[i] / 1000.0;
    }
    for (int i = 0; i < 1000; i++) {
        square += (values[i] - mean) * (values[i] - mean);
        change += i > 0 ? (values[i] - values[i - 1]) * (values[i] - values[i - 1]) : 0.0;
    }
    ck_assert_double_eq_tol(chain_energy_ebfmi(&free_energy), change / square, 1e-10);
    ck_assert_double_eq_tol(chain_energy_ebfmi(&free_energy), 2.0, 0.2);
    ck_assert_double_lt(chain_energy_ebfmi(&slow), 0.1);
    ck_assert(isnan(chain_energy_ebfmi(&still)));
}
END_TEST

START_TEST(a_summary_survives_each_failed_allocation)
{
    double x[40];
    struct rng rng;
    long live = mem_live();
    rng_init(&rng, 6, RNG_TEST, 0);
    for (int i = 0; i < 40; i++) {
        x[i] = rng_normal(&rng);
    }
    for (long at = 1;; at++) {
        struct err err = ERR_INIT;
        struct chain_summary s;
        mem_fail_after(at, false);
        enum err_code code = chain_summarise(2, 20, x, &s, &err);
        long attempts = mem_attempts();
        mem_fail_after(0, false);
        ck_assert_int_eq(mem_live(), live);
        if (attempts < at) {
            ck_assert_int_eq(code, ERR_OK);
            break;
        }
        ck_assert_int_eq(code, ERR_NOMEM);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("chain");
    TCase *tc = tcase_create("chain");
    tcase_set_timeout(tc, 200);
    tcase_add_test(tc, normal_quantiles_are_exact);
    tcase_add_test(tc, effective_sizes_are_those_of_autoregressions);
    tcase_add_test(tc, effective_sizes_agree_with_a_direct_sum);
    tcase_add_test(tc, chains_that_disagree_are_seen);
    tcase_add_test(tc, energies_that_mix_badly_are_seen);
    tcase_add_test(tc, a_summary_survives_each_failed_allocation);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
