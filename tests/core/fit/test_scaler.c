/* SPDX-License-Identifier: Apache-2.0 */
/* Scalers. */
#include "run.h"

#include <math.h>
#include <string.h>

#include "fit/scaler.h"

START_TEST(scalers_fit_apply_and_invert)
{
    const double v[] = {1.0, 10.0, 2.0, 10.0, 4.0, 10.0, 9.0, 10.0};
    static const enum scaler_kind kinds[] = {SCALER_NONE, SCALER_STANDARD, SCALER_RANGE,
                                             SCALER_UNIT, SCALER_LOG};
    const struct scaler_rows rows = {.n = 4, .k = 2, .v = v};
    for (size_t k = 0; k < 5; k++) {
        struct err err = ERR_INIT;
        struct scaler s[2];
        double z[8];
        ck_assert_int_eq(scaler_fit(kinds[k], &rows, s, &err), ERR_OK);
        ck_assert_int_eq(scaler_apply(s, &rows, z, &err), ERR_OK);
        /* A constant column. */
        ck_assert_double_eq(s[1].scale, kinds[k] == SCALER_NONE ? 1.0 : 0.0);
        ck_assert_double_eq(z[3], kinds[k] == SCALER_NONE ? 10.0 : 0.0);
        double slope = scaler_slope(&s[0], v[4]);
        double up = kinds[k] == SCALER_LOG ? log(4.0 + 1e-6) : 4.0 + 1e-6;
        up = kinds[k] == SCALER_NONE ? up : (up - s[0].shift) / s[0].scale;
        ck_assert_double_eq_tol((up - z[4]) / 1e-6, slope, 1e-5);
        if (kinds[k] == SCALER_RANGE || kinds[k] == SCALER_UNIT) {
            ck_assert_double_eq_tol(z[0], kinds[k] == SCALER_RANGE ? -1.0 : 0.0, 1e-15);
            ck_assert_double_eq_tol(z[6], 1.0, 1e-15);
        }
        scaler_invert(s, 4, 2, z);
        for (int i = 0; i < 8; i++) {
            ck_assert_double_eq_tol(z[i], v[i], 1e-14 * v[i]);
        }
    }
}
END_TEST

START_TEST(logarithms_of_what_is_not_positive_are_refused)
{
    struct err err = ERR_INIT;
    struct scaler s[1];
    const double v[] = {1.0, 0.0};
    struct scaler_rows rows = {.n = 2, .k = 1, .v = v};
    ck_assert_int_eq(scaler_fit(SCALER_LOG, &rows, s, &err), ERR_INVALID);
    ck_assert_int_eq(err.row, 1);
    err_clear(&err);
    double z[2];
    s[0] = (struct scaler){SCALER_LOG, 0.0, 1.0};
    rows.first_row = 100;
    ck_assert_int_eq(scaler_apply(s, &rows, z, &err), ERR_INVALID);
    ck_assert_int_eq(err.row, 101);
}
END_TEST

/* The fault of columns from low to high, and whether one is taken for a constant. */
START_TEST(columns_that_numbers_cannot_hold_are_refused)
{
    static const struct {
        double low, high;
        enum scaler_kind kind;
        const char *fault;
    } cases[] = {
        {-1.7e308, 1.7e308, SCALER_UNIT, "further apart"},
        {-1.7e308, 1.7e308, SCALER_STANDARD, "further apart"},
        {-1.7e308, 1.7e308, SCALER_RANGE, NULL},
        {0.0, 1e-309, SCALER_UNIT, "closer than"},
        {0.0, 5e-324, SCALER_RANGE, "closer than"},
        {1e-310, 1e-309, SCALER_LOG, "closer than"},
        {0.0, 2.3e-308, SCALER_UNIT, NULL},
        {1e-300, 1e-300 * (1.0 + 0x1p-52), SCALER_UNIT, NULL}, /* a constant but for rounding */
        {5e-324, 5e-324, SCALER_UNIT, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const double v[] = {cases[i].low, cases[i].high};
        const struct scaler_rows rows = {.n = 2, .k = 1, .v = v};
        const char *fault = scaler_find_fault(cases[i].kind, cases[i].low, cases[i].high);
        struct err err = ERR_INIT;
        struct scaler s;
        enum err_code code = scaler_fit(cases[i].kind, &rows, &s, &err);
        if (cases[i].fault == NULL) {
            ck_assert_ptr_null(fault);
            ck_assert_int_eq(code, ERR_OK);
        } else {
            ck_assert_ptr_nonnull(strstr(fault, cases[i].fault));
            ck_assert_int_eq(code, ERR_INVALID);
            ck_assert_ptr_nonnull(strstr(err_msg(&err), fault));
        }
        if (code == ERR_OK && cases[i].low == cases[i].high) {
            ck_assert_double_eq(s.shift, cases[i].low);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scaler");
    TCase *tc = tcase_create("scaler");
    tcase_add_test(tc, scalers_fit_apply_and_invert);
    tcase_add_test(tc, logarithms_of_what_is_not_positive_are_refused);
    tcase_add_test(tc, columns_that_numbers_cannot_hold_are_refused);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
