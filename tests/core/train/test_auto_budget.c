/* SPDX-License-Identifier: Apache-2.0 */
/* What auto may take: fits, seconds, and what it takes without a budget. */
#include "auto_cases.h"

#include "math/gemm.h"

START_TEST(a_budget_of_fits_is_kept)
{
    static const struct {
        int fits, n_scored, untried;
    } cases[] = {
        {1, 0, 2}, {2 * FOLDS, 0, 2}, {2 * FOLDS + 1, FOLDS, 1}, {3 * FOLDS + 1, FOLDS, 0}};
    struct auto_table table;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct auto_spec spec = tiny_spec(cases[k].fits);
        struct auto_run run = run_of(&spec, wide_rows(FEW));
        struct model *model = choose(&run, &table);
        ck_assert_int_eq(table.n, 3); /* evidence, its logarithms, ensemble */
        ck_assert_int_eq(table.n_scored, cases[k].n_scored);
        ck_assert_int_eq(count(&table, AUTO_CHOSEN), 1);
        ck_assert_int_le(count(&table, AUTO_BUDGET), cases[k].untried);
        if (cases[k].n_scored == 0) {
            ck_assert_int_eq(table.chosen, 0);
            ck_assert_int_eq(count(&table, AUTO_BUDGET), cases[k].untried);
        }
        int used = 1;
        for (int i = 0; i < table.n; i++) {
            used += table.candidates[i].n_folds;
        }
        ck_assert_int_le(used, cases[k].fits);
        ck_assert_str_eq(model->solver, solver_name(table.candidates[table.chosen].spec.solver));
        model_unref(model);
    }
}
END_TEST

/* Trains with a budget of seconds; three candidates. */
static struct model *choose_in(double seconds, double limit, struct work_clock *clock,
                               struct auto_table *table)
{
    struct auto_spec spec = tiny_spec(0);
    struct auto_run run = run_of(&spec, wide_rows(FEW));
    *clock = (struct work_clock){.now = 0.0};
    spec.seconds = seconds;
    run.max_seconds = limit;
    run.clock = read_clock;
    run.show = note_time;
    run.ctx = clock;
    run.run.progress = pass_time;
    run.run.progress_ctx = clock;
    return choose(&run, table);
}

/* The times of all candidates where there is time for them. */
static struct work_clock times_of_all(void)
{
    struct work_clock clock;
    struct auto_table table;
    model_unref(choose_in(1e6, 0.0, &clock, &table));
    ck_assert_int_eq(count(&table, AUTO_BUDGET), 0);
    ck_assert_int_gt(clock.n_shows, FOLDS);

    return clock;
}

/* The first fold shows that the budget is too small for the others, and the rest is not tried. */
START_TEST(a_budget_of_seconds_ends_a_candidate)
{
    struct auto_table table;
    struct work_clock clock;
    double fold = times_of_all().when[0];
    struct model *model = /* the last training has to end too */
        choose_in((FOLDS + 0.5) * fold, 0.0, &clock, &table);
    ck_assert_double_eq(table.candidates[0].seconds, fold);
    ck_assert_int_eq(table.candidates[0].n_folds, 1);
    ck_assert_int_eq(table.chosen, 0);
    ck_assert_int_eq(count(&table, AUTO_BUDGET), 2);
    model_unref(model);
}
END_TEST

START_TEST(a_fit_beyond_the_budget_is_stopped)
{
    struct auto_table table;
    struct work_clock clock;
    double fold = times_of_all().when[0];
    struct model *model = choose_in(0.5 * fold, 0.0, &clock, &table);
    ck_assert_int_eq(table.candidates[0].n_folds, 0);
    ck_assert_double_lt(table.candidates[0].seconds, 0.75 * fold);
    ck_assert_int_eq(table.chosen, 0);
    ck_assert_int_eq(count(&table, AUTO_BUDGET), 2);
    model_unref(model); /* the last training takes what it takes */
}
END_TEST

START_TEST(a_budget_of_seconds_ends_the_search)
{
    struct auto_table table;
    struct work_clock clock;
    double all_folds = times_of_all().when[FOLDS - 1];
    double enough = all_folds * (FOLDS + 2.0) / FOLDS; /* for a candidate and the last training */
    for (int k = 0; k < 2; k++) {
        struct model *model = choose_in(k == 0 ? enough : 1e6, 0.0, &clock, &table);
        ck_assert_double_lt(fabs(table.candidates[0].seconds - all_folds), 1e-9);
        ck_assert_int_eq(count(&table, AUTO_BUDGET), k == 0 ? 2 : 0);
        ck_assert_ptr_nonnull(report_find(&model->report, "auto.evidence.seconds"));
        model_unref(model);
    }
    /* A limit of the job ends it too, also one below the budget; a version then tells no seconds.
     */
    for (int k = 0; k < 2; k++) {
        struct model *limited = choose_in(k == 0 ? 0.0 : 1e6, enough, &clock, &table);
        ck_assert_int_eq(count(&table, AUTO_BUDGET), 2);
        ck_assert_int_eq(table.candidates[0].n_folds, FOLDS);
        ck_assert((report_find(&limited->report, "auto.evidence.seconds") == NULL) == (k == 0));
        model_unref(limited);
    }
    struct err err = ERR_INIT;
    struct model *model = NULL;
    struct auto_spec spec = tiny_spec(0);
    struct auto_run run = run_of(&spec, rows_of(FEW));
    spec.seconds = 1.0; /* without a clock */
    ck_assert_int_eq(auto_train(&run, &table, &model, &err), ERR_UNSUPPORTED);
}
END_TEST

/* Where the budget ends the search, what is left is that of the budget, not that of candidates
 * whose turn never comes. */
START_TEST(progress_knows_what_a_budget_of_seconds_reaches)
{
    struct auto_table table;
    struct work_clock clock;
    double all_folds = times_of_all().when[FOLDS - 1];
    for (int k = 0; k < 2; k++) {
        double seconds = k == 0 ? all_folds * (FOLDS + 2.0) / FOLDS : 1e6;
        model_unref(choose_in(seconds, 0.0, &clock, &table));
        ck_assert(!clock.falls);
        ck_assert_double_eq_tol(clock.shown, 1.0, 1e-12);
        for (int i = 1; i < FOLDS && k == 0; i++) { /* the first fold tells the times */
            double whole = clock.when[i] / clock.shares[i];
            ck_assert_double_gt(whole, 0.7 * clock.now);
            ck_assert_double_lt(whole, 1.4 * clock.now);
        }
    }
}
END_TEST

/* Small networks on few rows are far from using up the work that there may be. */
START_TEST(without_a_budget_all_that_is_cheap_is_tried)
{
    struct auto_table table;
    struct auto_spec spec = tiny_spec(0);
    struct auto_run run = run_of(&spec, wide_rows(FEW));
    model_unref(choose(&run, &table));
    ck_assert_int_eq(table.n, 3);
    ck_assert_int_eq(table.candidates[0].n_folds + table.candidates[1].n_folds, 2 * table.n_scored);
    /* The ensemble, which cannot win where evidence is as good as exact. */
    bool is_exact = fmin(table.candidates[0].score, table.candidates[1].score) < -2.5;
    ck_assert_int_eq(table.candidates[2].n_folds, is_exact ? 0 : table.n_scored);
    ck_assert_int_eq(table.candidates[2].outcome == AUTO_NEEDLESS, is_exact);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("auto_budget");
    TCase *tc = tcase_create("threads");
    TCase *rest = tcase_create("rest");
    gemm_use_one_thread();
    tcase_set_timeout(tc, 240);
    tcase_set_timeout(rest, 240);
    tcase_set_tags(rest, "no_races");
    tcase_add_test(rest, a_budget_of_fits_is_kept);
    tcase_add_test(rest, a_budget_of_seconds_ends_a_candidate);
    tcase_add_test(tc, a_fit_beyond_the_budget_is_stopped);
    tcase_add_test(rest, a_budget_of_seconds_ends_the_search);
    tcase_add_test(rest, progress_knows_what_a_budget_of_seconds_reaches);
    tcase_add_test(rest, without_a_budget_all_that_is_cheap_is_tried);
    suite_add_tcase(suite, tc);
    suite_add_tcase(suite, rest);
    return run_suite(suite);
}
