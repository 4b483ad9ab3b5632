/* SPDX-License-Identifier: Apache-2.0 */
/* Rows in any unit, and constants. */
#include "small_rows.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "math/gemm.h"
#include "model/codec.h"
#include "predict/evaluation.h"

static void predict(const struct model *model, const double *at, int n, unsigned want,
                    struct arena *arena, struct predict_result *out)
{
    struct err err = ERR_INIT;
    static const double levels[] = {0.1, 0.7};
    static const double coverages[] = {0.6};
    const struct predict_request req = {.n = n,
                                        .x = at,
                                        .want = want,
                                        .n_levels = 2,
                                        .levels = levels,
                                        .n_intervals = 1,
                                        .intervals = coverages,
                                        .n_samples = 2,
                                        .n_threads = 1};
    ck_assert_msg(predict_run(model, &req, arena, out, &err) == ERR_OK, "%s", err_msg(&err));
}

/* ---- units ---- */

/* A number of output 0 that is linear in it, of a model in a unit of 2^exponent, and of one in 1.
 */
static void expect_scaled(double value, double ordinary, int exponent, const char *what)
{
    double expected = ldexp(ordinary, exponent);
    ck_assert_msg(fabs(value - expected) <= 1e-9 * fabs(expected), "%s: %g, not %g", what, value,
                  expected);
}

static const unsigned linear = PREDICT_MEAN | PREDICT_STD | PREDICT_QUANTILES | PREDICT_SAMPLES |
                               PREDICT_JACOBIAN | PREDICT_INTERVALS;

static void compare_predictions(const struct model *model, const struct model *ordinary,
                                int in_exponent, int exponent)
{
    struct arena arena = ARENA_INIT;
    struct predict_result r;
    struct predict_result s;
    double at[2 * D] = {0.3, 1.2, 0.8, 1.9};
    predict(ordinary, at, 2, linear, &arena, &s);
    for (int k = 0; k < 2 * D; k++) {
        at[k] = ldexp(at[k], in_exponent);
    }
    predict(model, at, 2, linear, &arena, &r);
    for (int i = 0; i < 2; i++) {
        size_t c = (size_t)i * O;
        expect_scaled(r.mean[c], s.mean[c], exponent, "mean");
        expect_scaled(r.std[c], s.std[c], exponent, "std");
        expect_scaled(r.quantiles[2 * O + c], s.quantiles[2 * O + c], exponent, "quantile");
        expect_scaled(r.samples[2 * O + c], s.samples[2 * O + c], exponent, "sample");
        expect_scaled(r.intervals[c], s.intervals[c], exponent, "lower end");
        expect_scaled(r.intervals[2 * O + c], s.intervals[2 * O + c], exponent, "upper end");
        for (size_t b = 0; b < D; b++) {
            size_t other = 2 * O * D + c * D + b;
            expect_scaled(r.jacobian[c * D + b], s.jacobian[c * D + b], exponent - in_exponent,
                          "Jacobian of the mean");
            expect_scaled(r.jacobian[other], s.jacobian[other], exponent - in_exponent,
                          "Jacobian of the standard deviation");
        }
        /* The other output is in the same unit in both. */
        expect_scaled(r.std[c + 1], s.std[c + 1], 0, "std of the other output");
    }
    arena_release(&arena);
}

static void compare_scores(const struct model *model, const struct model *ordinary, int exponent)
{
    const struct scores *a = &model->scores;
    const struct scores *b = &ordinary->scores;
    expect_scaled(a->rmse[0], b->rmse[0], exponent, "rmse");
    expect_scaled(a->crps[0], b->crps[0], exponent, "crps");
    expect_scaled(a->width[1], b->width[1], exponent, "width");
    ck_assert_double_eq_tol(a->relative_error, b->relative_error, 1e-9 * b->relative_error);
    ck_assert_double_eq_tol(a->nll[0] - exponent * M_LN2, b->nll[0], 1e-8 * fabs(a->nll[0]));
    ck_assert_double_eq_tol(a->coverage[1], b->coverage[1], 1e-12);
    ck_assert_double_eq_tol(a->nll[1], b->nll[1], 1e-8 * fabs(b->nll[1]));
    ck_assert_int_eq(a->nll_draws != NULL, b->nll_draws != NULL);
    expect_scaled(model->noise_sigma[0], ordinary->noise_sigma[0], exponent, "noise");
}

/* The same rows in units of 2^-990 to 2^990: the same model, to rounding. */
START_TEST(a_unit_changes_nothing_but_the_unit)
{
    static const enum solver_kind solvers[] = {SOLVER_ENSEMBLE, SOLVER_LAPLACE, SOLVER_SWAG,
                                               SOLVER_NUTS};
    static const enum scaler_kind scalings[] = {SCALER_UNIT, SCALER_STANDARD, SCALER_RANGE};
    static const int exponents[] = {990, -990, 300, -300, 60};
    enum solver_kind solver = solvers[_i / 3];
    enum scaler_kind scaling = scalings[_i % 3];
    struct train_spec spec = small_spec(solver, scaling);
    spec.calibration.method = _i % 2 == 0 ? CONFORMAL_NONE : CONFORMAL_SPLIT;
    spec.calibration.normalised = _i % 4 == 1;
    struct model *ordinary = train_well(&spec, make_rows(1.0, 1.0));
    for (size_t k = 0; k < sizeof exponents / sizeof *exponents; k++) {
        int e = exponents[k];
        struct train_spec again = small_spec(solver, scaling);
        again.calibration = spec.calibration;
        struct model *model = train_well(&again, make_rows(ldexp(1.0, e), ldexp(1.0, e)));
        compare_predictions(model, ordinary, e, e);
        compare_scores(model, ordinary, e);
        model_unref(model);
    }
    model_unref(ordinary);
}
END_TEST

START_TEST(folds_of_any_unit_calibrate_alike)
{
    struct train_spec spec = small_spec(SOLVER_ENSEMBLE, SCALER_UNIT);
    spec.calibration.method = CONFORMAL_CV_PLUS;
    spec.calibration.folds = 3;
    struct model *ordinary = train_well(&spec, make_rows(1.0, 1.0));
    struct model *model = train_well(&spec, make_rows(1.0, 0x1p990));
    compare_predictions(model, ordinary, 0, 990);
    model_unref(model);
    spec.calibration.normalised = true;
    struct err err = ERR_INIT;
    ck_assert_int_eq(train(&spec, make_rows(1.0, 0x1p990), NULL, &model, &err), ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.msg, "output 0"));
    model_unref(ordinary);
}
END_TEST

START_TEST(squares_that_are_no_numbers_are_refused)
{
    static const unsigned squares[] = {PREDICT_VARIANCE, PREDICT_TOTAL_VARIANCE,
                                       PREDICT_COVARIANCE_OUTPUTS, PREDICT_COVARIANCE_ROWS};
    const double at[D] = {0.5, 1.5};
    struct train_spec spec = small_spec(SOLVER_ENSEMBLE, SCALER_UNIT);
    struct model *model = train_well(&spec, make_rows(1.0, 0x1p-700));
    for (int k = 0; k < 4; k++) {
        struct err err = ERR_INIT;
        const struct predict_request req = {.n = 1, .x = at, .want = squares[k], .n_threads = 1};
        ck_assert_int_eq(predict_check(model, &req, &err), ERR_INVALID);
        ck_assert_ptr_nonnull(strstr(err.msg, "output 0"));
        ck_assert_ptr_nonnull(strstr(err.msg, "std"));
    }
    model_unref(model);
    /* Of an output whose square is a number, it is right. */
    struct arena arena = ARENA_INIT;
    struct predict_result r;
    model = train_well(&spec, make_rows(1.0, 0x1p400));
    predict(model, at, 1, PREDICT_STD | PREDICT_VARIANCE | PREDICT_COVARIANCE_OUTPUTS, &arena, &r);
    ck_assert_double_eq_tol(sqrt(r.variance[0]), r.std[0], 1e-12 * r.std[0]);
    ck_assert_double_eq_tol(r.covariance[0], r.variance[0], 1e-12 * r.variance[0]);
    ck_assert_double_le(fabs(r.covariance[1]), r.std[0] * r.std[1]);
    arena_release(&arena);
    model_unref(model);
}
END_TEST

/* Logarithms over twenty decades and more. */
START_TEST(outputs_over_many_decades_are_learned_by_their_logarithm)
{
    static const double decades[] = {20.0, 200.0};
    for (int k = 0; k < 2; k++) {
        struct train_spec spec = small_spec(SOLVER_ENSEMBLE, SCALER_LOG);
        struct arena arena = ARENA_INIT;
        struct predict_result r;
        struct data rows = make_rows(1.0, 1.0);
        spec.settings.epochs = 300;
        for (int i = 0; i < N; i++) {
            y[i * O] = pow(10.0, decades[k] * (x[i * D] - 0.5));
        }
        struct model *model = train_well(&spec, rows);
        ck_assert(isfinite(model->scores.rmse[0]));
        predict(model, x, N, PREDICT_MEAN | PREDICT_STD, &arena, &r);
        for (int i = 0; i < N; i++) {
            ck_assert_double_le(fabs(log10(r.mean[i * O]) - log10(y[i * O])), 0.1 * decades[k]);
            ck_assert_double_gt(r.std[i * O], 0.0);
        }
        arena_release(&arena);
        model_unref(model);
    }
}
END_TEST

/* ---- constants ---- */

static void check_constant(enum solver_kind solver, double constant)
{
    struct arena arena = ARENA_INIT;
    struct predict_result r;
    const double at[2 * D] = {0.5, 1.5, 40.0, -7.0};
    struct train_spec spec = small_spec(solver, SCALER_UNIT);
    struct data rows = make_rows(1.0, 1.0);
    for (int i = 0; i < N; i++) {
        /* Constant but for rounding. */
        y[i * O] = i % 5 == 0 ? nextafter(constant, INFINITY) : constant;
    }
    struct model *model = train_well(&spec, rows);
    bool known = model_knows_noise(model);
    predict(model, at, 2, PREDICT_MEAN | PREDICT_STD | PREDICT_JACOBIAN | PREDICT_QUANTILES, &arena,
            &r);
    for (int i = 0; i < 2; i++) {
        ck_assert_double_le(fabs(r.mean[i * O] - constant), 4.0 * DBL_EPSILON * fabs(constant));
        ck_assert_double_eq(r.std[i * O], 0.0);
        ck_assert_double_gt(r.std[i * O + 1], 0.0);
        ck_assert_double_eq(r.jacobian[i * O * D], 0.0);
        ck_assert_double_eq(r.quantiles[i * O], r.mean[i * O]);
    }
    ck_assert(!known || model->noise_predicted ||
              model->noise_sigma[0] <= 4.0 * DBL_EPSILON * fabs(constant));
    ck_assert_ptr_nonnull(warning(model, "constant_output"));
    ck_assert_ptr_nonnull(strstr(warning(model, "constant_output"), "output 0"));
    ck_assert_double_eq(report_find(&model->report, "constant_outputs")->values[0], 0.0);
    ck_assert(isnan(model->scores.nll[0]));
    ck_assert(isfinite(model->scores.nll[1]));
    /* Rounding is nothing that a fit could explain, nor that an error is measured by. */
    const char *poor = warning(model, "poor_fit");
    ck_assert_msg(poor == NULL || strstr(poor, "output 0") == NULL, "%s", poor);
    struct err err = ERR_INIT;
    unsigned char *bytes = NULL;
    size_t n = 0;
    struct model *copy = NULL;
    ck_assert_int_eq(codec_encode(model, &bytes, &n, &err), ERR_OK);
    ck_assert_msg(codec_decode(bytes, n, &copy, &err) == ERR_OK, "%s", err_msg(&err));
    ck_assert(scaler_is_constant(&copy->out[0]));
    mem_free(bytes);
    model_unref(copy);
    model_unref(model);
    arena_release(&arena);
}

START_TEST(a_constant_output_is_predicted_as_that_constant)
{
    static const double constants[] = {1e-300, 1e-9, 1.0, -1e6, 1e300};
    for (size_t k = 0; k < sizeof constants / sizeof *constants; k++) {
        check_constant((enum solver_kind)_i, constants[k]);
    }
}
END_TEST

START_TEST(rounding_is_no_error)
{
    double relative[2];
    for (int k = 0; k < 2; k++) {
        struct train_spec spec = small_spec(SOLVER_ENSEMBLE, SCALER_UNIT);
        struct data rows = make_rows(1.0, 1.0);
        for (int i = 0; i < N; i++) {
            y[i * O] = k == 1 && i % 2 == 0 ? nextafter(0.3, 1.0) : 0.3;
        }
        struct model *model = train_well(&spec, rows);
        ck_assert_ptr_nonnull(warning(model, "constant_output"));
        ck_assert_ptr_null(warning(model, "poor_fit"));
        relative[k] = model->scores.relative_error;
        model_unref(model);
    }
    ck_assert_double_gt(relative[0], 0.0);
    ck_assert_double_eq_tol(relative[1], relative[0], 1e-12);
}
END_TEST

START_TEST(zero_is_a_constant)
{
    struct arena arena = ARENA_INIT;
    struct predict_result r;
    struct train_spec spec = small_spec(SOLVER_ENSEMBLE, SCALER_STANDARD);
    struct data rows = make_rows(1.0, 1.0);
    for (int i = 0; i < N; i++) {
        y[i * O] = 0.0;
    }
    struct model *model = train_well(&spec, rows);
    predict(model, x, 3, PREDICT_MEAN | PREDICT_STD, &arena, &r);
    ck_assert_double_eq(r.mean[0], 0.0);
    ck_assert_double_eq(r.std[2], 0.0);
    arena_release(&arena);
    model_unref(model);
}
END_TEST

START_TEST(a_given_noise_of_a_constant_stays)
{
    double sigma[O] = {0.25, 0.5};
    struct train_spec spec = small_spec(SOLVER_ENSEMBLE, SCALER_UNIT);
    struct data rows = make_rows(1.0, 1.0);
    for (int i = 0; i < N; i++) {
        y[i * O] = 7.0;
    }
    spec.noise = NOISE_GIVEN;
    spec.n_noise_sigmas = O;
    spec.noise_sigmas = sigma;
    struct model *model = train_well(&spec, rows);
    ck_assert_double_eq(model->noise_sigma[0], 0.25);
    ck_assert_double_eq_tol(model->noise_sigma[1], 0.5, 1e-14);
    model_unref(model);
}
END_TEST

/* Nothing is known of what an input does that never changed. */
START_TEST(a_constant_input_is_ignored)
{
    static const enum scaler_kind scalings[] = {SCALER_UNIT, SCALER_STANDARD, SCALER_RANGE,
                                                SCALER_LOG};
    for (size_t k = 0; k < 4; k++) {
        struct arena arena = ARENA_INIT;
        struct predict_result r;
        double at[2 * D] = {0.5, 1e6, 0.5, 3e7};
        struct train_spec spec = small_spec(SOLVER_ENSEMBLE, SCALER_UNIT);
        struct data rows = make_rows(1.0, 1.0);
        for (int i = 0; i < N; i++) {
            x[i * D] += 0.1;
            x[i * D + 1] = 1e6;
        }
        spec.input_scaling = scalings[k];
        struct model *model = train_well(&spec, rows);
        predict(model, at, 2, PREDICT_MEAN | PREDICT_JACOBIAN, &arena, &r);
        ck_assert_double_eq(r.mean[0], r.mean[O]);
        ck_assert_double_ne(r.jacobian[0], 0.0);
        ck_assert_double_eq(r.jacobian[1], 0.0);
        ck_assert_ptr_nonnull(warning(model, "constant_input"));
        ck_assert_ptr_nonnull(strstr(warning(model, "constant_input"), "input 1 (1e+06)"));
        ck_assert_ptr_null(warning(model, "constant_output"));
        arena_release(&arena);
        model_unref(model);
    }
}
END_TEST

START_TEST(a_constant_that_is_none_any_more_needs_a_cold_start)
{
    struct err err = ERR_INIT;
    struct train_spec spec = small_spec(SOLVER_ENSEMBLE, SCALER_UNIT);
    struct model *again = NULL;
    struct data rows = make_rows(1.0, 1.0);
    for (int i = 0; i < N; i++) {
        y[i * O + 1] = 3.0;
    }
    struct model *model = train_well(&spec, rows);
    spec.start = TRAIN_WARM;
    ck_assert_msg(train(&spec, rows, model, &again, &err) == ERR_OK, "%s", err_msg(&err));
    model_unref(again);
    ck_assert_int_eq(train(&spec, make_rows(1.0, 1.0), model, &again, &err), ERR_INVALID);
    ck_assert_msg(strstr(err.msg, "output 1 was 3") != NULL, "%s", err.msg);
    model_unref(model);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("units");
    TCase *tc = tcase_create("units");
    gemm_use_one_thread();
    tcase_set_timeout(tc, 240);
    tcase_add_loop_test(tc, a_unit_changes_nothing_but_the_unit, 0, 12);
    tcase_add_test(tc, folds_of_any_unit_calibrate_alike);
    tcase_add_test(tc, squares_that_are_no_numbers_are_refused);
    tcase_add_test(tc, outputs_over_many_decades_are_learned_by_their_logarithm);
    tcase_add_loop_test(tc, a_constant_output_is_predicted_as_that_constant, 0, solver_known().n);
    tcase_add_test(tc, rounding_is_no_error);
    tcase_add_test(tc, zero_is_a_constant);
    tcase_add_test(tc, a_given_noise_of_a_constant_stays);
    tcase_add_test(tc, a_constant_input_is_ignored);
    tcase_add_test(tc, a_constant_that_is_none_any_more_needs_a_cold_start);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
