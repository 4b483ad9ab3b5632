/* SPDX-License-Identifier: Apache-2.0 */
/* Rows that a training refuses or warns of. */
#include "small_rows.h"

#include <math.h>
#include <string.h>

#include "base/utf8.h"
#include "fit/split.h"
#include "math/gemm.h"

/* ---- rows ---- */

START_TEST(a_value_without_a_logarithm_is_refused_with_its_place)
{
    struct err err = ERR_INIT;
    struct train_spec spec = small_spec(SOLVER_ENSEMBLE, SCALER_LOG);
    struct model *model = NULL;
    struct data rows = make_rows(1.0, 1.0);
    const struct train_run run = {.spec = &spec, .data = rows};
    static const char *const columns[] = {"a", "b", "p", "q"};
    struct space *names = NULL;
    ck_assert_int_eq(space_of_names(D, O, columns, NULL, &names, &err), ERR_OK);
    y[71 * O + 1] = -2.0;
    ck_assert_int_eq(train(&spec, rows, NULL, &model, &err), ERR_INVALID);
    ck_assert_int_eq(err.row, 71);
    ck_assert_int_eq(err.column, 1);
    ck_assert_ptr_nonnull(strstr(err.msg, "outputs: "));
    err_clear(&err);
    y[71 * O + 1] = NAN;
    ck_assert_int_eq(train_check_rows(&run, &err), ERR_OK);
    y[70 * O + 1] = -1.0;
    const struct train_run named = {.spec = &spec, .data = rows, .space = names};
    ck_assert_int_eq(train_check_rows(&named, &err), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "row 70 column 1 (\"q\") is -1"));
    err_clear(&err);
    space_unref(names);
    y[70 * O + 1] = NAN;
    spec.input_scaling = SCALER_LOG;
    x[3 * D] = 0.0;
    ck_assert_int_eq(train_check_rows(&run, &err), ERR_INVALID);
    ck_assert_int_eq(err.row, 3);
    ck_assert_int_eq(err.column, 0);
    ck_assert_ptr_nonnull(strstr(err.msg, "inputs: "));
}
END_TEST

START_TEST(few_rows_are_told_of)
{
    static const struct {
        int n;
        bool few;
    } cases[] = {{2, true}, {5, true}, {12, true}, {13, false}, {N, false}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct train_spec spec = small_spec(SOLVER_ENSEMBLE, SCALER_UNIT);
        struct data rows = make_rows(1.0, 1.0);
        rows.n = cases[k].n;
        spec.validation = cases[k].n > 5 ? 0.25 : 0.0; /* 12 rows leave 9 */
        struct model *model = train_well(&spec, rows);
        const char *few = warning(model, "few_rows");
        ck_assert_int_eq(few != NULL, cases[k].few);
        ck_assert(k != 0 || strstr(few, "2 rows train a model of 2 inputs: ") == few);
        model_unref(model);
    }
    struct train_spec spec = small_spec(SOLVER_ENSEMBLE, SCALER_UNIT);
    struct data rows = make_rows(1.0, 1.0);
    for (int i = 0; i < N; i++) {
        y[i * O + 1] = i % 10 == 0 ? y[i * O + 1] : NAN;
    }
    struct model *model = train_well(&spec, rows);
    ck_assert_ptr_nonnull(warning(model, "few_rows"));
    ck_assert_ptr_nonnull(strstr(warning(model, "few_rows"), "rows train output 1, of 2 inputs: "));
    model_unref(model);
    for (int different = 9; different <= 10; different++) {
        rows = make_rows(1.0, 1.0);
        for (int i = different; i < N; i++) {
            memcpy(x + (size_t)i * D, x + (size_t)(i % different) * D, D * sizeof *x);
            memcpy(y + (size_t)i * O, y + (size_t)(i % different) * O, O * sizeof *y);
        }
        spec.validation = 0.0;
        model = train_well(&spec, rows);
        ck_assert_int_eq(warning(model, "few_rows") != NULL, different == 9);
        ck_assert(different == 10 || strstr(warning(model, "few_rows"), "only 9 of the ") != NULL);
        model_unref(model);
    }
    rows = make_rows(1.0, 1.0);
    rows.n = 2;
    spec.validation = 0.5;
    model = train_well(&spec, rows);
    ck_assert_ptr_nonnull(strstr(warning(model, "few_rows"), "1 row trains "));
    model_unref(model);
}
END_TEST

/* ---- poor fits ---- */

START_TEST(a_poor_fit_is_told_of)
{
    struct train_spec spec = small_spec(SOLVER_ENSEMBLE, SCALER_UNIT);
    struct rng rng;
    spec.settings.epochs = 200;
    struct model *good = train_well(&spec, make_rows(1.0, 0x1p700));
    ck_assert_ptr_null(warning(good, "poor_fit"));
    ck_assert_ptr_null(report_find(&good->report, "fit.explained"));
    model_unref(good);
    struct data rows = make_rows(1.0, 0x1p700);
    rng_init(&rng, 77, RNG_TEST, 0);
    for (int i = 0; i < N; i++) {
        y[i * O] = 0x1p700 * rng_normal(&rng); /* has nothing to do with the inputs */
    }
    struct model *model = train_well(&spec, rows);
    const struct report_item *shares = report_find(&model->report, "fit.explained");
    ck_assert_ptr_nonnull(warning(model, "poor_fit"));
    ck_assert_ptr_nonnull(strstr(warning(model, "poor_fit"), "1 of 2 outputs"));
    ck_assert_int_eq(shares->n, O);
    ck_assert_double_lt(shares->values[0], 0.19);
    ck_assert_double_gt(shares->values[1], 0.5);
    model_unref(model);
    /* One kept row tells nothing. */
    rows.n = 10;
    spec.validation = 0.1;
    model = train_well(&spec, rows);
    ck_assert_int_eq(model->scores.n_rows, 1);
    ck_assert_ptr_null(warning(model, "poor_fit"));
    model_unref(model);
}
END_TEST

/* Two to four kept rows may lie near the mean by chance, where a good model looks no better than
 * that; but an error as large as the spread of the rows that train is poor. */
START_TEST(few_kept_rows_are_judged_by_the_spread_of_the_others)
{
    static const double scales[] = {1e-3, 3.0};
    for (int k = 0; k < 2; k++) {
        struct train_spec spec = small_spec(SOLVER_ENSEMBLE, SCALER_UNIT);
        struct data rows = make_rows(1.0, 1.0);
        unsigned char role[N];
        rows.n = 30;
        spec.validation = 0.1;
        spec.settings.epochs = 200;
        split_rows((uint64_t)spec.seed, rows.n, spec.validation, 0.0, role);
        for (int i = 0; i < rows.n; i++) {
            if (role[i] == SPLIT_KEPT) { /* alternately above and below what the inputs say */
                y[i * O + 1] += scales[k] * (i % 2 == 0 ? 1.0 : -1.0);
            }
        }
        struct model *model = train_well(&spec, rows);
        ck_assert_int_eq(model->scores.n_rows, 3);
        ck_assert_int_eq(warning(model, "poor_fit") != NULL, k == 1);
        model_unref(model);
    }
}
END_TEST

START_TEST(warnings_name_columns_as_the_model_does)
{
    static const char *const names[] = {
        "k", "a name with more letters than are shown \xc3\xa4\xc3\xb6\xc3\xbc", "leak", "rate"};
    struct err err = ERR_INIT;
    struct space *space = NULL;
    struct train_spec spec = small_spec(SOLVER_ENSEMBLE, SCALER_UNIT);
    struct data rows = make_rows(1.0, 1.0);
    for (int i = 0; i < N; i++) {
        x[i * D + 1] = 2.5;
        y[i * O] = 1e-9;
        y[i * O + 1] = pow(10.0, 5.0 * i / N);
    }
    ck_assert_int_eq(space_of_names(D, O, names, NULL, &space, &err), ERR_OK);
    struct train_run run = {.spec = &spec, .data = rows, .space = space, .n_threads = 1};
    struct model *model = NULL;
    ck_assert_int_eq(train_resolve(&spec, D, O, &err), ERR_OK);
    ck_assert_msg(train_run(&run, &model, &err) == ERR_OK, "%s", err_msg(&err));
    ck_assert_ptr_nonnull(strstr(warning(model, "constant_output"), "\"leak\" (1e-09)"));
    ck_assert_ptr_nonnull(strstr(warning(model, "try_log"), "\"rate\" (4."));
    ck_assert_ptr_nonnull(
        strstr(warning(model, "constant_input"), "\"a name with more letters than are shown ..\""));
    for (int i = 0; i < model->report.n_warnings; i++) {
        const char *text = model->report.warnings[i].text;
        ck_assert(utf8_is_valid(text, strlen(text)));
        ck_assert_uint_lt(strlen(text), REPORT_TEXT_CHARS - 1);
    }
    model_unref(model);
    space_unref(space);
}
END_TEST

START_TEST(outputs_over_decades_are_hinted_at_logarithms)
{
    static const enum scaler_kind scalings[] = {SCALER_UNIT, SCALER_LOG};
    for (int k = 0; k < 2; k++) {
        for (int decades = 2; decades <= 4; decades += 2) {
            struct train_spec spec = small_spec(SOLVER_ENSEMBLE, scalings[k]);
            struct data rows = make_rows(1.0, 1.0);
            for (int i = 0; i < N; i++) {
                y[i * O + 1] = pow(10.0, decades * 1.05 * i / N);
            }
            struct model *model = train_well(&spec, rows);
            ck_assert_int_eq(warning(model, "try_log") != NULL, k == 0 && decades == 4);
            model_unref(model);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("row_facts");
    TCase *tc = tcase_create("row_facts");
    gemm_use_one_thread();
    tcase_set_timeout(tc, 240);
    tcase_add_test(tc, a_value_without_a_logarithm_is_refused_with_its_place);
    tcase_add_test(tc, few_rows_are_told_of);
    tcase_add_test(tc, a_poor_fit_is_told_of);
    tcase_add_test(tc, few_kept_rows_are_judged_by_the_spread_of_the_others);
    tcase_add_test(tc, warnings_name_columns_as_the_model_does);
    tcase_add_test(tc, outputs_over_decades_are_hinted_at_logarithms);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
