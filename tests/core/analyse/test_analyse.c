/* SPDX-License-Identifier: Apache-2.0 */
/* What every kind of analysis must do. */
#include "run.h"

#include <math.h>
#include <string.h>

#include "analyse/replicates.h"
#include "analyse_case.h"
#include "base/mem.h"
#include "memory_checkpoint.h"

/* Two outputs of three inputs, different in each draw. */
static void wavy(int draw, const double *x, double *y, double *jac)
{
    double c = 1.0 + 0.1 * draw;
    y[0] = sin(3.0 * x[0]) + c * x[1] * x[2];
    y[1] = c * x[0] - x[1] * x[1];
    if (jac != NULL) {
        const double of[] = {3.0 * cos(3.0 * x[0]), c * x[2], c * x[1], c, -2.0 * x[1], 0.0};
        memcpy(jac, of, sizeof of);
    }
}

static const double levels[] = {0.25, 0.75};
static const struct analyse_limit limits[] = {{.output = 0, .above = true, .value = 1.9},
                                              {.output = 1, .above = false, .value = -0.95}};
static const double correlation[] = {1.0, 0.3, 0.0, 0.3, 1.0, -0.2, 0.0, -0.2, 1.0};

enum { N_CASES = ANALYSE_N_KINDS + 2 }; /* each kind, and failure by every method */

static void pose(struct analyse_case *self, int which)
{
    analyse_case_init(self, wavy, 3, 2, 3);
    self->spec.kind = which < ANALYSE_N_KINDS ? (enum analyse_kind)which : ANALYSE_FAILURE;
    self->spec.n = 40;
    self->spec.replicates = 5;
    self->spec.second_order = true;
    self->spec.n_levels = 2;
    self->spec.levels = levels;
    self->spec.bins = 4;
    self->spec.method = which < ANALYSE_N_KINDS
                            ? ANALYSE_MONTE_CARLO
                            : (enum analyse_method)(which - ANALYSE_N_KINDS + 1);
    self->spec.n_limits = 2;
    self->spec.limits = limits;
    self->spec.grid = 4;
    self->spec.correlation = correlation;
}

static void expect_same(const struct analyse_result *a, const struct analyse_result *b)
{
    ck_assert_uint_eq(a->n, b->n);
    size_t size = a->n * sizeof(double);
    ck_assert_mem_eq(a->estimate, b->estimate, size);
    ck_assert_mem_eq(a->sampling_error, b->sampling_error, size);
    ck_assert_mem_eq(a->surrogate_error, b->surrogate_error, size);
    ck_assert_mem_eq(a->lower, b->lower, size);
    ck_assert_mem_eq(a->upper, b->upper, size);
}

START_TEST(threads_do_not_change_a_bit)
{
    struct analyse_case one;
    struct analyse_case four;
    pose(&one, _i);
    pose(&four, _i);
    four.run.terms.n_threads = 4;
    analyse_case_run(&one);
    analyse_case_run(&four);
    expect_same(&one.result, &four.result);
    four.spec.seed = 2;
    analyse_case_run(&four);
    ck_assert_mem_ne(one.result.estimate, four.result.estimate, sizeof(double));
    for (size_t q = 0; q < one.result.n; q++) {
        ck_assert(one.result.lower[q] <= one.result.estimate[q] || isnan(one.result.estimate[q]));
    }
    analyse_case_release(&one);
    analyse_case_release(&four);
}
END_TEST

START_TEST(what_was_interrupted_goes_on_to_the_same_numbers)
{
    struct analyse_case whole;
    pose(&whole, _i);
    analyse_case_run(&whole);
    for (int saves = 1; saves <= 4; saves++) {
        struct analyse_case self;
        struct memory_checkpoint memory;
        struct cancel cancel = {.stop = false};
        struct err err = ERR_INIT;
        pose(&self, _i);
        memory_checkpoint_init(&memory, 1);
        memory.die_after = saves;
        memory.cancel = &cancel;
        self.run.terms.checkpoint = &memory.checkpoint;
        self.run.terms.cancel = &cancel;
        ck_assert_int_ne(analyse_run(&self.run, &self.arena, &self.result, &err), ERR_OK);
        memory_checkpoint_revive(&memory);
        atomic_store(&cancel.stop, false);
        analyse_case_run(&self);
        ck_assert_int_eq(memory.n_loads, saves);
        expect_same(&whole.result, &self.result);
        memory_checkpoint_release(&memory);
        analyse_case_release(&self);
    }
    analyse_case_release(&whole);
}
END_TEST

START_TEST(a_damaged_checkpoint_is_refused)
{
    struct analyse_case self;
    struct memory_checkpoint memory;
    struct err err = ERR_INIT;
    pose(&self, _i);
    memory_checkpoint_init(&memory, 1);
    self.run.terms.checkpoint = &memory.checkpoint;
    analyse_case_run(&self);
    ck_assert_int_gt(memory.n_states, 0);
    memory.states[0].n_bytes -= 1;
    ck_assert_int_eq(analyse_run(&self.run, &self.arena, &self.result, &err), ERR_CORRUPT);
    memory_checkpoint_release(&memory);
    analyse_case_release(&self);
}
END_TEST

START_TEST(a_cancel_ends_it)
{
    struct analyse_case self;
    struct cancel cancel = {.stop = true};
    struct err err = ERR_INIT;
    pose(&self, _i);
    self.run.terms.cancel = &cancel;
    ck_assert_int_eq(analyse_run(&self.run, &self.arena, &self.result, &err), ERR_CANCELLED);
    analyse_case_release(&self);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    struct analyse_case self;
    bool succeeded = false;
    pose(&self, _i);
    self.spec.n = 20;
    self.spec.replicates = 4;
    for (long at = 1; !succeeded; at++) {
        struct err err = ERR_INIT;
        long before = mem_live();
        mem_fail_after(at, false);
        enum err_code code = analyse_run(&self.run, &self.arena, &self.result, &err);
        mem_fail_after(0, false);
        succeeded = code == ERR_OK;
        ck_assert_msg(succeeded || code == ERR_NOMEM, "%s", err.msg);
        arena_release(&self.arena);
        ck_assert_int_eq(mem_live(), before);
    }
    analyse_case_release(&self);
}
END_TEST

static void expect_refused(const struct analyse_case *self, enum err_code code, const char *word)
{
    struct err err = ERR_INIT;
    ck_assert_int_eq(analyse_check(&self->run, &err), code);
    ck_assert_msg(strstr(err.msg, word) != NULL, "%s", err.msg);
}

START_TEST(what_cannot_be_done_is_refused)
{
    struct analyse_case self;
    const double wrong[] = {1.0, 2.0, 0.0, 2.0, 1.0, 0.0, 0.0, 0.0, 1.0};
    const double indefinite[] = {1.0, 0.9, 0.9, 0.9, 1.0, -0.9, 0.9, -0.9, 1.0};
    const int first[] = {0, 0};
    const struct analyse_set twice[] = {{.n = 2, .inputs = first}};
    const double extreme[] = {0.001};
    pose(&self, ANALYSE_SOBOL);
    self.spec.n = 0;
    expect_refused(&self, ERR_INVALID, "points");
    pose(&self, ANALYSE_SOBOL);
    self.spec.replicates = 3;
    expect_refused(&self, ERR_INVALID, "replicates");
    pose(&self, ANALYSE_SOBOL);
    self.laws[0] = law_of_value(0.0);
    self.spec.n_groups = 1;
    self.spec.groups = twice;
    expect_refused(&self, ERR_INVALID, "fixed");
    pose(&self, ANALYSE_SLICES);
    self.spec.n_slices = 1;
    self.spec.slices = twice;
    expect_refused(&self, ERR_INVALID, "two different");
    pose(&self, ANALYSE_SHAPLEY);
    self.spec.correlation = wrong;
    expect_refused(&self, ERR_INVALID, "symmetric");
    self.spec.correlation = indefinite;
    expect_refused(&self, ERR_INVALID, "positive definite");
    pose(&self, ANALYSE_PROPAGATE);
    self.spec.n_levels = 1;
    self.spec.levels = extreme;
    expect_refused(&self, ERR_INVALID, "more points");
    self.spec.n = ANALYSE_MAX_POINTS;
    self.field.m = 1000;
    expect_refused(&self, ERR_LIMIT, "fewer points");
    pose(&self, ANALYSE_FAILURE);
    self.spec.n_limits = 0;
    expect_refused(&self, ERR_INVALID, "limits");
    pose(&self, ANALYSE_MORRIS);
    for (int b = 0; b < 3; b++) {
        self.laws[b] = law_of_value(0.0);
    }
    expect_refused(&self, ERR_INVALID, "every input is fixed");
    pose(&self, ANALYSE_ACTIVE_SUBSPACE);
    self.inputs[1].type = SPACE_CATEGORY;
    expect_refused(&self, ERR_INVALID, "category");
}
END_TEST

START_TEST(students_quantiles_are_those_of_tables)
{
    static const double known[][2] = {{3, 3.182446},  {4, 2.776445},  {7, 2.364624},
                                      {15, 2.131450}, {63, 1.998341}, {255, 1.969310}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        double q = replicates_student((int)known[i][0]);
        ck_assert_msg(fabs(q / known[i][1] - 1.0) < (known[i][0] < 5 ? 2e-3 : 1e-4),
                      "%g: %.6f, expected %.6f", known[i][0], q, known[i][1]);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("analyse");
    TCase *tcase = tcase_create("every kind");
    tcase_set_timeout(tcase, 120.0);
    tcase_add_loop_test(tcase, threads_do_not_change_a_bit, 0, N_CASES);
    tcase_add_loop_test(tcase, what_was_interrupted_goes_on_to_the_same_numbers, 0, N_CASES);
    tcase_add_loop_test(tcase, a_damaged_checkpoint_is_refused, 0, N_CASES);
    tcase_add_loop_test(tcase, a_cancel_ends_it, 0, N_CASES);
    tcase_add_loop_test(tcase, every_allocation_may_fail, 0, N_CASES);
    tcase_add_test(tcase, what_cannot_be_done_is_refused);
    tcase_add_test(tcase, students_quantiles_are_those_of_tables);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
