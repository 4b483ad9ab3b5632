/* SPDX-License-Identifier: Apache-2.0 */
/* SWAG against the trajectory computed again, step by step, with every snapshot kept. */
#include "run.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "fit/loss.h"
#include "math/gemm.h"
#include "solver_toy.h"

#define MAX_SNAPSHOTS 64

struct trajectory {
    int n;         /* snapshots, the start among them */
    double *theta; /* [n x K]; mem */
};

/* The parameters of an ensemble's member at the end of its fit: the same streams and loss. */
static void fitted(const struct solver_toy *toy, int member, double *params)
{
    struct solver_result result;
    struct err err = ERR_INIT;
    ck_assert_int_eq(solver_run(SOLVER_ENSEMBLE, &toy->problem, &toy->settings, &result, &err),
                     ERR_OK);
    memcpy(params, result.draws + member * toy->net.n_params,
           (size_t)toy->net.n_params * sizeof *params);
    solver_result_release(&result);
}

/* SGD on the mean squared error from `params`, in the order of rows that a member has. */
static void walk(const struct solver_toy *toy, int member, double *params, struct trajectory *out)
{
    const struct data *train = &toy->problem.train;
    const struct solver_settings *s = &toy->settings;
    size_t k = (size_t)toy->net.n_params;
    struct err err = ERR_INIT;
    struct objective mse = {.kind = OBJECTIVE_MSE};
    struct objective_loss loss;
    struct rng rng;
    int order[TOY_ROWS];
    double x[TOY_ROWS * TOY_INPUTS];
    double y[TOY_ROWS * TOY_OUT];
    double *grad = mem_alloc_array(k, sizeof *grad);
    int step = 0;
    ck_assert_int_eq(objective_loss_init(&loss, &mse, &toy->net, &err), ERR_OK);
    out->theta = mem_alloc_array(MAX_SNAPSHOTS * k, sizeof *out->theta);
    out->n = 1;
    memcpy(out->theta, params, k * sizeof *params);
    rng_init(&rng, toy->problem.seed, RNG_SWAG, (uint32_t)member);
    for (int epoch = 0; epoch < s->swag_epochs; epoch++) {
        rng_permutation(&rng, train->n, order);
        for (int first = 0; first < train->n; first += s->batch_size) {
            int n = train->n - first < s->batch_size ? train->n - first : s->batch_size;
            data_gather(train->x, TOY_INPUTS, order + first, n, x);
            data_gather(train->y, TOY_OUT, order + first, n, y);
            struct data rows = {.n = n, .d = TOY_INPUTS, .o = TOY_OUT, .x = x, .y = y};
            objective_loss_eval(&loss, &rows, params, grad);
            for (size_t i = 0; i < k; i++) {
                params[i] -= s->swag_learning_rate * grad[i];
            }
            if (++step % s->swag_every == 0) {
                ck_assert_int_lt(out->n, MAX_SNAPSHOTS);
                memcpy(out->theta + (size_t)out->n++ * k, params, k * sizeof *params);
            }
        }
    }
    objective_loss_release(&loss);
    mem_free(grad);
}

static double mean_of(const struct trajectory *t, size_t k, int n, size_t i)
{
    double sum = 0.0;
    for (int s = 0; s < n; s++) {
        sum += t->theta[(size_t)s * k + i];
    }
    return sum / (double)n;
}

/* The Gaussian of the trajectory by its definition. */
static void compare(const struct gauss *g, const struct trajectory *t, size_t k, int rank)
{
    double half = rank > 0 ? 0.5 : 1.0;
    ck_assert_int_eq(g->rank, rank);
    for (size_t i = 0; i < k; i++) {
        double mean = mean_of(t, k, t->n, i);
        double variance = 0.0;
        for (int s = 0; s < t->n; s++) {
            double dev = t->theta[(size_t)s * k + i] - mean;
            variance += dev * dev / (double)t->n;
        }
        ck_assert_double_eq_tol(g->mean[i], mean, 1e-13);
        ck_assert_double_eq_tol(g->std[i], sqrt(half * variance), 1e-12);
        for (int c = 0; c < rank; c++) {
            int s = t->n - rank + c;
            double dev = t->theta[(size_t)s * k + i] - mean_of(t, k, s + 1, i);
            ck_assert_double_eq_tol(g->factor[i * (size_t)rank + (size_t)c],
                                    dev / sqrt(2.0 * (rank - 1)), 1e-12);
        }
    }
}

static void check(int rank, int expected)
{
    struct solver_toy toy;
    struct err err = ERR_INIT;
    struct solver_result result;
    struct arch arch = solver_toy_arch(NOISE_ESTIMATED);
    solver_toy_init(&toy, SOLVER_SWAG, NOISE_ESTIMATED, &arch);
    toy.settings.swag_epochs = 7; /* of 4 minibatches: 9 snapshots and a step left over */
    toy.settings.swag_every = 3;
    toy.settings.swag_rank = rank;
    toy.settings.swag_learning_rate = 0.05;
    size_t k = (size_t)toy.net.n_params;
    double *params = mem_alloc_array(k, sizeof *params);
    ck_assert_int_eq(solver_toy_run(&toy, &result, &err), ERR_OK);
    ck_assert_int_eq(result.gaussian.n_members, toy.settings.members);
    for (int member = 0; member < toy.settings.members; member++) {
        struct trajectory t;
        fitted(&toy, member, params);
        walk(&toy, member, params, &t);
        ck_assert_int_eq(t.n, 10);
        compare(&result.gaussian.members[member], &t, k, expected);
        mem_free(t.theta);
    }
    mem_free(params);
    solver_result_release(&result);
    solver_toy_release(&toy);
}

START_TEST(moments_are_those_of_the_trajectory)
{
    check(0, 0);
    check(4, 4);
    check(9, 9);
    check(20, 9); /* no more columns than snapshots */
}
END_TEST

START_TEST(drawing_leaves_the_mixture_as_it_was)
{
    struct solver_toy toy;
    struct err err = ERR_INIT;
    struct solver_result result;
    struct arch arch = solver_toy_arch(NOISE_ESTIMATED);
    solver_toy_init(&toy, SOLVER_SWAG, NOISE_ESTIMATED, &arch);
    int k = toy.net.n_params;
    ck_assert_int_eq(solver_toy_run(&toy, &result, &err), ERR_OK);
    const struct gauss *g = &result.gaussian.members[0];
    size_t bytes = (size_t)k * sizeof(double);
    double *mean = mem_dup(g->mean, bytes);
    double *std = mem_dup(g->std, bytes);
    double *factor = mem_dup(g->factor, bytes * (size_t)g->rank);
    double *first = mem_alloc(bytes);
    double *again = mem_alloc(bytes);
    gauss_mixture_draw(&result.gaussian, k, 0, first);
    for (int j = 0; j < result.m; j++) {
        gauss_mixture_draw(&result.gaussian, k, j, again);
        ck_assert_int_ne(memcmp(again, g->mean, bytes), 0);
    }
    gauss_mixture_draw(&result.gaussian, k, 0, again);
    ck_assert_int_eq(memcmp(again, first, bytes), 0);
    ck_assert_int_eq(memcmp(mean, g->mean, bytes), 0);
    ck_assert_int_eq(memcmp(std, g->std, bytes), 0);
    ck_assert_int_eq(memcmp(factor, g->factor, bytes * (size_t)g->rank), 0);
    mem_free(mean);
    mem_free(std);
    mem_free(factor);
    mem_free(first);
    mem_free(again);
    solver_result_release(&result);
    solver_toy_release(&toy);
}
END_TEST

/* A fit that does not move leaves the same start for both; then steps must be of the same size. */
START_TEST(the_rate_means_the_same_for_a_likelihood)
{
    static const enum noise_kind kinds[] = {NOISE_ESTIMATED, NOISE_GIVEN, NOISE_LEARNED};
    struct solver_result results[3];
    int k = 0;
    for (int i = 0; i < 3; i++) {
        struct solver_toy toy;
        struct err err = ERR_INIT;
        struct arch arch = solver_toy_arch(kinds[i]);
        solver_toy_init(&toy, SOLVER_SWAG, kinds[i], &arch);
        k = toy.net.n_params;
        toy.problem.beliefs.flat = true;
        toy.sigmas[1] = toy.sigmas[0];
        toy.settings.epochs = 1;
        toy.settings.optim.learning_rate = 1e-12;
        ck_assert_int_eq(solver_toy_run(&toy, &results[i], &err), ERR_OK);
        solver_toy_release(&toy);
    }
    for (int i = 0; i < k; i++) {
        double mean = results[0].gaussian.members[0].mean[i];
        double std = results[0].gaussian.members[0].std[i];
        ck_assert_double_gt(std, 1e-6);
        ck_assert_double_eq_tol(results[1].gaussian.members[0].mean[i], mean, 1e-9);
        ck_assert_double_eq_tol(results[1].gaussian.members[0].std[i], std, 1e-9);
        /* Learned log s_j move with the weights, and with them the steps, a little. */
        ck_assert_double_eq_tol(results[2].gaussian.members[0].std[i], std, 0.5 * std);
    }
    for (int i = 0; i < 3; i++) {
        solver_result_release(&results[i]);
    }
}
END_TEST

START_TEST(a_walk_too_short_for_a_covariance_is_refused)
{
    struct solver_toy toy;
    struct err err = ERR_INIT;
    struct solver_result result;
    struct arch arch = solver_toy_arch(NOISE_ESTIMATED);
    solver_toy_init(&toy, SOLVER_SWAG, NOISE_ESTIMATED, &arch);
    toy.settings.swag_every = 7; /* 12 steps */
    ck_assert_int_eq(solver_toy_run(&toy, &result, &err), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "swag_every"));
    toy.settings.swag_every = 6;
    err_clear(&err);
    ck_assert_int_eq(solver_toy_run(&toy, &result, &err), ERR_OK);
    solver_result_release(&result);
    toy.settings.swag_learning_rate = 1e6;
    toy.settings.swag_epochs = 40;
    ck_assert_int_eq(solver_toy_run(&toy, &result, &err), ERR_NUMERIC);
    ck_assert_ptr_nonnull(strstr(err.msg, "swag_learning_rate"));
    solver_toy_release(&toy);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("solver_swag");
    TCase *tc = tcase_create("solver_swag");
    gemm_use_one_thread();
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, moments_are_those_of_the_trajectory);
    tcase_add_test(tc, drawing_leaves_the_mixture_as_it_was);
    tcase_add_test(tc, the_rate_means_the_same_for_a_likelihood);
    tcase_add_test(tc, a_walk_too_short_for_a_covariance_is_refused);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
