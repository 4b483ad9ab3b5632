/* SPDX-License-Identifier: Apache-2.0 */
/* Which missing values are allowed, and what is found of the others. */
#include "formats/nonfinite.h"
#include "run.h"

#include <math.h>

/* Two inputs and two outputs. */
static const double rows[] = {
    1, 2,           3,           4,           /* whole */
    1, 2,           (double)NAN, 4,           /* misses an output */
    1, 2,           (double)NAN, (double)NAN, /* misses both */
    1, 2,           INFINITY,    (double)NAN, /* has an infinite output */
    1, (double)NAN, 3,           4,           /* misses an input */
};
static const unsigned char failed[] = {0, 0, 1, 1, 1};

enum { N = 5, K = 4, D = 2 };

static const struct {
    struct nonfinite_rule rule;
    int n, first, column;
    bool holes;
} cases[] = {
    {{.k = K, .first = K}, 4, 1, 2, false},
    {{.k = K, .first = D, .all = true}, 2, 3, 2, true},
    {{.k = K, .first = D, .failed = failed}, 3, 1, 2, true},
};

START_TEST(values_are_found_by_the_rule)
{
    struct nonfinite found;
    nonfinite_find(rows, N, &cases[_i].rule, &found);
    ck_assert_int_eq(found.n, cases[_i].n);
    ck_assert_int_eq(found.rows[0], cases[_i].first);
    ck_assert_int_eq(found.column, cases[_i].column);
    ck_assert_int_eq(found.holes, cases[_i].holes);
}
END_TEST

START_TEST(rows_that_are_left_are_those_that_were_not_found)
{
    double copy[N * K];
    int origin[N];
    int at = 0;
    struct nonfinite found;
    for (int c = 0; c < N * K; c++) {
        copy[c] = rows[c];
    }
    nonfinite_find(rows, N, &cases[_i].rule, &found);
    int kept = nonfinite_remove(copy, N, &cases[_i].rule, origin);
    ck_assert_int_eq(kept, N - found.n);
    for (int i = 0; i < N; i++) {
        bool gone = false;
        for (int k = 0; k < found.n; k++) {
            gone = gone || found.rows[k] == i;
        }
        if (!gone) {
            ck_assert_mem_eq(copy + at * K, rows + i * K, K * sizeof *rows);
            ck_assert_int_eq(origin[at++], i);
        }
    }
    ck_assert_int_eq(at, kept);
}
END_TEST

START_TEST(complete_rows_have_nothing_to_find)
{
    struct nonfinite found;
    const struct nonfinite_rule rule = nonfinite_strict(K);
    nonfinite_find(rows, 1, &rule, &found);
    ck_assert_int_eq(found.n, 0);
    ck_assert(!found.holes);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("nonfinite");
    TCase *tc = tcase_create("nonfinite");
    int n = (int)(sizeof cases / sizeof *cases);
    tcase_add_loop_test(tc, values_are_found_by_the_rule, 0, n);
    tcase_add_loop_test(tc, rows_that_are_left_are_those_that_were_not_found, 0, n);
    tcase_add_test(tc, complete_rows_have_nothing_to_find);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
