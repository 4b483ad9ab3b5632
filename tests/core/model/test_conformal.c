/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conformal intervals: ranks and ends against sorted lists, and what predictions make of them.
 */
#include "conformal_intervals.h"
#include "conformal_cases.h"

#include "base/mem.h"
#include "math/gemm.h"
#include "predict/evaluation.h"
#include "predict/predict_block.h"
#include "predict/predict_join.h"

/* ---- ranks and ends ---- */

START_TEST(ranks_are_those_of_decimal_levels)
{
    static const struct {
        int n;
        double alpha;
        int rank; /* 0: refused */
    } cases[] = {
        {9, 0.1, 9},           {8, 0.1, 0},    {19, 0.05, 19},    {18, 0.05, 0},
        {99, 0.1, 90},         {100, 0.1, 91}, {39, 0.1, 36},     {999, 0.3, 700},
        {999999, 0.1, 900000}, {9, 0.9, 1},    {3, 0.99, 1},      {1, 0.5, 1},
        {1, 0.4, 0},           {29, 0.7, 9},   {999, 0.001, 999}, {998, 0.001, 0},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct conformal c = {.method = CONFORMAL_SPLIT, .n_folds = 1, .n = cases[k].n};
        struct err err = ERR_INIT;
        int rank = 0;
        enum err_code code = conformal_rank(&c, 0, cases[k].alpha, &rank, &err);
        ck_assert_int_eq(code, cases[k].rank > 0 ? ERR_OK : ERR_INVALID);
        ck_assert_msg(rank == cases[k].rank, "n %d, alpha %g: %d", cases[k].n, cases[k].alpha,
                      rank);
    }
    struct conformal c = {.method = CONFORMAL_SPLIT, .n_folds = 1, .n = 49};
    struct err err = ERR_INIT;
    int rank;
    ck_assert_int_eq(conformal_rank(&c, 0, 0.01, &rank, &err), ERR_INVALID);
    ck_assert_msg(strstr(err.msg, "no level above 0.98") != NULL, "%s", err.msg);
    for (int k = 0; k < 3; k++) {
        struct err one = ERR_INIT;
        ck_assert_int_eq(conformal_rank(&c, 0, (double[]){0.0, 1.0, NAN}[k], &rank, &one),
                         ERR_INVALID);
    }
}
END_TEST

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

START_TEST(selection_finds_what_sorting_finds)
{
    struct rng rng;
    double values[300], sorted[300], trial[300];
    rng_init(&rng, 1, RNG_TEST, 0);
    for (int round = 0; round < 300; round++) {
        int n = round + 1;
        for (int i = 0; i < n; i++) {
            /* Random; with many ties; up and down again; sorted; all the same. */
            const double kinds[] = {rng_normal(&rng), (double)rng_below(&rng, 4),
                                    (double)(i < n / 2 ? i : n - i), (double)i, 1.0};
            values[i] = kinds[round % 5];
        }
        memcpy(sorted, values, sizeof values);
        qsort(sorted, (size_t)n, sizeof *sorted, compare);
        for (int k = 1; k <= n; k++) {
            memcpy(trial, values, sizeof values);
            ck_assert_double_eq(conformal_select(trial, n, k), sorted[k - 1]);
        }
    }
}
END_TEST

START_TEST(intervals_are_the_order_statistics_of_the_definition)
{
    enum { N_CAL = 57, ROWS = 7, FOLDS = 5 };
    struct rng rng;
    double scores[N_CAL * O], mean[FOLDS * ROWS * O], std[FOLDS * ROWS * O];
    int fold[N_CAL];
    double lower[ROWS * O], upper[ROWS * O];
    rng_init(&rng, 2, RNG_TEST, 0);
    for (int k = 0; k < N_CAL * O; k++) {
        scores[k] = fabs(rng_normal(&rng));
    }
    for (int k = 0; k < FOLDS * ROWS * O; k++) {
        mean[k] = rng_normal(&rng);
        std[k] = 0.5 + rng_uniform(&rng);
    }
    for (int i = 0; i < N_CAL; i++) {
        fold[i] = (int)rng_below(&rng, FOLDS);
    }
    for (int round = 0; round < 4; round++) {
        bool split = round < 2;
        struct conformal c = {.method = split ? CONFORMAL_SPLIT : CONFORMAL_CV_PLUS,
                              .normalised = round % 2 == 1,
                              .n_folds = split ? 1 : FOLDS,
                              .n = N_CAL,
                              .fold = split ? NULL : fold,
                              .scores = scores};
        struct predicted_rows rows = {
            .n = ROWS, .o = O, .mean = mean, .std = c.normalised ? std : NULL};
        for (int percent = 2; percent <= 45; percent++) {
            struct err err = ERR_INIT;
            ck_assert_int_eq(conformal_intervals(&c, 0.01 * percent, &rows, lower, upper, &err),
                             ERR_OK);
            for (int k = 0; k < ROWS * O; k++) {
                double means[FOLDS], stds[FOLDS], expected[2];
                for (int f = 0; f < c.n_folds; f++) {
                    means[f] = mean[f * ROWS * O + k];
                    stds[f] = std[f * ROWS * O + k];
                }
                brute_force(&c, percent, k % O, &(struct conformal_point){means, stds, 1, 1.0},
                            expected);
                ck_assert_double_eq(lower[k], expected[0]);
                ck_assert_double_eq(upper[k], expected[1]);
            }
        }
        for (int percent = 55; percent < 100; percent += 5) {
            struct err err = ERR_INIT;
            ck_assert_int_eq(conformal_intervals(&c, 0.01 * percent, &rows, lower, upper, &err),
                             ERR_OK);
            for (int k = 0; k < ROWS * O; k++) {
                ck_assert_double_le(lower[k], upper[k]);
            }
        }
        struct err err = ERR_INIT;
        ck_assert_int_eq(conformal_intervals(&c, 0.01, &rows, lower, upper, &err), ERR_INVALID);
    }
}
END_TEST

START_TEST(a_calibration_that_does_not_fit_its_model_is_refused)
{
    double scores[] = {1.0, 0.5, 2.0};
    int fold[] = {0, 1, 1};
    double noise[] = {0.1, 0.2};
    const struct conformal good = {.method = CONFORMAL_CV_PLUS,
                                   .n_folds = 2,
                                   .n = 3,
                                   .fold = fold,
                                   .scores = scores,
                                   .fold_noise = noise};
    struct err err = ERR_INIT;
    ck_assert_int_eq(conformal_check(&good, 4, 1, &err), ERR_OK);
    for (int k = 0; k < 7; k++) {
        struct conformal c = good;
        double kept_score = scores[2];
        double kept_noise = noise[1];
        int kept_fold = fold[1];
        struct err one = ERR_INIT;
        c.n = k == 0 ? 0 : 3;
        c.n = k == 6 ? CONFORMAL_MAX_ROWS + 1 : c.n;
        c.n_folds = k == 1 ? 4 : 2;
        c.method = k == 2 ? CONFORMAL_SPLIT : c.method;
        scores[2] = k == 3 ? -1.0 : scores[2];
        fold[1] = k == 4 ? 2 : fold[1];
        noise[1] = k == 5 ? NAN : noise[1];
        ck_assert_int_ne(conformal_check(&c, 4, 1, &one), ERR_OK);
        scores[2] = kept_score;
        noise[1] = kept_noise;
        fold[1] = kept_fold;
    }
    ck_assert_int_eq(conformal_check(&good, 5, 1, &err), ERR_INVALID);
}
END_TEST

/* ---- predictions ---- */

static struct model *folded_model(struct rng *rng)
{
    static const struct plan_of plan = {CONFORMAL_CV_PLUS, true, NOISE_ESTIMATED, 0.0, 2, 3, 5, 9};
    double x[40], y[40 * O];
    struct err err = ERR_INIT;
    struct model *model = NULL;
    make_rows(rng, 40, x, y);
    ck_assert_int_eq(train_model(&plan, 40, x, y, &model, &err), ERR_OK);
    return model;
}

START_TEST(intervals_depend_on_neither_tiles_nor_company)
{
    enum { N = 300, LEVELS = 2 };
    static const double levels[LEVELS] = {0.9, 0.5};
    struct rng rng;
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    struct predict_result all, again, joint_all, part;
    struct predict_call call;
    struct predict_request joint;
    double x[N], unused[N * O];
    rng_init(&rng, 10, RNG_TEST, 0);
    struct model *model = folded_model(&rng);
    make_rows(&rng, N, x, unused);
    struct predict_request req = {.n = N,
                                  .x = x,
                                  .want = PREDICT_INTERVALS,
                                  .n_intervals = LEVELS,
                                  .intervals = levels,
                                  .n_threads = 2};
    struct predict_request few = req;
    struct predict_request other = req;
    few.n = 7;
    other.intervals = (double[]){0.9, 0.6};
    ck_assert_int_eq(predict_run(model, &req, &arena, &all, &err), ERR_OK);
    ck_assert_int_eq(predict_begin(&call, model, &req, &arena, &again, &err), ERR_OK);
    for (int tile = call.n_tiles - 1; tile >= 0; tile--) {
        ck_assert_int_eq(predict_tile(&call, tile, &arena, &err), ERR_OK);
    }
    ck_assert_int_eq(predict_end(&call, &arena, &err), ERR_OK);
    ck_assert_mem_eq(all.intervals, again.intervals, 2 * LEVELS * N * O * sizeof *all.intervals);

    ck_assert(predict_can_join(&req, &few));
    ck_assert(!predict_can_join(&req, &other));
    const struct predict_request *parts[] = {&req, &few};
    ck_assert_int_eq(predict_join(parts, 2, D, &arena, &joint, &err), ERR_OK);
    ck_assert_int_eq(predict_run(model, &joint, &arena, &joint_all, &err), ERR_OK);
    call = (struct predict_call){.model = model, .req = &joint, .out = &joint_all};
    ck_assert_int_eq(predict_slice(&call, N, &few, &arena, &part, &err), ERR_OK);
    ck_assert_ptr_null(part.total_variance);
    for (int end = 0; end < 2 * LEVELS; end++) {
        ck_assert_mem_eq(part.intervals + end * 7 * O, all.intervals + end * N * O,
                         7 * O * sizeof(double));
    }
    arena_release(&arena);
    model_unref(model);
}
END_TEST

START_TEST(intervals_of_folds_are_the_same_in_blocks)
{
    enum { N = 300, LEVELS = 2 };
    static const double levels[LEVELS] = {0.9, 0.5};
    struct rng rng;
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    struct predict_result all;
    double x[N], unused[N * O];
    rng_init(&rng, 10, RNG_TEST, 0);
    struct model *model = folded_model(&rng);
    make_rows(&rng, N, x, unused);
    const struct predict_request req = {.n = N,
                                        .x = x,
                                        .want = PREDICT_INTERVALS,
                                        .n_intervals = LEVELS,
                                        .intervals = levels,
                                        .n_threads = 1};
    ck_assert_int_eq(predict_run(model, &req, &arena, &all, &err), ERR_OK);
    for (size_t max_bytes = 64; max_bytes < 100000; max_bytes *= 8) {
        size_t total = predict_block_total(model, &req, PREDICT_INDEX_INTERVALS);
        for (size_t at = 0; at < total;) {
            struct predict_block block = {.index = PREDICT_INDEX_INTERVALS, .first = at};
            struct predict_result r;
            predict_block_find(model, &req, max_bytes, &block);
            ck_assert_int_eq(predict_run(model, &block.request, &arena, &r, &err), ERR_OK);
            ck_assert_mem_eq(r.intervals + block.offset, all.intervals + at,
                             block.count * sizeof *r.intervals);
            at += block.count;
        }
    }
    arena_release(&arena);
    model_unref(model);
}
END_TEST

/* Without a calibration: the normal's, whose quantiles tables give. */
START_TEST(without_a_calibration_intervals_are_normal)
{
    static const double levels[] = {0.5, 0.9, 0.95};
    static const double quantiles[] = {0.6744897501960817, 1.6448536269514722, 1.959963984540054};
    struct plan_of plan = {CONFORMAL_NONE, false, NOISE_ESTIMATED, 0.0, 3, 0, 5, 9};
    struct rng rng;
    double x[40], y[40 * O];
    rng_init(&rng, 12, RNG_TEST, 0);
    make_rows(&rng, 40, x, y);
    for (int known = 0; known < 2; known++) {
        struct err err = ERR_INIT;
        struct arena arena = ARENA_INIT;
        struct predict_result r;
        struct model *model = NULL;
        plan.noise = known == 1 ? NOISE_LEARNED : NOISE_ESTIMATED;
        ck_assert_int_eq(train_model(&plan, 40, x, y, &model, &err), ERR_OK);
        ck_assert_int_eq(model_knows_noise(model), known == 1);
        struct predict_request req = {.n = 40,
                                      .x = x,
                                      .want = PREDICT_VARIANCE | PREDICT_INTERVALS,
                                      .n_intervals = 3,
                                      .intervals = levels,
                                      .n_threads = 1};
        ck_assert_int_eq(predict_run(model, &req, &arena, &r, &err), ERR_OK);
        for (int k = 0; k < 3 * 40 * O; k++) {
            int c = k % (40 * O);
            double sigma = known == 1 ? model->noise_sigma[c % O] : 0.0;
            double half = quantiles[k / (40 * O)] * sqrt(r.variance[c] + sigma * sigma);
            const double *lower = r.intervals + k / (40 * O) * 2 * 40 * O;
            near(lower[c], r.mean[c] - half);
            near(lower[40 * O + c], r.mean[c] + half);
        }
        arena_release(&arena);
        model_unref(model);
    }
}
END_TEST

START_TEST(intervals_that_cannot_be_given_are_refused)
{
    static const double bad[] = {0.0, 1.0, -0.5, NAN, 0.99};
    struct rng rng;
    double x = 0.0;
    rng_init(&rng, 13, RNG_TEST, 0);
    struct model *model = folded_model(&rng);
    for (int k = 0; k < 6; k++) {
        struct err err = ERR_INIT;
        struct predict_request req = {.n = 1,
                                      .x = &x,
                                      .want = PREDICT_INTERVALS,
                                      .n_intervals = k < 5 ? 1 : 0,
                                      .intervals = bad + (k < 5 ? k : 0)};
        ck_assert_int_eq(predict_check(model, &req, &err), ERR_INVALID);
        if (k == 4) {
            ck_assert_msg(strstr(err.msg, "40 calibration rows allow no level above 0.97561"), "%s",
                          err.msg);
        }
    }
    model_unref(model);

    static const struct plan_of flat = {CONFORMAL_CV_PLUS, true, NOISE_ESTIMATED, 0.0, 1, 3, 5, 9};
    static const struct plan_of many = {
        CONFORMAL_CV_PLUS, false, NOISE_ESTIMATED, 0.0, 1, 41, 5, 9};
    double rx[40], ry[40 * O];
    struct err err = ERR_INIT;
    make_rows(&rng, 40, rx, ry);
    /* A single member without noise has no standard deviation to divide by. */
    ck_assert_int_eq(train_model(&flat, 40, rx, ry, &model, &err), ERR_INVALID);
    ck_assert_msg(strstr(err.msg, "normalised scores need") != NULL, "%s", err.msg);
    err_clear(&err);
    ck_assert_int_eq(train_model(&many, 40, rx, ry, &model, &err), ERR_INVALID);
    ck_assert_msg(strstr(err.msg, "too few for 41 folds") != NULL, "%s", err.msg);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("conformal");
    TCase *tc = tcase_create("conformal");
    gemm_use_one_thread();
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, ranks_are_those_of_decimal_levels);
    tcase_add_test(tc, selection_finds_what_sorting_finds);
    tcase_add_test(tc, intervals_are_the_order_statistics_of_the_definition);
    tcase_add_test(tc, a_calibration_that_does_not_fit_its_model_is_refused);
    tcase_add_test(tc, intervals_of_folds_are_the_same_in_blocks);
    tcase_add_test(tc, intervals_depend_on_neither_tiles_nor_company);
    tcase_add_test(tc, without_a_calibration_intervals_are_normal);
    tcase_add_test(tc, intervals_that_cannot_be_given_are_refused);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
