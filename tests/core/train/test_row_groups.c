/* SPDX-License-Identifier: Apache-2.0 */
/* Rows that stay together. */
#include "base/mem.h"
#include "train/row_groups.h"
#include "run.h"

#include <math.h>

enum { MAX = 3000 };

static struct row_groups groups_of(int n, int d, const double *x, const double *y)
{
    const struct data data = {.n = n, .d = d, .o = 1, .x = x, .y = y};
    struct row_groups out;
    struct err err = ERR_INIT;
    ck_assert_int_eq(row_groups_find(&data, &out, &err), ERR_OK);
    return out;
}

START_TEST(rows_with_different_inputs_are_groups_of_their_own)
{
    static double x[2 * MAX];
    static double y[MAX];
    for (int i = 0; i < MAX; i++) {
        x[2 * i] = i / 7;
        x[2 * i + 1] = i % 7;
    }
    struct row_groups groups = groups_of(MAX, 2, x, y);
    ck_assert_int_eq(groups.n, MAX);
    for (int i = 0; i < MAX; i++) {
        ck_assert_int_eq(groups.of[i], i);
    }
    row_groups_release(&groups);
}
END_TEST

/* Compared with all pairs of rows. */
START_TEST(rows_with_the_same_inputs_are_one_group_whatever_their_outputs)
{
    static double x[2 * MAX];
    static double y[MAX];
    for (int i = 0; i < MAX; i++) {
        x[2 * i] = (i * 37) % 101;
        x[2 * i + 1] = i % 3 == 0 ? 0.0 : i % 3 == 1 ? -0.0 : 1.0;
        y[i] = i;
    }
    struct row_groups groups = groups_of(MAX, 2, x, y);
    int n = 0;
    for (int i = 0; i < MAX; i++) {
        int first = 0;
        while (x[2 * first] != x[2 * i] || x[2 * first + 1] != x[2 * i + 1]) {
            first++;
        }
        ck_assert_int_eq(groups.of[i], first == i ? n : groups.of[first]);
        n += first == i;
    }
    ck_assert_int_eq(groups.n, n);
    ck_assert_int_eq(n, 202);
    row_groups_release(&groups);
}
END_TEST

START_TEST(of_few_inputs_only_the_same_rows_are_one_group)
{
    static double x[MAX];
    static double y[MAX];
    for (int n_inputs = ROW_GROUPS_MIN_INPUTS - 1; n_inputs <= ROW_GROUPS_MIN_INPUTS; n_inputs++) {
        bool few = n_inputs < ROW_GROUPS_MIN_INPUTS;
        for (int i = 0; i < MAX; i++) {
            x[i] = i % n_inputs;
            /* Each row of the first half comes again, some without an output. */
            int source = i % (MAX / 2);
            y[i] = source % 5 == 0 ? (double)NAN : source;
            x[i] = source % n_inputs;
        }
        struct row_groups groups = groups_of(MAX, 1, x, y);
        ck_assert(few ? groups.n > MAX / 4 : groups.n == n_inputs);
        for (int i = 0; i < MAX / 2; i++) {
            ck_assert_int_eq(groups.of[i], groups.of[i + MAX / 2]);
        }
        row_groups_release(&groups);
    }
}
END_TEST

START_TEST(values_of_groups_reach_their_rows)
{
    int of[] = {0, 1, 0, 2, 1, 3, 3, 0};
    const struct row_groups groups = {.n = 4, .of = of};
    unsigned char values[] = {7, 5, 9, 4, 0, 0, 0, 0};
    static const unsigned char expected[] = {7, 5, 7, 9, 5, 4, 4, 7};
    row_groups_spread(&groups, 8, values);
    ck_assert_mem_eq(values, expected, sizeof expected);
}
END_TEST

START_TEST(without_memory_nothing_is_left)
{
    static const double x[] = {1.0, 2.0, 1.0};
    const struct data data = {.n = 3, .d = 1, .o = 1, .x = x, .y = x};
    for (int failing = 1; failing <= 2; failing++) {
        struct row_groups groups = {.n = 0};
        struct err err = ERR_INIT;
        mem_fail_after(failing, false);
        ck_assert_int_eq(row_groups_find(&data, &groups, &err), ERR_NOMEM);
        mem_fail_after(0, false);
        ck_assert_ptr_null(groups.of);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("row_groups");
    TCase *tc = tcase_create("row_groups");
    tcase_add_test(tc, rows_with_different_inputs_are_groups_of_their_own);
    tcase_add_test(tc, rows_with_the_same_inputs_are_one_group_whatever_their_outputs);
    tcase_add_test(tc, of_few_inputs_only_the_same_rows_are_one_group);
    tcase_add_test(tc, values_of_groups_reach_their_rows);
    tcase_add_test(tc, without_memory_nothing_is_left);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
