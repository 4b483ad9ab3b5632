/* SPDX-License-Identifier: Apache-2.0 */
/* Solvers on rows that miss outputs, against closed forms and each other. */
#include "gaussian_problem.h"
#include "run.h"
#include "solver_toy.h"

#include "fit/loss.h"
#include "solve/pbp.h"
#include "solve/solver_mc_dropout.h"
#include "solve/solver_vi.h"

static void punch_holes(struct problem *p)
{
    for (int i = 0; i < N + KEPT; i++) {
        if (i % 4 == 1) {
            p->y[2 * i] = NAN;
        } else if (i % 5 < 2) {
            p->y[2 * i + 1] = NAN;
        }
    }
    data_find_holes(&p->uq.train);
    data_find_holes(&p->uq.validation);
}

/* ---- least squares ---- */

/* Output j's weights and bias by the normal equations over the rows that have it. */
static void least_squares(const struct problem *p, int j, double *w)
{
    double a[9] = {0.0};
    double b[3] = {0.0};
    for (int i = 0; i < N; i++) {
        const double x[3] = {p->x[2 * i], p->x[2 * i + 1], 1.0};
        if (isnan(p->y[2 * i + j])) {
            continue;
        }
        for (int s = 0; s < 3; s++) {
            for (int t = 0; t < 3; t++) {
                a[3 * s + t] += x[s] * x[t];
            }
            b[s] += x[s] * p->y[2 * i + j];
        }
    }
    invert(3, a);
    for (int s = 0; s < 3; s++) {
        w[s] = a[3 * s] * b[0] + a[3 * s + 1] * b[1] + a[3 * s + 2] * b[2];
    }
}

/* Full batches by L-BFGS, and minibatches: their gradients' mean is that of the whole set, whatever
 * the outputs that each of them has. */
static void compare_least_squares(enum optim_kind optim, int batch_size, double tolerance)
{
    struct err err = ERR_INIT;
    struct problem p;
    struct solver_result result;
    struct arch arch = linear(2);
    problem_init(&p, &arch, SOLVER_ENSEMBLE);
    punch_holes(&p);
    p.uq.beliefs.noise = NOISE_ESTIMATED;
    p.uq.validation.n = 0;
    p.settings.members = 1;
    p.settings.optim.kind = optim;
    p.settings.optim.learning_rate = 0.05;
    p.settings.optim.schedule = SCHEDULE_COSINE;
    p.settings.optim.final_factor = 1e-4;
    p.settings.batch_size = batch_size;
    p.settings.epochs = optim == OPTIM_LBFGS ? 400 : 3000;
    ck_assert_msg(solver_run(SOLVER_ENSEMBLE, &p.uq, &p.settings, &result, &err) == ERR_OK, "%s",
                  err_msg(&err));
    for (int j = 0; j < 2; j++) {
        double w[3];
        least_squares(&p, j, w);
        ck_assert_double_eq_tol(result.draws[2 * j], w[0], tolerance);
        ck_assert_double_eq_tol(result.draws[2 * j + 1], w[1], tolerance);
        ck_assert_double_eq_tol(result.draws[4 + j], w[2], tolerance);
    }
    solver_result_release(&result);
    resnet_release(&p.net);
}

START_TEST(a_linear_network_is_least_squares_of_each_output)
{
    compare_least_squares(OPTIM_LBFGS, 0, 1e-7);
    compare_least_squares(OPTIM_ADAM, 16, 1e-3);
}
END_TEST

/* ---- chains ---- */

/* Posterior mean and standard deviation of output j's weights and bias, in closed form. */
static void exact_posterior(const struct problem *p, int j, const int *at, double *mean,
                            double *std)
{
    double a[9] = {0.0};
    double b[3] = {0.0};
    double beta = 1.0 / (p->sigmas[j] * p->sigmas[j]);
    for (int s = 0; s < 3; s++) {
        a[4 * s] = 1.0 / (p->prior[at[s]] * p->prior[at[s]]);
    }
    for (int i = 0; i < N; i++) {
        const double x[3] = {p->x[2 * i], p->x[2 * i + 1], 1.0};
        for (int s = 0; !isnan(p->y[2 * i + j]) && s < 3; s++) {
            for (int t = 0; t < 3; t++) {
                a[3 * s + t] += beta * x[s] * x[t];
            }
            b[s] += beta * x[s] * p->y[2 * i + j];
        }
    }
    invert(3, a);
    for (int s = 0; s < 3; s++) {
        mean[s] = a[3 * s] * b[0] + a[3 * s + 1] * b[1] + a[3 * s + 2] * b[2];
        std[s] = sqrt(a[4 * s]);
    }
}

/* Six standard errors of at least 300 independent draws, which 1200 of No-U-Turn are worth. */
START_TEST(chains_have_the_posterior_of_what_is_there)
{
    struct err err = ERR_INIT;
    struct problem p;
    struct solver_result result;
    struct arch arch = linear(2);
    problem_init(&p, &arch, SOLVER_NUTS);
    give_noise(&p);
    punch_holes(&p);
    p.settings.chains = 3;
    p.settings.draws = 400;
    p.settings.warmup = 300;
    p.settings.epochs = 50;
    p.settings.optim.kind = OPTIM_LBFGS;
    ck_assert_int_eq(solver_run(SOLVER_NUTS, &p.uq, &p.settings, &result, &err), ERR_OK);
    for (int j = 0; j < 2; j++) {
        const int at[3] = {2 * j, 2 * j + 1, 4 + j};
        double mean[3];
        double std[3];
        exact_posterior(&p, j, at, mean, std);
        for (int s = 0; s < 3; s++) {
            double sum = 0.0;
            double squares = 0.0;
            for (int i = 0; i < result.m; i++) {
                double dev = result.draws[i * p.net.n_params + at[s]] - mean[s];
                sum += dev / result.m;
                squares += dev * dev / result.m;
            }
            ck_assert_double_le(fabs(sum), 6.0 * std[s] / sqrt(300.0));
            ck_assert_double_eq_tol(squares / (std[s] * std[s]), 1.0, 6.0 * sqrt(2.0 / 300.0));
        }
    }
    solver_result_release(&result);
    resnet_release(&p.net);
}
END_TEST

/* ---- losses ---- */

static void fill_params(size_t n, size_t k, double *params)
{
    struct rng rng;
    rng_init(&rng, 5, RNG_TEST, 0);
    for (size_t i = 0; i < n; i++) {
        params[i] = 0.4 * rng_normal(&rng) - (i >= k ? 1.0 : 0.0);
    }
}

static struct objective objective_of(const struct solver_toy *toy, enum noise_kind noise)
{
    return (struct objective){.kind = OBJECTIVE_NLL,
                              .noise = noise,
                              .noise_sigmas = toy->sigmas,
                              .prior_sigmas = toy->priors,
                              .n_total = 40};
}

static void check_random_losses(enum noise_kind noise)
{
    struct err err = ERR_INIT;
    struct solver_toy toy;
    struct arch arch = solver_toy_arch(noise);
    const struct vi_prior prior = {.pi = 0.3, .sigma1 = 1.0, .sigma2 = 0.1};
    struct vi_loss vi;
    struct mc_dropout_loss dropout;
    solver_toy_init(&toy, SOLVER_VI, noise, &arch);
    solver_toy_punch(&toy);
    struct objective objective = objective_of(&toy, noise);
    ck_assert_int_eq(vi_loss_init(&vi, &objective, &toy.net, &prior, 2, &err), ERR_OK);
    ck_assert_int_eq(mc_dropout_loss_init(&dropout, &objective, &toy.net, 0.3, &err), ERR_OK);
    const struct loss losses[] = {vi_loss_as_loss(&vi), mc_dropout_loss_as_loss(&dropout)};
    for (int i = 0; i < 2; i++) {
        size_t n = (size_t)losses[i].n_params;
        double *params = mem_alloc_array(n, sizeof *params);
        fill_params(n, (size_t)toy.net.n_params, params);
        solver_toy_check_gradient(&losses[i], &toy.problem.train, params);
        mem_free(params);
    }
    vi_loss_release(&vi);
    mc_dropout_loss_release(&dropout);
    solver_toy_release(&toy);
}

START_TEST(random_losses_have_the_gradients_of_what_is_there)
{
    for (int noise = NOISE_GIVEN; noise <= NOISE_PREDICTED; noise++) {
        check_random_losses((enum noise_kind)noise);
    }
}
END_TEST

/* ---- pbp ---- */

static void pbp_of(struct pbp *pbp, const struct solver_toy *toy)
{
    struct err err = ERR_INIT;
    struct rng rng;
    const struct pbp_problem problem = {
        .net = &toy->net, .train = &toy->problem.train, .init_factor = 1.0};
    rng_init(&rng, 6, RNG_TEST, 0);
    ck_assert_int_eq(pbp_init(pbp, &problem, &rng, &err), ERR_OK);
}

/* An output that is missing is no factor of Z, and a row without outputs changes nothing. */
START_TEST(pbp_leaves_out_what_is_missing)
{
    struct solver_toy toy;
    struct pbp pbp;
    struct arch arch = solver_toy_arch(NOISE_LEARNED);
    solver_toy_init(&toy, SOLVER_PBP, NOISE_LEARNED, &arch);
    solver_toy_punch(&toy);
    pbp_of(&pbp, &toy);
    const double both[2] = {0.3, -0.2};
    const double one[2] = {0.3, NAN};
    const double none[2] = {NAN, NAN};
    double all = pbp_log_z(&pbp, toy.x, both);
    double total = pbp.variance[1] + pbp_noise_variance(&pbp, 1);
    double dev = both[1] - pbp.mean[1];
    double second = -0.5 * (log(2.0 * M_PI * total) + dev * dev / total);
    ck_assert_double_eq_tol(pbp_log_z(&pbp, toy.x, one), all - second, 1e-12);
    double shape = pbp.noise_a[1];
    double m = pbp.m[0];
    ck_assert_double_eq(pbp_add_row(&pbp, toy.x, none), 0.0);
    ck_assert_double_eq(pbp.m[0], m);
    pbp_add_row(&pbp, toy.x, one);
    ck_assert_double_ne(pbp.m[0], m);
    ck_assert_double_eq(pbp.noise_a[1], shape);
    ck_assert_double_ne(pbp.noise_a[0], shape);
    /* The weights of the missing output are as they were. */
    struct pbp fresh;
    pbp_of(&fresh, &toy);
    int r = toy.net.arch.width;
    for (int i = 0; i < r; i++) {
        int first = toy.net.off.weight_post + i;
        ck_assert_double_ne(pbp.m[first], fresh.m[first]);
        ck_assert_double_eq(pbp.m[first + r], fresh.m[first + r]);
        ck_assert_double_eq(pbp.v[first + r], fresh.v[first + r]);
    }
    pbp_release(&fresh);
    pbp_release(&pbp);
    solver_toy_release(&toy);
}
END_TEST

/* ---- refusals ---- */

START_TEST(a_share_of_the_rows_without_an_output_is_refused)
{
    for (int k = 0; k < 2; k++) {
        enum solver_kind kind = k == 0 ? SOLVER_ENSEMBLE : SOLVER_RMS;
        struct err err = ERR_INIT;
        struct solver_toy toy;
        struct solver_result result;
        struct arch arch = solver_toy_arch(NOISE_LEARNED);
        solver_toy_init(&toy, kind, NOISE_LEARNED, &arch);
        for (int i = 1; i < TOY_ROWS; i++) {
            toy.y[TOY_OUT * i + 1] = NAN;
        }
        data_find_holes(&toy.problem.train);
        ck_assert_int_eq(solver_toy_run(&toy, &result, &err), ERR_OK);
        solver_result_release(&result);
        toy.settings.dfrac = 0.3;
        long live = mem_live();
        ck_assert_int_eq(solver_toy_run(&toy, &result, &err), ERR_INVALID);
        ck_assert_ptr_nonnull(strstr(err.msg, "output 1"));
        ck_assert_ptr_nonnull(strstr(err.msg, "dfrac"));
        ck_assert_int_eq(mem_live(), live);
        solver_toy_release(&toy);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("solver_holes");
    TCase *tc = tcase_create("solver_holes");
    gemm_use_one_thread();
    tcase_set_timeout(tc, 240);
    tcase_add_test(tc, a_linear_network_is_least_squares_of_each_output);
    tcase_add_test(tc, chains_have_the_posterior_of_what_is_there);
    tcase_add_test(tc, random_losses_have_the_gradients_of_what_is_there);
    tcase_add_test(tc, pbp_leaves_out_what_is_missing);
    tcase_add_test(tc, a_share_of_the_rows_without_an_output_is_refused);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
