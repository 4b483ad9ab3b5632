/* SPDX-License-Identifier: Apache-2.0 */
/* Predictions of decoded outputs against brute force over the decoded draws. */
#include "run.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "math/gemm.h"
#include "math/normal.h"
#include "model/codec.h"
#include "model/reduction_fit.h"
#include "predict/predict.h"
#include "predict/predict_join.h"

#define P 300 /* points: more than a block */
#define K 3
#define M 5
#define N 70 /* rows: more than a tile */
#define D 2

static double rows[N * D];

/* A published model of P outputs with K modes, M draws. */
static struct model *make_model(bool predicted, bool noise)
{
    struct err err = ERR_INIT;
    struct model *model = NULL;
    struct reduction *r = NULL;
    struct rng rng;
    double y[8 * P];
    struct arch arch = arch_default(D, predicted ? 2 * K : K);
    arch.width = 4;
    arch.layers = 1;
    arch.layer_pre = arch.layer_post = true;
    rng_init(&rng, 11, RNG_TEST, 0);
    for (int i = 0; i < 8; i++) {
        double a = rng_normal(&rng);
        double b = rng_normal(&rng);
        for (int j = 0; j < P; j++) {
            y[i * P + j] = 2.0 + a * sin(0.02 * j) + b * cos(0.05 * j) + 0.1 * rng_normal(&rng);
        }
    }
    const struct reduction_spec spec = {.on = true, .modes = K};
    ck_assert_int_eq(reduction_fit(&spec, &(struct reduction_rows){8, P, y}, NULL, &r, &err),
                     ERR_OK);
    ck_assert_int_eq(model_new(&arch, M, &model, &err), ERR_OK);
    for (int i = 0; i < M * model->net.n_params; i++) {
        model->draws[i] = rng_normal(&rng);
    }
    if (predicted) {
        model_predict_noise(model);
    }
    for (int i = 0; i < K; i++) {
        model->out[i] = (struct scaler){SCALER_STANDARD, 0.3 * i, 1.0 + i};
    }
    ck_assert_int_eq(model_set_reduction(model, r, &err), ERR_OK);
    reduction_unref(r);
    if (noise) {
        model->noise_sigma = mem_alloc_array(P, sizeof *model->noise_sigma);
        for (int j = 0; j < P; j++) {
            model->noise_sigma[j] = 0.1 + 0.001 * j;
        }
    }
    ck_assert_int_eq(model_publish(model, &err), ERR_OK);
    for (int i = 0; i < N * D; i++) {
        rows[i] = 2.0 * rng_uniform(&rng) - 1.0;
    }
    return model;
}

/* f [m x n x P] of all draws, in the order of a request with all samples. */
static double *decode_draws(const struct model *model, struct arena *arena)
{
    struct err err = ERR_INIT;
    struct predict_result out;
    struct model view;
    const struct reduction *r = model->reduction;
    model_view_coefficients(model, &view);
    const struct predict_request req = {
        .n = N, .x = rows, .want = PREDICT_SAMPLES, .n_samples = M, .n_threads = 1};
    double *f = arena_alloc_array(arena, M * N * P, sizeof *f);
    ck_assert_int_eq(predict_run(&view, &req, arena, &out, &err), ERR_OK);
    for (int q = 0; q < M * N; q++) {
        for (int j = 0; j < P; j++) {
            f[q * P + j] = r->mean[j];
            for (int i = 0; i < K; i++) {
                f[q * P + j] += r->modes[i * P + j] * out.samples[q * K + i];
            }
        }
    }
    return f;
}

static double covariance(const double *f, int row_a, int a, int row_b, int b)
{
    double mean_a = 0.0;
    double mean_b = 0.0;
    double sum = 0.0;
    for (int d = 0; d < M; d++) {
        mean_a += f[(d * N + row_a) * P + a] / M;
        mean_b += f[(d * N + row_b) * P + b] / M;
    }
    for (int d = 0; d < M; d++) {
        sum += (f[(d * N + row_a) * P + a] - mean_a) * (f[(d * N + row_b) * P + b] - mean_b);
    }
    return sum / (M - 1);
}

#define close_to(a, b) ck_assert_double_eq_tol((a), (b), 1e-10 * (1.0 + fabs(b)))

START_TEST(moments_are_those_of_the_decoded_draws)
{
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    struct predict_result out;
    struct model *model = make_model(false, true);
    const double *f = decode_draws(model, &arena);
    const double *t = model->reduction->truncation;
    const double levels[] = {0.9};
    const struct predict_request req = {.n = N,
                                        .x = rows,
                                        .want = PREDICT_MEAN | PREDICT_VARIANCE | PREDICT_STD |
                                                PREDICT_NOISE_VARIANCE | PREDICT_TOTAL_VARIANCE |
                                                PREDICT_SAMPLES | PREDICT_INTERVALS,
                                        .n_samples = M,
                                        .n_intervals = 1,
                                        .intervals = levels,
                                        .n_threads = 2};
    ck_assert_int_eq(predict_run(model, &req, &arena, &out, &err), ERR_OK);
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < P; j += 7) {
            double mean = 0.0;
            double noise = model->noise_sigma[j] * model->noise_sigma[j];
            double variance = covariance(f, i, j, i, j) + t[j];
            for (int d = 0; d < M; d++) {
                mean += f[(d * N + i) * P + j] / M;
                close_to(out.samples[(d * N + i) * P + j], f[(d * N + i) * P + j]);
            }
            close_to(out.mean[i * P + j], mean);
            close_to(out.variance[i * P + j], variance);
            close_to(out.std[i * P + j], sqrt(variance));
            close_to(out.noise_variance[i * P + j], noise);
            close_to(out.total_variance[i * P + j], variance + noise);
            double half = normal_quantile(0.95) * sqrt(variance + noise);
            close_to(out.intervals[i * P + j], mean - half);
            close_to(out.intervals[N * P + i * P + j], mean + half);
        }
    }
    arena_release(&arena);
    model_unref(model);
}
END_TEST

START_TEST(covariances_are_those_of_the_decoded_draws)
{
    static const int list[] = {299, 4, 256, 255};
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    struct predict_result out;
    struct model *model = make_model(false, false);
    const double *f = decode_draws(model, &arena);
    const double *t = model->reduction->truncation;
    struct predict_request req = {.n = N,
                                  .x = rows,
                                  .want = PREDICT_COVARIANCE_OUTPUTS | PREDICT_COVARIANCE_ROWS,
                                  .n_outputs = 4,
                                  .outputs = list,
                                  .n_threads = 1};
    ck_assert_int_eq(predict_run(model, &req, &arena, &out, &err), ERR_OK);
    for (int i = 0; i < N; i++) {
        for (int a = 0; a < 4; a++) {
            for (int b = 0; b < 4; b++) {
                close_to(out.covariance[(i * 4 + a) * 4 + b],
                         covariance(f, i, list[a], i, list[b]) + (a == b ? t[list[a]] : 0.0));
            }
            for (int k = 0; k < N; k++) {
                close_to(out.covariance_rows[(a * N + i) * N + k],
                         covariance(f, i, list[a], k, list[a]) + (i == k ? t[list[a]] : 0.0));
            }
        }
    }
    arena_release(&arena);
    model_unref(model);
}
END_TEST

/* The average over the draws of Phi((y - f_d) / s). */
static double below(const double *f, int row, int j, double y, double variance)
{
    double sum = 0.0;
    for (int d = 0; d < M; d++) {
        sum += 0.5 * erfc((f[(d * N + row) * P + j] - y) * M_SQRT1_2 / sqrt(variance)) / M;
    }
    return sum;
}

START_TEST(quantiles_are_those_of_the_mixture)
{
    static const double levels[] = {0.1, 0.5, 0.975};
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    struct predict_result out;
    struct model *model = make_model(false, true);
    const double *f = decode_draws(model, &arena);
    const struct predict_request req = {.n = N,
                                        .x = rows,
                                        .want = PREDICT_QUANTILES | PREDICT_TOTAL_QUANTILES,
                                        .n_levels = 3,
                                        .levels = levels,
                                        .n_total_levels = 3,
                                        .total_levels = levels,
                                        .n_threads = 1};
    ck_assert_int_eq(predict_run(model, &req, &arena, &out, &err), ERR_OK);
    for (int l = 0; l < 3; l++) {
        for (int i = 0; i < N; i += 3) {
            for (int j = 0; j < P; j += 11) {
                double t = model->reduction->truncation[j];
                double noise = model->noise_sigma[j] * model->noise_sigma[j];
                ck_assert_double_eq_tol(below(f, i, j, out.quantiles[(l * N + i) * P + j], t),
                                        levels[l], 1e-9);
                ck_assert_double_eq_tol(
                    below(f, i, j, out.total_quantiles[(l * N + i) * P + j], t + noise), levels[l],
                    1e-9);
            }
        }
    }
    arena_release(&arena);
    model_unref(model);
}
END_TEST

START_TEST(noise_that_is_predicted_is_decoded)
{
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    struct predict_result out;
    struct predict_result own;
    struct model view;
    struct model *model = make_model(true, false);
    struct predict_request req = {
        .n = N, .x = rows, .want = PREDICT_NOISE_VARIANCE | PREDICT_TOTAL_VARIANCE, .n_threads = 1};
    ck_assert_int_eq(predict_run(model, &req, &arena, &out, &err), ERR_OK);
    model_view_coefficients(model, &view);
    ck_assert_int_eq(predict_run(&view, &req, &arena, &own, &err), ERR_OK);
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < P; j++) {
            double sum = 0.0;
            for (int k = 0; k < K; k++) {
                double v = model->reduction->modes[k * P + j];
                sum += v * v * own.noise_variance[i * K + k];
            }
            close_to(out.noise_variance[i * P + j], sum);
            close_to(out.total_variance[i * P + j], out.variance[i * P + j] + sum);
        }
    }
    req.want = PREDICT_TOTAL_QUANTILES;
    req.n_total_levels = 1;
    req.total_levels = (const double[]){0.5};
    ck_assert_int_eq(predict_run(model, &req, &arena, &out, &err), ERR_UNSUPPORTED);
    arena_release(&arena);
    model_unref(model);
}
END_TEST

/* The bits of an answer depend on nothing but its row and output. */
START_TEST(a_slice_has_the_bits_of_the_whole)
{
    static const double levels[] = {0.2, 0.8};
    static const int list[] = {299, 0, 255, 256, 17};
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    struct predict_result whole;
    struct predict_result some;
    struct model *model = make_model(false, true);
    struct predict_request req = {.n = N,
                                  .x = rows,
                                  .want = PREDICT_MEAN | PREDICT_VARIANCE | PREDICT_QUANTILES |
                                          PREDICT_SAMPLES | PREDICT_INTERVALS,
                                  .n_levels = 2,
                                  .levels = levels,
                                  .n_intervals = 1,
                                  .intervals = levels,
                                  .n_samples = 3,
                                  .of_observations = true,
                                  .seed = 5,
                                  .n_threads = 4};
    ck_assert_int_eq(predict_run(model, &req, &arena, &whole, &err), ERR_OK);
    req.n_outputs = 5;
    req.outputs = list;
    req.n_threads = 1;
    ck_assert_int_eq(predict_run(model, &req, &arena, &some, &err), ERR_OK);
    for (int i = 0; i < PREDICT_N_RESULTS; i++) {
        if ((req.want >> i & 1) == 0) {
            continue;
        }
        struct predict_dims dims = predict_result_dims((enum predict_index)i, model, &req);
        size_t outer = 1;
        for (int k = 0; k < dims.rank - 1; k++) {
            outer *= dims.size[k];
        }
        for (size_t q = 0; q < outer; q++) {
            for (size_t j = 0; j < 5; j++) {
                ck_assert_int_eq(memcmp(&some.at[i][q * 5 + j],
                                        &whole.at[i][q * P + (size_t)list[j]], sizeof(double)),
                                 0);
            }
        }
    }
    /* .. nor on whether the variance is wanted. */
    req.want = PREDICT_MEAN;
    struct predict_result mean;
    ck_assert_int_eq(predict_run(model, &req, &arena, &mean, &err), ERR_OK);
    ck_assert_ptr_null(mean.variance);
    ck_assert_int_eq(memcmp(mean.mean, some.mean, N * 5 * sizeof(double)), 0);
    arena_release(&arena);
    model_unref(model);
}
END_TEST

START_TEST(requests_are_joined_unless_they_ask_for_some_outputs)
{
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    static const int list[] = {3};
    struct model *model = make_model(false, false);
    struct predict_request a = {.n = 2, .x = rows, .want = PREDICT_MEAN, .n_threads = 1};
    struct predict_request b = {.n = 3, .x = rows + 4, .want = PREDICT_MEAN, .n_threads = 1};
    const struct predict_request *parts[] = {&a, &b};
    struct predict_request joint;
    struct predict_call call;
    struct predict_result all;
    struct predict_result own;
    struct predict_result alone;
    ck_assert(predict_can_join(&a, &b));
    ck_assert_int_eq(predict_join(parts, 2, D, &arena, &joint, &err), ERR_OK);
    ck_assert_int_eq(predict_begin(&call, model, &joint, &arena, &all, &err), ERR_OK);
    ck_assert_int_eq(predict_tile(&call, 0, &arena, &err), ERR_OK);
    ck_assert_int_eq(predict_end(&call, &arena, &err), ERR_OK);
    ck_assert_int_eq(predict_slice(&call, 2, &b, &arena, &own, &err), ERR_OK);
    ck_assert_int_eq(predict_run(model, &b, &arena, &alone, &err), ERR_OK);
    ck_assert_int_eq(memcmp(own.mean, alone.mean, 3 * P * sizeof(double)), 0);
    b.n_outputs = 1;
    b.outputs = list;
    ck_assert(!predict_can_join(&a, &b));
    ck_assert(!predict_can_join(&b, &b));
    arena_release(&arena);
    model_unref(model);
}
END_TEST

START_TEST(what_fields_do_not_have_is_refused_by_name)
{
    static const int list[] = {P};
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    struct predict_result out;
    struct model *model = make_model(false, false);
    struct predict_request req = {.n = 1, .x = rows, .want = PREDICT_JACOBIAN, .n_threads = 1};
    ck_assert_int_eq(predict_run(model, &req, &arena, &out, &err), ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err_msg(&err), "jacobian"));
    err_clear(&err);
    req.want = PREDICT_MEAN;
    req.n_outputs = 1;
    req.outputs = list;
    ck_assert_int_eq(predict_run(model, &req, &arena, &out, &err), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err_msg(&err), "no output 300"));
    err_clear(&err);
    req.n_outputs = 0;
    req.want = PREDICT_QUANTILES;
    req.n_levels = 1;
    req.levels = (const double[]){1.0};
    ck_assert_int_eq(predict_run(model, &req, &arena, &out, &err), ERR_INVALID);
    arena_release(&arena);
    model_unref(model);
}
END_TEST

START_TEST(a_model_comes_back_from_its_bytes)
{
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    for (int kind = 0; kind < 2; kind++) {
        struct model *model = make_model(kind == 1, kind == 0);
        struct model *back = NULL;
        unsigned char *bytes = NULL;
        unsigned char *again = NULL;
        size_t n = 0;
        size_t n_again = 0;
        struct predict_result a;
        struct predict_result b;
        const struct predict_request req = {
            .n = N, .x = rows, .want = PREDICT_MEAN | PREDICT_TOTAL_VARIANCE, .n_threads = 1};
        ck_assert_int_eq(codec_encode(model, &bytes, &n, &err), ERR_OK);
        ck_assert_int_eq(codec_decode(bytes, n, &back, &err), ERR_OK);
        ck_assert_int_eq(codec_encode(back, &again, &n_again, &err), ERR_OK);
        ck_assert_uint_eq(n, n_again);
        ck_assert_int_eq(memcmp(bytes, again, n), 0);
        ck_assert_int_eq(predict_run(model, &req, &arena, &a, &err), ERR_OK);
        ck_assert_int_eq(predict_run(back, &req, &arena, &b, &err), ERR_OK);
        ck_assert_int_eq(memcmp(a.mean, b.mean, N * P * sizeof(double)), 0);
        ck_assert_int_eq(memcmp(a.total_variance, b.total_variance, N * P * sizeof(double)), 0);
        model_unref(back);
        long live = mem_live();
        for (size_t cut = 0; cut < n; cut += n / 97 + 1) {
            back = NULL;
            ck_assert_int_ne(codec_decode(bytes, cut, &back, &err), ERR_OK);
            err_clear(&err);
            ck_assert_ptr_null(back);
        }
        for (long at = 1;; at++) {
            mem_fail_after(at, true);
            enum err_code code = codec_decode(bytes, n, &back, &err);
            mem_fail_after(0, false);
            err_clear(&err);
            if (code == ERR_OK) {
                model_unref(back);
                break;
            }
            ck_assert_int_eq(code, ERR_NOMEM);
            ck_assert_int_eq(mem_live(), live);
        }
        mem_free(bytes);
        mem_free(again);
        model_unref(model);
    }
    arena_release(&arena);
}
END_TEST

/* Of an ordinary model a slice is copied. */
START_TEST(some_outputs_of_an_ordinary_model_are_those_of_the_whole)
{
    static const double levels[] = {0.2, 0.8};
    static const int list[] = {2, 0};
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    struct predict_result whole;
    struct predict_result some;
    struct model *field = make_model(false, false);
    struct model *model = NULL;
    ck_assert_int_eq(model_new(&field->net.arch, M, &model, &err), ERR_OK);
    memcpy(model->draws, field->draws, (size_t)M * (size_t)field->net.n_params * sizeof(double));
    ck_assert_int_eq(model_publish(model, &err), ERR_OK);
    struct predict_request req = {.n = N,
                                  .x = rows,
                                  .want = PREDICT_MEAN | PREDICT_VARIANCE | PREDICT_QUANTILES |
                                          PREDICT_SAMPLES | PREDICT_COVARIANCE_OUTPUTS |
                                          PREDICT_COVARIANCE_ROWS | PREDICT_JACOBIAN,
                                  .n_levels = 2,
                                  .levels = levels,
                                  .n_samples = 3,
                                  .n_threads = 2};
    ck_assert_int_eq(predict_run(model, &req, &arena, &whole, &err), ERR_OK);
    req.n_outputs = 2;
    req.outputs = list;
    ck_assert_int_eq(predict_run(model, &req, &arena, &some, &err), ERR_OK);
    for (int i = 0; i < N; i++) {
        for (int a = 0; a < 2; a++) {
            ck_assert_double_eq(some.mean[i * 2 + a], whole.mean[i * K + list[a]]);
            ck_assert_double_eq(some.variance[i * 2 + a], whole.variance[i * K + list[a]]);
            for (int s = 0; s < 3; s++) {
                ck_assert_double_eq(some.samples[(s * N + i) * 2 + a],
                                    whole.samples[(s * N + i) * K + list[a]]);
            }
            for (int l = 0; l < 2; l++) {
                ck_assert_double_eq(some.quantiles[(l * N + i) * 2 + a],
                                    whole.quantiles[(l * N + i) * K + list[a]]);
            }
            for (int b = 0; b < 2; b++) {
                ck_assert_double_eq(some.covariance[(i * 2 + a) * 2 + b],
                                    whole.covariance[(i * K + list[a]) * K + list[b]]);
            }
            for (int k = 0; k < N; k++) {
                ck_assert_double_eq(some.covariance_rows[(a * N + i) * N + k],
                                    whole.covariance_rows[(list[a] * N + i) * N + k]);
            }
            for (int part = 0; part < 2; part++) {
                for (int d = 0; d < D; d++) {
                    ck_assert_double_eq(some.jacobian[((part * N + i) * 2 + a) * D + d],
                                        whole.jacobian[((part * N + i) * K + list[a]) * D + d]);
                }
            }
        }
    }
    arena_release(&arena);
    model_unref(field);
    model_unref(model);
}
END_TEST

START_TEST(predictions_survive_each_failed_allocation)
{
    static const double levels[] = {0.2};
    struct model *model = make_model(false, true);
    const struct predict_request req = {.n = N,
                                        .x = rows,
                                        .want = PREDICT_MEAN | PREDICT_VARIANCE |
                                                PREDICT_QUANTILES | PREDICT_SAMPLES |
                                                PREDICT_COVARIANCE_ROWS | PREDICT_INTERVALS,
                                        .n_levels = 1,
                                        .levels = levels,
                                        .n_intervals = 1,
                                        .intervals = levels,
                                        .n_samples = 2,
                                        .n_threads = 1};
    long live = mem_live();
    for (long at = 1;; at++) {
        struct err err = ERR_INIT;
        struct arena arena = ARENA_INIT;
        struct predict_result out;
        mem_fail_after(at, true);
        enum err_code code = predict_run(model, &req, &arena, &out, &err);
        mem_fail_after(0, false);
        arena_release(&arena);
        ck_assert_int_eq(mem_live(), live);
        if (code == ERR_OK) {
            break;
        }
        ck_assert_int_eq(code, ERR_NOMEM);
    }
    model_unref(model);
}
END_TEST

int main(void)
{
    gemm_use_one_thread();
    Suite *s = suite_create("core/field_predict");
    TCase *tc = tcase_create("field");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, moments_are_those_of_the_decoded_draws);
    tcase_add_test(tc, covariances_are_those_of_the_decoded_draws);
    tcase_add_test(tc, quantiles_are_those_of_the_mixture);
    tcase_add_test(tc, noise_that_is_predicted_is_decoded);
    tcase_add_test(tc, a_slice_has_the_bits_of_the_whole);
    tcase_add_test(tc, requests_are_joined_unless_they_ask_for_some_outputs);
    tcase_add_test(tc, what_fields_do_not_have_is_refused_by_name);
    tcase_add_test(tc, a_model_comes_back_from_its_bytes);
    tcase_add_test(tc, some_outputs_of_an_ordinary_model_are_those_of_the_whole);
    tcase_add_test(tc, predictions_survive_each_failed_allocation);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
