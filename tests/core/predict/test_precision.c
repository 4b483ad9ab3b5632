/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The precision that a model is served in: what is asked for, and what is chosen from the error of
 * the rounded weights beside the spread of the draws.
 */
#include "run.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "predict/precision.h"
#include "predict/predict.h"

#define D      4
#define O      2
#define ROWS   200
#define WIDTH  32
#define LAYERS 9
#define DRAWS  40 /* 40 draws of 10 blocks of 32 x 32 in double are more than 3 MB */

/* Draws around one network, `spread` apart. */
static struct model *make(int width, int m, double spread, enum precision precision)
{
    struct err err = ERR_INIT;
    struct model *model = NULL;
    struct arch arch = arch_default(D, O);
    struct rng rng;
    arch.width = width;
    arch.layers = LAYERS;
    ck_assert_int_eq(model_new(&arch, m, &model, &err), ERR_OK);
    int k = model->net.n_params;
    rng_init(&rng, 31, RNG_TEST, 0);
    for (int i = 0; i < k; i++) {
        model->draws[i] = 0.3 * rng_normal(&rng);
    }
    for (int i = k; i < m * k; i++) {
        model->draws[i] = model->draws[i % k] + spread * rng_normal(&rng);
    }
    model->precision = precision;
    return model;
}

static struct model *publish(int width, int m, double spread, enum precision precision)
{
    struct err err = ERR_INIT;
    struct model *model = make(width, m, spread, precision);
    ck_assert_msg(precision_publish(model, &err) == ERR_OK, "%s", err.msg);
    ck_assert_int_eq(model->precision, model->plan.precision);
    return model;
}

static void predict(const struct model *model, struct arena *arena, struct predict_result *out)
{
    struct err err = ERR_INIT;
    struct rng rng;
    double *x = arena_alloc_array(arena, (size_t)ROWS * D, sizeof *x);
    rng_init(&rng, 32, RNG_TEST, 0);
    for (int i = 0; i < ROWS * D; i++) {
        x[i] = 2.0 * rng_uniform(&rng) - 1.0;
    }
    const struct predict_request req = {
        .n = ROWS, .x = x, .want = PREDICT_MEAN | PREDICT_STD, .n_threads = 1};
    ck_assert_msg(predict_run(model, &req, arena, out, &err) == ERR_OK, "%s", err.msg);
}

START_TEST(a_large_posterior_is_mixed_within_its_share)
{
    struct arena arena = ARENA_INIT;
    struct model *chosen = publish(WIDTH, DRAWS, 0.1, PRECISION_AUTO);
    struct model *exact = publish(WIDTH, DRAWS, 0.1, PRECISION_FLOAT64);
    struct predict_result a;
    struct predict_result b;
    double share = 0.0;
    ck_assert_int_eq(chosen->precision, PRECISION_MIXED);
    ck_assert_double_gt(chosen->float32_error.mean, 0.0);
    ck_assert_double_lt(chosen->float32_error.mean, 1e-5);
    predict(chosen, &arena, &a);
    predict(exact, &arena, &b);
    for (int c = 0; c < ROWS * O; c++) {
        share =
            fmax(share, fmax(fabs(a.mean[c] - b.mean[c]), fabs(a.std[c] - b.std[c])) / b.std[c]);
    }
    ck_assert_double_gt(share, 0.0);
    ck_assert_double_lt(share, 2.0 * PRECISION_MAX_SHARE); /* at points of its own */
    arena_release(&arena);
    model_unref(chosen);
    model_unref(exact);
}
END_TEST

START_TEST(what_would_lose_by_it_stays_in_float64)
{
    static const struct {
        int width, m;
        double spread;
    } cases[] = {{8, DRAWS, 0.1},      /* small */
                 {4, 2000, 0.1},       /* narrow */
                 {WIDTH, DRAWS, 1e-6}, /* hardly any spread */
                 {WIDTH, DRAWS, 0.0},  /* none */
                 {128, 1, 0.1}};       /* one draw */
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct model *model = publish(cases[c].width, cases[c].m, cases[c].spread, PRECISION_AUTO);
        ck_assert_int_eq(model->precision, PRECISION_FLOAT64);
        ck_assert_double_eq(model->float32_error.mean, 0.0);
        ck_assert_double_eq(model->float32_error.std, 0.0);
        model_unref(model);
    }
}
END_TEST

START_TEST(what_is_asked_for_is_served)
{
    for (enum precision p = PRECISION_FLOAT64; p <= PRECISION_MIXED; p++) {
        struct model *model = publish(WIDTH, 3, 1e-6, p);
        ck_assert_int_eq(model->precision, p);
        ck_assert((p == PRECISION_FLOAT64) == !(model->float32_error.mean > 0.0));
        model_unref(model);
    }
    /* Networks narrower than a vector have no weights in 32 bits. */
    struct model *narrow = publish(3, 5, 0.1, PRECISION_MIXED);
    ck_assert_int_eq(narrow->precision, PRECISION_FLOAT64);
    model_unref(narrow);
}
END_TEST

/* Memory for the comparison is not needed to serve the model in float64. */
START_TEST(a_choice_without_memory_is_float64)
{
    struct model *counted = make(WIDTH, DRAWS, 0.1, PRECISION_AUTO);
    struct err err = ERR_INIT;
    mem_fail_after(0, false);
    ck_assert_int_eq(model_publish(counted, &err), ERR_OK);
    long needed = mem_attempts();
    model_unref(counted);
    long total = needed;
    for (long n = needed + 1; n <= total + 1; n++) {
        struct model *model = make(WIDTH, DRAWS, 0.1, PRECISION_AUTO);
        long live = mem_live();
        mem_fail_after(n, false);
        ck_assert_int_eq(precision_publish(model, &err), ERR_OK);
        total = mem_attempts();
        mem_fail_after(0, false);
        bool failed = n <= total;
        ck_assert_int_eq(model->precision, failed ? PRECISION_FLOAT64 : PRECISION_MIXED);
        ck_assert_int_le(mem_live(), live + needed);
        model_unref(model);
    }
    ck_assert_int_gt(total, needed);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("precision");
    TCase *tc = tcase_create("precision");
    tcase_set_timeout(tc, 240);
    tcase_add_test(tc, a_large_posterior_is_mixed_within_its_share);
    tcase_add_test(tc, what_would_lose_by_it_stays_in_float64);
    tcase_add_test(tc, what_is_asked_for_is_served);
    tcase_add_test(tc, a_choice_without_memory_is_float64);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
