/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every solver of uq.def owes, whatever it computes: results that depend on neither threads
 * nor interruptions, progress, cancellation, and an orderly end when memory is short.
 */
#include "memory_checkpoint.h"
#include "progress_watch.h"
#include "run.h"
#include "solver_toy.h"
#include "stride.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "math/gemm.h"

enum {
#define SOLVER(code, name, ops) ONE_##code,
#include "solve/solver.def"
#undef SOLVER
    N_KINDS
};

static bool with_holes;  /* the toy's rows miss outputs */
static bool by_evidence; /* prior and noise are found with the fit */
static bool by_steps;    /* fits are by Levenberg-Marquardt */

static void toy_init(struct solver_toy *toy, enum solver_kind kind, enum noise_kind noise)
{
    struct arch arch = solver_toy_arch(noise);
    solver_toy_init(toy, kind, noise, &arch);
    if (with_holes) {
        solver_toy_punch(toy);
    }
    if (by_evidence) {
        toy->settings.hyperparameters = HYPER_EVIDENCE;
        toy->settings.evidence_gap = 1e9; /* a draw for each member */
    }
    if (by_steps) {
        toy->settings.optim.kind = OPTIM_LEVENBERG;
    }
}

/* Can the solver have this noise? If it says so it must run, else it must refuse. */
static bool can_run(enum solver_kind kind, enum noise_kind noise)
{
    struct solver_toy toy;
    struct err err = ERR_INIT;
    struct err unfit = ERR_INIT;
    struct solver_result result;
    enum err_code wanted = solver_check_noise(kind, noise, &unfit);
    toy_init(&toy, kind, noise);
    if (wanted == ERR_OK) {
        wanted = solver_check_fit(&toy.settings, noise, &unfit);
    }
    enum err_code code = solver_toy_run(&toy, &result, &err);
    if (code == ERR_OK) {
        solver_result_release(&result);
    }
    solver_toy_release(&toy);
    ck_assert_msg(code == wanted, "%s, %s noise: %s", solver_name(kind), noise_kind_name(noise),
                  err_msg(&err));
    return code == ERR_OK;
}

/* Same bits in all that a result holds? */
static bool same_numbers(const double *a, const double *b, size_t n)
{
    return (a == NULL) == (b == NULL) && (a == NULL || memcmp(a, b, n * sizeof *a) == 0);
}

static bool same_result(const struct solver_result *a, const struct solver_result *b, size_t k)
{
    bool same = a->m == b->m && same_numbers(a->draws, b->draws, (size_t)a->m * k) &&
                same_numbers(a->noise_sigma, b->noise_sigma, TOY_OUT) &&
                a->gaussian.n_members == b->gaussian.n_members &&
                a->gaussian.n_draws == b->gaussian.n_draws &&
                a->gaussian.seed == b->gaussian.seed && a->report.n_items == b->report.n_items;
    for (int i = 0; same && i < a->gaussian.n_members; i++) {
        const struct gauss *p = &a->gaussian.members[i];
        const struct gauss *q = &b->gaussian.members[i];
        same = p->first == q->first && p->n == q->n && p->rank == q->rank &&
               same_numbers(p->mean, q->mean, k) && same_numbers(p->std, q->std, (size_t)p->n) &&
               same_numbers(p->factor, q->factor, (size_t)p->n * (size_t)p->rank);
    }
    for (int i = 0; same && i < a->report.n_items; i++) {
        const struct report_item *p = &a->report.items[i];
        const struct report_item *q = &b->report.items[i];
        same = strcmp(p->name, q->name) == 0 && p->n == q->n &&
               same_numbers(p->values, q->values, (size_t)p->n);
    }
    return same;
}

static void for_each_noise(enum solver_kind kind, void (*check)(enum solver_kind, enum noise_kind))
{
    for (int noise = NOISE_GIVEN; noise <= NOISE_PREDICTED; noise++) {
        if (can_run(kind, (enum noise_kind)noise)) {
            check(kind, (enum noise_kind)noise);
        }
    }
}

/* ---- shape ---- */

static void check_shape(enum solver_kind kind, enum noise_kind noise)
{
    struct solver_toy toy;
    struct err err = ERR_INIT;
    struct solver_result result;
    toy_init(&toy, kind, noise);
    ck_assert_int_eq(solver_toy_run(&toy, &result, &err), ERR_OK);
    int k = toy.net.n_params;
    ck_assert_int_eq(result.m, solver_n_draws(kind, &toy.settings));
    if (result.gaussian.n_members > 0) {
        ck_assert_ptr_null(result.draws);
        ck_assert_int_eq(result.gaussian.n_members * result.gaussian.n_draws, result.m);
        ck_assert_int_eq(gauss_mixture_check(&result.gaussian, k, &err), ERR_OK);
    } else {
        for (size_t i = 0; i < (size_t)result.m * (size_t)k; i++) {
            ck_assert(isfinite(result.draws[i]));
        }
    }
    bool told = noise == NOISE_LEARNED || toy.problem.beliefs.noise_sigmas != NULL;
    ck_assert(!told || result.noise_sigma != NULL);
    ck_assert(noise != NOISE_PREDICTED || result.noise_sigma == NULL);
    for (int j = 0; result.noise_sigma != NULL && j < TOY_OUT; j++) {
        ck_assert(result.noise_sigma[j] > 0.0 && isfinite(result.noise_sigma[j]));
        if (noise == NOISE_GIVEN) {
            ck_assert_double_eq(result.noise_sigma[j], toy.sigmas[j]);
        }
    }
    ck_assert_int_gt(result.report.n_items, 0);
    solver_result_release(&result);
    solver_toy_release(&toy);
}

START_TEST(a_result_has_its_parts)
{
    for_each_noise((enum solver_kind)_i, check_shape);
}
END_TEST

/* ---- determinism ---- */

static void check_threads(enum solver_kind kind, enum noise_kind noise)
{
    static const int threads[] = {1, 2, 5};
    struct solver_result results[3];
    struct solver_toy toy;
    toy_init(&toy, kind, noise);
    size_t k = (size_t)toy.net.n_params;
    for (int i = 0; i < 3; i++) {
        struct err err = ERR_INIT;
        toy.problem.n_threads = threads[i];
        ck_assert_int_eq(solver_toy_run(&toy, &results[i], &err), ERR_OK);
        ck_assert(same_result(&results[0], &results[i], k));
    }
    struct err err = ERR_INIT;
    struct solver_result other;
    toy.problem.seed++;
    ck_assert_int_eq(solver_toy_run(&toy, &other, &err), ERR_OK);
    ck_assert(!same_result(&results[0], &other, k));
    solver_result_release(&other);
    for (int i = 0; i < 3; i++) {
        solver_result_release(&results[i]);
    }
    solver_toy_release(&toy);
}

START_TEST(a_result_depends_on_the_seed_and_not_on_threads)
{
    for_each_noise((enum solver_kind)_i, check_threads);
}
END_TEST

/* ---- progress and cancellation ---- */

static void check_progress(enum solver_kind kind, enum noise_kind noise)
{
    struct solver_toy toy;
    struct progress_watch watch = {.calls = 0};
    struct solver_result result;
    struct err err = ERR_INIT;
    toy_init(&toy, kind, noise);
    toy.problem.progress = progress_watch_report;
    toy.problem.progress_ctx = &watch;
    toy.problem.cancel = &watch.cancel;
    ck_assert_int_eq(solver_toy_run(&toy, &result, &err), ERR_OK);
    solver_result_release(&result);
    ck_assert_double_ge(watch.last, 1.0 - 1e-12);
    ck_assert_int_gt(watch.calls, 1);
    /* A cancel in the last report of the last task may come too late. */
    int calls = watch.calls;
    long live = mem_live();
    for (int at = 1; at < calls; at++) {
        struct progress_watch again = {.stop_at = at};
        err_clear(&err);
        toy.problem.progress_ctx = &again;
        toy.problem.cancel = &again.cancel;
        ck_assert_int_eq(solver_toy_run(&toy, &result, &err), ERR_CANCELLED);
        ck_assert_int_eq(mem_live(), live);
    }
    solver_toy_release(&toy);
}

START_TEST(progress_rises_to_one_and_a_cancel_ends_it_anywhere)
{
    for_each_noise((enum solver_kind)_i, check_progress);
}
END_TEST

/* ---- resumption ---- */

/* Dies after its n-th save and continues; for every n at first, then for ever fewer of the
 * thousands that a chain has. */
static void check_resumption(const struct solver_toy *made, int every, int n_threads)
{
    struct solver_toy toy = *made;
    struct solver_result whole;
    struct err err = ERR_INIT;
    toy.problem.net = &toy.net;
    toy.problem.n_threads = n_threads;
    ck_assert_int_eq(solver_toy_run(&toy, &whole, &err), ERR_OK);
    for (int at = 1;; at += 1 + at / 4) {
        struct memory_checkpoint memory;
        struct cancel cancel = {false};
        struct solver_result result;
        memory_checkpoint_init(&memory, every);
        memory.cancel = &cancel;
        memory.die_after = at;
        toy.problem.checkpoint = &memory.checkpoint;
        toy.problem.cancel = &cancel;
        err_clear(&err);
        enum err_code code = solver_toy_run(&toy, &result, &err);
        if (code == ERR_OK) {
            ck_assert_int_gt(at, 1); /* it did save */
            ck_assert(same_result(&whole, &result, (size_t)toy.net.n_params));
            solver_result_release(&result);
            memory_checkpoint_release(&memory);
            break;
        }
        ck_assert_int_eq(code, ERR_CANCELLED);
        err_clear(&err);
        atomic_store(&cancel.stop, false);
        memory_checkpoint_revive(&memory);
        ck_assert_int_eq(solver_toy_run(&toy, &result, &err), ERR_OK);
        ck_assert_int_gt(memory.n_loads, 0);
        ck_assert_msg(same_result(&whole, &result, (size_t)toy.net.n_params),
                      "%s differs when interrupted after save %d", solver_name(toy.kind), at);
        solver_result_release(&result);
        memory_checkpoint_release(&memory);
    }
    solver_result_release(&whole);
}

static void check_resumptions(enum solver_kind kind, enum noise_kind noise)
{
    struct solver_toy toy;
    toy_init(&toy, kind, noise);
    check_resumption(&toy, 1, 1);
    check_resumption(&toy, 3, 1);
    check_resumption(&toy, 2, 2);
    toy.settings.patience = 1;
    toy.settings.epochs = 12;
    toy.settings.optim.learning_rate = 0.2;
    check_resumption(&toy, 1, 1);
    solver_toy_release(&toy);
}

START_TEST(an_interrupted_run_ends_as_an_unbroken_one)
{
    for_each_noise((enum solver_kind)_i, check_resumptions);
}
END_TEST

/* Rounds of evidence and each kind of curvature leave states of their own. */
START_TEST(an_interrupted_laplace_ends_as_an_unbroken_one)
{
    struct solver_toy toy;
    toy_init(&toy, SOLVER_LAPLACE, _i % 2 == 0 ? NOISE_LEARNED : NOISE_GIVEN);
    toy.settings.hessian = _i / 2;
    toy.settings.marginal_likelihood = true;
    toy.settings.members = 2;
    toy.settings.epochs = 2;
    check_resumption(&toy, 2, 2);
    toy.settings.members = 1;
    check_resumption(&toy, 1, 2);
    toy.settings.marginal_likelihood = false;
    check_resumption(&toy, 1, 1);
    solver_toy_release(&toy);
}
END_TEST

START_TEST(an_interrupted_run_of_lbfgs_ends_as_an_unbroken_one)
{
    struct solver_toy toy;
    struct err err = ERR_INIT;
    enum solver_kind kind = (enum solver_kind)_i;
    toy_init(&toy, kind, solver_default_noise(kind));
    toy.settings.optim.kind = OPTIM_LBFGS;
    if (can_run(kind, solver_default_noise(kind)) &&
        solver_validate(kind, &toy.settings, &err) == ERR_OK) {
        check_resumption(&toy, 1, 1);
    }
    solver_toy_release(&toy);
}
END_TEST

/* ---- rows with holes ---- */

/* Marked as having holes, rows that have none give the same bits. */
static void check_mark(enum solver_kind kind, enum noise_kind noise)
{
    struct solver_toy toy;
    struct err err = ERR_INIT;
    struct solver_result whole;
    struct solver_result marked;
    toy_init(&toy, kind, noise);
    ck_assert_int_eq(solver_toy_run(&toy, &whole, &err), ERR_OK);
    toy.problem.train.present = TOY_OUT;
    toy.problem.validation.present = TOY_OUT;
    ck_assert_int_eq(solver_toy_run(&toy, &marked, &err), ERR_OK);
    ck_assert_msg(same_result(&whole, &marked, (size_t)toy.net.n_params), "%s, %s noise",
                  solver_name(kind), noise_kind_name(noise));
    solver_result_release(&whole);
    solver_result_release(&marked);
    solver_toy_release(&toy);
}

START_TEST(rows_that_might_have_holes_give_the_same_bits)
{
    for_each_noise((enum solver_kind)_i, check_mark);
}
END_TEST

START_TEST(rows_with_holes_give_a_whole_result)
{
    with_holes = true;
    for_each_noise((enum solver_kind)_i, check_shape);
    for_each_noise((enum solver_kind)_i, check_threads);
    with_holes = false;
}
END_TEST

START_TEST(an_interrupted_run_over_holes_ends_as_an_unbroken_one)
{
    struct solver_toy toy;
    enum solver_kind kind = (enum solver_kind)_i;
    with_holes = true;
    toy_init(&toy, kind, solver_default_noise(kind));
    check_resumption(&toy, 2, 2);
    solver_toy_release(&toy);
    with_holes = false;
}
END_TEST

/* ---- memory ---- */

static void check_memory(enum solver_kind kind, enum noise_kind noise)
{
    struct solver_toy toy;
    toy_init(&toy, kind, noise);
    toy.settings.members = 2;
    toy.settings.dfrac = by_evidence ? 1.0 : 0.6;
    struct solver_result whole;
    struct err none = ERR_INIT;
    ck_assert_int_eq(solver_toy_run(&toy, &whole, &none), ERR_OK);
    long live = mem_live();
    for (int for_ever = 0; for_ever < 2; for_ever++) {
        for (long at = 1;; at = by_evidence ? stride_next(at, 1) : at + 1) {
            struct err err = ERR_INIT;
            struct solver_result result;
            struct memory_checkpoint memory;
            memory_checkpoint_init(&memory, 2);
            toy.problem.checkpoint = &memory.checkpoint;
            mem_fail_after(at, for_ever == 1);
            enum err_code code = solver_toy_run(&toy, &result, &err);
            long attempts = mem_attempts();
            mem_fail_after(0, false);
            bool same = code == ERR_OK && same_result(&whole, &result, (size_t)toy.net.n_params);
            solver_result_release(&result);
            memory_checkpoint_release(&memory);
            ck_assert_int_eq(mem_live(), live);
            if (attempts < at) {
                ck_assert(same);
                break;
            }
            /* Chains need nothing of what they remember of a step. */
            ck_assert_msg(code == ERR_NOMEM || (same && attempts > at), "%s, allocation %ld: %s",
                          solver_name(kind), at, err_msg(&err));
        }
    }
    solver_result_release(&whole);
    solver_toy_release(&toy);
}

START_TEST(every_failed_allocation_is_survived)
{
    enum solver_kind kind = (enum solver_kind)_i;
    enum noise_kind noise = solver_default_noise(kind);
    if (can_run(kind, noise)) {
        check_memory(kind, noise);
    }
}
END_TEST

START_TEST(every_failed_allocation_over_holes_is_survived)
{
    with_holes = true; /* bll alone needs memory for them */
    check_memory(SOLVER_BLL, NOISE_LEARNED);
    with_holes = false;
}
END_TEST

/* ---- hyperparameters by evidence, and Levenberg-Marquardt ---- */

static bool finds_hyperparameters(enum solver_kind kind)
{
    int n;
    const struct solver_setting *list = solver_setting_list(&n);
    for (int i = 0; i < n; i++) {
        if (strcmp(list[i].name, "hyperparameters") == 0) {
            return solver_setting_used(&list[i], kind);
        }
    }
    return false;
}

START_TEST(what_solvers_owe_holds_with_hyperparameters_by_evidence)
{
    enum solver_kind kind = (enum solver_kind)_i;
    if (!finds_hyperparameters(kind)) {
        return;
    }
    by_evidence = true;
    for_each_noise(kind, check_shape);
    for_each_noise(kind, check_threads);
    check_progress(kind, NOISE_LEARNED);
    struct solver_toy toy;
    toy_init(&toy, kind, NOISE_LEARNED);
    check_resumption(&toy, 1, 1);
    check_resumption(&toy, 2, 2);
    solver_toy_release(&toy);
    with_holes = true;
    check_shape(kind, NOISE_LEARNED);
    check_threads(kind, NOISE_LEARNED);
    with_holes = by_evidence = false;
}
END_TEST

START_TEST(failed_allocations_with_evidence_are_survived)
{
    by_evidence = finds_hyperparameters((enum solver_kind)_i);
    if (by_evidence) {
        check_memory((enum solver_kind)_i, NOISE_LEARNED);
    }
    by_evidence = false;
}
END_TEST

START_TEST(evidence_says_what_does_not_go_with_it)
{
    struct err err = ERR_INIT;
    struct solver_settings s = solver_defaults(SOLVER_ENSEMBLE);
    s.hyperparameters = HYPER_EVIDENCE;
    ck_assert_int_eq(solver_validate(SOLVER_ENSEMBLE, &s, &err), ERR_OK);
    s.dfrac = 0.5;
    ck_assert_int_eq(solver_validate(SOLVER_ENSEMBLE, &s, &err), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "dfrac is 0.5"));
    err_clear(&err);
    ck_assert_int_eq(solver_check_fit(&s, NOISE_PREDICTED, &err), ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.msg, "predicted noise is not supported"));
    err_clear(&err);
    s = solver_defaults(SOLVER_LAPLACE);
    s.hyperparameters = HYPER_EVIDENCE;
    s.marginal_likelihood = true;
    ck_assert_int_eq(solver_validate(SOLVER_LAPLACE, &s, &err), ERR_INVALID);
    err_clear(&err);
    s = solver_defaults(SOLVER_NUTS);
    s.hyperparameters = HYPER_EVIDENCE;
    s.epochs = 0;
    ck_assert_int_eq(solver_validate(SOLVER_NUTS, &s, &err), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "epochs is 0"));
}
END_TEST

START_TEST(what_solvers_owe_holds_with_levenberg_marquardt)
{
    enum solver_kind kind = (enum solver_kind)_i;
    struct solver_settings settings = solver_defaults(kind);
    struct err err = ERR_INIT;
    settings.optim.kind = OPTIM_LEVENBERG;
    if (solver_validate(kind, &settings, &err) != ERR_OK) {
        ck_assert_ptr_nonnull(strstr(err.msg, "random loss"));
        return;
    }
    by_steps = true;
    for_each_noise(kind, check_shape);
    for_each_noise(kind, check_threads);
    struct solver_toy toy;
    toy_init(&toy, kind, solver_default_noise(kind));
    check_resumption(&toy, 1, 1);
    solver_toy_release(&toy);
    with_holes = true;
    check_shape(kind, solver_default_noise(kind));
    with_holes = by_steps = false;
}
END_TEST

START_TEST(failed_allocations_are_survived_with_levenberg_marquardt)
{
    by_steps = true;
    check_memory(SOLVER_ENSEMBLE, NOISE_LEARNED);
    check_memory(SOLVER_RMS, NOISE_ESTIMATED);
    by_steps = false;
}
END_TEST

/* ---- settings ---- */

START_TEST(defaults_are_valid_and_limits_are_named)
{
    int n;
    const struct solver_setting *list = solver_setting_list(&n);
    enum solver_kind kind = (enum solver_kind)_i;
    struct err err = ERR_INIT;
    struct solver_settings settings = solver_defaults(kind);
    ck_assert_int_eq(solver_validate(kind, &settings, &err), ERR_OK);
    ck_assert_int_eq(solver_check_noise(kind, solver_default_noise(kind), &err), ERR_OK);
    for (int i = 0; i < n; i++) {
        settings = solver_defaults(kind);
        char *field = (char *)&settings + list[i].offset;
        err_clear(&err);
        if (!solver_setting_used(&list[i], kind)) {
            continue;
        }
        if (list[i].type == SOLVER_SETTING_REAL) {
            double value = NAN;
            memcpy(field, &value, sizeof value);
        } else if (list[i].type == SOLVER_SETTING_INT) {
            int value = -1;
            memcpy(field, &value, sizeof value);
        } else {
            continue;
        }
        ck_assert_int_eq(solver_validate(kind, &settings, &err), ERR_INVALID);
        ck_assert_ptr_nonnull(strstr(err.msg, list[i].name));
    }
}
END_TEST

START_TEST(noise_without_its_sigma_is_refused)
{
    struct solver_toy toy;
    struct err err = ERR_INIT;
    struct solver_result result;
    toy_init(&toy, (enum solver_kind)_i, NOISE_GIVEN);
    toy.problem.beliefs.noise_sigmas = NULL;
    if (solver_check_noise((enum solver_kind)_i, NOISE_GIVEN, &err) == ERR_OK) {
        ck_assert_int_eq(solver_toy_run(&toy, &result, &err), ERR_INVALID);
        ck_assert_ptr_nonnull(strstr(err.msg, "sigma"));
    }
    solver_toy_release(&toy);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("uq");
    TCase *tc = tcase_create("threads");
    TCase *rest = tcase_create("rest");
    gemm_use_one_thread();
    tcase_set_timeout(tc, 240);
    tcase_set_timeout(rest, 240);
    tcase_set_tags(rest, "no_races");
    tcase_add_loop_test(tc, a_result_has_its_parts, 0, N_KINDS);
    tcase_add_loop_test(tc, a_result_depends_on_the_seed_and_not_on_threads, 0, N_KINDS);
    tcase_add_loop_test(tc, progress_rises_to_one_and_a_cancel_ends_it_anywhere, 0, N_KINDS);
    tcase_add_loop_test(tc, an_interrupted_run_ends_as_an_unbroken_one, 0, N_KINDS);
    tcase_add_loop_test(rest, an_interrupted_run_of_lbfgs_ends_as_an_unbroken_one, 0, N_KINDS);
    tcase_add_loop_test(rest, what_solvers_owe_holds_with_hyperparameters_by_evidence, 0, N_KINDS);
    tcase_add_loop_test(rest, failed_allocations_with_evidence_are_survived, 0, N_KINDS);
    tcase_add_test(rest, evidence_says_what_does_not_go_with_it);
    tcase_add_loop_test(rest, what_solvers_owe_holds_with_levenberg_marquardt, 0, N_KINDS);
    tcase_add_test(rest, failed_allocations_are_survived_with_levenberg_marquardt);
    tcase_add_loop_test(rest, an_interrupted_laplace_ends_as_an_unbroken_one, 0, 6);
    tcase_add_loop_test(rest, rows_that_might_have_holes_give_the_same_bits, 0, N_KINDS);
    tcase_add_loop_test(rest, rows_with_holes_give_a_whole_result, 0, N_KINDS);
    tcase_add_loop_test(rest, an_interrupted_run_over_holes_ends_as_an_unbroken_one, 0, N_KINDS);
    tcase_add_loop_test(rest, every_failed_allocation_is_survived, 0, N_KINDS);
    tcase_add_test(rest, every_failed_allocation_over_holes_is_survived);
    tcase_add_loop_test(rest, defaults_are_valid_and_limits_are_named, 0, N_KINDS);
    tcase_add_loop_test(rest, noise_without_its_sigma_is_refused, 0, N_KINDS);
    suite_add_tcase(suite, tc);
    suite_add_tcase(suite, rest);
    return run_suite(suite);
}
