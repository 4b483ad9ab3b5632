/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Simulation-based calibration (S. Talts et al., Validating Bayesian inference algorithms with
 * simulation-based calibration, 2018): parameters are drawn from the prior and observations from
 * them; the rank of a parameter among draws of its posterior is then uniform. Every way in which
 * the surrogate's error enters has its own way to draw observations.
 */
#include "run.h"

#include <math.h>
#include <string.h>

#include "analyse/calibrate.h"
#include "analyse_case.h"

#define N_DATA_SETS 320
#define N_RANKS     8 /* a parameter's rank among 7 draws that are far apart */
#define N_DRAWS     3 /* of the surrogate */
#define MAX_PARAMS  4

/* Two outputs of two inputs, neither linear nor the same for all draws. */
static void curved(int draw, const double *x, double *y, double *jac)
{
    double c = 0.5 * (draw - 1);
    double e = exp(0.3 * x[1]);
    y[0] = sin(x[0]) + 0.5 * x[1] + c;
    y[1] = e + 0.2 * x[0] + c * x[1];
    if (jac != NULL) {
        const double of[] = {cos(x[0]), 0.5, 0.2, 0.3 * e + c};
        memcpy(jac, of, sizeof of);
    }
}

static const double standard[] = {0.0, 1.0};
static const double sigma[] = {0.3, 0.2};

/* The observation of truth [2], and its sigmas where they are unknown. */
static void observe(const struct calibrate_spec *spec, const double *truth, struct rng *rng,
                    double *out)
{
    double y[N_DRAWS][2];
    double mean[2] = {0.0, 0.0};
    for (int j = 0; j < N_DRAWS; j++) {
        curved(j, truth, y[j], NULL);
        mean[0] += y[j][0] / N_DRAWS;
        mean[1] += y[j][1] / N_DRAWS;
    }
    /* N(0, C) as a sum over the draws; of `variance` each output has its own. */
    for (int a = 0; a < 2; a++) {
        out[a] = mean[a];
    }
    for (int j = 0; j < N_DRAWS; j++) {
        double z[] = {rng_normal(rng), rng_normal(rng)};
        for (int a = 0; a < 2; a++) {
            double by = spec->error == CALIBRATE_COVARIANCE ? z[0]
                        : spec->error == CALIBRATE_VARIANCE ? z[a]
                                                            : 0.0;
            out[a] += by * (y[j][a] - mean[a]) / sqrt(N_DRAWS - 1.0);
        }
    }
    for (int a = 0; a < 2; a++) {
        double s = spec->sigma != NULL ? spec->sigma[a] : truth[2 + a];
        out[a] += s * rng_normal(rng);
    }
}

static double chi_squared(const int *counts)
{
    double expected = (double)N_DATA_SETS / N_RANKS;
    double sum = 0.0;
    for (int r = 0; r < N_RANKS; r++) {
        sum += (counts[r] - expected) * (counts[r] - expected) / expected;
    }
    return sum;
}

/* By error; after those with an unknown sigma. */
START_TEST(ranks_of_the_truth_are_uniform)
{
    struct analyse_case base;
    int counts[MAX_PARAMS][N_RANKS] = {{0}};
    struct rng rng;
    bool unknown = _i == 3;
    int n = unknown ? 4 : 2;
    struct calibrate_spec spec = {.error = unknown ? CALIBRATE_NONE : (enum calibrate_error)_i,
                                  .chains = 2,
                                  .temperatures = 1,
                                  .warmup = 150,
                                  .draws = 140,
                                  .n_experiments = 1,
                                  .sigma = unknown ? NULL : sigma,
                                  .scale = sigma};
    analyse_case_init(&base, curved, 2, 2, N_DRAWS);
    analyse_case_set(&base, 0, SPACE_NORMAL, standard);
    analyse_case_set(&base, 1, SPACE_NORMAL, standard);
    rng_init(&rng, 11, RNG_TEST, (uint32_t)_i);
    for (int data = 0; data < N_DATA_SETS; data++) {
        struct err err = ERR_INIT;
        struct arena arena = ARENA_INIT;
        struct calibrate_result result;
        double truth[MAX_PARAMS];
        double y[2];
        for (int p = 0; p < 4; p++) {
            double z = rng_normal(&rng);
            truth[p] = p < 2 ? z : sigma[p - 2] * exp(CALIBRATE_SPREAD * z);
        }
        observe(&spec, truth, &rng, y);
        const struct calibrate_experiment one[] = {{.n = 1, .y = y}};
        spec.experiments = one;
        spec.seed = (uint64_t)data;
        const struct calibrate_run run = {
            .spec = &spec, .field = &base.field, .laws = base.laws, .terms.n_threads = 1};
        ck_assert_msg(calibrate_run(&run, &arena, &result, &err) == ERR_OK, "%s", err.msg);
        for (int p = 0; p < n; p++) {
            int rank = 0;
            for (int i = 0; i < N_RANKS - 1; i++) {
                rank += result.draws[(i * 40 + 20) * n + p] < truth[p];
            }
            counts[p][rank]++;
        }
        arena_release(&arena);
    }
    for (int p = 0; p < n; p++) {
        /* 7 degrees of freedom: above 24.3 with a probability of 0.1 %. */
        ck_assert_msg(chi_squared(counts[p]) < 24.3, "parameter %d: %.1f", p,
                      chi_squared(counts[p]));
    }
    analyse_case_release(&base);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("calibrate_sbc");
    TCase *tcase = tcase_create("ranks");
    tcase_set_timeout(tcase, 300.0);
    tcase_add_loop_test(tcase, ranks_of_the_truth_are_uniform, 0, 4);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
