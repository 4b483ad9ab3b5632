/* SPDX-License-Identifier: Apache-2.0 */
/* History matches against the volumes of regions that are known. */
#include "run.h"

#include <math.h>
#include <string.h>

#include "analyse/history.h"
#include "analyse_case.h"
#include "base/mem.h"
#include "memory_checkpoint.h"

#define MAX_WAVES 2

static double shift; /* between the draws of `sums` */

/* y1 = x1, y2 = x1 + x2, both moved by draws. */
static void sums(int draw, const double *x, double *y, double *jac)
{
    (void)jac;
    y[0] = x[0] + shift * (draw - 1);
    y[1] = x[0] + x[1] + shift * (draw - 1);
}

/* y = x1 + x2: what x2 is depends on the experiment. */
static void plus(int draw, const double *x, double *y, double *jac)
{
    (void)draw;
    (void)jac;
    y[0] = x[0] + x[1];
}

static const double observed[] = {0.5, 1.0};
static const struct calibrate_experiment both[] = {{.n = 1, .y = observed}};
static const double sigma[] = {0.05, 0.1};

struct posed {
    struct analyse_case base, more;
    struct history_spec spec;
    struct history_run run;
    struct field waves[MAX_WAVES];
    struct arena arena;
    struct history_result result;
};

static void pose(struct posed *p, case_fn *fn, int o, int m)
{
    memset(p, 0, sizeof *p);
    analyse_case_init(&p->base, fn, 2, o, m);
    p->waves[0] = p->base.field;
    p->spec = (struct history_spec){.seed = 3,
                                    .replicates = 8,
                                    .n = 2048,
                                    .order = 1,
                                    .cutoff = 3.0,
                                    .grid = 10,
                                    .n_next = 12,
                                    .n_experiments = 1,
                                    .experiments = both,
                                    .sigma = sigma};
    p->run = (struct history_run){.spec = &p->spec,
                                  .n_waves = 1,
                                  .waves = p->waves,
                                  .laws = p->base.laws,
                                  .terms.n_threads = 1};
}

static void match(struct posed *p)
{
    struct err err = ERR_INIT;
    arena_release(&p->arena);
    ck_assert_msg(history_run(&p->run, &p->arena, &p->result, &err) == ERR_OK, "%s", err.msg);
}

static void release(struct posed *p)
{
    arena_release(&p->arena);
    analyse_case_release(&p->base);
}

static void expect_share(const struct posed *p, int wave, double share)
{
    const struct history_share *found = &p->result.shares[wave];
    ck_assert_double_lt(found->sampling_error, 0.005);
    ck_assert_double_eq_tol(found->estimate, share, 5.0 * found->sampling_error + 1e-4);
    ck_assert(found->lower < found->estimate && found->estimate < found->upper);
}

/*
 * |x1 - 0.5| < a and |x1 + x2 - 1| < b, with b = 2 a <= 0.5 - a: a parallelogram of area 4 a b.
 */
START_TEST(the_share_that_is_left_has_its_volume)
{
    struct posed p;
    shift = 0.0;
    pose(&p, sums, 2, 1);
    match(&p);
    expect_share(&p, 0, 0.18);
    ck_assert_double_eq(p.result.runs, 8.0 * 2048.0);
    /* The second largest is below the cut-off where either is. */
    p.spec.order = 2;
    match(&p);
    expect_share(&p, 0, 0.3 + (1.0 - 0.49) - 0.18);
    /* Two replicates, and a discrepancy that makes it up. */
    const double twice[] = {0.4, 1.1, 0.6, 0.9};
    const struct calibrate_experiment replicated[] = {{.n = 2, .y = twice}};
    const double tau[] = {0.05 * sqrt(0.5), 0.1 * sqrt(0.5)};
    p.spec.order = 1;
    p.spec.experiments = replicated;
    p.spec.discrepancy = tau;
    match(&p);
    expect_share(&p, 0, 0.18);
    /* And the same noise as a covariance. */
    const double covariance[] = {0.0025, 0.001, 0.001, 0.01};
    p.spec.experiments = both;
    p.spec.sigma = NULL;
    p.spec.covariance = covariance;
    p.spec.discrepancy = NULL;
    match(&p);
    expect_share(&p, 0, 0.18);
    release(&p);
}
END_TEST

START_TEST(what_the_surrogate_does_not_know_leaves_more)
{
    struct posed p;
    shift = 0.02; /* of three draws: the variance 4e-4 */
    pose(&p, sums, 2, 3);
    double a = 3.0 * sqrt(0.0025 + 4e-4);
    double b = 3.0 * sqrt(0.01 + 4e-4);
    match(&p);
    expect_share(&p, 0, 4.0 * a * b);
    release(&p);
}
END_TEST

START_TEST(depths_are_shares_of_cells_and_minima_are_reached)
{
    struct posed p;
    shift = 0.0;
    pose(&p, sums, 2, 1);
    match(&p);
    ck_assert_int_eq(p.result.k, 2);
    for (int c = 0; c < 10; c++) {
        double middle = (c + 0.5) / 10.0;
        ck_assert_double_eq_tol(p.result.values[c], middle, 1e-12);
        /* x1 in the cell: the part of it that is nearer than 0.15 to 0.5, times 0.6 of x2. */
        double inside = middle > 0.4 && middle < 0.6 ? 1.0 : fabs(middle - 0.5) < 0.2 ? 0.5 : 0.0;
        ck_assert_double_eq_tol(p.result.single[0].depth[c], 0.6 * inside, 0.03);
        double nearest = fmax(fabs(middle - 0.5) - 0.05, 0.0);
        ck_assert_double_eq_tol(p.result.single[0].minimum[c], nearest / 0.05, 0.1);
    }
    /* Everything in the cell x1 in [0.4, 0.5], x2 in [0.5, 0.6] is left; nothing at [0, 0.1]. */
    const struct history_depth *pair = &p.result.pairs[0];
    ck_assert_double_eq(pair->depth[4 * 10 + 5], 1.0);
    ck_assert_double_eq(pair->depth[0], 0.0);
    ck_assert_double_eq_tol(pair->minimum[0], (1.0 - 0.2) / 0.1, 0.15);
    /* The best point is (0.5, 0.5). */
    ck_assert_double_lt(p.result.least, 0.1);
    ck_assert_double_eq_tol(p.result.best[0], 0.5, 0.01);
    ck_assert_double_eq_tol(p.result.best[1], 0.5, 0.02);
    release(&p);
}
END_TEST

START_TEST(points_for_the_next_wave_are_left_and_apart)
{
    struct posed p;
    shift = 0.0;
    pose(&p, sums, 2, 1);
    match(&p);
    ck_assert_int_eq(p.result.n_next, 12);
    for (int i = 0; i < 12; i++) {
        const double *x = p.result.next + 2 * i;
        double of = fmax(fabs(x[0] - 0.5) / 0.05, fabs(x[0] + x[1] - 1.0) / 0.1);
        ck_assert_double_eq_tol(p.result.implausibility[i], of, 1e-9);
        ck_assert_double_le(of, 3.0);
        for (int j = 0; j < i; j++) {
            ck_assert_double_gt(hypot(x[0] - x[-2 * (i - j)], x[1] - x[-2 * (i - j) + 1]), 0.05);
        }
    }
    /* Nothing is left: no points, and a bound on what may have been missed. */
    const double far[] = {5.0, 5.0};
    const struct calibrate_experiment elsewhere[] = {{.n = 1, .y = far}};
    p.spec.experiments = elsewhere;
    match(&p);
    ck_assert_int_eq(p.result.n_next, 0);
    ck_assert_double_eq(p.result.shares[0].estimate, 0.0);
    ck_assert_double_eq_tol(p.result.shares[0].upper, 3.0 / (8 * 2048), 1e-12);
    release(&p);
}
END_TEST

START_TEST(a_later_wave_is_evaluated_where_the_earlier_one_leaves_points)
{
    struct posed p;
    shift = 0.1; /* of both waves; the second has a single draw without it */
    pose(&p, sums, 2, 3);
    analyse_case_init(&p.more, sums, 2, 2, 1);
    p.waves[1] = p.more.field;
    p.run.n_waves = 2;
    match(&p);
    double a = 3.0 * sqrt(0.0025 + 0.01);
    /* The second wave's draw is the first of `sums`: moved by -0.1. */
    double first = p.result.shares[0].estimate;
    ck_assert_double_gt(first, p.result.shares[1].estimate);
    ck_assert_double_eq(p.result.runs, 8.0 * 2048.0 * (3.0 + first));
    for (int i = 0; i < p.result.n_next; i++) {
        const double *x = p.result.next + 2 * i;
        ck_assert_double_lt(fabs(x[0] - 0.5), a);
        ck_assert_double_le(fabs(x[0] - 0.1 - 0.5), 0.15);
        ck_assert_double_le(fabs(x[0] + x[1] - 0.1 - 1.0), 0.3);
    }
    analyse_case_release(&p.more);
    release(&p);
}
END_TEST

/* Experiments set x2; x1 is a whole number of 0 .. 4. */
START_TEST(inputs_that_experiments_set_and_whole_numbers_are_matched)
{
    struct posed p;
    static const double set_1[] = {NAN, 0.25};
    static const double set_2[] = {NAN, 0.75};
    static const double y_1[] = {2.25};
    static const double y_2[] = {3.0}; /* off by 2.5 standard deviations at x1 = 2 */
    static const double range[] = {0.0, 4.0};
    const struct calibrate_experiment experiments[] = {{.fixed = set_1, .n = 1, .y = y_1},
                                                       {.fixed = set_2, .n = 1, .y = y_2}};
    const double tenth[] = {0.1};
    pose(&p, plus, 1, 1);
    p.base.inputs[0].type = SPACE_INTEGER;
    analyse_case_set(&p.base, 0, SPACE_UNIFORM, range);
    p.base.laws[1] = law_of_value(0.0);
    p.spec.experiments = experiments;
    p.spec.n_experiments = 2;
    p.spec.sigma = tenth;
    match(&p);
    expect_share(&p, 0, 0.2);
    ck_assert_int_eq(p.result.k, 1);
    ck_assert_int_eq(p.result.cells[0], 5);
    for (int c = 0; c < 5; c++) {
        ck_assert_double_eq(p.result.values[c], c);
        ck_assert_double_eq(p.result.single[0].depth[c], c == 2);
    }
    ck_assert_double_eq_tol(p.result.least, 2.5, 1e-9);
    /* There is one value, and so one point, at the first experiment. */
    ck_assert_int_eq(p.result.n_next, 1);
    ck_assert_double_eq(p.result.next[0], 2.0);
    ck_assert_double_eq(p.result.next[1], 0.25);
    release(&p);
}
END_TEST

static void expect_same(const struct history_result *a, const struct history_result *b)
{
    ck_assert_mem_eq(a->shares, b->shares, sizeof *a->shares);
    ck_assert_int_eq(a->n_next, b->n_next);
    ck_assert_mem_eq(a->next, b->next, 2 * (size_t)a->n_next * sizeof *a->next);
    ck_assert_mem_eq(a->pairs[0].depth, b->pairs[0].depth, 100 * sizeof(double));
    ck_assert_mem_eq(a->pairs[0].minimum, b->pairs[0].minimum, 100 * sizeof(double));
}

START_TEST(threads_and_interruptions_do_not_change_a_bit)
{
    struct posed whole;
    shift = 0.02;
    pose(&whole, sums, 2, 3);
    match(&whole);
    for (int saves = 0; saves <= 4; saves++) {
        struct posed p;
        struct memory_checkpoint memory;
        struct cancel cancel = {.stop = false};
        struct err err = ERR_INIT;
        pose(&p, sums, 2, 3);
        memory_checkpoint_init(&memory, 1);
        memory.die_after = saves;
        memory.cancel = &cancel;
        p.run.terms.n_threads = saves == 0 ? 3 : 1;
        p.run.terms.checkpoint = &memory.checkpoint;
        p.run.terms.cancel = &cancel;
        if (saves > 0) {
            ck_assert_int_ne(history_run(&p.run, &p.arena, &p.result, &err), ERR_OK);
            memory_checkpoint_revive(&memory);
            atomic_store(&cancel.stop, false);
        }
        match(&p);
        ck_assert_int_eq(memory.n_loads, saves);
        expect_same(&whole.result, &p.result);
        memory_checkpoint_release(&memory);
        release(&p);
    }
    release(&whole);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    struct posed p;
    bool succeeded = false;
    shift = 0.0;
    pose(&p, sums, 2, 2);
    p.spec.n = 64;
    for (long at = 1; !succeeded; at++) {
        struct err err = ERR_INIT;
        long before = mem_live();
        mem_fail_after(at, false);
        enum err_code code = history_run(&p.run, &p.arena, &p.result, &err);
        mem_fail_after(0, false);
        succeeded = code == ERR_OK;
        ck_assert_msg(succeeded || code == ERR_NOMEM, "%s", err.msg);
        arena_release(&p.arena);
        ck_assert_int_eq(mem_live(), before);
    }
    release(&p);
}
END_TEST

static void expect_refused(struct posed *p, enum err_code code, const char *word)
{
    struct err err = ERR_INIT;
    ck_assert_int_eq(history_check(&p->run, &err), code);
    ck_assert_ptr_nonnull(strstr(err.msg, word));
    release(p);
    pose(p, sums, 2, 1);
}

START_TEST(what_cannot_be_done_is_refused)
{
    struct posed p;
    struct err err = ERR_INIT;
    const double none[] = {0.1, 0.0};
    pose(&p, sums, 2, 1);
    p.spec.sigma = none;
    expect_refused(&p, ERR_INVALID, "noise");
    p.spec.sigma = NULL;
    expect_refused(&p, ERR_INVALID, "noise");
    p.spec.order = 3;
    expect_refused(&p, ERR_INVALID, "order");
    p.spec.cutoff = 0.0;
    expect_refused(&p, ERR_INVALID, "cutoff");
    p.spec.grid = HISTORY_MAX_GRID + 1;
    expect_refused(&p, ERR_INVALID, "grid");
    p.spec.n_experiments = 0;
    expect_refused(&p, ERR_INVALID, "experiments");
    p.spec.replicates = 1;
    expect_refused(&p, ERR_INVALID, "replicates");
    p.base.laws[0] = p.base.laws[1] = law_of_value(0.0);
    expect_refused(&p, ERR_INVALID, "fixed");
    struct cancel cancel = {.stop = true};
    p.run.terms.cancel = &cancel;
    ck_assert_int_eq(history_run(&p.run, &p.arena, &p.result, &err), ERR_CANCELLED);
    release(&p);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("history");
    TCase *tcase = tcase_create("regions");
    tcase_set_timeout(tcase, 100.0);
    tcase_add_test(tcase, the_share_that_is_left_has_its_volume);
    tcase_add_test(tcase, what_the_surrogate_does_not_know_leaves_more);
    tcase_add_test(tcase, depths_are_shares_of_cells_and_minima_are_reached);
    tcase_add_test(tcase, points_for_the_next_wave_are_left_and_apart);
    tcase_add_test(tcase, a_later_wave_is_evaluated_where_the_earlier_one_leaves_points);
    tcase_add_test(tcase, inputs_that_experiments_set_and_whole_numbers_are_matched);
    tcase_add_test(tcase, threads_and_interruptions_do_not_change_a_bit);
    tcase_add_test(tcase, every_allocation_may_fail);
    tcase_add_test(tcase, what_cannot_be_done_is_refused);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
