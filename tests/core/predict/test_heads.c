/* SPDX-License-Identifier: Apache-2.0 */
/* Models whose second head predicts the noise, against brute force over draws. */
#include "oracle.h"
#include "run.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "predict/precision.h"
#include "predict/predict.h"
#include "predict/predict_join.h"

#define D 3
#define O 2
#define M 23
#define N 130

static struct model *two_heads(int width, bool single)
{
    struct err err = ERR_INIT;
    struct model *model = NULL;
    struct arch arch = arch_default(D, 2 * O);
    struct rng rng;
    arch.width = width;
    arch.layers = 2;
    ck_assert_int_eq(model_new(&arch, M, &model, &err), ERR_OK);
    rng_init(&rng, 11, RNG_TEST, 0);
    for (int k = 0; k < M * model->net.n_params; k++) {
        model->draws[k] = 0.4 * rng_normal(&rng);
    }
    model_predict_noise(model);
    model->precision = single ? PRECISION_FLOAT32 : PRECISION_FLOAT64;
    model->in[0] = (struct scaler){SCALER_STANDARD, 5.0, 2.0};
    model->out[0] = (struct scaler){SCALER_RANGE, -100.0, 30.0};
    model->out[1] = (struct scaler){SCALER_NONE, 0.0, 1.0};
    ck_assert_msg(precision_publish(model, &err) == ERR_OK, "%s", err.msg);
    return model;
}

static void random_rows(double *x, int n)
{
    struct rng rng;
    rng_init(&rng, 12, RNG_TEST, 0);
    for (int i = 0; i < D * n; i++) {
        x[i] = (i % D == 0 ? 5.0 : 0.0) + rng_normal(&rng);
    }
}

/* One draw at one row by the definitions: values and noise variances in the user's units. */
static void evaluate(const struct model *model, int draw, const double *x, double *y, double *noise)
{
    double z[D] = {(x[0] - 5.0) / 2.0, x[1], x[2]};
    double raw[2 * O];
    struct resnet_tape *tape = resnet_tape_new(&model->net, 1);
    resnet_set_params(tape, model->draws + draw * model->net.n_params);
    resnet_forward(tape, 1, z, raw);
    resnet_tape_free(tape);
    y[0] = raw[0] * 30.0 - 100.0;
    y[1] = raw[1];
    noise[0] = (exp(raw[2]) + 1e-6) * 900.0;
    noise[1] = exp(raw[3]) + 1e-6;
}

static void run(const struct model *model, const struct predict_request *req, struct arena *arena,
                struct predict_result *out)
{
    struct err err = ERR_INIT;
    ck_assert_msg(predict_run(model, req, arena, out, &err) == ERR_OK, "%s", err.msg);
}

/* Columns, rows and lanes of the plan; whole and part tiles. */
START_TEST(means_and_noise_match_brute_force)
{
    static const int counts[] = {1, 2, 9, 97, N};
    struct model *model = two_heads(_i == 0 ? 5 : 16, false);
    double x[N * D];
    random_rows(x, N);
    ck_assert_int_eq(model->o, O);
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        struct arena arena = ARENA_INIT;
        struct predict_result r;
        struct predict_request req = {.n = counts[c],
                                      .x = x,
                                      .want = PREDICT_NOISE_VARIANCE | PREDICT_TOTAL_VARIANCE |
                                              PREDICT_COVARIANCE_OUTPUTS | PREDICT_SAMPLES,
                                      .n_samples = M,
                                      .n_threads = 2};
        run(model, &req, &arena, &r);
        for (int i = 0; i < counts[c]; i++) {
            double y[M][O];
            double noise[O];
            double mean[O] = {0.0, 0.0};
            double sigma2[O] = {0.0, 0.0};
            double samples = 0.0;
            for (int j = 0; j < M; j++) {
                evaluate(model, j, x + D * i, y[j], noise);
                for (int a = 0; a < O; a++) {
                    mean[a] += y[j][a] / M;
                    sigma2[a] += noise[a] / M;
                }
                samples += r.samples[((size_t)j * (size_t)counts[c] + (size_t)i) * O + 1] / M;
            }
            ck_assert_double_le(oracle_error(r.mean + O * i, mean, O), 1e-12);
            ck_assert_double_le(oracle_error(r.noise_variance + O * i, sigma2, O), 1e-12);
            ck_assert_double_eq_tol(samples, mean[1], 1e-12);
            for (int a = 0; a < O; a++) {
                double v = 0.0;
                double co = 0.0;
                for (int j = 0; j < M; j++) {
                    v += (y[j][a] - mean[a]) * (y[j][a] - mean[a]) / (M - 1);
                    co += (y[j][0] - mean[0]) * (y[j][1] - mean[1]) / (M - 1);
                }
                ck_assert_double_eq_tol(r.variance[O * i + a], v, 1e-11 * v);
                ck_assert_double_eq_tol(r.total_variance[O * i + a], v + sigma2[a],
                                        1e-11 * (v + sigma2[a]));
                ck_assert_double_eq_tol(r.covariance[O * O * i + 1], co, 1e-10 * fabs(co) + 1e-12);
            }
        }
        arena_release(&arena);
    }
    model_unref(model);
}
END_TEST

START_TEST(jacobians_are_of_the_means)
{
    const double h = 1e-5;
    struct arena arena = ARENA_INIT;
    struct model *model = two_heads(16, false);
    struct predict_result r;
    struct predict_result up;
    struct predict_result down;
    double x[3 * D];
    random_rows(x, 3);
    struct predict_request req = {.n = 3, .x = x, .want = PREDICT_JACOBIAN, .n_threads = 1};
    run(model, &req, &arena, &r);
    for (int b = 0; b < D; b++) {
        double moved[3 * D];
        struct predict_request at = {.n = 3, .x = moved, .want = PREDICT_STD, .n_threads = 1};
        memcpy(moved, x, sizeof x);
        for (int i = 0; i < 3; i++) {
            moved[i * D + b] = x[i * D + b] + h;
        }
        run(model, &at, &arena, &up);
        for (int i = 0; i < 3; i++) {
            moved[i * D + b] = x[i * D + b] - h;
        }
        run(model, &at, &arena, &down);
        for (int c = 0; c < 3 * O; c++) {
            double mean = (up.mean[c] - down.mean[c]) / (2.0 * h);
            double std = (up.std[c] - down.std[c]) / (2.0 * h);
            ck_assert_double_eq_tol(r.jacobian[c * D + b], mean, 1e-7 * (1.0 + fabs(mean)));
            ck_assert_double_eq_tol(r.jacobian[(3 * O + c) * D + b], std, 1e-7 * (1.0 + fabs(std)));
        }
    }
    arena_release(&arena);
    model_unref(model);
}
END_TEST

START_TEST(a_total_variance_needs_no_noise_variance_and_joins)
{
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    struct model *model = two_heads(5, false);
    double x[N * D];
    random_rows(x, N);
    struct predict_request a = {.n = 7, .x = x, .want = PREDICT_TOTAL_VARIANCE, .n_threads = 1};
    struct predict_request b = {
        .n = N - 7, .x = x + 7 * D, .want = PREDICT_NOISE_VARIANCE, .n_threads = 1};
    const struct predict_request *parts[] = {&a, &b};
    struct predict_request joint;
    struct predict_result all;
    struct predict_result part;
    struct predict_result alone;
    ck_assert_int_eq(predict_join(parts, 2, D, &arena, &joint, &err), ERR_OK);
    const struct predict_call call = {.model = model, .req = &joint, .out = &all};
    run(model, &joint, &arena, &all);
    run(model, &a, &arena, &alone);
    ck_assert_ptr_null(alone.noise_variance);
    ck_assert_int_eq(predict_slice(&call, 0, &a, &arena, &part, &err), ERR_OK);
    ck_assert_int_eq(memcmp(part.total_variance, alone.total_variance, 7 * O * sizeof(double)), 0);
    run(model, &b, &arena, &alone);
    ck_assert_int_eq(predict_slice(&call, 7, &b, &arena, &part, &err), ERR_OK);
    ck_assert_int_eq(
        memcmp(part.noise_variance, alone.noise_variance, (N - 7) * O * sizeof(double)), 0);
    arena_release(&arena);
    model_unref(model);
}
END_TEST

START_TEST(float32_serves_both_heads)
{
    struct arena arena = ARENA_INIT;
    struct model *exact = two_heads(16, false);
    struct model *single = two_heads(16, true);
    struct predict_result a;
    struct predict_result b;
    double x[N * D];
    random_rows(x, N);
    struct predict_request req = {
        .n = N, .x = x, .want = PREDICT_STD | PREDICT_NOISE_VARIANCE, .n_threads = 1};
    run(exact, &req, &arena, &a);
    run(single, &req, &arena, &b);
    ck_assert_double_gt(single->float32_error.mean, 0.0);
    ck_assert_double_lt(single->float32_error.mean, 1e-5);
    ck_assert_double_gt(oracle_error(b.noise_variance, a.noise_variance, N * O), 0.0);
    ck_assert_double_le(oracle_error(b.noise_variance, a.noise_variance, N * O), 1e-5);
    ck_assert_double_le(oracle_error(b.mean, a.mean, N * O), 1e-5);
    arena_release(&arena);
    model_unref(exact);
    model_unref(single);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("heads");
    TCase *tc = tcase_create("all");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, means_and_noise_match_brute_force, 0, 2);
    tcase_add_test(tc, jacobians_are_of_the_means);
    tcase_add_test(tc, a_total_variance_needs_no_noise_variance_and_joins);
    tcase_add_test(tc, float32_serves_both_heads);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
