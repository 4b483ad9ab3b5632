/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every solver over every kind of network: finite results with the network's number of parameters,
 * the same on one thread and on several.
 */
#include "run.h"
#include "solver_toy.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "math/gemm.h"

enum {
#define SOLVER(code, name, ops) ONE_##code,
#include "solve/solver.def"
#undef SOLVER
    N_KINDS
};

static bool all_finite(const double *values, size_t n)
{
    for (size_t i = 0; values != NULL && i < n; i++) {
        if (!isfinite(values[i])) {
            return false;
        }
    }
    return true;
}

static void check_result(const struct solver_result *result, size_t k)
{
    ck_assert((result->draws != NULL) != (result->gaussian.n_members > 0));
    ck_assert(all_finite(result->draws, (size_t)result->m * k));
    ck_assert(all_finite(result->noise_sigma, TOY_OUT));
    for (int i = 0; i < result->gaussian.n_members; i++) {
        const struct gauss *g = &result->gaussian.members[i];
        ck_assert(all_finite(g->mean, k) && all_finite(g->std, (size_t)g->n));
        ck_assert(all_finite(g->factor, (size_t)g->n * (size_t)g->rank));
    }
}

static bool same(const double *a, const double *b, size_t n)
{
    return (a == NULL) == (b == NULL) && (a == NULL || memcmp(a, b, n * sizeof *a) == 0);
}

static void check_network(enum solver_kind kind, const struct arch *arch)
{
    struct solver_toy toy;
    struct solver_result results[2];
    enum noise_kind noise = solver_default_noise(kind);
    solver_toy_init(&toy, kind, noise, arch);
    size_t k = (size_t)toy.net.n_params;
    for (int i = 0; i < 2; i++) {
        struct err err = ERR_INIT;
        toy.problem.n_threads = 1 + i;
        enum err_code code = solver_toy_run(&toy, &results[i], &err);
        ck_assert_msg(code == ERR_OK, "%s, %s: %s", solver_name(kind),
                      arch_activation_name(arch->activation), err_msg(&err));
        check_result(&results[i], k);
    }
    ck_assert(same(results[0].draws, results[1].draws, (size_t)results[0].m * k));
    for (int i = 0; i < results[0].gaussian.n_members; i++) {
        ck_assert(
            same(results[0].gaussian.members[i].mean, results[1].gaussian.members[i].mean, k));
    }
    for (int i = 0; i < 2; i++) {
        solver_result_release(&results[i]);
    }
    solver_toy_release(&toy);
}

START_TEST(every_solver_takes_every_activation)
{
    const enum solver_kind kind = (enum solver_kind)_i;
    for (enum activation act = ACT_TANH; act < ACT_COUNT; act++) {
        struct arch arch = solver_toy_arch(solver_default_noise(kind));
        arch.activation = act;
        check_network(kind, &arch);
        arch.residual = false;
        check_network(kind, &arch);
    }
}
END_TEST

START_TEST(every_solver_takes_other_bases_and_outer_layers_without_biases)
{
    const enum solver_kind kind = (enum solver_kind)_i;
    struct arch arch = solver_toy_arch(solver_default_noise(kind));
    struct err err = ERR_INIT;
    arch.basis = WPFN_QR;
    arch.order = 1;
    check_network(kind, &arch);
    arch.outer_bias = false;
    if (solver_check_network(kind, &arch, false, &err) == ERR_OK) {
        check_network(kind, &arch);
        arch.bias = false;
        check_network(kind, &arch);
    } else {
        ck_assert(kind == SOLVER_BLL || kind == SOLVER_DUQ);
        ck_assert_ptr_nonnull(strstr(err_msg(&err), "needs an architecture with outer_bias"));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("solver_networks");
    TCase *tc = tcase_create("solver_networks");
    gemm_use_one_thread();
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, every_solver_takes_every_activation, 0, N_KINDS);
    tcase_add_loop_test(tc, every_solver_takes_other_bases_and_outer_layers_without_biases, 0,
                        N_KINDS);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
