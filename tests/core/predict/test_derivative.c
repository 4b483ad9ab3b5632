/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Derivatives along directions. First ones are compared with differences of served predictions
 * (core/network/plan, which shares no code with the tape), second ones with differences of the
 * first and with second differences of predictions.
 */
#include "run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "linear_cases.h"
#include "predict/derivative.h"
#include "predict/predict_join.h"

#define M        17
#define N_LEVELS 3
#define MAX_K    (N_LEVELS * MAX_O)

static const double levels[N_LEVELS] = {0.1, 0.5, 0.93};
static const enum derivative_of all_of[] = {DERIVATIVE_OF_MEAN, DERIVATIVE_OF_VARIANCE,
                                            DERIVATIVE_OF_STD, DERIVATIVE_OF_QUANTILES,
                                            DERIVATIVE_OF_SAMPLE};
#define N_OF ((int)(sizeof all_of / sizeof *all_of))

/* A posterior of draws with the network and the scalers of a setup. */
static struct model *draws_model(const struct setup *s, int m, enum precision precision)
{
    struct err err = ERR_INIT;
    struct model *model = NULL;
    struct arch arch = arch_of(s);
    struct rng rng;
    ck_assert_int_eq(model_new(&arch, m, &model, &err), ERR_OK);
    rng_init(&rng, 41, RNG_TEST, 0);
    for (int j = 0; j < m * model->net.n_params; j++) {
        model->draws[j] = 0.5 * rng_normal(&rng);
    }
    if (s->noise_predicted) {
        model_predict_noise(model);
    }
    set_scalers(s, model);
    model->precision = precision;
    ck_assert_msg(model_publish(model, &err) == ERR_OK, "%s", err.msg);
    return model;
}

static struct predict_request request_of(enum derivative_of of, const double *x)
{
    return (struct predict_request){.n = 1,
                                    .x = x,
                                    .want = derivative_want(of),
                                    .n_levels = N_LEVELS,
                                    .levels = levels,
                                    .n_samples = 1,
                                    .seed = 77,
                                    .n_threads = 1};
}

/* The result itself, as it is served; returns k. */
static int value_at(const struct model *model, enum derivative_of of, const double *x,
                    double out[MAX_K])
{
    struct arena arena = ARENA_INIT;
    struct predict_result r;
    struct predict_request req = request_of(of, x);
    run(model, &req, &arena, &r);
    const double *const at[] = {r.mean, r.variance, r.std, r.quantiles, r.samples};
    int k = model->o * (of == DERIVATIVE_OF_QUANTILES ? N_LEVELS : 1);
    memcpy(out, at[of], (size_t)k * sizeof *out);
    arena_release(&arena);
    return k;
}

static void derivative_at(const struct model *model, struct derivative what, const double *x,
                          double *out)
{
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    struct predict_result r;
    struct predict_request req = request_of(what.of, x);
    what.out = out;
    req.derivative = &what;
    ck_assert_msg(predict_run(model, &req, &arena, &r, &err) == ERR_OK, "%s", err.msg);
    arena_release(&arena);
}

/* Where the inputs are `t` steps along v; the second one is logarithmic and stays positive. */
static void along(const double *x, const double *v, double t, double out[D])
{
    for (int b = 0; b < D; b++) {
        out[b] = x[b] + t * v[b];
    }
}

static void check_close(const char *what, const double *found, const double *wanted, int n,
                        double share)
{
    double size = 0.0;
    for (int k = 0; k < n; k++) {
        size = fmax(size, fabs(wanted[k]));
    }
    for (int k = 0; k < n; k++) {
        ck_assert_msg(fabs(found[k] - wanted[k]) <= share * fmax(size, 1e-3),
                      "%s, number %d: %.15g, not %.15g", what, k, found[k], wanted[k]);
    }
}

static const double stencil[] = {-2.0, -1.0, 1.0, 2.0};
static const double weights[] = {1.0 / 12.0, -8.0 / 12.0, 8.0 / 12.0, -1.0 / 12.0};

/* J v by differences of fourth order. */
static void jacobian_by_differences(const struct model *model, enum derivative_of of,
                                    const double *x, const double *v, double out[MAX_K])
{
    const double h = 1e-3;
    memset(out, 0, MAX_K * sizeof *out);
    for (int q = 0; q < 4; q++) {
        double at[D];
        double y[MAX_K];
        along(x, v, stencil[q] * h, at);
        int k = value_at(model, of, at, y);
        for (int i = 0; i < k; i++) {
            out[i] += weights[q] * y[i] / h;
        }
    }
}

static const double direction[D] = {0.7, 0.11, -0.4};
static const double sens[MAX_K] = {1.3, -0.6, 0.2, 0.9, -1.1, 0.5};

/* Jacobian and gradient of one result at a row. */
static void check_first(const struct model *model, enum derivative_of of, const double *x,
                        const char *what)
{
    double found[MAX_K];
    double wanted[MAX_K];
    double gradient[D];
    double by_differences[D];
    double y[MAX_K];
    int k = value_at(model, of, x, y);
    derivative_at(model, (struct derivative){DERIVATIVE_JACOBIAN, of, NULL, direction, NULL}, x,
                  found);
    jacobian_by_differences(model, of, x, direction, wanted);
    check_close(what, found, wanted, k, 1e-7);
    derivative_at(model, (struct derivative){DERIVATIVE_GRADIENT, of, sens, NULL, NULL}, x,
                  gradient);
    for (int b = 0; b < D; b++) {
        const double unit[D] = {b == 0, b == 1, b == 2};
        jacobian_by_differences(model, of, x, unit, wanted);
        by_differences[b] = 0.0;
        for (int i = 0; i < k; i++) {
            by_differences[b] += sens[i] * wanted[i];
        }
    }
    check_close(what, gradient, by_differences, D, 1e-7);
}

static void check_second(const struct model *model, enum derivative_of of, const double *x,
                         const char *what)
{
    const double h = 1e-3;
    double found[D];
    double wanted[D] = {0.0, 0.0, 0.0};
    derivative_at(model, (struct derivative){DERIVATIVE_HESSIAN, of, sens, direction, NULL}, x,
                  found);
    for (int q = 0; q < 4; q++) {
        double at[D];
        double gradient[D];
        along(x, direction, stencil[q] * h, at);
        derivative_at(model, (struct derivative){DERIVATIVE_GRADIENT, of, sens, NULL, NULL}, at,
                      gradient);
        for (int b = 0; b < D; b++) {
            wanted[b] += weights[q] * gradient[b] / h;
        }
    }
    check_close(what, found, wanted, D, 1e-7);
    /* v'Hv of the served values themselves: fewer digits, and no code of derivatives. */
    double middle[MAX_K];
    double curvature = 0.0;
    double size = 0.0;
    const double wide = 1e-3; /* so small that no two draws of a quantile change places */
    int k = value_at(model, of, x, middle);
    for (int q = 0; q < 4; q++) {
        static const double second[] = {-1.0 / 12.0, 16.0 / 12.0, 16.0 / 12.0, -1.0 / 12.0};
        double at[D];
        double y[MAX_K];
        along(x, direction, stencil[q] * wide, at);
        value_at(model, of, at, y);
        for (int i = 0; i < k; i++) {
            curvature += second[q] * sens[i] * y[i] / (wide * wide);
        }
    }
    for (int i = 0; i < k; i++) {
        curvature -= 30.0 / 12.0 * sens[i] * middle[i] / (wide * wide);
        size += fabs(sens[i] * middle[i]);
    }
    double product = direction[0] * found[0] + direction[1] * found[1] + direction[2] * found[2];
    ck_assert_msg(fabs(product - curvature) <= 1e-7 * (size + fabs(curvature)),
                  "%s, v'Hv: %.15g, not %.15g", what, product, curvature);
}

START_TEST(derivatives_of_draws_match_differences)
{
    for (size_t s = 0; s < N_SETUPS; s++) {
        struct model *model = draws_model(&setups[s], M, PRECISION_FLOAT64);
        double x[2 * D];
        mixed_rows(x, 2);
        for (int i = 0; i < 2 * N_OF; i++) {
            enum derivative_of of = all_of[i / 2];
            char what[80];
            snprintf(what, sizeof what, "%s, result %d", setups[s].what, (int)of);
            for (int kind = 0; kind <= DERIVATIVE_HESSIAN; kind++) {
                ck_assert(derivative_is_known(model, of, (enum derivative_kind)kind));
            }
            check_first(model, of, x + i % 2 * D, what);
            check_second(model, of, x + i % 2 * D, what);
        }
        model_unref(model);
    }
}
END_TEST

/* What is served in float has gradients in float, next to those of the same draws in double. */
START_TEST(gradients_in_float_are_near_those_in_double)
{
    for (size_t s = 0; s < N_SETUPS; s++) {
        struct model *exact = draws_model(&setups[s], M, PRECISION_FLOAT64);
        struct model *rounded = draws_model(&setups[s], M, PRECISION_FLOAT32);
        double x[D];
        mixed_rows(x, 1);
        ck_assert_int_eq(rounded->plan.precision, PRECISION_FLOAT32);
        for (int i = 0; i < N_OF; i++) {
            double found[D];
            double wanted[D];
            const struct derivative what = {DERIVATIVE_GRADIENT, all_of[i], sens, NULL, NULL};
            derivative_at(rounded, what, x, found);
            derivative_at(exact, what, x, wanted);
            check_close(setups[s].what, found, wanted, D, 1e-5);
            ck_assert_int_ne(memcmp(found, wanted, sizeof found), 0);
        }
        struct arena arenas[2] = {ARENA_INIT, ARENA_INIT};
        struct predict_result of_rounded;
        struct predict_result of_exact;
        const struct predict_request all = {
            .n = 1, .x = x, .want = PREDICT_JACOBIAN, .n_threads = 1};
        int n = 2 * exact->o * exact->d;
        run(rounded, &all, &arenas[0], &of_rounded);
        run(exact, &all, &arenas[1], &of_exact);
        check_close(setups[s].what, of_rounded.jacobian, of_exact.jacobian, n, 1e-5);
        arena_release(&arenas[0]);
        arena_release(&arenas[1]);
        model_unref(exact);
        model_unref(rounded);
    }
}
END_TEST

/* In closed form: all of the mean, first ones of variance and standard deviation. */
START_TEST(derivatives_in_closed_form_match_differences)
{
    for (size_t s = 0; s < N_SETUPS; s++) {
        if (setups[s].single) {
            continue; /* the same in double */
        }
        struct model *model = gaussian_model(&setups[s]);
        double x[D];
        mixed_rows(x, 1);
        check_first(model, DERIVATIVE_OF_MEAN, x, setups[s].what);
        check_second(model, DERIVATIVE_OF_MEAN, x, setups[s].what);
        check_first(model, DERIVATIVE_OF_VARIANCE, x, setups[s].what);
        check_first(model, DERIVATIVE_OF_STD, x, setups[s].what);
        model_unref(model);
    }
}
END_TEST

START_TEST(what_is_not_known_in_closed_form_is_refused)
{
    struct model *model = gaussian_model(&setups[0]);
    double x[D];
    double out[MAX_K];
    mixed_rows(x, 1);
    for (int i = 0; i < N_OF; i++) {
        for (int kind = 0; kind <= DERIVATIVE_HESSIAN; kind++) {
            struct err err = ERR_INIT;
            struct predict_request req = request_of(all_of[i], x);
            const struct derivative what = {(enum derivative_kind)kind, all_of[i], sens, direction,
                                            out};
            bool moments = all_of[i] == DERIVATIVE_OF_VARIANCE || all_of[i] == DERIVATIVE_OF_STD;
            bool known = all_of[i] == DERIVATIVE_OF_MEAN || (moments && kind != DERIVATIVE_HESSIAN);
            req.derivative = &what;
            ck_assert(derivative_is_known(model, what.of, what.kind) == known);
            ck_assert_int_eq(predict_check(model, &req, &err), known ? ERR_OK : ERR_UNSUPPORTED);
        }
    }
    model_unref(model);
}
END_TEST

/* The spread of a single draw is 0 everywhere, and so are its derivatives. */
START_TEST(a_single_draw_has_no_spread_and_no_slope_of_it)
{
    struct model *model = draws_model(&setups[0], 1, PRECISION_FLOAT64);
    double x[D];
    mixed_rows(x, 1);
    for (int kind = 0; kind <= DERIVATIVE_HESSIAN; kind++) {
        static const enum derivative_of spreads[] = {DERIVATIVE_OF_VARIANCE, DERIVATIVE_OF_STD};
        for (int i = 0; i < 2; i++) {
            double out[D] = {1.0, 1.0, 1.0};
            struct derivative what = {(enum derivative_kind)kind, spreads[i], sens, direction,
                                      NULL};
            what.sens = kind == DERIVATIVE_JACOBIAN ? NULL : sens;
            derivative_at(model, what, x, out);
            for (int b = 0; b < (kind == DERIVATIVE_JACOBIAN ? model->o : D); b++) {
                ck_assert_double_eq(out[b], 0.0);
            }
        }
    }
    check_first(model, DERIVATIVE_OF_MEAN, x, "single draw");
    check_second(model, DERIVATIVE_OF_QUANTILES, x, "single draw");
    model_unref(model);
}
END_TEST

/* Outputs whose squares are no numbers have derivatives of all but the variance. */
START_TEST(derivatives_of_outputs_in_extreme_units)
{
    struct err err = ERR_INIT;
    struct setup s = setups[0];
    struct model *small = draws_model(&s, M, PRECISION_FLOAT64);
    struct model *large = NULL;
    struct arch arch = arch_of(&s);
    double x[D];
    mixed_rows(x, 1);
    ck_assert_int_eq(model_new(&arch, M, &large, &err), ERR_OK);
    memcpy(large->draws, small->draws, (size_t)(M * small->net.n_params) * sizeof(double));
    set_scalers(&s, large);
    for (int a = 0; a < large->o; a++) {
        large->out[a].shift = ldexp(large->out[a].shift, 800);
        large->out[a].scale = ldexp(large->out[a].scale, 800);
    }
    ck_assert_msg(model_publish(large, &err) == ERR_OK, "%s", err.msg);
    for (int i = 0; i < N_OF; i++) {
        for (int kind = 0; kind <= DERIVATIVE_HESSIAN && all_of[i] != DERIVATIVE_OF_VARIANCE;
             kind++) {
            struct derivative what = {(enum derivative_kind)kind, all_of[i], sens, direction, NULL};
            double expected[MAX_K] = {0.0};
            double found[MAX_K] = {0.0};
            derivative_at(small, what, x, expected);
            derivative_at(large, what, x, found);
            for (int k = 0; k < MAX_K; k++) {
                ck_assert_double_eq_tol(ldexp(found[k], -800), expected[k],
                                        1e-12 * (1.0 + fabs(expected[k])));
            }
        }
    }
    model_unref(small);
    model_unref(large);
}
END_TEST

START_TEST(requests_with_derivatives_are_computed_alone)
{
    double x[D] = {5.0, 1.0, 0.0};
    double out[D];
    const struct derivative what = {DERIVATIVE_GRADIENT, DERIVATIVE_OF_MEAN, sens, NULL, out};
    struct predict_request plain = request_of(DERIVATIVE_OF_MEAN, x);
    struct predict_request other = plain;
    other.derivative = &what;
    ck_assert(predict_can_join(&plain, &plain));
    ck_assert(!predict_can_join(&plain, &other));
    ck_assert(!predict_can_join(&other, &plain));
    ck_assert(!predict_can_join(&other, &other));
}
END_TEST

START_TEST(failing_memory_and_bad_logarithms_are_errors)
{
    struct model *model = draws_model(&setups[1], M, PRECISION_FLOAT64);
    double x[D] = {5.0, 1.0, 0.0};
    double out[D];
    struct predict_result r;
    const struct derivative what = {DERIVATIVE_HESSIAN, DERIVATIVE_OF_QUANTILES, sens, direction,
                                    out};
    struct predict_request req = request_of(what.of, x);
    req.derivative = &what;
    bool done = false;
    for (long n = 1; !done; n++) {
        struct err err = ERR_INIT;
        struct arena arena = ARENA_INIT;
        mem_fail_after(n, false);
        done = predict_run(model, &req, &arena, &r, &err) == ERR_OK;
        mem_fail_after(0, false);
        ck_assert(done || err.code == ERR_NOMEM);
        ck_assert_int_lt(n, 100);
        arena_release(&arena);
    }
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    x[1] = -1.0;
    ck_assert_int_eq(predict_run(model, &req, &arena, &r, &err), ERR_INVALID);
    ck_assert_int_eq(err.column, 1);
    arena_release(&arena);
    model_unref(model);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("derivative");
    TCase *tcase = tcase_create("derivative");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, derivatives_of_draws_match_differences);
    tcase_add_test(tcase, gradients_in_float_are_near_those_in_double);
    tcase_add_test(tcase, derivatives_in_closed_form_match_differences);
    tcase_add_test(tcase, what_is_not_known_in_closed_form_is_refused);
    tcase_add_test(tcase, a_single_draw_has_no_spread_and_no_slope_of_it);
    tcase_add_test(tcase, derivatives_of_outputs_in_extreme_units);
    tcase_add_test(tcase, requests_with_derivatives_are_computed_alone);
    tcase_add_test(tcase, failing_memory_and_bad_logarithms_are_errors);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
