/* SPDX-License-Identifier: Apache-2.0 */
/* Which candidates there are, in which folds they are scored, and which of them is chosen. */
#include "run.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "train/auto_priv.h"

/* ---- the choice ---- */

enum { ROWS = 40, SEVERAL = 4 };

/* Candidates with given sums at rows of two folds. */
struct posed {
    struct auto_work work;
    struct auto_table table;
    int fold[ROWS], counts[ROWS];
    double sums[SEVERAL][ROWS];
};

static void pose(struct posed *p, int n)
{
    *p = (struct posed){.work = {.table = &p->table, .fold = p->fold, .counts = p->counts}};
    p->work.rows.n = ROWS;
    p->table.n = n;
    p->table.n_folds = p->table.n_scored = 2;
    for (int i = 0; i < ROWS; i++) {
        p->fold[i] = i % 2;
        p->counts[i] = 1;
    }
    for (int k = 0; k < n; k++) {
        p->work.scores[k].sums = p->sums[k];
        p->table.candidates[k].n_folds = 2;
        p->table.candidates[k].outcome = AUTO_SCORED;
        p->table.candidates[k].n_params = 100.0 - k; /* later ones are simpler */
    }
}

static void note_scores(struct posed *p)
{
    for (int k = 0; k < p->table.n; k++) {
        p->table.candidates[k].score = auto_mean_of(&p->work, k, -1).mean;
    }
}

START_TEST(ties_go_to_the_simpler)
{
    static struct posed p;
    const struct auto_candidate *all = p.table.candidates;
    pose(&p, SEVERAL);
    for (int i = 0; i < ROWS; i++) {
        double noise = i / 2 % 2 == 0 ? 1.0 : -1.0;
        double hard = 100.0 * (i % 7); /* for all of them, so it is no doubt about a difference */
        p.sums[0][i] = hard;
        p.sums[1][i] = hard + 0.03 + noise; /* behind by 0.03 with an error of 0.16 */
        p.sums[2][i] = hard + 0.1 + noise;  /* tied, but behind by more than a quarter of that */
        p.sums[3][i] = hard + 0.01;         /* behind by little, but surely */
    }
    note_scores(&p);
    auto_choose(&p.work);
    ck_assert_int_eq(p.table.chosen, 1);
    ck_assert_int_eq(all[0].outcome, AUTO_TIED);
    ck_assert_int_eq(all[1].outcome, AUTO_CHOSEN);
    ck_assert_int_eq(all[2].outcome, AUTO_TIED);
    ck_assert_int_eq(all[3].outcome, AUTO_WORSE);
    ck_assert_double_lt(fabs(all[1].gap - 0.03), 1e-12);
    ck_assert_double_lt(fabs(all[1].gap_error - 1.0 / sqrt(ROWS - 1.0)), 1e-12);
    ck_assert_double_eq(all[0].gap, 0.0);
}
END_TEST

START_TEST(what_failed_is_not_chosen)
{
    static struct posed p;
    pose(&p, 3);
    for (int i = 0; i < ROWS; i++) {
        p.sums[1][i] = 1.0 + i % 3;
        p.sums[2][i] = 5.0 + i % 5;
    }
    p.table.candidates[0].outcome = AUTO_FAILED;
    note_scores(&p);
    auto_choose(&p.work);
    ck_assert_int_eq(p.table.chosen, 1);
    /* When all have failed, the first one that may be trained is tried. */
    pose(&p, 3);
    for (int k = 0; k < 3; k++) {
        p.table.candidates[k].outcome = k == 0 ? AUTO_TOO_LARGE : AUTO_FAILED;
    }
    auto_choose(&p.work);
    ck_assert_int_eq(p.table.chosen, 1);
    for (int k = 0; k < 3; k++) {
        p.table.candidates[k].outcome = AUTO_TOO_LARGE;
    }
    auto_choose(&p.work);
    ck_assert_int_eq(p.table.chosen, -1);
}
END_TEST

/* Far behind on the first fold: 20 rows. */
START_TEST(a_candidate_far_behind_is_dropped)
{
    static struct posed p;
    for (int far = 0; far < 2; far++) {
        pose(&p, 2);
        for (int i = 0; i < ROWS; i++) {
            p.sums[1][i] = (i / 2 % 2 == 0 ? 1.0 : -1.0) + (far == 1 ? 0.75 : 0.6);
        }
        p.table.candidates[1].outcome = AUTO_WAITING;
        p.table.candidates[1].n_folds = 1;
        note_scores(&p);
        /* The standard error is 1 / sqrt(19) = 0.229. */
        ck_assert_int_eq(auto_is_behind(&p.work, 1), far == 1);
        p.table.candidates[0].outcome = AUTO_FAILED;
        ck_assert(!auto_is_behind(&p.work, 1));
    }
    /* Of a few rows nothing is concluded. */
    pose(&p, 2);
    for (int i = 0; i < ROWS; i++) {
        p.sums[1][i] = 100.0 + i;
        p.counts[i] = i < 18 ? 1 : 0;
    }
    p.table.candidates[1].outcome = AUTO_WAITING;
    p.table.candidates[1].n_folds = 1;
    note_scores(&p);
    ck_assert(!auto_is_behind(&p.work, 1));
    p.counts[18] = 1;
    ck_assert(auto_is_behind(&p.work, 1));
}
END_TEST

/* With holes the mean is over what was observed, and rows with more of it weigh more. */
START_TEST(rows_weigh_as_much_as_was_observed)
{
    static struct posed p;
    double sums = 0.0;
    double counts = 0.0;
    double squares = 0.0;
    int n = 0;
    pose(&p, 1);
    for (int i = 0; i < ROWS; i++) {
        p.counts[i] = i % 4;
        p.sums[0][i] = p.counts[i] * sin(3.0 * i);
        sums += p.sums[0][i];
        counts += p.counts[i];
        n += p.counts[i] > 0;
    }
    for (int i = 0; i < ROWS; i++) {
        double gap = p.sums[0][i] - sums / counts * p.counts[i];
        squares += gap * gap;
    }
    struct auto_mean mean = auto_mean_of(&p.work, 0, -1);
    ck_assert_int_eq(mean.n_rows, n);
    ck_assert_double_lt(fabs(mean.mean - sums / counts), 1e-14);
    ck_assert_double_lt(fabs(mean.error - sqrt(squares / (n * (n - 1.0))) / (counts / n)), 1e-14);
}
END_TEST

/* ---- folds and candidates ---- */

enum { MAX = 2 * AUTO_EVIDENCE_ROWS, D = 3, O = 2 };
static double x[MAX * D], y[MAX * O];

static void make_rows(int n)
{
    struct rng rng;
    rng_init(&rng, 4, RNG_TEST, 0);
    for (int k = 0; k < n * D; k++) {
        x[k] = rng_uniform(&rng);
    }
    for (int i = 0; i < n; i++) {
        y[i * O] = exp(5.0 * x[i * D]);
        y[i * O + 1] = 1.0 + x[i * D + 1];
    }
}

/* Of default settings, all rows train. */
struct listed {
    struct auto_spec spec;
    struct auto_run run;
    struct auto_table table;
    struct auto_work work;
};

static void list_for(struct listed *l, int n)
{
    struct err err = ERR_INIT;
    *l = (struct listed){.spec = {.base = train_defaults(SOLVER_ENSEMBLE), .fits = 100}};
    l->spec.base.validation = 0.0;
    l->run = (struct auto_run){
        .spec = &l->spec,
        .run = {.data = {.n = n, .d = D, .o = O, .x = x, .y = y}, .n_threads = 1}};
    l->work = (struct auto_work){.run = &l->run, .table = &l->table};
    ck_assert_msg(auto_take_rows(&l->work, &err) == ERR_OK &&
                      auto_list_candidates(&l->work, D, &err) == ERR_OK,
                  "%s", err_msg(&err));
}

static void release(struct listed *l)
{
    train_rows_release(&l->work.rows);
    mem_free(l->work.fold);
    mem_free(l->work.counts);
    mem_free(l->work.spreads);
}

static int count(const struct listed *l, enum solver_kind solver)
{
    int n = 0;
    for (int i = 0; i < l->table.n; i++) {
        n += l->table.candidates[i].spec.solver == solver;
    }
    return n;
}

START_TEST(folds_suit_the_number_of_rows)
{
    static const struct {
        int n, folds, scored;
    } cases[] = {{AUTO_MIN_ROWS - 1, 0, 0},   {AUTO_MIN_ROWS, AUTO_MIN_ROWS, AUTO_MIN_ROWS},
                 {AUTO_FEW_ROWS - 1, 10, 10}, {AUTO_FEW_ROWS, 5, 5},
                 {AUTO_MANY_ROWS - 1, 5, 5},  {AUTO_MANY_ROWS, 5, 1}};
    make_rows(AUTO_MANY_ROWS);
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct listed l;
        int sizes[AUTO_MAX_FOLDS] = {0};
        list_for(&l, cases[k].n);
        ck_assert_int_eq(l.table.n_rows, cases[k].n);
        ck_assert_int_eq(l.table.n_folds, cases[k].folds);
        ck_assert_int_eq(l.table.n_scored, cases[k].scored);
        for (int i = 0; cases[k].folds > 0 && i < cases[k].n; i++) {
            sizes[l.work.fold[i]]++;
        }
        for (int f = 0; f < cases[k].folds; f++) {
            ck_assert_int_ge(sizes[f], cases[k].n / cases[k].folds);
            ck_assert_int_le(sizes[f], cases[k].n / cases[k].folds + 1);
        }
        release(&l);
    }
}
END_TEST

/* An output that one row alone has is in no model of the others. */
START_TEST(an_output_of_one_row_leaves_nothing_to_compare)
{
    struct listed l;
    make_rows(30);
    for (int i = 1; i < 30; i++) {
        y[i * O] = (double)NAN;
    }
    list_for(&l, 30);
    ck_assert_int_eq(l.table.n_folds, 0);
    release(&l);
    make_rows(30);
    for (int i = 0; i < 30; i++) {
        y[i * O] = y[i * O + 1] = 3.0;
    }
    list_for(&l, 30);
    ck_assert_int_eq(l.table.n_folds, 0);
    release(&l);
}
END_TEST

START_TEST(evidence_is_for_few_rows)
{
    struct listed l;
    make_rows(MAX);
    list_for(&l, AUTO_EVIDENCE_ROWS);
    ck_assert_str_eq(l.table.candidates[0].name, "evidence_16x1_constant");
    ck_assert_str_eq(l.table.candidates[1].name, "evidence_16x1_constant_log");
    ck_assert_int_ge(count(&l, SOLVER_EVIDENCE), 2);
    ck_assert_int_ge(count(&l, SOLVER_ENSEMBLE), 1);
    release(&l);
    list_for(&l, AUTO_EVIDENCE_ROWS + 1);
    ck_assert_int_eq(count(&l, SOLVER_EVIDENCE), 0);
    ck_assert_int_ge(count(&l, SOLVER_ENSEMBLE), 3);
    release(&l);
    list_for(&l, AUTO_FULL_ROWS);
    ck_assert_int_ge(count(&l, SOLVER_EVIDENCE), 6);
    release(&l);
    /* As many steps with more rows. */
    list_for(&l, MAX);
    ck_assert_int_eq(MAX / 5000 * l.table.candidates[0].spec.settings.epochs,
                     train_defaults(SOLVER_ENSEMBLE).settings.epochs);
    release(&l);
}
END_TEST

/* Names tell candidates apart, and no two candidates are alike. */
START_TEST(candidates_differ)
{
    static const int sizes[] = {10, 100, 1000, MAX};
    make_rows(MAX);
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        struct listed l;
        list_for(&l, sizes[k]);
        for (int i = 0; i < l.table.n; i++) {
            const struct auto_candidate *c = &l.table.candidates[i];
            ck_assert_double_gt(l.table.candidates[i].work, 0.0);
            for (int j = 0; j < i; j++) {
                ck_assert_str_ne(c->name, l.table.candidates[j].name);
            }
        }
        release(&l);
    }
}
END_TEST

/* Those that take the better scaling take logarithms once these have the best score. */
START_TEST(logarithms_are_kept_where_they_were_better)
{
    struct listed l;
    make_rows(50);
    list_for(&l, 50);
    for (int log = 0; log < 2; log++) {
        int better = 3; /* after evidence, its logarithms, and the default ensemble */
        ck_assert(l.work.scores[better].better);
        for (int i = 0; i < 2; i++) {
            l.table.candidates[i].outcome = AUTO_SCORED;
            l.table.candidates[i].score = i == log ? -1.0 : 0.0;
        }
        auto_settle_scaling(&l.work, better);
        ck_assert_int_eq(l.table.candidates[better].spec.output_scaling == SCALER_LOG, log == 1);
        ck_assert_str_eq(l.table.candidates[better].name,
                         log == 1 ? "evidence_24x1_constant_log" : "evidence_24x1_constant");
    }
    release(&l);
    /* A value without a logarithm, and values that are nearly alike. */
    y[0] = -1.0;
    list_for(&l, 50);
    ck_assert_str_eq(l.table.candidates[1].name, "ensemble_32x4_linear");
    release(&l);
    for (int i = 0; i < 50; i++) {
        y[i * O] = 1.0 + x[i * D];
    }
    list_for(&l, 50);
    ck_assert_str_eq(l.table.candidates[1].name, "ensemble_32x4_linear");
    release(&l);
}
END_TEST

/* Few operations leave out starts first, then iterations, and never the least of either. */
START_TEST(fits_by_the_evidence_are_limited)
{
    const struct train_evidence_limits limits = {.operations = 1e9, .least = 60, .min_starts = 2};
    const double k = 400.0;
    double values = 10.0;
    for (int i = 0; i < 12; i++, values *= 2.0) {
        struct solver_settings s = solver_defaults(SOLVER_EVIDENCE);
        const struct solver_settings all = s;
        double one = train_evidence_work(k, values);
        train_limit_evidence(&s, k, values, &limits);
        ck_assert_int_ge(s.members, 2);
        ck_assert_int_le(s.members, all.members);
        ck_assert_int_ge(s.epochs, 60);
        ck_assert_int_le(s.epochs, all.epochs);
        ck_assert(s.members * s.epochs * one <= limits.operations ||
                  (s.members == 2 && s.epochs == 60));
        ck_assert(all.members * all.epochs * one > limits.operations || s.epochs == all.epochs);
        ck_assert_double_gt(train_evidence_work(k, 2.0 * values), one);
    }
    /* Starts that are wanted stay. */
    struct solver_settings s = solver_defaults(SOLVER_EVIDENCE);
    struct train_evidence_limits own = limits;
    own.min_starts = s.members;
    train_limit_evidence(&s, k, values, &own);
    ck_assert_int_eq(s.members, own.min_starts);
    ck_assert_int_eq(s.epochs, 60);
}
END_TEST

/* Ensembles are not tried where evidence leaves next to nothing, and else the first one always is.
 */
START_TEST(ensembles_are_tried_where_something_is_left)
{
    struct listed l;
    make_rows(1000);
    list_for(&l, 1000);
    int first = 0;
    while (l.table.candidates[first].spec.solver != SOLVER_ENSEMBLE) {
        first++;
    }
    l.table.candidates[0].outcome = AUTO_SCORED;
    l.table.candidates[0].n_folds = 1;
    l.table.candidates[0].score = 1.0;
    ck_assert(auto_has_work(&l.work, first) && !auto_is_needless(&l.work, first));
    l.table.candidates[0].work = 10.0 * AUTO_WORK;
    ck_assert(auto_has_work(&l.work, first));
    ck_assert(!auto_has_work(&l.work, l.table.n - 1));
    l.table.candidates[0].score = -4.0;
    ck_assert(auto_is_needless(&l.work, first));
    ck_assert(!auto_is_needless(&l.work, 0)); /* evidence is not */
    release(&l);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("auto_choice");
    TCase *tc = tcase_create("auto_choice");
    tcase_set_timeout(tc, 240);
    tcase_add_test(tc, ties_go_to_the_simpler);
    tcase_add_test(tc, what_failed_is_not_chosen);
    tcase_add_test(tc, a_candidate_far_behind_is_dropped);
    tcase_add_test(tc, rows_weigh_as_much_as_was_observed);
    tcase_add_test(tc, folds_suit_the_number_of_rows);
    tcase_add_test(tc, an_output_of_one_row_leaves_nothing_to_compare);
    tcase_add_test(tc, evidence_is_for_few_rows);
    tcase_add_test(tc, candidates_differ);
    tcase_add_test(tc, fits_by_the_evidence_are_limited);
    tcase_add_test(tc, ensembles_are_tried_where_something_is_left);
    tcase_add_test(tc, logarithms_are_kept_where_they_were_better);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
