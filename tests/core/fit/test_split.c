/* SPDX-License-Identifier: Apache-2.0 */
/* Which rows are kept out. */
#include "fit/split.h"
#include "run.h"

#include <math.h>
#include <string.h>

enum { MAX = 5000 };

static const double shares[] = {0.0, 0.01, 0.05, 0.1, 0.2, 1.0 / 3.0, 0.5, 0.7, 0.9};
enum { N_SHARES = sizeof shares / sizeof *shares };

static int count(const unsigned char *role, int n, enum split_role which)
{
    int found = 0;
    for (int i = 0; i < n; i++) {
        found += role[i] == which;
    }
    return found;
}

/* The count is within one of n share; of two rows or more it is at least one and not all. */
static void check_count(int taken, int n, double share)
{
    if (share <= 0.0 || n < 2) {
        ck_assert_int_eq(taken, 0);
        return;
    }
    ck_assert_int_ge(taken, 1);
    ck_assert_int_lt(taken, n);
    ck_assert(taken == 1 || fabs(taken - n * share) <= 1.0 + 1e-6);
}

START_TEST(shares_are_kept_to_within_one_row)
{
    static const int sizes[] = {0, 1, 2, 3, 5, 9, 10, 11, 19, 100, 101, 999, MAX};
    unsigned char role[MAX];
    for (int i = 0; i < N_SHARES * N_SHARES; i++) {
        double validation = shares[i / N_SHARES];
        double calibration = shares[i % N_SHARES];
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
            int n = sizes[k];
            split_rows(7 + k, n, validation, calibration, role);
            int kept = count(role, n, SPLIT_KEPT);
            check_count(kept, n, validation);
            check_count(count(role, n, SPLIT_CALIBRATION), n - kept, calibration);
        }
    }
}
END_TEST

START_TEST(roles_stay_when_rows_are_appended)
{
    unsigned char whole[MAX];
    unsigned char part[MAX];
    for (int i = 1; i < N_SHARES; i++) {
        split_rows(3, MAX, shares[i], 0.2, whole);
        /* Once there is a whole block of both, whatever the number of rows. */
        int min = (int)ceil(1.0 / shares[i]);
        min = (int)ceil((double)min + 6.0 / (1.0 - shares[i]));
        for (int n = min; n < MAX; n += 1 + n / 7) {
            split_rows(3, n, shares[i], 0.2, part);
            ck_assert_int_eq(memcmp(part, whole, (size_t)n), 0);
        }
    }
}
END_TEST

START_TEST(the_smallest_shares_take_one_row)
{
    static const double min[] = {5e-324, 1e-300, 1e-20, 1e-12};
    unsigned char role[MAX];
    for (size_t i = 0; i < sizeof min / sizeof *min; i++) {
        for (int n = 2; n <= MAX; n += 1 + n / 3) {
            split_rows(1 + i, n, min[i], min[i], role);
            ck_assert_int_eq(count(role, n, SPLIT_KEPT), 1);
            ck_assert_int_eq(count(role, n, SPLIT_CALIBRATION), n > 2);
        }
    }
}
END_TEST

START_TEST(places_are_random_and_of_the_seed)
{
    unsigned char a[MAX];
    unsigned char b[MAX];
    int at[10] = {0};
    int same = 0;
    split_rows(1, MAX, 0.1, 0.0, a);
    split_rows(2, MAX, 0.1, 0.0, b);
    for (int i = 0; i < MAX; i++) {
        at[i % 10] += a[i] == SPLIT_KEPT;
        same += a[i] == SPLIT_KEPT && b[i] == SPLIT_KEPT;
    }
    /* 500 blocks choose each place one time in ten: 50 times, with a standard deviation of 6.7. */
    for (int j = 0; j < 10; j++) {
        ck_assert_int_gt(at[j], 50 - 6 * 7);
        ck_assert_int_lt(at[j], 50 + 6 * 7);
    }
    ck_assert_int_lt(same, 50 + 6 * 7);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("split");
    TCase *tc = tcase_create("split");
    tcase_add_test(tc, shares_are_kept_to_within_one_row);
    tcase_add_test(tc, roles_stay_when_rows_are_appended);
    tcase_add_test(tc, the_smallest_shares_take_one_row);
    tcase_add_test(tc, places_are_random_and_of_the_seed);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
