/* SPDX-License-Identifier: Apache-2.0 */
/* What chains report of themselves, and the warnings that bad ones carry. */
#include "chain_cases.h"

START_TEST(every_sampler_takes_every_noise)
{
    for (int kind = SOLVER_AMCMC; kind <= SOLVER_NUTS; kind++) {
        ck_assert_int_eq(solver_default_noise((enum solver_kind)kind), NOISE_LEARNED);
        for (int noise = NOISE_GIVEN; noise <= NOISE_PREDICTED; noise++) {
            struct err err = ERR_INIT;
            struct fixture f;
            struct solver_result result;
            fixture_init(&f, (enum solver_kind)kind, (enum noise_kind)noise);
            ck_assert_int_eq(
                solver_run((enum solver_kind)kind, &f.problem, &f.settings, &result, &err), ERR_OK);
            ck_assert_int_eq(result.m, 36);
            for (int k = 0; k < result.m * f.net.n_params; k++) {
                ck_assert(isfinite(result.draws[k]));
            }
            ck_assert_int_eq(result.noise_sigma == NULL, noise == NOISE_PREDICTED);
            if (noise == NOISE_GIVEN || noise == NOISE_ESTIMATED) {
                ck_assert_double_eq(result.noise_sigma[0], 0.1);
            }
            list(&result.report, "chains.accept", 3);
            ck_assert_int_eq(report_find(&result.report, "chains.step_size") == NULL,
                             kind == SOLVER_AMCMC);
            ck_assert_int_eq(report_find(&result.report, "chains.depth_max") == NULL,
                             kind != SOLVER_NUTS);
            list(&result.report, "predictions.ess_tail", N_ROWS);
            solver_result_release(&result);
            resnet_release(&f.net);
        }
    }
}
END_TEST

/* The report's R-hat of predictions from the published draws, so these are the sampled ones. */
START_TEST(predictions_are_judged_by_the_published_draws)
{
    struct err err = ERR_INIT;
    struct fixture f;
    struct solver_result result;
    fixture_init(&f, SOLVER_NUTS, NOISE_LEARNED);
    ck_assert_int_eq(solver_run(SOLVER_NUTS, &f.problem, &f.settings, &result, &err), ERR_OK);
    double values[N_ROWS][36];
    double max = 0.0;
    struct resnet_tape *tape = resnet_tape_new(&f.net, N_ROWS);
    for (int k = 0; k < result.m; k++) {
        double y[N_ROWS];
        resnet_set_params(tape, result.draws + k * f.net.n_params);
        resnet_forward(tape, N_ROWS, f.x, y);
        for (int i = 0; i < N_ROWS; i++) {
            values[i][k] = y[i];
        }
    }
    resnet_tape_free(tape);
    const double *rhat = list(&result.report, "predictions.rhat", N_ROWS);
    const double *rows = list(&result.report, "predictions.rows", N_ROWS);
    for (int i = 0; i < N_ROWS; i++) {
        struct chain_summary summary;
        ck_assert_int_eq(chain_summarise(3, 12, values[i], &summary, &err), ERR_OK);
        ck_assert_double_eq_tol(rhat[i], summary.rhat, 1e-9);
        ck_assert_double_eq(rows[i], i);
        max = fmax(max, rhat[i]);
    }
    ck_assert_double_eq(number(&result.report, "predictions.rhat_max"), max);
    ck_assert_int_eq(has_warning(&result.report, "rhat_predictions"), max > 1.05);
    solver_result_release(&result);
    resnet_release(&f.net);
}
END_TEST

START_TEST(long_chains_agree_on_predictions_and_find_the_noise)
{
    struct err err = ERR_INIT;
    struct fixture f;
    struct solver_result result;
    fixture_init(&f, SOLVER_NUTS, NOISE_LEARNED);
    f.settings.draws = 400;
    f.settings.thin = 1;
    f.settings.warmup = 400;
    f.settings.epochs = 200;
    f.settings.max_depth = 10;
    ck_assert_int_eq(solver_run(SOLVER_NUTS, &f.problem, &f.settings, &result, &err), ERR_OK);
    ck_assert_double_lt(number(&result.report, "predictions.rhat_max"), 1.05);
    ck_assert_double_gt(number(&result.report, "predictions.ess_bulk_min"), 100.0);
    ck_assert_double_gt(number(&result.report, "predictions.ess_tail_min"), 50.0);
    ck_assert(!has_warning(&result.report, "rhat_predictions"));
    ck_assert(!has_warning(&result.report, "ebfmi"));
    ck_assert(!has_warning(&result.report, "max_depth"));
    for (int i = 0; i < 3; i++) {
        ck_assert_double_gt(list(&result.report, "chains.accept", 3)[i], 0.7);
    }
    /* Of 20 rows the noise is known to about a sixth. */
    ck_assert_double_eq_tol(result.noise_sigma[0], 0.1, 0.06);
    solver_result_release(&result);
    resnet_release(&f.net);
}
END_TEST

/* Bad settings, and the warnings they must bring. */
START_TEST(bad_chains_are_published_with_warnings)
{
    static const struct {
        const char *code;
        double epsilon, target_accept;
        int warmup, draws, max_depth, epochs;
        enum solver_kind kind;
    } cases[] = {
        {"few_draws", 0.0, 0.8, 30, 3, 5, 4, SOLVER_NUTS},
        {"rhat_predictions", 1e-4, 0.8, 0, 20, 3, 0, SOLVER_NUTS},
        {"rhat_parameters", 1e-4, 0.8, 0, 20, 3, 0, SOLVER_MALA},
        {"divergences", 3.0, 0.8, 0, 20, 5, 4, SOLVER_HMC},
        {"divergences", 3.0, 0.8, 0, 20, 5, 4, SOLVER_NUTS},
        {"no_verdict", 1e3, 0.8, 0, 20, 5, 4, SOLVER_HMC},
        {"max_depth", 1e-3, 0.8, 0, 20, 2, 4, SOLVER_NUTS},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct err err = ERR_INIT;
        struct fixture f;
        struct solver_result result;
        fixture_init(&f, cases[k].kind, NOISE_LEARNED);
        f.settings.epsilon = cases[k].epsilon;
        f.settings.target_accept = cases[k].target_accept;
        f.settings.warmup = cases[k].warmup;
        f.settings.draws = cases[k].draws;
        f.settings.max_depth = cases[k].max_depth;
        f.settings.epochs = cases[k].epochs;
        f.settings.start_spread = strcmp(cases[k].code, "no_verdict") == 0 ? 0.0 : 0.1;
        ck_assert_int_eq(solver_run(cases[k].kind, &f.problem, &f.settings, &result, &err), ERR_OK);
        ck_assert_msg(has_warning(&result.report, cases[k].code), "case %zu: no %s", k,
                      cases[k].code);
        solver_result_release(&result);
        resnet_release(&f.net);
    }
}
END_TEST

/* Energies that hardly change from step to step, without a sampler. */
START_TEST(slow_energies_bring_a_warning)
{
    struct err err = ERR_INIT;
    struct fixture f;
    fixture_init(&f, SOLVER_HMC, NOISE_GIVEN);
    for (int slow = 0; slow < 2; slow++) {
        struct mcmc_chain chains[2] = {{.steps = 100}, {.steps = 100}};
        double vectors[2 * 3 * K_MAX] = {0};
        struct report report = {.n_items = 0};
        struct rng rng;
        struct mcmc_draws draws = {.c = 2,
                                   .n = 3,
                                   .stride = f.net.n_params,
                                   .gradients = true,
                                   .vectors = vectors,
                                   .chains = chains};
        rng_init(&rng, 61, RNG_TEST, 0);
        for (int i = 0; i < 100; i++) {
            chain_energy_add(&chains[0].energy, rng_normal(&rng));
            chain_energy_add(&chains[1].energy, slow ? 0.1 * i : rng_normal(&rng));
        }
        ck_assert_int_eq(mcmc_report(&f.problem, &draws, &report, &err), ERR_OK);
        ck_assert_int_eq(has_warning(&report, "ebfmi"), slow);
        ck_assert(has_warning(&report, "few_draws"));
        report_release(&report);
    }
    resnet_release(&f.net);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mcmc_report");
    TCase *tc = tcase_create("mcmc_report");
    gemm_use_one_thread();
    tcase_set_timeout(tc, 240);
    tcase_add_test(tc, every_sampler_takes_every_noise);
    tcase_add_test(tc, predictions_are_judged_by_the_published_draws);
    tcase_add_test(tc, long_chains_agree_on_predictions_and_find_the_noise);
    tcase_add_test(tc, bad_chains_are_published_with_warnings);
    tcase_add_test(tc, slow_energies_bring_a_warning);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
