/* SPDX-License-Identifier: Apache-2.0 */
/* Starts of evidence that are given up on the way: who goes on, and that nothing else decides. */
#include "gaussian_problem.h"
#include "memory_checkpoint.h"
#include "run.h"

#include "solve/evidence_starts.h"

#define MANY   EVIDENCE_MANY
#define STARTS 6

struct many {
    struct resnet net;
    double x[2 * MANY], y[MANY], prior[64];
    struct solver_problem problem;
    struct solver_settings settings;
};

static void many_init(struct many *m, int rows)
{
    struct err err = ERR_INIT;
    struct rng rng;
    struct arch arch = arch_default(2, 1);
    arch.width = 4;
    arch.layers = 1;
    arch.basis = WPFN_CONSTANT;
    memset(m, 0, sizeof *m);
    ck_assert_int_eq(resnet_init(&m->net, &arch, &err), ERR_OK);
    ck_assert_int_le(m->net.n_params, 64);
    rng_init(&rng, 3, RNG_TEST, 0);
    for (int i = 0; i < MANY; i++) {
        double *x = m->x + 2 * i;
        x[0] = 2.0 * rng_uniform(&rng) - 1.0;
        x[1] = 2.0 * rng_uniform(&rng) - 1.0;
        m->y[i] = sin(3.0 * x[0]) + x[0] * x[1];
    }
    for (int k = 0; k < m->net.n_params; k++) {
        m->prior[k] = 10.0;
    }
    m->problem = (struct solver_problem){
        .net = &m->net,
        .train = {.n = rows, .d = 2, .o = 1, .x = m->x, .y = m->y},
        .validation = {.d = 2, .o = 1},
        .beliefs = {.noise = NOISE_LEARNED, .prior_sigmas = m->prior},
        .seed = 2,
        .n_threads = 1,
    };
    m->settings = solver_defaults(SOLVER_EVIDENCE);
    m->settings.members = STARTS;
    m->settings.epochs = 40;
    m->settings.draws = 2;
}

static enum err_code many_run(const struct many *m, struct solver_result *result, struct err *err)
{
    return solver_run(SOLVER_EVIDENCE, &m->problem, &m->settings, result, err);
}

static bool same_bits(const struct many *m, const struct solver_result *a,
                      const struct solver_result *b)
{
    size_t k = (size_t)m->net.n_params;
    bool same = a->gaussian.n_members == b->gaussian.n_members;
    for (int i = 0; same && i < a->gaussian.n_members; i++) {
        const struct gauss *one = &a->gaussian.members[i];
        const struct gauss *other = &b->gaussian.members[i];
        same = memcmp(one->mean, other->mean, k * sizeof *one->mean) == 0 &&
               memcmp(one->factor, other->factor, k * k * sizeof *one->factor) == 0;
    }
    return same &&
           memcmp(reported(a, "evidence.log_evidence", STARTS),
                  reported(b, "evidence.log_evidence", STARTS), STARTS * sizeof(double)) == 0;
}

START_TEST(the_better_half_goes_on_at_each_rung)
{
    struct err err = ERR_INIT;
    struct many m;
    struct solver_result result;
    int ended[4] = {0};
    double best = -INFINITY;
    double best_given_up = -INFINITY;
    many_init(&m, MANY);
    m.settings.evidence_gap = 0.0;
    ck_assert_int_eq(many_run(&m, &result, &err), ERR_OK);
    const double *iterations = reported(&result, "evidence.iterations", STARTS);
    const double *evidence = reported(&result, "evidence.log_evidence", STARTS);
    for (int i = 0; i < STARTS; i++) {
        int rung = iterations[i] == 8.0 ? 0 : iterations[i] == 16.0 ? 1 : 2;
        ended[rung]++;
        best = fmax(best, evidence[i]);
        if (rung < 2) {
            best_given_up = fmax(best_given_up, evidence[i]);
        }
    }
    /* Of six three go on, of these two, and of these one. */
    ck_assert_int_eq(ended[0], 3);
    ck_assert_int_eq(ended[1], 1);
    ck_assert_double_gt(best, best_given_up);
    ck_assert_int_eq(result.gaussian.n_members, 1);
    solver_result_release(&result);
    resnet_release(&m.net);
}
END_TEST

START_TEST(with_fewer_rows_or_within_the_gap_all_are_fitted_to_the_end)
{
    struct err err = ERR_INIT;
    struct many m;
    struct solver_result result;
    for (int i = 0; i < 2; i++) {
        many_init(&m, i == 0 ? MANY - 1 : MANY);
        m.settings.evidence_gap = i == 0 ? 0.0 : 1e9;
        m.settings.patience = 0;
        ck_assert_int_eq(many_run(&m, &result, &err), ERR_OK);
        const double *iterations = reported(&result, "evidence.iterations", STARTS);
        for (int s = 0; s < STARTS; s++) {
            ck_assert_double_ge(iterations[s], 40.0);
        }
        solver_result_release(&result);
        resnet_release(&m.net);
    }
}
END_TEST

START_TEST(threads_do_not_change_a_bit)
{
    struct err err = ERR_INIT;
    struct many m;
    struct solver_result whole, result;
    many_init(&m, MANY);
    ck_assert_int_eq(many_run(&m, &whole, &err), ERR_OK);
    m.problem.n_threads = 3;
    ck_assert_int_eq(many_run(&m, &result, &err), ERR_OK);
    ck_assert(same_bits(&m, &whole, &result));
    solver_result_release(&result);
    solver_result_release(&whole);
    resnet_release(&m.net);
}
END_TEST

START_TEST(interruptions_do_not_change_a_bit)
{
    struct err err = ERR_INIT;
    struct many m;
    struct solver_result whole, result;
    many_init(&m, MANY);
    ck_assert_int_eq(many_run(&m, &whole, &err), ERR_OK);
    int n = 0;
    for (int at = 1;; at += 1 + at / 8, n++) {
        struct memory_checkpoint memory;
        struct cancel cancel = {false};
        memory_checkpoint_init(&memory, 2);
        memory.cancel = &cancel;
        memory.die_after = at;
        m.problem.checkpoint = &memory.checkpoint;
        m.problem.cancel = &cancel;
        enum err_code code = many_run(&m, &result, &err);
        if (code != ERR_OK) {
            ck_assert_int_eq(code, ERR_CANCELLED);
            err_clear(&err);
            atomic_store(&cancel.stop, false);
            memory_checkpoint_revive(&memory);
            ck_assert_int_eq(many_run(&m, &result, &err), ERR_OK);
            ck_assert_int_gt(memory.n_loads, 0);
        }
        ck_assert_msg(same_bits(&m, &whole, &result), "interrupted after save %d", at);
        solver_result_release(&result);
        memory_checkpoint_release(&memory);
        if (code == ERR_OK) {
            break;
        }
    }
    ck_assert_int_gt(n, 10);
    solver_result_release(&whole);
    resnet_release(&m.net);
}
END_TEST

START_TEST(every_failed_allocation_is_survived)
{
    struct err err = ERR_INIT;
    struct many m;
    struct solver_result whole, result;
    many_init(&m, MANY);
    m.settings.epochs = 20;
    ck_assert_int_eq(many_run(&m, &whole, &err), ERR_OK);
    long live = mem_live();
    for (long at = 1;; at++) {
        mem_fail_after(at, false);
        enum err_code code = many_run(&m, &result, &err);
        long attempts = mem_attempts();
        mem_fail_after(0, false);
        if (code == ERR_OK) {
            ck_assert_int_lt(attempts, at);
            ck_assert(same_bits(&m, &whole, &result));
            solver_result_release(&result);
            break;
        }
        ck_assert_int_eq(code, ERR_NOMEM);
        err_clear(&err);
        solver_result_release(&result);
        ck_assert_int_eq(mem_live(), live);
    }
    solver_result_release(&whole);
    resnet_release(&m.net);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("evidence_race");
    TCase *tc = tcase_create("evidence_race");
    gemm_use_one_thread();
    tcase_set_timeout(tc, 240);
    tcase_add_test(tc, threads_do_not_change_a_bit);
    suite_add_tcase(suite, tc);
    TCase *rest = tcase_create("evidence_race of one thread");
    tcase_set_timeout(rest, 240);
    tcase_set_tags(rest, "no_races");
    tcase_add_test(rest, the_better_half_goes_on_at_each_rung);
    tcase_add_test(rest, with_fewer_rows_or_within_the_gap_all_are_fitted_to_the_end);
    tcase_add_test(rest, interruptions_do_not_change_a_bit);
    tcase_add_test(rest, every_failed_allocation_is_survived);
    suite_add_tcase(suite, rest);
    return run_suite(suite);
}
