/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a training that chooses owes, as every training: the same on any number of threads and after
 * interruptions, an orderly end by a cancel and when memory is short.
 */
#include "auto_cases.h"
#include "memory_checkpoint.h"
#include "progress_watch.h"
#include "stride.h"

#include "math/gemm.h"

static bool same_posterior(const struct model *a, const struct model *b)
{
    return strcmp(a->solver, b->solver) == 0 && a->m == b->m &&
           memcmp(a->draws, b->draws, (size_t)a->m * (size_t)a->net.n_params * sizeof *a->draws) ==
               0 &&
           a->gaussian.n_members == b->gaussian.n_members &&
           memcmp(a->noise_sigma, b->noise_sigma, O * sizeof *a->noise_sigma) == 0;
}

static bool same_scores(const struct auto_table *a, const struct auto_table *b)
{
    bool same = a->n == b->n && a->chosen == b->chosen && a->n_scored == b->n_scored;
    for (int i = 0; same && i < a->n; i++) {
        const struct auto_candidate *c = &a->candidates[i];
        const struct auto_candidate *d = &b->candidates[i];
        same = c->outcome == d->outcome && c->n_folds == d->n_folds &&
               memcmp(&c->score, &d->score, sizeof c->score) == 0 &&
               memcmp(&c->error, &d->error, sizeof c->error) == 0;
    }
    return same;
}

START_TEST(threads_change_nothing)
{
    struct auto_spec spec = tiny_spec(2 * FOLDS + 1);
    struct auto_run run = run_of(&spec, rows_of(FEW));
    struct auto_table tables[2];
    struct model *models[2];
    for (int k = 0; k < 2; k++) {
        run.run.n_threads = k + 1;
        models[k] = choose(&run, &tables[k]);
    }
    ck_assert(same_scores(&tables[0], &tables[1]));
    ck_assert(same_posterior(models[0], models[1]));
    model_unref(models[0]);
    model_unref(models[1]);
}
END_TEST

START_TEST(an_interrupted_choice_ends_as_an_unbroken_one)
{
    struct auto_spec spec = tiny_spec(2 * FOLDS + 1);
    struct auto_run run = run_of(&spec, rows_of(FEW));
    struct auto_table whole_table, table;
    /* The noise of logarithms without kept rows comes from the folds. */
    spec.base.validation = 0.0;
    spec.fixed |= AUTO_FIXED_OUTPUT_SCALING;
    spec.base.output_scaling = SCALER_LOG;
    struct model *whole = choose(&run, &whole_table);
    enum err_code code = ERR_CANCELLED;
    int at = 1;
    for (; code == ERR_CANCELLED; at += 37 * STRIDE) {
        struct memory_checkpoint memory;
        struct cancel cancel = {false};
        struct err err = ERR_INIT;
        struct model *model = NULL;
        memory_checkpoint_init(&memory, 50);
        memory.die_after = at;
        memory.cancel = &cancel;
        run.run.checkpoint = &memory.checkpoint;
        run.run.cancel = &cancel;
        code = auto_train(&run, &table, &model, &err);
        if (code == ERR_CANCELLED) {
            ck_assert_ptr_null(model);
            err_clear(&err);
            atomic_store(&cancel.stop, false);
            memory_checkpoint_revive(&memory);
            ck_assert_int_eq(auto_train(&run, &table, &model, &err), ERR_OK);
            ck_assert_int_gt(memory.n_loads, 0);
        }
        ck_assert(same_scores(&whole_table, &table));
        ck_assert_msg(same_posterior(whole, model), "interrupted after save %d", at);
        model_unref(model);
        memory_checkpoint_release(&memory);
    }
    ck_assert_int_eq(code, ERR_OK);
    ck_assert_int_gt(at, 40);
    model_unref(whole);
}
END_TEST

/* What was used before counts, although the clock begins anew: then there is no time for a fit. */
START_TEST(seconds_before_an_interruption_count)
{
    struct work_clock clock = {.now = 0.0};
    struct memory_checkpoint memory;
    struct cancel cancel = {false};
    struct auto_spec spec = tiny_spec(0);
    struct auto_run run = run_of(&spec, rows_of(FEW));
    struct auto_table table;
    struct err err = ERR_INIT;
    struct model *model = NULL;
    memory_checkpoint_init(&memory, 20);
    memory.die_after = 60;
    memory.cancel = &cancel;
    spec.fixed |= AUTO_FIXED_OUTPUT_SCALING;
    spec.seconds = 1000.0;
    run.clock = read_clock;
    run.ctx = &clock;
    run.run.checkpoint = &memory.checkpoint;
    run.run.cancel = &cancel;
    run.run.progress = pass_time;
    run.run.progress_ctx = &clock;
    ck_assert_int_eq(auto_train(&run, &table, &model, &err), ERR_CANCELLED);
    ck_assert_int_lt(table.current, table.n); /* in the comparison */
    int folds = table.candidates[0].n_folds;
    spec.seconds = 0.5 * clock.now;
    err_clear(&err);
    atomic_store(&cancel.stop, false);
    memory_checkpoint_revive(&memory);
    clock.now = 0.0;
    run.run.progress = NULL;
    ck_assert_int_eq(auto_train(&run, &table, &model, &err), ERR_OK);
    ck_assert_int_eq(table.candidates[0].n_folds, folds);
    ck_assert_int_eq(table.chosen, 0);
    for (int i = 1; i < table.n; i++) {
        ck_assert_int_eq(table.candidates[i].outcome, AUTO_BUDGET);
        ck_assert_int_eq(table.candidates[i].n_folds, 0);
    }
    model_unref(model);
    memory_checkpoint_release(&memory);
}
END_TEST

START_TEST(a_cancel_ends_it_anywhere)
{
    struct auto_spec spec = tiny_spec(2 * FOLDS + 1);
    struct auto_run run = run_of(&spec, rows_of(FEW));
    struct progress_watch watch = {.calls = 0};
    struct auto_table table;
    run.run.progress = progress_watch_report;
    run.run.progress_ctx = &watch;
    run.run.cancel = &watch.cancel;
    model_unref(choose(&run, &table));
    int calls = watch.calls;
    long live = mem_live();
    ck_assert_double_gt(watch.last, 0.99);
    for (int k = 0; k < 8; k++) {
        struct err err = ERR_INIT;
        struct model *model = NULL;
        watch = (struct progress_watch){.stop_at = 1 + calls / 8 * k};
        ck_assert_int_eq(auto_train(&run, &table, &model, &err), ERR_CANCELLED);
        ck_assert_ptr_null(model);
        ck_assert_int_eq(mem_live(), live);
    }
}
END_TEST

START_TEST(failed_allocations_are_survived)
{
    struct auto_spec spec = tiny_spec(2 * FOLDS + 1);
    struct auto_run run = run_of(&spec, rows_of(FEW));
    struct auto_table table;
    run.describe = describe;
    mem_fail_after(0, false);
    model_unref(choose(&run, &table));
    long total = mem_attempts();
    long live = mem_live();
    for (long at = 1; at <= total; at = at < 30 ? at + 1 : at + total / (60 / STRIDE + 2)) {
        struct err err = ERR_INIT;
        struct model *model = NULL;
        mem_fail_after(at, true);
        enum err_code code = auto_train(&run, &table, &model, &err);
        mem_fail_after(0, false);
        ck_assert_int_eq(mem_live(), live);
        ck_assert_msg(code == ERR_NOMEM, "allocation %ld of %ld: %s", at, total, err_msg(&err));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("auto_runs");
    TCase *tc = tcase_create("auto_runs");
    gemm_use_one_thread();
    tcase_set_timeout(tc, 240);
    tcase_add_test(tc, threads_change_nothing);
    tcase_add_test(tc, an_interrupted_choice_ends_as_an_unbroken_one);
    tcase_add_test(tc, seconds_before_an_interruption_count);
    tcase_add_test(tc, a_cancel_ends_it_anywhere);
    tcase_add_test(tc, failed_allocations_are_survived);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
