/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Closed-form predictions with products in float, beside the same model in double, and requests
 * that need no variance.
 */
#include "run.h"

#include <math.h>
#include <string.h>

#include "linear_cases.h"
#include "predict/precision.h"

#define MANY 61 /* rows: two tiles in float, the last of them narrower than a vector */

/* A network whose posterior has an upper triangle as its factor, with a last block of columns that
 * is narrow. `unit` is that of its output; entry: of the factor, 0: random ones. */
static struct model *triangle(enum precision precision, double unit, double entry)
{
    struct err err = ERR_INIT;
    struct model *model = NULL;
    struct arch arch = arch_default(D, 1);
    struct rng rng;
    arch.width = 9;
    arch.layers = 2;
    ck_assert_int_eq(model_new(&arch, DRAWS, &model, &err), ERR_OK);
    int k = model->net.n_params;
    const struct gauss_shape shape = {.n_params = k, .n = k, .rank = k};
    ck_assert_int_eq(gauss_mixture_new(&model->gaussian, 1, &shape, &err), ERR_OK);
    ck_assert_int_ne(k % KERNELS_OUT, 0);
    rng_init(&rng, 32, RNG_TEST, 0);
    struct gauss *g = &model->gaussian.members[0];
    for (int i = 0; i < k; i++) {
        g->mean[i] = 0.5 * rng_normal(&rng);
        for (int c = i; c < k; c++) {
            double x = rng_normal(&rng) / (1.0 + c - i);
            g->factor[i * k + c] = entry > 0.0 ? entry : x;
        }
    }
    model->gaussian.n_draws = DRAWS;
    model->gaussian.linearised = true;
    model->precision = precision;
    model->out[0] = (struct scaler){SCALER_STANDARD, 0.7 * unit, 1.5 * unit};
    return model;
}

static struct model *published(enum precision precision, double unit, double entry)
{
    struct err err = ERR_INIT;
    struct model *model = triangle(precision, unit, entry);
    ck_assert_msg(precision_publish(model, &err) == ERR_OK, "%s", err.msg);
    return model;
}

static void random_rows(double *x, int n)
{
    struct rng rng;
    rng_init(&rng, 33, RNG_TEST, 0);
    for (int i = 0; i < n * D; i++) {
        x[i] = 2.0 * rng_uniform(&rng) - 1.0;
    }
}

START_TEST(variances_in_float_are_near_those_in_double)
{
    static const double units[] = {1.0, 1e-60, 1e60}; /* whose squares no float holds */
    for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
        struct arena arena = ARENA_INIT;
        struct model *exact = published(PRECISION_FLOAT64, units[u], 0.0);
        struct model *single = published(PRECISION_FLOAT32, units[u], 0.0);
        struct predict_result a;
        struct predict_result b;
        double x[MANY * D];
        double largest = 0.0;
        random_rows(x, MANY);
        struct predict_request req = {.n = MANY, .x = x, .want = PREDICT_STD, .n_threads = 1};
        ck_assert_ptr_null(exact->gaussian.members[0].rounded);
        ck_assert_ptr_nonnull(single->gaussian.members[0].rounded);
        ck_assert_uint_gt(model_bytes(single), model_bytes(exact));
        run(exact, &req, &arena, &a);
        run(single, &req, &arena, &b);
        ck_assert_mem_eq(a.mean, b.mean, MANY * sizeof *a.mean);
        for (int i = 0; i < MANY; i++) {
            ck_assert_double_gt(a.std[i], 0.0);
            largest = fmax(largest, fabs(b.std[i] / a.std[i] - 1.0));
        }
        ck_assert_double_gt(largest, 1e-9); /* it is in float */
        ck_assert_double_lt(largest, 1e-5);
        ck_assert_double_gt(single->float32_error.std, 0.0);
        ck_assert_double_lt(single->float32_error.std, 1e-5);
        ck_assert_double_eq(single->float32_error.mean, 0.0);
        /* What needs W itself is in double, and so is its variance. */
        req.want = PREDICT_STD | PREDICT_COVARIANCE_OUTPUTS;
        run(single, &req, &arena, &b);
        ck_assert_mem_eq(a.std, b.std, MANY * sizeof *a.std);
        arena_release(&arena);
        model_unref(exact);
        model_unref(single);
    }
}
END_TEST

START_TEST(a_row_in_float_depends_on_nothing_around_it)
{
    struct arena arena = ARENA_INIT;
    struct model *model = published(PRECISION_FLOAT32, 1.0, 0.0);
    struct predict_result all;
    struct predict_result part;
    double x[MANY * D];
    random_rows(x, MANY);
    struct predict_request req = {.n = MANY, .x = x, .want = PREDICT_VARIANCE, .n_threads = 3};
    run(model, &req, &arena, &all);
    for (int first = 0; first < MANY; first++) {
        req.x = x + first * D;
        req.n = first % 2 == 0 ? 1 : MANY - first;
        run(model, &req, &arena, &part);
        ck_assert_mem_eq(part.variance, all.variance + first, (size_t)req.n * sizeof(double));
    }
    arena_release(&arena);
    model_unref(model);
}
END_TEST

/* Entries that fit a float, whose products do not, and entries that do not fit one. */
START_TEST(what_float_cannot_hold_is_in_double)
{
    static const double entries[] = {1e38, 1e39};
    for (size_t e = 0; e < sizeof entries / sizeof *entries; e++) {
        struct arena arena = ARENA_INIT;
        struct model *exact = published(PRECISION_FLOAT64, 1.0, entries[e]);
        struct model *single = published(PRECISION_FLOAT32, 1.0, entries[e]);
        struct predict_result a;
        struct predict_result b;
        double x[MANY * D];
        random_rows(x, MANY);
        struct predict_request req = {.n = MANY, .x = x, .want = PREDICT_STD, .n_threads = 1};
        ck_assert_int_eq(single->gaussian.members[0].rounded == NULL, entries[e] > 3.5e38);
        run(exact, &req, &arena, &a);
        run(single, &req, &arena, &b);
        for (int i = 0; i < MANY; i++) {
            ck_assert_double_eq_tol(b.std[i], a.std[i], 1e-4 * a.std[i]);
        }
        arena_release(&arena);
        model_unref(exact);
        model_unref(single);
    }
}
END_TEST

START_TEST(a_model_in_float_survives_each_failed_allocation)
{
    long live = mem_live();
    for (long at = 1;; at++) {
        struct err err = ERR_INIT;
        struct arena arena = ARENA_INIT;
        struct predict_result r;
        double x[MANY * D];
        random_rows(x, MANY);
        const struct predict_request req = {.n = MANY, .x = x, .want = PREDICT_STD, .n_threads = 1};
        struct model *model = triangle(PRECISION_FLOAT32, 1.0, 0.0);
        mem_fail_after(at, false);
        enum err_code code = model_publish(model, &err) == ERR_OK
                                 ? predict_run(model, &req, &arena, &r, &err)
                                 : err.code;
        long attempts = mem_attempts();
        mem_fail_after(0, false);
        arena_release(&arena);
        model_unref(model);
        ck_assert_int_eq(mem_live(), live);
        if (attempts < at) {
            ck_assert_int_eq(code, ERR_OK);
            break;
        }
        ck_assert_int_eq(code, ERR_NOMEM);
    }
}
END_TEST

/* Of every kind of posterior: nothing but the variance is saved. */
START_TEST(what_needs_no_variance_is_the_same_without_it)
{
    struct arena arena = ARENA_INIT;
    struct model *model = gaussian_model(&setups[_i]);
    struct predict_result with;
    struct predict_result without;
    double x[N * D];
    size_t cells = N * (size_t)model->o;
    mixed_rows(x, N);
    struct predict_request req = {
        .n = N, .x = x, .want = PREDICT_MEAN, .n_samples = 3, .seed = 4, .n_threads = 1};
    for (int samples = 0; samples < 2; samples++) {
        req.want = PREDICT_MEAN | PREDICT_NOISE_VARIANCE | (samples ? PREDICT_SAMPLES : 0);
        run(model, &req, &arena, &without);
        req.want |= PREDICT_STD;
        run(model, &req, &arena, &with);
        ck_assert_mem_eq(with.mean, without.mean, cells * sizeof(double));
        ck_assert_mem_eq(with.noise_variance, without.noise_variance, cells * sizeof(double));
        if (samples) {
            ck_assert_mem_eq(with.samples, without.samples, 3 * cells * sizeof(double));
        }
        for (size_t c = 0; c < cells; c++) {
            ck_assert_double_gt(with.std[c], 0.0);
            ck_assert_double_lt(without.variance[c], with.variance[c]);
        }
    }
    arena_release(&arena);
    model_unref(model);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("linear_single");
    TCase *tc = tcase_create("all");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, variances_in_float_are_near_those_in_double);
    tcase_add_test(tc, a_row_in_float_depends_on_nothing_around_it);
    tcase_add_test(tc, what_float_cannot_hold_is_in_double);
    tcase_add_test(tc, a_model_in_float_survives_each_failed_allocation);
    tcase_add_loop_test(tc, what_needs_no_variance_is_the_same_without_it, 0, N_SETUPS);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
