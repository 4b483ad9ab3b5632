/* SPDX-License-Identifier: Apache-2.0 */
/* What each solver with a Gaussian posterior must do: bll, evidence, laplace, pbp. */
#include "gaussian_problem.h"
#include "progress_watch.h"
#include "run.h"

#include "base/checkpoint.h"

/* ---- what each solver must do ---- */

struct variant {
    enum solver_kind kind;
    int hessian;
    bool choosing;
};

static const struct variant variants[] = {
    {SOLVER_BLL, 0, false},
    {SOLVER_PBP, 0, false},
    {SOLVER_LAPLACE, LAPLACE_GAUSS_NEWTON, false},
    {SOLVER_LAPLACE, LAPLACE_FULL, false},
    {SOLVER_LAPLACE, LAPLACE_DIAGONAL, true},
    {SOLVER_EVIDENCE, 0, false},
};
#define N_VARIANTS ((int)(sizeof variants / sizeof *variants))

static void variant_init(struct problem *p, const struct variant *variant)
{
    struct arch arch = two_by_two();
    problem_init(p, &arch, variant->kind);
    p->settings.members = 3;
    p->settings.epochs = 8;
    p->settings.batch_size = 16;
    p->settings.draws = 4;
    p->settings.hessian = variant->hessian;
    p->settings.marginal_likelihood = variant->choosing;
    p->settings.evidence_gap = 1e9; /* all starts are kept */
}

static void same(const struct problem *p, const struct solver_result *a,
                 const struct solver_result *b)
{
    ck_assert_int_eq(a->m, b->m);
    ck_assert_int_eq(a->m, 12);
    ck_assert_int_eq(memcmp(a->noise_sigma, b->noise_sigma, 2 * sizeof(double)), 0);
    for (int i = 0; i < a->gaussian.n_members; i++) {
        const struct gauss *ga = &a->gaussian.members[i];
        const struct gauss *gb = &b->gaussian.members[i];
        size_t n = (size_t)ga->n;
        ck_assert_int_eq(memcmp(ga->mean, gb->mean, (size_t)p->net.n_params * sizeof(double)), 0);
        ck_assert(ga->std == NULL || memcmp(ga->std, gb->std, n * sizeof(double)) == 0);
        ck_assert(ga->factor == NULL ||
                  memcmp(ga->factor, gb->factor, n * (size_t)ga->rank * sizeof(double)) == 0);
    }
    ck_assert_int_eq(a->report.n_items, b->report.n_items);
    for (int i = 0; i < a->report.n_items; i++) {
        ck_assert_int_eq(memcmp(a->report.items[i].values, b->report.items[i].values,
                                (size_t)a->report.items[i].n * sizeof(double)),
                         0);
    }
}

START_TEST(results_do_not_depend_on_the_number_of_threads)
{
    struct err err = ERR_INIT;
    struct problem p;
    struct solver_result one;
    struct solver_result many;
    variant_init(&p, &variants[_i]);
    ck_assert_int_eq(solver_run(variants[_i].kind, &p.uq, &p.settings, &one, &err), ERR_OK);
    ck_assert_int_eq(gauss_mixture_check(&one.gaussian, p.net.n_params, &err), ERR_OK);
    ck_assert_int_eq(one.gaussian.n_draws, 4);
    p.uq.n_threads = 4;
    ck_assert_int_eq(solver_run(variants[_i].kind, &p.uq, &p.settings, &many, &err), ERR_OK);
    same(&p, &one, &many);
    ck_assert(one.gaussian.members[0].mean[0] != one.gaussian.members[1].mean[0]);
    solver_result_release(&one);
    solver_result_release(&many);
    resnet_release(&p.net);
}
END_TEST

START_TEST(progress_grows_to_one_and_a_cancel_ends_the_run)
{
    struct err err = ERR_INIT;
    struct problem p;
    struct progress_watch watch = {.n_members = 3};
    struct solver_result result;
    long live = mem_live();
    variant_init(&p, &variants[_i]);
    p.uq.progress = progress_watch_report;
    p.uq.progress_ctx = &watch;
    p.uq.cancel = &watch.cancel;
    ck_assert_int_eq(solver_run(variants[_i].kind, &p.uq, &p.settings, &result, &err), ERR_OK);
    ck_assert_double_eq_tol(watch.last, 1.0, 1e-9);
    solver_result_release(&result);
    int calls = watch.calls;
    for (int at = 1; at < calls; at++) {
        struct err stopped = ERR_INIT;
        watch = (struct progress_watch){.stop_at = at, .n_members = 3};
        enum err_code code = solver_run(variants[_i].kind, &p.uq, &p.settings, &result, &stopped);
        /* After the last report of a member nothing may be left to cancel. */
        ck_assert_int_eq(code, ERR_CANCELLED);
        ck_assert_int_le(watch.calls, at + 1);
    }
    resnet_release(&p.net);
    ck_assert_int_eq(mem_live(), live);
}
END_TEST

/* States kept in memory; after some saves the process "dies": a cancel, and nothing is kept. */
#define MAX_TASKS 64

struct memory {
    struct checkpoint checkpoint;
    struct cancel cancel;
    int saves, die_after, loads;
    void *bytes[MAX_TASKS];
    size_t n_bytes[MAX_TASKS];
};

static bool memory_due(void *ctx, int task)
{
    (void)ctx;
    (void)task;
    return true;
}

static enum err_code memory_save(void *ctx, int task, const void *bytes, size_t n_bytes,
                                 struct err *err)
{
    struct memory *memory = ctx;
    ck_assert_int_lt(task, MAX_TASKS);
    (void)err;
    if (memory->die_after > 0 && memory->saves >= memory->die_after) {
        return ERR_OK;
    }
    mem_free(memory->bytes[task]);
    memory->bytes[task] = mem_dup(bytes, n_bytes);
    memory->n_bytes[task] = n_bytes;
    if (++memory->saves == memory->die_after) {
        cancel_request(&memory->cancel);
    }
    return ERR_OK;
}

static enum err_code memory_load(void *ctx, int task, void **bytes, size_t *n_bytes,
                                 struct err *err)
{
    struct memory *memory = ctx;
    if (memory->bytes[task] == NULL) {
        return ERR_NOT_FOUND;
    }
    memory->loads++;
    *bytes = mem_dup(memory->bytes[task], memory->n_bytes[task]);
    *n_bytes = memory->n_bytes[task];
    return *bytes != NULL ? ERR_OK : err_set(err, ERR_NOMEM, "no memory");
}

START_TEST(an_interrupted_run_ends_the_same)
{
    struct err err = ERR_INIT;
    struct problem p;
    struct solver_result whole;
    variant_init(&p, &variants[_i]);
    ck_assert_int_eq(solver_run(variants[_i].kind, &p.uq, &p.settings, &whole, &err), ERR_OK);
    int interruptions = 0;
    for (int at = 1; at < 60; at += 4) {
        struct memory memory = {.die_after = at};
        struct solver_result resumed;
        struct err first = ERR_INIT;
        memory.checkpoint = (struct checkpoint){
            .ctx = &memory, .due = memory_due, .save = memory_save, .load = memory_load};
        p.uq.checkpoint = &memory.checkpoint;
        p.uq.cancel = &memory.cancel;
        if (solver_run(variants[_i].kind, &p.uq, &p.settings, &resumed, &first) == ERR_CANCELLED) {
            interruptions++;
            memory.die_after = 0;
            memory.cancel = (struct cancel){false};
            memory.loads = 0;
            struct err second = ERR_INIT;
            ck_assert_int_eq(solver_run(variants[_i].kind, &p.uq, &p.settings, &resumed, &second),
                             ERR_OK);
            ck_assert_int_gt(memory.loads, 0);
        }
        same(&p, &whole, &resumed);
        solver_result_release(&resumed);
        for (int task = 0; task < MAX_TASKS; task++) {
            mem_free(memory.bytes[task]);
        }
    }
    ck_assert_int_ge(interruptions, 5);
    solver_result_release(&whole);
    resnet_release(&p.net);
}
END_TEST

START_TEST(each_failing_allocation_is_an_error_and_leaks_nothing)
{
    struct problem p;
    struct solver_result result;
    variant_init(&p, &variants[_i]);
    p.settings.members = 2;
    p.settings.epochs = 1;
    long live = mem_live();
    for (int for_ever = 0; for_ever < 2; for_ever++) {
        for (long at = 1;; at++) {
            struct err err = ERR_INIT;
            mem_fail_after(at, for_ever == 1);
            enum err_code code = solver_run(variants[_i].kind, &p.uq, &p.settings, &result, &err);
            long attempts = mem_attempts();
            mem_fail_after(0, false);
            if (attempts < at) {
                ck_assert_int_eq(code, ERR_OK);
                solver_result_release(&result);
                ck_assert_int_gt(at, 20);
                break;
            }
            ck_assert_int_eq(code, ERR_NOMEM);
            ck_assert_int_eq(mem_live(), live);
        }
    }
    resnet_release(&p.net);
}
END_TEST

START_TEST(a_damaged_checkpoint_is_refused)
{
    struct err err = ERR_INIT;
    struct problem p;
    struct memory memory = {.die_after = 0};
    struct solver_result result;
    struct variant pbp = {.kind = SOLVER_PBP};
    variant_init(&p, &pbp);
    memory.checkpoint = (struct checkpoint){
        .ctx = &memory, .due = memory_due, .save = memory_save, .load = memory_load};
    p.uq.checkpoint = &memory.checkpoint;
    ck_assert_int_eq(solver_run(SOLVER_PBP, &p.uq, &p.settings, &result, &err), ERR_OK);
    solver_result_release(&result);
    memory.n_bytes[1] -= 8;
    ck_assert_int_eq(solver_run(SOLVER_PBP, &p.uq, &p.settings, &result, &err), ERR_CORRUPT);
    for (int task = 0; task < MAX_TASKS; task++) {
        mem_free(memory.bytes[task]);
    }
    resnet_release(&p.net);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gaussian");
    TCase *tc = tcase_create("gaussian");
    gemm_use_one_thread();
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, results_do_not_depend_on_the_number_of_threads, 0, N_VARIANTS);
    tcase_add_loop_test(tc, progress_grows_to_one_and_a_cancel_ends_the_run, 0, N_VARIANTS);
    tcase_add_loop_test(tc, an_interrupted_run_ends_the_same, 0, N_VARIANTS);
    suite_add_tcase(suite, tc);
    TCase *rest = tcase_create("gaussian of one thread");
    tcase_set_tags(rest, "no_races");
    tcase_set_timeout(rest, 120);
    tcase_add_loop_test(rest, each_failing_allocation_is_an_error_and_leaks_nothing, 0, N_VARIANTS);
    tcase_add_test(rest, a_damaged_checkpoint_is_refused);
    suite_add_tcase(suite, rest);
    return run_suite(suite);
}
