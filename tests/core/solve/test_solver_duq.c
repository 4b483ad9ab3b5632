/* SPDX-License-Identifier: Apache-2.0 */
/* Delta-UQ: a folded draw is the trained network at (anchor, x - anchor). */
#include "plain_forward.h"
#include "run.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "math/gemm.h"
#include "solve/solver_duq.h"
#include "solver_toy.h"

#define ROWS 9

static void check_fold(const struct arch *arch)
{
    struct err err = ERR_INIT;
    struct resnet net;
    struct resnet inner;
    struct rng rng;
    size_t d = (size_t)arch->inputs;
    double x[ROWS * 5];
    double both[ROWS * 10];
    double anchor[5];
    double y[ROWS * 8];
    double expected[ROWS * 8];
    struct arch inner_arch = duq_inner_arch(arch);
    ck_assert_int_eq(resnet_init(&net, arch, &err), ERR_OK);
    ck_assert_int_eq(resnet_init(&inner, &inner_arch, &err), ERR_OK);
    ck_assert_int_eq(inner.n_params, net.n_params + arch->width * arch->inputs);
    double *params = mem_alloc_array((size_t)inner.n_params, sizeof *params);
    double *draw = mem_alloc_array((size_t)net.n_params, sizeof *draw);
    rng_init(&rng, 8, RNG_TEST, 0);
    for (int k = 0; k < inner.n_params; k++) {
        params[k] = 0.5 * rng_normal(&rng);
    }
    for (size_t j = 0; j < d; j++) {
        anchor[j] = rng_normal(&rng);
    }
    for (size_t i = 0; i < ROWS; i++) {
        for (size_t j = 0; j < d; j++) {
            x[i * d + j] = rng_normal(&rng);
            both[i * 2 * d + j] = anchor[j];
            both[i * 2 * d + d + j] = x[i * d + j] - anchor[j];
        }
    }
    duq_fold(&net, params, anchor, draw);
    plain_forward(&net, draw, ROWS, x, y);
    plain_forward(&inner, params, ROWS, both, expected);
    double max = 0.0;
    for (int i = 0; i < ROWS * net.n_out; i++) {
        max = fmax(max, fabs(expected[i]));
    }
    for (int i = 0; i < ROWS * net.n_out; i++) {
        ck_assert_double_eq_tol(y[i], expected[i], 1e-13 * max);
    }
    mem_free(params);
    mem_free(draw);
    resnet_release(&net);
    resnet_release(&inner);
}

START_TEST(a_folded_draw_is_the_network_at_its_anchor)
{
    struct arch arch = arch_default(5, 2);
    arch.width = 7;
    arch.layers = 3;
    check_fold(&arch);
    arch.bias = false;
    arch.basis = WPFN_CUBIC;
    check_fold(&arch);
    arch = arch_default(1, 4);
    arch.width = 4;
    arch.layer_post = false;
    arch.residual = false;
    check_fold(&arch);
    arch = arch_default(3, 3);
    arch.width = 1;
    arch.final = FINAL_SUM;
    check_fold(&arch);
}
END_TEST

/* Draws of a member differ by their anchors, which enter the first bias alone. */
START_TEST(draws_of_a_member_differ_in_the_first_bias_alone)
{
    struct solver_toy toy;
    struct err err = ERR_INIT;
    struct solver_result result;
    struct arch arch = solver_toy_arch(NOISE_ESTIMATED);
    solver_toy_init(&toy, SOLVER_DUQ, NOISE_ESTIMATED, &arch);
    toy.settings.draws = TOY_ROWS + 3; /* more than rows: anchors come again */
    ck_assert_int_eq(solver_toy_run(&toy, &result, &err), ERR_OK);
    int k = toy.net.n_params;
    int first = toy.net.off.bias_pre;
    for (int j = 1; j < toy.settings.draws; j++) {
        for (int i = 0; i < k; i++) {
            bool bias = i >= first && i < first + arch.width;
            bool same = memcmp(&result.draws[i], &result.draws[j * k + i], sizeof(double)) == 0;
            ck_assert_int_eq(same, !bias || j == TOY_ROWS);
        }
    }
    solver_result_release(&result);
    solver_toy_release(&toy);
}
END_TEST

START_TEST(a_network_without_a_pre_layer_is_refused)
{
    struct solver_toy toy;
    struct err err = ERR_INIT;
    struct solver_result result;
    struct arch arch = solver_toy_arch(NOISE_ESTIMATED);
    arch.width = TOY_INPUTS;
    arch.layer_pre = false;
    solver_toy_init(&toy, SOLVER_DUQ, NOISE_ESTIMATED, &arch);
    ck_assert_int_eq(solver_toy_run(&toy, &result, &err), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "layer_pre"));
    solver_toy_release(&toy);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("solver_duq");
    TCase *tc = tcase_create("solver_duq");
    gemm_use_one_thread();
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, a_folded_draw_is_the_network_at_its_anchor);
    tcase_add_test(tc, draws_of_a_member_differ_in_the_first_bias_alone);
    tcase_add_test(tc, a_network_without_a_pre_layer_is_refused);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
