/* SPDX-License-Identifier: Apache-2.0 */
/* Cross-entropy of networks, and logistic regressions against scikit-learn. */
#include "run.h"
#include "solver_toy.h"

#include <math.h>
#include <string.h>

#include "../../data/logistic_reference.h"
#include "base/mem.h"
#include "fit/cross_entropy.h"
#include "fit/logistic.h"
#include "math/gemm.h"

#define N_REFERENCES ((int)(sizeof logistic_references / sizeof *logistic_references))

static struct data rows_of(const struct logistic_reference *r)
{
    return (struct data){.n = r->n, .d = r->d, .o = 1, .x = r->x, .y = r->y};
}

START_TEST(a_regression_equals_scikit_learns)
{
    const struct logistic_reference *r = &logistic_references[_i];
    const struct data rows = rows_of(r);
    struct err err = ERR_INIT;
    double params[4];
    ck_assert_int_eq(logistic_fit(&rows, r->c, NULL, params, NULL, &err), ERR_OK);
    for (int j = 0; j <= r->d; j++) {
        ck_assert_msg(fabs(params[j] - r->params[j]) <= 1e-6 * fmax(1.0, fabs(r->params[j])),
                      "%s, parameter %d: %.12g, not %.12g", r->name, j, params[j], r->params[j]);
    }
}
END_TEST

static double value_at(const struct logistic_reference *r, const double *params)
{
    double sum = 0.0;
    for (int i = 0; i < r->n; i++) {
        double f = params[r->d];
        for (int j = 0; j < r->d; j++) {
            f += params[j] * r->x[i * r->d + j];
        }
        sum += r->c * (log(1.0 + exp(f)) - r->y[i] * f);
    }
    for (int j = 0; j < r->d; j++) {
        sum += 0.5 * params[j] * params[j];
    }
    return sum;
}

/* Second derivative by parameters j and k, by central differences of the value. */
static double curvature(const struct logistic_reference *r, const double *params, int j, int k)
{
    const double h = 1e-4;
    double sum = 0.0;
    for (int sign = 0; sign < 4; sign++) {
        double at[4];
        memcpy(at, params, sizeof at);
        at[j] += sign & 1 ? h : -h;
        at[k] += sign & 2 ? h : -h;
        bool same = (sign & 1) == sign >> 1;
        sum += (same ? 1.0 : -1.0) * value_at(r, at);
    }
    return sum / (4.0 * h * h);
}

START_TEST(the_covariance_is_the_inverse_curvature)
{
    const struct logistic_reference *r = &logistic_references[_i];
    const struct data rows = rows_of(r);
    struct err err = ERR_INIT;
    double params[4] = {0.0};
    double factor[16];
    int n = r->d + 1;
    ck_assert_int_eq(logistic_fit(&rows, r->c, NULL, params, factor, &err), ERR_OK);
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
            double product = 0.0; /* of H and F F' */
            for (int k = 0; k < n; k++) {
                double cov = 0.0;
                for (int c = 0; c < n; c++) {
                    cov += factor[k * n + c] * factor[j * n + c];
                }
                product += curvature(r, params, i, k) * cov;
            }
            ck_assert_double_eq_tol(product, i == j ? 1.0 : 0.0, 1e-3);
        }
    }
}
END_TEST

START_TEST(one_class_alone_is_refused)
{
    const double x[3] = {1.0, 2.0, 3.0};
    struct err err = ERR_INIT;
    double params[2];
    for (int k = 0; k < 2; k++) {
        const double y[3] = {k, k, k};
        const struct data rows = {.n = 3, .d = 1, .o = 1, .x = x, .y = y};
        err_clear(&err);
        ck_assert_int_eq(logistic_fit(&rows, 1.0, NULL, params, NULL, &err), ERR_INVALID);
    }
}
END_TEST

/* Far out, where exp overflows, and with one failure among many. */
START_TEST(a_regression_survives_extremes)
{
    enum { ROWS = 400 };
    static double x[ROWS];
    static double y[ROWS];
    struct err err = ERR_INIT;
    double params[2];
    double factor[4];
    for (int i = 0; i < ROWS; i++) {
        x[i] = i < 2 ? 1e4 : -1e4;
        y[i] = i == 0 ? 0.0 : 1.0;
    }
    const struct data rows = {.n = ROWS, .d = 1, .o = 1, .x = x, .y = y};
    ck_assert_int_eq(logistic_fit(&rows, 1.0, NULL, params, factor, &err), ERR_OK);
    ck_assert(isfinite(params[0]) && isfinite(params[1]) && isfinite(factor[3]));
    ck_assert_double_lt(params[0], 0.0);
}
END_TEST

/* ---- networks ---- */

START_TEST(cross_entropy_has_its_value_and_gradient)
{
    struct solver_toy toy;
    struct err err = ERR_INIT;
    struct arch arch = arch_default(TOY_INPUTS, 1);
    struct cross_entropy loss;
    double y[TOY_ROWS];
    double params[64];
    struct rng rng;
    arch.width = 3;
    arch.layers = 1;
    solver_toy_init(&toy, SOLVER_ENSEMBLE, NOISE_ESTIMATED, &arch);
    ck_assert_int_le(toy.net.n_params, 64);
    for (int i = 0; i < TOY_ROWS; i++) {
        y[i] = i % 3 == 0 ? 0.0 : 1.0;
    }
    const struct data rows = {.n = TOY_ROWS, .d = TOY_INPUTS, .o = 1, .x = toy.x, .y = y};
    rng_init(&rng, 3, RNG_TEST, 0);
    for (int k = 0; k < toy.net.n_params; k++) {
        params[k] = 0.6 * rng_normal(&rng);
    }
    ck_assert_int_eq(cross_entropy_init(&loss, &toy.net, toy.priors, 40, NULL, &err), ERR_OK);
    loss.inner.tile = 5;
    struct loss as_loss = cross_entropy_as_loss(&loss);
    solver_toy_check_gradient(&as_loss, &rows, params);
    /* A constant logit f = b. */
    memset(params, 0, sizeof params);
    params[toy.net.off.bias_post] = 0.7;
    double expected = TOY_ROWS * log(1.0 + exp(0.7)) - 0.7 * (TOY_ROWS - TOY_ROWS / 3);
    ck_assert_double_eq_tol(as_loss.value(as_loss.ctx, &rows, params), expected, 1e-12 * expected);
    ck_assert_double_eq_tol(cross_entropy_probability(0.7), 1.0 / (1.0 + exp(-0.7)), 1e-15);
    ck_assert_double_eq(cross_entropy_probability(-2000.0), 0.0);
    ck_assert_double_eq(cross_entropy_probability(2000.0), 1.0);
    cross_entropy_release(&loss);
    solver_toy_release(&toy);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("logistic");
    TCase *tc = tcase_create("logistic");
    gemm_use_one_thread();
    tcase_add_loop_test(tc, a_regression_equals_scikit_learns, 0, N_REFERENCES);
    tcase_add_loop_test(tc, the_covariance_is_the_inverse_curvature, 0, N_REFERENCES);
    tcase_add_test(tc, one_class_alone_is_refused);
    tcase_add_test(tc, a_regression_survives_extremes);
    tcase_add_test(tc, cross_entropy_has_its_value_and_gradient);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
