/* SPDX-License-Identifier: Apache-2.0 */
/* Moments, and predictions of whole models against brute force over draws. */
#include "give_feasible.h"
#include "mixed_rows.h"
#include "oracle.h"
#include "run.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "math/gemm.h"
#include "math/moments.h"
#include "model/codec.h"
#include "predict/predict.h"
#include "predict/predict_join.h"

/* ---- reference cases ---- */

static struct model *model_of(const struct arch *arch, const double *draws, int m)
{
    struct err err = ERR_INIT;
    struct model *model = NULL;
    ck_assert_int_eq(model_new(arch, m, &model, &err), ERR_OK);
    memcpy(model->draws, draws, (size_t)m * (size_t)model->net.n_params * sizeof *draws);
    ck_assert_int_eq(model_publish(model, &err), ERR_OK);
    return model;
}

static void check_moments(const json_t *item)
{
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    struct predict_result r;
    struct arch arch = oracle_arch(json_object_get(item, "architecture"));
    const json_t *quantiles = json_object_get(item, "quantiles");
    int n_x, n_levels, n_y, n_cov;
    double *draws = oracle_numbers(json_object_get(item, "members"), NULL);
    double *x = oracle_numbers(json_object_get(item, "x"), &n_x);
    double *mean = oracle_numbers(json_object_get(item, "mean"), &n_y);
    double *variance = oracle_numbers(json_object_get(item, "variance"), NULL);
    double *cov = oracle_numbers(json_object_get(item, "covariance"), &n_cov);
    double *levels = oracle_numbers(json_object_get(quantiles, "levels"), &n_levels);
    double *values = oracle_numbers(json_object_get(quantiles, "values"), NULL);
    double *samples = oracle_numbers(json_object_get(item, "samples"), NULL);
    int m = (int)json_array_size(json_object_get(item, "members"));
    struct model *model = model_of(&arch, draws, m);
    struct predict_request req = {
        .n = n_x / arch.inputs,
        .x = x,
        .want = PREDICT_MEAN | PREDICT_VARIANCE | PREDICT_QUANTILES | PREDICT_COVARIANCE_ROWS |
                PREDICT_SAMPLES,
        .n_levels = n_levels,
        .levels = levels,
        .n_samples = m,
        .n_threads = 1,
    };
    ck_assert_int_eq(predict_run(model, &req, &arena, &r, &err), ERR_OK);
    ck_assert_double_le(oracle_error(r.mean, mean, n_y), 1e-12);
    ck_assert_double_le(oracle_error(r.variance, variance, n_y), 1e-12);
    ck_assert_double_le(oracle_error(r.covariance_rows, cov, n_cov), 1e-12);
    ck_assert_double_le(oracle_error(r.quantiles, values, n_levels * n_y), 1e-12);
    /* All draws were asked for, in a random order: each stands once. */
    double sum_found = 0.0;
    double sum_expected = 0.0;
    for (int k = 0; k < m * n_y; k++) {
        sum_found += r.samples[k] * r.samples[k];
        sum_expected += samples[k] * samples[k];
    }
    ck_assert_double_eq_tol(sum_found, sum_expected, 1e-11 * sum_expected);
    arena_release(&arena);
    model_unref(model);
    free(draws);
    free(x);
    free(mean);
    free(variance);
    free(cov);
    free(levels);
    free(values);
    free(samples);
}

START_TEST(moments_agree_with_quinn)
{
    json_t *document = oracle_load("moments.json");
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(document, "cases"), i, item)
    {
        check_moments(item);
    }
    json_decref(document);
}
END_TEST

START_TEST(moments_survive_a_large_offset)
{
    double mean = 0.0;
    double m2 = 0.0;
    for (int j = 1; j <= 1000; j++) {
        double value = 1e9 + (j % 2 == 0 ? 1e-3 : -1e-3);
        moments_add(j, 1, &value, &mean, &m2);
    }
    moments_finish(1000, 1, &m2);
    /* Variance of +-1e-3 is 1e-6 * 1000/999; the values themselves carry 1e-7. */
    ck_assert_double_eq_tol(m2, 1.001e-6, 1e-9);
}
END_TEST

START_TEST(quantiles_interpolate_like_numpy)
{
    double values[] = {4.0, 1.0, 3.0, 2.0};
    double levels[] = {0.0, 0.1, 0.5, 1.0};
    double out[4];
    moments_quantiles(4, values, 4, levels, out);
    ck_assert_double_eq(out[0], 1.0);
    ck_assert_double_eq_tol(out[1], 1.3, 1e-15);
    ck_assert_double_eq(out[2], 2.5);
    ck_assert_double_eq(out[3], 4.0);
}
END_TEST

/* ---- a model with every kind of scaling, against brute force ---- */

#define D 3
#define O 2
#define M 23

static struct model *scaled_model(void)
{
    struct err err = ERR_INIT;
    struct model *model = NULL;
    struct arch arch = arch_default(D, O);
    struct rng rng;
    arch.width = 7;
    arch.layers = 2;
    ck_assert_int_eq(model_new(&arch, M, &model, &err), ERR_OK);
    rng_init(&rng, 11, RNG_TEST, 0);
    for (int k = 0; k < M * model->net.n_params; k++) {
        model->draws[k] = 0.5 * rng_normal(&rng);
    }
    model->in[0] = (struct scaler){SCALER_STANDARD, 5.0, 2.0};
    model->in[1] = (struct scaler){SCALER_LOG, 0.3, 0.8};
    model->out[0] = (struct scaler){SCALER_RANGE, -100.0, 30.0};
    model->out[1] = (struct scaler){SCALER_LOG, 1.0, 0.5};
    model->noise_sigma = mem_alloc_array(O, sizeof(double));
    model->noise_sigma[0] = 3.0;
    model->noise_sigma[1] = 0.25;
    ck_assert_int_eq(model_publish(model, &err), ERR_OK);
    return model;
}

/* One draw at one row in the user's units, by the definitions. */
static void evaluate(const struct model *model, int draw, const double *x, double *y)
{
    double z[D] = {(x[0] - 5.0) / 2.0, (log(x[1]) - 0.3) / 0.8, x[2]};
    struct resnet_tape *tape = resnet_tape_new(&model->net, 1);
    resnet_set_params(tape, model->draws + draw * model->net.n_params);
    resnet_forward(tape, 1, z, y);
    resnet_tape_free(tape);
    y[0] = y[0] * 30.0 - 100.0;
    y[1] = exp(y[1] * 0.5 + 1.0);
}

static void brute_force(const struct model *model, const double *x, double *mean, double *cov)
{
    double y[M][O];
    memset(mean, 0, O * sizeof *mean);
    memset(cov, 0, O * O * sizeof *cov);
    for (int j = 0; j < M; j++) {
        evaluate(model, j, x, y[j]);
        for (int a = 0; a < O; a++) {
            mean[a] += y[j][a] / M;
        }
    }
    for (int j = 0; j < M; j++) {
        for (int a = 0; a < O; a++) {
            for (int b = 0; b < O; b++) {
                cov[a * O + b] += (y[j][a] - mean[a]) * (y[j][b] - mean[b]) / (M - 1);
            }
        }
    }
}

START_TEST(predictions_match_brute_force)
{
    static const int counts[] = {1, 2, 63, 64, 65, 130};
    struct model *model = scaled_model();
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        struct err err = ERR_INIT;
        struct arena arena = ARENA_INIT;
        struct predict_result r;
        double x[130 * D];
        mixed_rows(x, counts[c]);
        struct predict_request req = {.n = counts[c],
                                      .x = x,
                                      .want = PREDICT_STD | PREDICT_NOISE_VARIANCE |
                                              PREDICT_TOTAL_VARIANCE | PREDICT_COVARIANCE_OUTPUTS,
                                      .n_threads = 1};
        ck_assert_int_eq(predict_run(model, &req, &arena, &r, &err), ERR_OK);
        for (int i = 0; i < counts[c]; i++) {
            double mean[O];
            double cov[O * O];
            brute_force(model, x + D * i, mean, cov);
            ck_assert_double_le(oracle_error(r.mean + O * i, mean, O), 1e-12);
            ck_assert_double_le(oracle_error(r.covariance + O * O * i, cov, O * O), 1e-11);
            for (int a = 0; a < O; a++) {
                double noise = model->noise_sigma[a] * model->noise_sigma[a];
                double v = cov[a * O + a];
                ck_assert_double_eq_tol(r.variance[O * i + a], v, 1e-11 * v);
                ck_assert_double_eq_tol(r.std[O * i + a], sqrt(v), 1e-11 * sqrt(v));
                ck_assert_double_eq_tol(r.noise_variance[O * i + a], noise, 1e-15);
                ck_assert_double_eq_tol(r.total_variance[O * i + a], v + noise,
                                        1e-11 * (v + noise));
            }
        }
        arena_release(&arena);
    }
    model_unref(model);
}
END_TEST

START_TEST(jacobians_match_central_differences)
{
    struct model *model = scaled_model();
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    struct predict_result r;
    double x[5 * D];
    mixed_rows(x, 5);
    struct predict_request req = {.n = 5, .x = x, .want = PREDICT_JACOBIAN, .n_threads = 1};
    ck_assert_int_eq(predict_run(model, &req, &arena, &r, &err), ERR_OK);
    for (int i = 0; i < 5; i++) {
        for (int b = 0; b < D; b++) {
            double mean[2][O];
            double cov[2][O * O];
            double h = 1e-6 * fmax(1.0, fabs(x[D * i + b]));
            for (int side = 0; side < 2; side++) {
                double at[D];
                memcpy(at, x + D * i, sizeof at);
                at[b] += side == 0 ? h : -h;
                brute_force(model, at, mean[side], cov[side]);
            }
            for (int a = 0; a < O; a++) {
                double dm = (mean[0][a] - mean[1][a]) / (2.0 * h);
                double ds = (sqrt(cov[0][a * O + a]) - sqrt(cov[1][a * O + a])) / (2.0 * h);
                size_t at = (size_t)((i * O + a) * D + b);
                ck_assert_double_eq_tol(r.jacobian[at], dm, 1e-6 * (1.0 + fabs(dm)));
                ck_assert_double_eq_tol(r.jacobian[5 * O * D + at], ds, 1e-6 * (1.0 + fabs(ds)));
            }
        }
    }
    arena_release(&arena);
    model_unref(model);
}
END_TEST

static size_t count_of(enum predict_index index, const struct model *model,
                       const struct predict_request *req)
{
    struct predict_dims dims = predict_result_dims(index, model, req);
    size_t count = 1;
    for (int k = 0; k < dims.rank; k++) {
        count *= dims.size[k];
    }
    return count;
}

/* Both hold the same results with the same bits. */
static void check_same(const struct model *model, const struct predict_request *req,
                       const struct predict_result *a, const struct predict_result *b)
{
    for (int i = 0; i < PREDICT_N_RESULTS; i++) {
        ck_assert_msg((a->at[i] == NULL) == (b->at[i] == NULL), "result %d", i);
        if (a->at[i] != NULL) {
            size_t count = count_of((enum predict_index)i, model, req);
            ck_assert_mem_eq(a->at[i], b->at[i], count * sizeof(double));
        }
    }
}

/* Each result in turn; every other request wants two more where that may be joined. */
START_TEST(joined_requests_have_the_answers_of_each_alone)
{
    static const int counts[] = {1, 9, 96, 1, 120};
    static const double levels[] = {0.1, 0.5};
    struct model *model = scaled_model();
    give_feasible(model);
    double x[120 * D];
    mixed_rows(x, 120);
    for (int kind = 0; kind < PREDICT_N_RESULTS; kind++) {
        struct err err = ERR_INIT;
        struct arena arena = ARENA_INIT;
        struct predict_request req[5];
        const struct predict_request *parts[5];
        struct predict_request joint;
        struct predict_result all;
        const struct predict_call call = {.model = model, .req = &joint, .out = &all};
        if (predict_kinds[kind].join == PREDICT_JOIN_NEVER) {
            continue;
        }
        for (int i = 0; i < 5; i++) {
            req[i] = (struct predict_request){.n = counts[i],
                                              .x = x + (i < 4 ? 5 * D * i : 0),
                                              .want = 1U << kind,
                                              .n_levels = 2,
                                              .levels = levels,
                                              .n_total_levels = 2,
                                              .total_levels = levels,
                                              .n_intervals = 2,
                                              .intervals = levels,
                                              .n_samples = 3,
                                              .seed = 5,
                                              .n_threads = 1};
            if (i % 2 == 1) {
                req[i].want |= PREDICT_STD | PREDICT_TOTAL_VARIANCE;
            }
            parts[i] = &req[i];
            ck_assert(predict_can_join(&req[0], &req[i]));
        }
        ck_assert_int_eq(predict_join(parts, 5, D, &arena, &joint, &err), ERR_OK);
        ck_assert_int_eq(joint.n, 227);
        joint.n_threads = 2;
        ck_assert_int_eq(predict_run(model, &joint, &arena, &all, &err), ERR_OK);
        int first = 0;
        for (int i = 0; i < 5; i++) {
            struct predict_result alone;
            struct predict_result part;
            ck_assert_int_eq(predict_run(model, &req[i], &arena, &alone, &err), ERR_OK);
            if (!(req[i].want & PREDICT_TOTAL_VARIANCE)) {
                alone.total_variance = NULL; /* was there for the intervals */
            }
            ck_assert_int_eq(predict_slice(&call, first, &req[i], &arena, &part, &err), ERR_OK);
            check_same(model, &req[i], &alone, &part);
            first += counts[i];
        }
        arena_release(&arena);
    }
    model_unref(model);
}
END_TEST

START_TEST(requests_that_differ_in_kind_are_not_joined)
{
    static const double levels[][2] = {{0.1, 0.5}, {0.1, 0.6}};
    const struct predict_request pairs[][2] = {
        {{.want = PREDICT_COVARIANCE_ROWS}, {.want = PREDICT_COVARIANCE_ROWS}},
        {{.want = PREDICT_JACOBIAN}, {.want = PREDICT_MEAN}},
        {{.want = PREDICT_QUANTILES, .n_levels = 2, .levels = levels[0]},
         {.want = PREDICT_QUANTILES, .n_levels = 2, .levels = levels[1]}},
        {{.want = PREDICT_QUANTILES, .n_levels = 2, .levels = levels[0]},
         {.want = PREDICT_QUANTILES, .n_levels = 1, .levels = levels[0]}},
        {{.want = PREDICT_TOTAL_QUANTILES, .n_total_levels = 2, .total_levels = levels[0]},
         {.want = PREDICT_TOTAL_QUANTILES, .n_total_levels = 2, .total_levels = levels[1]}},
        {{.want = PREDICT_SAMPLES, .of_observations = true},
         {.want = PREDICT_SAMPLES, .of_observations = true}},
        {{.want = PREDICT_SAMPLES, .of_observations = true}, {.want = PREDICT_SAMPLES}},
        {{.want = PREDICT_INTERVALS, .n_intervals = 2, .intervals = levels[0]},
         {.want = PREDICT_INTERVALS, .n_intervals = 2, .intervals = levels[1]}},
        {{.want = PREDICT_SAMPLES, .n_samples = 2}, {.want = PREDICT_SAMPLES, .n_samples = 3}},
        {{.want = PREDICT_SAMPLES, .seed = 1}, {.want = PREDICT_SAMPLES, .seed = 2}}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        ck_assert_msg(!predict_can_join(&pairs[i][0], &pairs[i][1]), "pair %zu", i);
    }
}
END_TEST

START_TEST(predictions_do_not_depend_on_the_number_of_threads)
{
    struct err err = ERR_INIT;
    struct arch arch = arch_default(2, 1);
    struct rng rng;
    arch.width = 32;
    struct model *model = NULL;
    ck_assert_int_eq(model_new(&arch, 30, &model, &err), ERR_OK);
    rng_init(&rng, 2, RNG_TEST, 0);
    for (int k = 0; k < 30 * model->net.n_params; k++) {
        model->draws[k] = 0.2 * rng_normal(&rng);
    }
    ck_assert_int_eq(model_publish(model, &err), ERR_OK);
    double *x = calloc(2000, sizeof *x);
    for (int k = 0; k < 2000; k++) {
        x[k] = rng_normal(&rng);
    }
    struct predict_result r[3];
    struct arena arena[3] = {ARENA_INIT, ARENA_INIT, ARENA_INIT};
    for (int t = 0; t < 3; t++) {
        struct predict_request req = {
            .n = 1000, .x = x, .want = PREDICT_MEAN | PREDICT_VARIANCE, .n_threads = 1 + 2 * t};
        ck_assert_int_eq(predict_run(model, &req, &arena[t], &r[t], &err), ERR_OK);
        ck_assert_int_eq(memcmp(r[0].mean, r[t].mean, 1000 * sizeof(double)), 0);
        ck_assert_int_eq(memcmp(r[0].variance, r[t].variance, 1000 * sizeof(double)), 0);
    }
    for (int t = 0; t < 3; t++) {
        arena_release(&arena[t]);
    }
    free(x);
    model_unref(model);
}
END_TEST

START_TEST(what_cannot_be_answered_is_refused)
{
    struct model *model = scaled_model();
    struct arena arena = ARENA_INIT;
    struct predict_result r;
    double x[2 * D] = {5.0, 1.0, 0.0, 5.0, -1.0, 0.0};
    struct {
        struct predict_request req;
        enum err_code code;
        const char *word;
    } cases[] = {
        {{.n = 2, .x = x, .want = PREDICT_MEAN}, ERR_INVALID, "logarithm"},
        {{.n = 1, .x = x, .want = PREDICT_SAMPLES, .n_samples = M + 1}, ERR_INVALID, "draws"},
        {{.n = 1, .x = (double[]){5.0, 1e300, 1e308}, .want = PREDICT_MEAN}, ERR_OK, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = ERR_INIT;
        cases[i].req.n_threads = 1;
        ck_assert_int_eq(predict_run(model, &cases[i].req, &arena, &r, &err), cases[i].code);
        ck_assert_ptr_nonnull(strstr(err.msg, cases[i].word));
    }
    arena_release(&arena);
    model_unref(model);
}
END_TEST

START_TEST(an_answer_that_overflows_is_an_error)
{
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    struct arch arch = arch_default(1, 1);
    struct predict_result r;
    struct model *model = NULL;
    arch.final = FINAL_EXP;
    arch.activation = ACT_IDENTITY;
    arch.width = 2;
    ck_assert_int_eq(model_new(&arch, 1, &model, &err), ERR_OK);
    for (int k = 0; k < model->net.n_params; k++) {
        model->draws[k] = 1.0;
    }
    ck_assert_int_eq(model_publish(model, &err), ERR_OK);
    struct predict_request req = {.n = 2, .x = (double[]){0.0, 1e6}, .want = PREDICT_MEAN};
    req.n_threads = 1;
    ck_assert_int_eq(predict_run(model, &req, &arena, &r, &err), ERR_NUMERIC);
    ck_assert_int_eq(err.row, 1);
    ck_assert_int_eq(err.column, 0);
    arena_release(&arena);
    model_unref(model);
}
END_TEST

/* ---- models and their bytes ---- */

START_TEST(a_model_comes_back_from_its_bytes)
{
    struct err err = ERR_INIT;
    struct model *model = scaled_model();
    struct model *back = NULL;
    unsigned char *bytes = NULL;
    unsigned char *again = NULL;
    size_t size = 0;
    size_t size_again = 0;
    ck_assert_int_eq(codec_encode(model, &bytes, &size, &err), ERR_OK);
    ck_assert_int_eq(codec_decode(bytes, size, &back, &err), ERR_OK);
    ck_assert_int_eq(codec_encode(back, &again, &size_again, &err), ERR_OK);
    ck_assert_uint_eq(size, size_again);
    ck_assert_int_eq(memcmp(bytes, again, size), 0);
    ck_assert(arch_equal(&model->net.arch, &back->net.arch));
    mem_free(bytes);
    mem_free(again);
    model_unref(back);
    model_unref(model);
}
END_TEST

START_TEST(damaged_bytes_are_refused)
{
    struct err err = ERR_INIT;
    struct model *model = scaled_model();
    unsigned char *bytes = NULL;
    size_t size = 0;
    long live;
    ck_assert_int_eq(codec_encode(model, &bytes, &size, &err), ERR_OK);
    model_unref(model);
    live = mem_live();
    for (size_t cut = 0; cut < size; cut += cut < 300 ? 1 : 97) {
        struct err one = ERR_INIT;
        struct model *back = NULL;
        ck_assert_int_ne(codec_decode(bytes, cut, &back, &one), ERR_OK);
        ck_assert_ptr_null(back);
    }
    /* A flipped byte may still be a model, never a crash or a leak. */
    for (size_t at = 0; at < size; at += at < 300 ? 1 : 31) {
        struct err one = ERR_INIT;
        struct model *back = NULL;
        bytes[at] ^= 0xff;
        if (codec_decode(bytes, size, &back, &one) == ERR_OK) {
            model_unref(back);
        }
        bytes[at] ^= 0xff;
    }
    ck_assert_int_eq(mem_live(), live);
    mem_free(bytes);
}
END_TEST

START_TEST(decoding_survives_each_failed_allocation)
{
    struct err err = ERR_INIT;
    struct model *model = scaled_model();
    unsigned char *bytes = NULL;
    size_t size = 0;
    ck_assert_int_eq(codec_encode(model, &bytes, &size, &err), ERR_OK);
    model_unref(model);
    long live = mem_live();
    for (long at = 1;; at++) {
        struct err one = ERR_INIT;
        struct model *back = NULL;
        mem_fail_after(at, false);
        enum err_code code = codec_decode(bytes, size, &back, &one);
        long attempts = mem_attempts();
        mem_fail_after(0, false);
        if (attempts < at) {
            ck_assert_int_eq(code, ERR_OK);
            model_unref(back);
            break;
        }
        ck_assert_int_eq(code, ERR_NOMEM);
        ck_assert_int_eq(mem_live(), live);
    }
    mem_free(bytes);
}
END_TEST

START_TEST(parameters_that_are_not_finite_are_refused)
{
    struct err err = ERR_INIT;
    struct arch arch = arch_default(1, 1);
    struct model *model = NULL;
    ck_assert_int_eq(model_new(&arch, 2, &model, &err), ERR_OK);
    memset(model->draws, 0, 2 * (size_t)model->net.n_params * sizeof(double));
    model->draws[model->net.n_params + 4] = INFINITY;
    ck_assert_int_eq(model_publish(model, &err), ERR_NONFINITE);
    ck_assert_int_eq(err.row, 1);
    ck_assert_int_eq(err.column, 4);
    model_unref(model);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("predict");
    TCase *tc = tcase_create("predict");
    gemm_use_one_thread();
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, moments_agree_with_quinn);
    tcase_add_test(tc, moments_survive_a_large_offset);
    tcase_add_test(tc, quantiles_interpolate_like_numpy);
    tcase_add_test(tc, predictions_match_brute_force);
    tcase_add_test(tc, jacobians_match_central_differences);
    tcase_add_test(tc, joined_requests_have_the_answers_of_each_alone);
    tcase_add_test(tc, requests_that_differ_in_kind_are_not_joined);
    tcase_add_test(tc, predictions_do_not_depend_on_the_number_of_threads);
    tcase_add_test(tc, what_cannot_be_answered_is_refused);
    tcase_add_test(tc, an_answer_that_overflows_is_an_error);
    tcase_add_test(tc, a_model_comes_back_from_its_bytes);
    tcase_add_test(tc, damaged_bytes_are_refused);
    tcase_add_test(tc, decoding_survives_each_failed_allocation);
    tcase_add_test(tc, parameters_that_are_not_finite_are_refused);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
