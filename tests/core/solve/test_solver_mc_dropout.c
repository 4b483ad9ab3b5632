/* SPDX-License-Identifier: Apache-2.0 */
/* Dropout: draws against a forward pass that leaves units out itself, and the loss's gradient. */
#include "plain_forward.h"
#include "run.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "math/gemm.h"
#include "solve/solver_mc_dropout.h"
#include "solve/solver_priv.h"
#include "solver_toy.h"

#define WIDTH 3 /* of the toy */

/* ---- draws ---- */

/* The toy network in plain loops, units scaled by `blocks` before each block, by `post` at last. */
static void forward(const struct resnet *net, const double *params, const double *blocks,
                    const double *post, const double *x, double *y)
{
    const struct arch_offsets *off = &net->off;
    double z[WIDTH];
    double next[WIDTH];
    for (int i = 0; i < WIDTH; i++) {
        double sum = params[off->bias_pre + i];
        for (int j = 0; j < TOY_INPUTS; j++) {
            sum += params[off->weight_pre + i * TOY_INPUTS + j] * x[j];
        }
        z[i] = tanh(sum);
    }
    for (int b = 0; b < 2; b++) {
        double t = b / 2.0;
        for (int i = 0; i < WIDTH; i++) {
            double sum = params[off->bb + i] + t * params[off->bb + WIDTH + i];
            for (int j = 0; j < WIDTH; j++) {
                double w = params[off->ww + i * WIDTH + j] +
                           t * params[off->ww + WIDTH * WIDTH + i * WIDTH + j];
                sum += w * blocks[j] * z[j];
            }
            next[i] = z[i] + 0.5 * tanh(sum);
        }
        memcpy(z, next, sizeof z);
    }
    for (int i = 0; i < TOY_OUT; i++) {
        y[i] = params[off->bias_post + i];
        for (int j = 0; j < WIDTH; j++) {
            y[i] += params[off->weight_post + i * WIDTH + j] * post[j] * z[j];
        }
    }
}

/* The parameters under the masks: each one that some draw keeps, undone. [K] */
static void unmask(const struct solver_toy *toy, const struct solver_result *result, int member,
                   double *params)
{
    int k = toy->net.n_params;
    const struct arch_offsets *off = &toy->net.off;
    for (int i = 0; i < k; i++) {
        bool masked = (i >= off->ww && i < off->ww + 2 * WIDTH * WIDTH) ||
                      (i >= off->weight_post && i < off->weight_post + TOY_OUT * WIDTH);
        double keep = masked ? 1.0 - toy->settings.dropout : 1.0;
        params[i] = 0.0;
        for (int j = 0; j < toy->settings.draws; j++) {
            double value = result->draws[(member * toy->settings.draws + j) * k + i];
            params[i] = fabs(value) > 0.0 ? value * keep : params[i];
        }
        ck_assert_double_gt(fabs(params[i]), 0.0);
    }
}

/* Units of a draw, as the header says they are drawn. */
static void units(struct rng *rng, double p, double *mask)
{
    for (int j = 0; j < WIDTH; j++) {
        mask[j] = rng_uniform(rng) < p ? 0.0 : 1.0 / (1.0 - p);
    }
}

START_TEST(a_draw_is_the_network_with_units_left_out)
{
    struct solver_toy toy;
    struct err err = ERR_INIT;
    struct solver_result result;
    struct arch arch = solver_toy_arch(NOISE_ESTIMATED);
    solver_toy_init(&toy, SOLVER_MC_DROPOUT, NOISE_ESTIMATED, &arch);
    toy.settings.draws = 40;
    toy.settings.dropout = 0.3;
    ck_assert_int_eq(solver_toy_run(&toy, &result, &err), ERR_OK);
    int k = toy.net.n_params;
    double *params = mem_alloc_array((size_t)k, sizeof *params);
    int n_left_out = 0;
    for (int number = 0; number < result.m; number++) {
        double y[TOY_ROWS * TOY_OUT];
        double expected[TOY_OUT];
        double blocks[WIDTH];
        double post[WIDTH];
        struct rng rng;
        rng_init(&rng, toy.problem.seed, RNG_MASK, (uint32_t)number);
        units(&rng, 0.3, blocks);
        units(&rng, 0.3, post);
        for (int j = 0; j < WIDTH; j++) {
            n_left_out += (blocks[j] > 0.0 ? 0 : 1) + (post[j] > 0.0 ? 0 : 1);
        }
        unmask(&toy, &result, number / toy.settings.draws, params);
        plain_forward(&toy.net, result.draws + number * k, TOY_ROWS, toy.x, y);
        for (int i = 0; i < TOY_ROWS; i++) {
            forward(&toy.net, params, blocks, post, toy.x + i * TOY_INPUTS, expected);
            for (int j = 0; j < TOY_OUT; j++) {
                ck_assert_double_eq_tol(y[i * TOY_OUT + j], expected[j], 1e-13);
            }
        }
    }
    double n = result.m * 2.0 * WIDTH;
    ck_assert_double_le(fabs(n_left_out - 0.3 * n), 6.0 * sqrt(0.3 * 0.7 * n));
    mem_free(params);
    solver_result_release(&result);
    solver_toy_release(&toy);
}
END_TEST

START_TEST(without_dropout_every_draw_is_the_fitted_network)
{
    for (int noise = NOISE_GIVEN; noise <= NOISE_PREDICTED; noise++) {
        struct solver_toy toy;
        struct err err = ERR_INIT;
        struct solver_result result;
        struct solver_tasks tasks;
        struct arch arch = solver_toy_arch((enum noise_kind)noise);
        solver_toy_init(&toy, SOLVER_MC_DROPOUT, (enum noise_kind)noise, &arch);
        toy.settings.dropout = 0.0;
        size_t k = (size_t)toy.net.n_params;
        double *params = mem_alloc_array(k + TOY_OUT, sizeof *params);
        ck_assert_int_eq(solver_toy_run(&toy, &result, &err), ERR_OK);
        ck_assert_int_eq(solver_tasks_init(&tasks, &toy.problem, toy.settings.members, &err),
                         ERR_OK);
        for (int member = 0; member < toy.settings.members; member++) {
            struct fit_result fit = {0};
            const struct solver_part part = solver_part_of(&tasks, &toy.settings, member);
            ck_assert_int_eq(solver_fit_map(&part, params, &fit, &err), ERR_OK);
            for (int j = 0; j < toy.settings.draws; j++) {
                size_t number = (size_t)(member * toy.settings.draws + j);
                for (size_t i = 0; i < k; i++) {
                    /* The prior's share is summed in another order. */
                    ck_assert_double_eq_tol(result.draws[number * k + i], params[i], 1e-9);
                }
            }
        }
        solver_tasks_release(&tasks);
        mem_free(params);
        solver_result_release(&result);
        solver_toy_release(&toy);
    }
}
END_TEST

/* ---- the loss ---- */

static void check_gradient(enum objective_kind kind, enum noise_kind noise, int n_rows)
{
    struct solver_toy toy;
    struct err err = ERR_INIT;
    struct arch arch = solver_toy_arch(noise);
    struct mc_dropout_loss dropout;
    struct rng rng;
    solver_toy_init(&toy, SOLVER_MC_DROPOUT, noise, &arch);
    struct objective objective = {.kind = kind,
                                  .noise = noise,
                                  .noise_sigmas = toy.sigmas,
                                  .prior_sigmas = toy.priors,
                                  .n_total = 40};
    toy.problem.train.n = n_rows;
    ck_assert_int_eq(mc_dropout_loss_init(&dropout, &objective, &toy.net, 0.3, &err), ERR_OK);
    struct loss loss = mc_dropout_loss_as_loss(&dropout);
    size_t n = (size_t)loss.n_params;
    double *params = mem_alloc_array(n, sizeof *params);
    rng_init(&rng, 5, RNG_TEST, 0);
    for (size_t k = 0; k < n; k++) {
        params[k] = 0.5 * rng_normal(&rng);
    }
    solver_toy_check_gradient(&loss, &toy.problem.train, params);
    mem_free(params);
    mc_dropout_loss_release(&dropout);
    solver_toy_release(&toy);
}

START_TEST(gradients_match_central_differences)
{
    static const int rows[] = {1, 3, TOY_ROWS}; /* fewer than the parts of a minibatch, and more */
    for (int i = 0; i < 3; i++) {
        check_gradient(OBJECTIVE_MSE, NOISE_ESTIMATED, rows[i]);
        for (int noise = NOISE_GIVEN; noise <= NOISE_PREDICTED; noise++) {
            check_gradient(OBJECTIVE_NLL, (enum noise_kind)noise, rows[i]);
            check_gradient(OBJECTIVE_NLP, (enum noise_kind)noise, rows[i]);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("solver_mc_dropout");
    TCase *tc = tcase_create("solver_mc_dropout");
    gemm_use_one_thread();
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, a_draw_is_the_network_with_units_left_out);
    tcase_add_test(tc, without_dropout_every_draw_is_the_fitted_network);
    tcase_add_test(tc, gradients_match_central_differences);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
