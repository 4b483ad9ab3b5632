/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Simulation-based calibration of the No-U-Turn solver. Parameters from the prior, rows from the
 * likelihood, a posterior by the solver: the truth's rank among the posterior's draws is then
 * uniform, for every function of the parameters [1]; here for predictions at three inputs, which
 * are identified although parameters are not. With learned noise log s comes from its own prior.
 *
 * Significance: each chi-square may have a tail of 1e-4; seeds are fixed.
 *
 * [1] S. Talts, M. Betancourt, D. Simpson, A. Vehtari, A. Gelman, Validating Bayesian inference
 *     algorithms with simulation-based calibration, arXiv:1804.06788, 2018.
 */
#include "run.h"

#include <math.h>

#include "math/gemm.h"
#include "solve/solver.h"

#define K_MAX       64
#define SIMULATIONS 192
#define SBC_ROWS    6
#define SBC_DRAWS   31
#define SBC_BINS    8
#define SBC_POINTS  3

static void sbc_predict(const struct resnet *net, const double *params, int n, const double *x,
                        double *y)
{
    struct resnet_tape *tape = resnet_tape_new(net, n);
    resnet_set_params(tape, params);
    resnet_forward(tape, n, x, y);
    resnet_tape_free(tape);
}

/* One simulation: the ranks of the truth at each point. */
static void sbc_simulate(const struct resnet *net, enum noise_kind noise, uint32_t number,
                         int *ranks)
{
    static const double points[SBC_POINTS] = {-0.8, 0.1, 1.4};
    struct err err = ERR_INIT;
    struct solver_result result;
    struct rng rng;
    double x[SBC_ROWS], y[SBC_ROWS], truth[K_MAX], prior[K_MAX], at[SBC_POINTS];
    double s = 0.5;
    rng_init(&rng, 71, RNG_TEST, number);
    for (int k = 0; k < net->n_params; k++) {
        prior[k] = k % 2 == 0 ? 0.7 : 1.2;
        truth[k] = prior[k] * rng_normal(&rng);
    }
    if (noise == NOISE_LEARNED) {
        s = exp(OBJECTIVE_LOG_S_MEAN + OBJECTIVE_LOG_S_SD * rng_normal(&rng));
    }
    for (int i = 0; i < SBC_ROWS; i++) {
        x[i] = 2.0 * rng_uniform(&rng) - 1.0;
    }
    sbc_predict(net, truth, SBC_ROWS, x, y);
    sbc_predict(net, truth, SBC_POINTS, points, at);
    for (int i = 0; i < SBC_ROWS; i++) {
        y[i] += s * rng_normal(&rng);
    }
    struct solver_problem problem = {
        .net = net,
        .train = {.n = SBC_ROWS, .d = 1, .o = 1, .x = x, .y = y},
        .validation = {.d = 1, .o = 1},
        .beliefs = {.noise = noise,
                    .noise_sigmas = noise == NOISE_GIVEN ? &s : NULL,
                    .prior_sigmas = prior},
        .seed = number,
        .n_threads = 1,
    };
    struct solver_settings settings = solver_defaults(SOLVER_NUTS);
    settings.chains = 1;
    settings.epochs = 0;
    settings.warmup = 250;
    settings.draws = SBC_DRAWS;
    settings.thin = 5;
    settings.max_depth = 7;
    ck_assert_int_eq(solver_run(SOLVER_NUTS, &problem, &settings, &result, &err), ERR_OK);
    for (int k = 0; k < SBC_DRAWS; k++) {
        double f[SBC_POINTS];
        sbc_predict(net, result.draws + k * net->n_params, SBC_POINTS, points, f);
        for (int p = 0; p < SBC_POINTS; p++) {
            ranks[p] += f[p] < at[p];
        }
    }
    solver_result_release(&result);
}

START_TEST(posteriors_of_simulated_data_cover_the_truth)
{
    enum noise_kind noise = (enum noise_kind)_i;
    struct err err = ERR_INIT;
    struct arch arch = arch_default(1, 1);
    struct resnet net;
    int bins[SBC_POINTS][SBC_BINS] = {{0}};
    arch.width = 2;
    arch.layers = 1;
    ck_assert_int_eq(resnet_init(&net, &arch, &err), ERR_OK);
    for (uint32_t k = 0; k < SIMULATIONS; k++) {
        int ranks[SBC_POINTS] = {0};
        sbc_simulate(&net, noise, k, ranks);
        for (int p = 0; p < SBC_POINTS; p++) {
            bins[p][ranks[p] * SBC_BINS / (SBC_DRAWS + 1)]++;
        }
    }
    for (int p = 0; p < SBC_POINTS; p++) {
        double chi2 = 0.0;
        for (int b = 0; b < SBC_BINS; b++) {
            double d = bins[p][b] - (double)SIMULATIONS / SBC_BINS;
            chi2 += d * d / ((double)SIMULATIONS / SBC_BINS);
        }
        /* 7 degrees of freedom: P(chi2 > 29.9) = 1e-4. */
        ck_assert_msg(chi2 < 29.9, "chi-square %g at point %d: %d %d %d %d %d %d %d %d", chi2, p,
                      bins[p][0], bins[p][1], bins[p][2], bins[p][3], bins[p][4], bins[p][5],
                      bins[p][6], bins[p][7]);
    }
    resnet_release(&net);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sbc");
    TCase *tc = tcase_create("sbc");
    gemm_use_one_thread();
    tcase_set_timeout(tc, 240);
    tcase_add_loop_test(tc, posteriors_of_simulated_data_cover_the_truth, NOISE_GIVEN,
                        NOISE_GIVEN + 1);
    tcase_add_loop_test(tc, posteriors_of_simulated_data_cover_the_truth, NOISE_LEARNED,
                        NOISE_LEARNED + 1);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
