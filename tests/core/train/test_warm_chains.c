/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chains that go on with new rows: the posterior of all rows, where each begins, and what it
 * begins with.
 */
#include "warm_cases.h"

#include "batch_means.h"
#include "sample/sampler.h"
#include "solve/solver_chain_start.h"
#include "solve/solver_priv.h"
#include "train/train_warm.h"

/* ---- the posterior of all rows ---- */

enum { FIRST = 15, P = D + 1, K = O * P };

/* y = W x + b: linear in all its parameters, known noise, unscaled rows. */
static struct train_spec linear_spec(enum solver_kind kind, double *sigmas)
{
    struct train_spec spec = train_defaults(kind);
    spec.arch = arch_default(D, O);
    spec.arch.width = D;
    spec.arch.layers = 0;
    spec.arch.basis = WPFN_CONSTANT;
    spec.arch.activation = ACT_IDENTITY;
    spec.arch.residual = false;
    spec.arch.layer_pre = false;
    spec.arch.layer_post = false;
    spec.noise = NOISE_GIVEN;
    spec.n_noise_sigmas = O;
    spec.noise_sigmas = sigmas;
    spec.input_scaling = SCALER_NONE;
    spec.output_scaling = SCALER_NONE;
    spec.validation = 0.0;
    spec.seed = 8;
    spec.settings.chains = CHAINS;
    spec.settings.warmup = 500;
    spec.settings.draws = kind == SOLVER_AMCMC ? 8000 : kind == SOLVER_MALA ? 3000 : 1000;
    return spec;
}

static void linear_rows(struct rows *rows)
{
    struct rng rng;
    rng_init(&rng, 23, RNG_TEST, 0);
    for (int i = 0; i < MAX; i++) {
        const double *x = &rows->x[D * i];
        rows->x[D * i] = 2.0 * rng_uniform(&rng) - 1.0;
        rows->x[D * i + 1] = 0.8 * rows->x[D * i] + 0.3 * rng_normal(&rng);
        /* The later rows say something else, so that the posterior moves. */
        double slope = i < FIRST ? 0.5 : 1.5;
        rows->y[O * i] = 0.4 + slope * x[0] - 0.7 * x[1] + 0.3 * rng_normal(&rng);
        rows->y[O * i + 1] = -0.2 + x[1] + 0.5 * rng_normal(&rng);
    }
}

/* Mean and covariance of (w_j, b_j) of output j, prior N(0, 1), by Gauss-Jordan elimination. */
static void exact(const struct rows *rows, int n, int j, double sigma, double *mean, double *cov)
{
    double a[P][2 * P] = {{0.0}};
    double by[P] = {0.0};
    for (int i = 0; i < n; i++) {
        const double phi[P] = {rows->x[D * i], rows->x[D * i + 1], 1.0};
        for (int p = 0; p < P; p++) {
            by[p] += phi[p] * rows->y[O * i + j] / (sigma * sigma);
            for (int q = 0; q < P; q++) {
                a[p][q] += phi[p] * phi[q] / (sigma * sigma);
            }
        }
    }
    for (int p = 0; p < P; p++) {
        a[p][p] += 1.0;
        a[p][P + p] = 1.0;
    }
    for (int p = 0; p < P; p++) {
        double pivot = a[p][p];
        for (int q = 0; q < 2 * P; q++) {
            a[p][q] /= pivot;
        }
        for (int i = 0; i < P; i++) {
            double factor = i == p ? 0.0 : a[i][p];
            for (int q = 0; q < 2 * P; q++) {
                a[i][q] -= factor * a[p][q];
            }
        }
    }
    for (int p = 0; p < P; p++) {
        mean[p] = 0.0;
        for (int q = 0; q < P; q++) {
            cov[p * P + q] = a[p][P + q];
            mean[p] += a[p][P + q] * by[q];
        }
    }
}

/* Means and second moments of a model's draws within six standard errors. */
static void check_posterior(const struct model *model, const struct rows *rows, int n,
                            const double *sigmas)
{
    int per_chain = model->m / CHAINS;
    double *values = mem_alloc_array((size_t)model->m, sizeof *values);
    for (int j = 0; j < O; j++) {
        double mean[P];
        double cov[P * P];
        exact(rows, n, j, sigmas[j], mean, cov);
        for (int p = 0; p < P; p++) {
            char what[64];
            int at = p < D ? model->net.off.ww + j * D + p : model->net.off.bb + j;
            snprintf(what, sizeof what, "%s, parameter %d of output %d", model->solver, p, j);
            for (int i = 0; i < model->m; i++) {
                values[i] = model->draws[i * K + at];
            }
            check_mean(what, values, per_chain, mean[p], 6.0);
            for (int i = 0; i < model->m; i++) {
                values[i] = (values[i] - mean[p]) * (values[i] - mean[p]);
            }
            check_mean(what, values, per_chain, cov[p * P + p], 6.0);
        }
    }
    mem_free(values);
}

START_TEST(chains_that_go_on_with_new_rows_have_the_posterior_of_all)
{
    enum solver_kind kind = (enum solver_kind)_i;
    double sigmas[O] = {0.3, 0.5};
    struct rows rows;
    struct train_spec spec = linear_spec(kind, sigmas);
    linear_rows(&rows);
    struct model *base = train(spec, &rows, FIRST, NULL, NULL);
    check_posterior(base, &rows, FIRST, sigmas);
    spec.settings.warmup = 40;
    struct model *model = train(spec, &rows, MAX, base, NULL);
    check_posterior(model, &rows, MAX, sigmas);
    model_unref(model);
    model_unref(base);
}
END_TEST

/* ---- where a chain begins, and with what ---- */

static double variance_of(const struct model *model, int first, int n, int k)
{
    double mean = 0.0;
    double sum = 0.0;
    for (int i = 0; i < n; i++) {
        mean += model->draws[(first + i) * model->net.n_params + k] / n;
    }
    for (int i = 0; i < n; i++) {
        double dev = model->draws[(first + i) * model->net.n_params + k] - mean;
        sum += dev * dev;
    }
    return sum / (n - 1);
}

/* A start of one chain of `of`, as a solver has it. */
static void start_of(const struct model *base, enum sampler_kind kind, int k, int of,
                     struct solver_chain_start *start)
{
    struct err err = ERR_INIT;
    struct train_warm warm;
    ck_assert_int_eq(train_warm_init(&warm, base, &err), ERR_OK);
    struct solver_problem problem = {
        .net = &base->net, .start = warm.start, .train = {.n = MAX, .d = D, .o = O}};
    ck_assert_int_eq(
        solver_chain_start_init(start, &problem,
                                &(struct solver_chain){kind, base->net.n_params + O, k, of}, &err),
        ERR_OK);
    train_warm_release(&warm);
}

static void check_begins_at(const struct model *base, const struct solver_chain_start *start,
                            int draw)
{
    size_t k = (size_t)base->net.n_params;
    ck_assert_int_eq(memcmp(start->q0, base->draws + (size_t)draw * k, k * sizeof *start->q0), 0);
    for (int j = 0; j < O; j++) {
        double sigma = base->noise_sigma[j] / base->out[j].scale;
        ck_assert_double_eq_tol(start->q0[k + (size_t)j], log(sigma), 1e-12);
    }
}

START_TEST(a_chain_goes_on_from_the_last_draw_of_its_own)
{
    /* of, chain: the draw of 2 chains of 60 */
    static const int cases[][3] = {{2, 0, 59}, {2, 1, 119}, {1, 0, 59}, {4, 2, 29},
                                   {4, 3, 89}, {5, 4, 19},  {3, 2, 29}};
    struct rows rows;
    struct train_spec spec = spec_of(SOLVER_NUTS, false);
    make_rows(&rows);
    struct model *base = train(spec, &rows, MAX, NULL, NULL);
    const double *sizes = report_find(&base->report, "chains.step_size")->values;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct solver_chain_start start;
        int draw = cases[i][2];
        start_of(base, SAMPLER_NUTS, cases[i][1], cases[i][0], &start);
        check_begins_at(base, &start, draw);
        ck_assert(!start.alike);
        ck_assert_double_eq(start.start.epsilon, sizes[draw / 60]);
        for (int k = 0; k < base->net.n_params; k++) {
            double variance = variance_of(base, draw / 60 * 60, 60, k);
            ck_assert_double_eq_tol(start.start.inv_mass[k], (60.0 * variance + 5.0 * 1e-3) / 65.0,
                                    1e-9);
        }
        ck_assert_double_eq_tol(start.start.inv_mass[base->net.n_params], 0.5 / MAX, 1e-15);
        solver_chain_start_release(&start);
        /* A step size says nothing to another method. */
        start_of(base, SAMPLER_MALA, cases[i][1], cases[i][0], &start);
        check_begins_at(base, &start, draw);
        ck_assert_double_eq(start.start.epsilon, 0.0);
        solver_chain_start_release(&start);
    }
    model_unref(base);
}
END_TEST

START_TEST(adaptive_metropolis_begins_with_the_covariance_of_the_draws)
{
    struct rows rows;
    struct train_spec spec = spec_of(SOLVER_HMC, false);
    struct solver_chain_start start;
    make_rows(&rows);
    struct model *base = train(spec, &rows, MAX, NULL, NULL);
    int k = base->net.n_params;
    int n = k + O;
    start_of(base, SAMPLER_AMCMC, 1, 2, &start);
    check_begins_at(base, &start, 119);
    ck_assert_int_eq(start.start.count, 60);
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
            double mean[2] = {0.0, 0.0};
            double expected = i == j ? 0.5 / MAX : 0.0;
            for (int draw = 60; i < k && j < k && draw < 120; draw++) {
                mean[0] += base->draws[draw * k + i] / 60.0;
                mean[1] += base->draws[draw * k + j] / 60.0;
            }
            for (int draw = 60; i < k && j < k && draw < 120; draw++) {
                expected = draw == 60 ? 0.0 : expected;
                expected += (base->draws[draw * k + i] - mean[0]) *
                            (base->draws[draw * k + j] - mean[1]) / 59.0 *
                            (i == j ? 1.0 : 60.0 / 65.0);
            }
            ck_assert_double_eq_tol(start.start.cov[i * n + j], expected, 1e-10);
        }
    }
    solver_chain_start_release(&start);
    model_unref(base);
}
END_TEST

START_TEST(chains_spread_over_draws_that_are_no_chains)
{
    struct rows rows;
    struct train_spec spec = spec_of(SOLVER_ENSEMBLE, true);
    struct solver_chain_start start;
    make_rows(&rows);
    spec.settings.members = 6;
    struct model *base = train(spec, &rows, MAX, NULL, NULL);
    for (int k = 0; k < 3; k++) {
        start_of(base, SAMPLER_NUTS, k, 3, &start);
        check_begins_at(base, &start, 2 * k);
        ck_assert(!start.alike);
        solver_chain_start_release(&start);
    }
    start_of(base, SAMPLER_NUTS, 6, 7, &start);
    ck_assert(start.alike);
    solver_chain_start_release(&start);
    model_unref(base);
    /* One network has no spread. */
    spec.settings.members = 1;
    base = train(spec, &rows, MAX, NULL, NULL);
    start_of(base, SAMPLER_NUTS, 1, 2, &start);
    check_begins_at(base, &start, 0);
    ck_assert(start.alike);
    ck_assert_ptr_null(start.start.inv_mass);
    solver_chain_start_release(&start);
    start_of(base, SAMPLER_AMCMC, 1, 2, &start);
    ck_assert_int_eq(start.start.count, 0);
    solver_chain_start_release(&start);
    model_unref(base);
}
END_TEST

START_TEST(chains_begin_at_the_mean_of_a_straightened_network)
{
    struct rows rows;
    struct train_spec spec = spec_of(SOLVER_LAPLACE, true);
    struct solver_chain_start start;
    make_rows(&rows);
    struct model *base = train(spec, &rows, MAX, NULL, NULL);
    ck_assert(base->gaussian.linearised);
    for (int k = 0; k < 3; k++) {
        const double *mean = base->gaussian.members[k % 2].mean;
        start_of(base, SAMPLER_NUTS, k, 3, &start);
        ck_assert_int_eq(memcmp(start.q0, mean, (size_t)base->net.n_params * sizeof *mean), 0);
        ck_assert(start.alike);
        ck_assert_double_eq_tol(start.start.inv_mass[0],
                                (5.0 * variance_of(base, k % 2 * 5, 5, 0) + 5e-3) / 10.0, 1e-12);
        solver_chain_start_release(&start);
    }
    model_unref(base);
}
END_TEST

START_TEST(a_parameter_that_was_taken_for_known_has_a_variance_all_the_same)
{
    struct rows rows;
    struct train_spec spec = spec_of(SOLVER_BLL, true);
    struct solver_chain_start start;
    make_rows(&rows);
    struct model *base = train(spec, &rows, MAX, NULL, NULL);
    start_of(base, SAMPLER_HMC, 0, 1, &start);
    ck_assert_double_eq(start.start.inv_mass[0], 1e-3);
    solver_chain_start_release(&start);
    start_of(base, SAMPLER_AMCMC, 0, 1, &start);
    ck_assert_double_eq(start.start.cov[0], 1e-3);
    solver_chain_start_release(&start);
    model_unref(base);
}
END_TEST

START_TEST(noise_that_nobody_learned_starts_where_it_does_cold)
{
    struct rows rows;
    struct train_spec spec = spec_of(SOLVER_NUTS, true);
    struct solver_chain_start start;
    make_rows(&rows);
    for (int i = 0; i < MAX; i++) {
        rows.y[O * i] += 200.0; /* all are positive */
        rows.y[O * i + 1] = fabs(rows.y[O * i + 1]);
    }
    spec.output_scaling = SCALER_LOG;
    struct model *base = train(spec, &rows, MAX, NULL, NULL);
    int k = base->net.n_params;
    ck_assert(base->noise_of_logs);
    start_of(base, SAMPLER_NUTS, 0, 2, &start);
    ck_assert_double_eq_tol(start.q0[k], log(base->noise_sigma[0] / base->out[0].scale), 1e-12);
    solver_chain_start_release(&start);
    /* As if folds had measured it in the output's unit. */
    base->noise_of_logs = false;
    start_of(base, SAMPLER_NUTS, 0, 2, &start);
    ck_assert_double_eq(start.q0[k], OBJECTIVE_LOG_S_MEAN);
    solver_chain_start_release(&start);
    /* As if that output had another scaling, and kept rows had shown no noise. */
    base->out[0].kind = SCALER_STANDARD;
    base->noise_sigma[0] = 0.0;
    start_of(base, SAMPLER_NUTS, 0, 2, &start);
    ck_assert_double_eq(start.q0[k], OBJECTIVE_LOG_S_MEAN);
    solver_chain_start_release(&start);
    base->noise_sigma[0] = 0.02 * base->out[0].scale;
    start_of(base, SAMPLER_NUTS, 0, 2, &start);
    ck_assert_double_eq_tol(start.q0[k], log(0.02), 1e-12);
    solver_chain_start_release(&start);
    model_unref(base);
}
END_TEST

START_TEST(a_short_warm_up_suffices)
{
    enum solver_kind kind = (enum solver_kind)_i;
    struct rows rows;
    struct train_spec spec = spec_of(kind, false);
    make_rows(&rows);
    spec.settings.warmup = 1000;
    spec.settings.draws = 200;
    struct model *base = train(spec, &rows, MAX, NULL, NULL);
    spec.settings.warmup = 25;
    struct model *warm = train(spec, &rows, MAX, base, NULL);
    ck_assert_ptr_null(report_find(&warm->report, "mode.epochs"));
    for (int c = 0; c < 2; c++) {
        double accept = report_find(&warm->report, "chains.accept")->values[c];
        double size = report_find(&warm->report, "chains.step_size")->values[c];
        double had = report_find(&base->report, "chains.step_size")->values[c];
        ck_assert_double_eq_tol(accept, spec.settings.target_accept, 0.2);
        ck_assert_double_le(fabs(log(size / had)), log(8.0));
    }
    model_unref(warm);
    model_unref(base);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("warm_chains");
    TCase *tc = tcase_create("warm_chains");
    gemm_use_one_thread();
    tcase_set_timeout(tc, 240);
    tcase_add_loop_test(tc, chains_that_go_on_with_new_rows_have_the_posterior_of_all, SOLVER_AMCMC,
                        SOLVER_NUTS + 1);
    tcase_add_test(tc, a_chain_goes_on_from_the_last_draw_of_its_own);
    tcase_add_test(tc, adaptive_metropolis_begins_with_the_covariance_of_the_draws);
    tcase_add_test(tc, chains_spread_over_draws_that_are_no_chains);
    tcase_add_test(tc, chains_begin_at_the_mean_of_a_straightened_network);
    tcase_add_test(tc, a_parameter_that_was_taken_for_known_has_a_variance_all_the_same);
    tcase_add_test(tc, noise_that_nobody_learned_starts_where_it_does_cold);
    tcase_add_loop_test(tc, a_short_warm_up_suffices, SOLVER_MALA, SOLVER_NUTS + 1);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
