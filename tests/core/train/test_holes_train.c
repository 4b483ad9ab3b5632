/* SPDX-License-Identifier: Apache-2.0 */
/* Whole trainings on rows that miss some outputs or all, their scores and their calibrations. */
#include "run.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "fit/split.h"
#include "math/gemm.h"
#include "model/codec.h"
#include "predict/evaluation.h"
#include "predict/paired.h"
#include "train/train.h"

enum { D = 2, O = 2, N = 60, MORE = 7 };

struct rows {
    double x[(N + MORE) * D];
    double y[(N + MORE) * O];
};

/* N rows, every third of which misses an output, and MORE rows without any. */
static void make_rows(struct rows *rows)
{
    struct rng rng;
    rng_init(&rng, 4, RNG_TEST, 0);
    for (int i = 0; i < N + MORE; i++) {
        double *x = rows->x + i * D;
        double *y = rows->y + i * O;
        x[0] = 2.0 * rng_uniform(&rng);
        x[1] = rng_uniform(&rng);
        y[0] = 100.0 + 40.0 * sin(2.0 * x[0]) + rng_normal(&rng);
        y[1] = 1.0 + x[0] * x[1] + 0.05 * rng_normal(&rng);
        if (i >= N) {
            y[0] = y[1] = NAN;
        } else if (i % 3 == 1) {
            y[i % 2] = NAN;
        }
    }
}

static struct data first_rows(const struct rows *rows, int n)
{
    return (struct data){.n = n, .d = D, .o = O, .x = rows->x, .y = rows->y};
}

static struct train_spec small_spec(enum solver_kind solver)
{
    struct train_spec spec = train_defaults(solver);
    spec.arch.width = 4;
    spec.arch.layers = 1;
    spec.settings.members = 2;
    spec.settings.draws = 4;
    spec.settings.epochs = 5;
    spec.settings.batch_size = 16;
    spec.settings.swag_epochs = 5;
    spec.settings.swag_every = 2;
    spec.settings.chains = 2;
    spec.settings.warmup = 8;
    spec.settings.max_depth = 4;
    spec.validation = 0.2;
    spec.seed = 3;
    return spec;
}

static enum err_code train(struct train_spec *spec, struct data data, struct model **model,
                           struct err *err)
{
    static const unsigned char failed[N + MORE]; /* none: test_feasible.c has those that did */
    struct train_run run = {.spec = spec, .data = data, .failed = failed, .n_threads = 2};
    if (train_validate(spec, err) != ERR_OK || train_resolve(spec, D, O, err) != ERR_OK) {
        return err->code;
    }
    return train_run(&run, model, err);
}

static struct model *train_well(struct train_spec *spec, struct data data)
{
    struct err err = ERR_INIT;
    struct model *model = NULL;
    ck_assert_msg(train(spec, data, &model, &err) == ERR_OK, "%s: %s", solver_name(spec->solver),
                  err_msg(&err));
    return model;
}

/* Stored and read again, a model is the same. */
static void check_bytes(const struct model *model)
{
    struct err err = ERR_INIT;
    unsigned char *bytes = NULL;
    unsigned char *again = NULL;
    size_t n = 0;
    size_t n_again = 0;
    struct model *copy = NULL;
    ck_assert_int_eq(codec_encode(model, &bytes, &n, &err), ERR_OK);
    ck_assert_msg(codec_decode(bytes, n, &copy, &err) == ERR_OK, "%s", err_msg(&err));
    ck_assert_int_eq(codec_encode(copy, &again, &n_again, &err), ERR_OK);
    ck_assert_uint_eq(n, n_again);
    ck_assert_mem_eq(bytes, again, n);
    /* Damage at any byte of the end is found, or gives another model: never a crash. */
    for (size_t at = n - (n < 400 ? n : 400); at < n; at++) {
        struct model *damaged = NULL;
        bytes[at] ^= 0x55;
        struct err bad = ERR_INIT;
        if (codec_decode(bytes, n, &damaged, &bad) == ERR_OK) {
            model_unref(damaged);
        }
        bytes[at] ^= 0x55;
    }
    mem_free(bytes);
    mem_free(again);
    model_unref(copy);
}

static void expect_same_model(const struct model *a, const struct model *b)
{
    struct err err = ERR_INIT;
    unsigned char *of_a = NULL;
    unsigned char *of_b = NULL;
    size_t n_a = 0;
    size_t n_b = 0;
    ck_assert_int_eq(codec_encode(a, &of_a, &n_a, &err), ERR_OK);
    ck_assert_int_eq(codec_encode(b, &of_b, &n_b, &err), ERR_OK);
    ck_assert_uint_eq(n_a, n_b);
    ck_assert_mem_eq(of_a, of_b, n_a);
    mem_free(of_a);
    mem_free(of_b);
}

START_TEST(every_solver_takes_rows_with_holes)
{
    static struct rows rows;
    enum solver_kind solver = (enum solver_kind)_i;
    make_rows(&rows);
    struct train_spec spec = small_spec(solver);
    struct model *model = train_well(&spec, first_rows(&rows, N));
    ck_assert_int_eq(model->scores.n_rows, 12);
    ck_assert_ptr_nonnull(model->scores.counts);
    for (int j = 0; j < O; j++) {
        ck_assert_int_lt(model->scores.counts[j], 12);
        ck_assert(isfinite(model->scores.rmse[j]));
        ck_assert(model->noise_sigma == NULL || isfinite(model->noise_sigma[j]));
    }
    check_bytes(model);
    model_unref(model);
}
END_TEST

/* The rows that failed have a place in the split and change nothing else. */
START_TEST(rows_without_outputs_change_nothing)
{
    static struct rows rows;
    static const enum conformal_method methods[] = {CONFORMAL_NONE, CONFORMAL_SPLIT,
                                                    CONFORMAL_CV_PLUS};
    make_rows(&rows);
    for (int k = 0; k < 3; k++) {
        struct train_spec spec = small_spec(_i == 0 ? SOLVER_ENSEMBLE : SOLVER_LAPLACE);
        spec.calibration.method = methods[k];
        spec.calibration.folds = 3;
        struct model *model = train_well(&spec, first_rows(&rows, N));
        struct model *more = train_well(&spec, first_rows(&rows, N + MORE));
        expect_same_model(model, more);
        check_bytes(model);
        model_unref(model);
        model_unref(more);
    }
}
END_TEST

/* ---- scores ---- */

static struct scores score(const struct model *model, struct data rows)
{
    struct err err = ERR_INIT;
    struct scores scores = {.n_rows = 0};
    const double range[2 * O] = {60.0, 140.0, 1.0, 3.0};
    const struct evaluation_run run = {.n_threads = 1};
    ck_assert_msg(evaluation_score(model, &rows, range, &run, &scores, &err) == ERR_OK, "%s",
                  err_msg(&err));
    return scores;
}

/* The rows that have output j. */
static struct data rows_with(const struct rows *all, int j, struct rows *kept)
{
    int n = 0;
    for (int i = 0; i < N; i++) {
        if (!isnan(all->y[i * O + j])) {
            memcpy(kept->x + n * D, all->x + i * D, D * sizeof(double));
            memcpy(kept->y + n * O, all->y + i * O, O * sizeof(double));
            n++;
        }
    }
    return first_rows(kept, n);
}

START_TEST(an_output_is_scored_on_the_rows_that_have_it)
{
    static struct rows rows;
    static struct rows kept;
    make_rows(&rows);
    struct train_spec spec = small_spec(SOLVER_ENSEMBLE);
    spec.noise = NOISE_LEARNED;
    struct model *model = train_well(&spec, first_rows(&rows, N));
    struct scores all = score(model, first_rows(&rows, N));
    struct scores with_failed = score(model, first_rows(&rows, N + MORE));
    ck_assert_int_eq(all.n_rows, N);
    ck_assert_int_eq(with_failed.n_rows, N);
    ck_assert_double_eq(with_failed.relative_error, all.relative_error);
    for (int j = 0; j < O; j++) {
        struct data part = rows_with(&rows, j, &kept);
        struct scores own = score(model, part);
        ck_assert_int_eq(all.counts[j], part.n);
        ck_assert_double_eq(all.rmse[j], own.rmse[j]);
        ck_assert_double_eq(all.nll[j], own.nll[j]);
        ck_assert_double_eq(all.nll_draws[j], own.nll_draws[j]);
        ck_assert_double_eq(all.crps[j], own.crps[j]);
        ck_assert_double_eq(with_failed.crps[j], own.crps[j]);
        ck_assert_mem_eq(all.coverage + j * SCORES_INTERVALS, own.coverage + j * SCORES_INTERVALS,
                         SCORES_INTERVALS * sizeof(double));
        ck_assert_mem_eq(all.calibration + j * SCORES_LEVELS, own.calibration + j * SCORES_LEVELS,
                         SCORES_LEVELS * sizeof(double));
        scores_release(&own);
    }
    scores_release(&all);
    scores_release(&with_failed);
    model_unref(model);
}
END_TEST

START_TEST(an_output_that_no_row_has_has_no_score)
{
    static struct rows rows;
    make_rows(&rows);
    struct train_spec spec = small_spec(SOLVER_ENSEMBLE);
    spec.noise = NOISE_LEARNED;
    struct model *model = train_well(&spec, first_rows(&rows, N));
    for (int i = 0; i < N; i++) {
        rows.y[i * O] = NAN;
    }
    struct scores scores = score(model, first_rows(&rows, N));
    ck_assert_int_eq(scores.counts[0], 0);
    ck_assert(isnan(scores.rmse[0]));
    ck_assert(isnan(scores.nll[0]));
    ck_assert(isfinite(scores.rmse[1]));
    ck_assert(isfinite(scores.nll[1]));
    scores_release(&scores);
    struct err err = ERR_INIT;
    const double range[2 * O] = {60.0, 140.0, 1.0, 3.0};
    const struct data none = {.n = MORE, .d = D, .o = O, .x = rows.x + N * D, .y = rows.y + N * O};
    ck_assert_int_eq(evaluation_score(model, &none, range, &(struct evaluation_run){.n_threads = 1},
                                      &scores, &err),
                     ERR_INVALID);
    model_unref(model);
}
END_TEST

START_TEST(pairs_of_models_are_compared_on_what_is_there)
{
    const double range[4] = {0.0, 2.0, 0.0, 1.0};
    const double y[6] = {1.0, NAN, NAN, NAN, 2.0, 0.5};
    double mean[6] = {1.5, 9.0, 9.0, 9.0, 2.0, 0.0};
    double variance[6] = {1.0, 1.0, 1.0, 1.0, 1.0, 1.0};
    const struct paired_rule rule = {.o = 2, .range = range};
    struct predict_result f = {.mean = NULL};
    double losses[3 * PAIRED_N];
    double other[3 * PAIRED_N];
    struct paired paired = {.n = 0};
    f.mean = mean;
    f.variance = variance;
    paired_losses(&rule, &f, y, 3, losses);
    ck_assert_double_eq(losses[PAIRED_SQUARE], 0.0625);
    ck_assert(isnan(losses[PAIRED_N + PAIRED_SQUARE]));
    ck_assert(isnan(losses[PAIRED_N + PAIRED_NLL]));
    ck_assert_double_eq(losses[2 * PAIRED_N + PAIRED_SQUARE], 0.125);
    ck_assert_double_eq_tol(losses[PAIRED_NLL], evaluation_nll(-0.5, 1.0), 1e-15);
    mean[0] = 1.0;
    paired_losses(&rule, &f, y, 3, other);
    paired_add(&paired, losses, other, 3);
    ck_assert_int_eq(paired.n, 2);
    ck_assert_double_eq_tol(paired.mean[PAIRED_SQUARE], -0.03125, 1e-15);
    ck_assert(isfinite(paired.mean[PAIRED_NLL]));
}
END_TEST

/* Predictions in units of powers of two, observations in the user's. */
START_TEST(pairs_of_models_are_compared_in_any_unit)
{
    enum { E = 990 };
    static const int exponents[] = {E, 0};
    static const bool constant[] = {false, true};
    const double usual_range[4] = {0.0, 2.0, 3.0, 3.0};
    const double range[4] = {0.0, 0x1p991, 3.0, 3.0};
    const double usual_y[2] = {1.0, 3.0};
    const double y[2] = {0x1p990, 3.0};
    double mean[2] = {1.5, 3.0};
    double variance[2] = {1.0, 0.0};
    struct predict_result f = {.mean = mean, .variance = variance};
    const struct paired_rule usual = {.o = 2, .range = usual_range, .constant = constant};
    const struct paired_rule rule = {
        .o = 2, .range = range, .exponents = exponents, .constant = constant};
    double expected[PAIRED_N];
    double losses[PAIRED_N];
    paired_losses(&usual, &f, usual_y, 1, expected);
    paired_losses(&rule, &f, y, 1, losses);
    ck_assert_double_eq(losses[PAIRED_SQUARE], expected[PAIRED_SQUARE]);
    ck_assert_double_eq(losses[PAIRED_CRPS], expected[PAIRED_CRPS]);
    ck_assert_double_eq_tol(losses[PAIRED_NLL] - E * M_LN2, expected[PAIRED_NLL], 1e-12);
    /* A constant that counts has no density, and nor has its row. */
    const struct paired_rule counted = {.o = 2, .range = usual_range};
    paired_losses(&counted, &f, usual_y, 1, losses);
    ck_assert(isnan(losses[PAIRED_NLL]));
}
END_TEST

/* ---- calibration ---- */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The half width of output j's interval at a level, from residuals of the rows that have it. */
static double half_width(const struct model *model, const struct rows *rows, int j, double level)
{
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    struct predict_result r;
    unsigned char role[N];
    double scores[N];
    int n = 0;
    const struct predict_request req = {.n = N, .x = rows->x, .want = PREDICT_MEAN, .n_threads = 1};
    ck_assert_int_eq(predict_run(model, &req, &arena, &r, &err), ERR_OK);
    split_rows(3, N, 0.2, 0.4, role);
    for (int i = 0; i < N; i++) {
        double y = rows->y[i * O + j];
        if (role[i] == SPLIT_CALIBRATION && !isnan(y)) {
            scores[n++] = fabs(y - r.mean[i * O + j]);
        }
    }
    arena_release(&arena);
    qsort(scores, (size_t)n, sizeof *scores, compare);
    return scores[(int)ceil(level * (n + 1) - 1e-9) - 1];
}

START_TEST(an_interval_is_of_the_scores_of_its_output)
{
    static struct rows rows;
    const double level = 0.7;
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    struct predict_result r;
    make_rows(&rows);
    struct train_spec spec = small_spec(SOLVER_ENSEMBLE);
    spec.calibration.method = CONFORMAL_SPLIT;
    spec.calibration.share = 0.4;
    struct model *model = train_well(&spec, first_rows(&rows, N));
    ck_assert_ptr_nonnull(model->conformal.counts);
    check_bytes(model);
    struct predict_request req = {.n = 5,
                                  .x = rows.x,
                                  .want = PREDICT_MEAN | PREDICT_INTERVALS,
                                  .n_intervals = 1,
                                  .intervals = &level,
                                  .n_threads = 1};
    ck_assert_int_eq(predict_run(model, &req, &arena, &r, &err), ERR_OK);
    for (int c = 0; c < 5 * O; c++) {
        double half = half_width(model, &rows, c % O, level);
        ck_assert_double_eq_tol(r.intervals[5 * O + c] - r.mean[c], half, 1e-12 * 100.0);
        ck_assert_double_eq_tol(r.mean[c] - r.intervals[c], half, 1e-12 * 100.0);
    }
    arena_release(&arena);
    const double high = 0.97;
    req.intervals = &high;
    ck_assert_int_eq(predict_run(model, &req, &arena, &r, &err), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "output 0"));
    arena_release(&arena);
    model_unref(model);
}
END_TEST

START_TEST(folds_calibrate_with_what_is_there)
{
    static struct rows rows;
    const double level = 0.8;
    make_rows(&rows);
    for (int normalised = 0; normalised < 2; normalised++) {
        struct err err = ERR_INIT;
        struct arena arena = ARENA_INIT;
        struct predict_result r;
        struct train_spec spec = small_spec(SOLVER_ENSEMBLE);
        spec.calibration.method = CONFORMAL_CV_PLUS;
        spec.calibration.folds = 4;
        spec.calibration.normalised = normalised == 1;
        struct model *model = train_well(&spec, first_rows(&rows, N));
        int counts[O] = {0};
        for (int k = 0; k < model->conformal.n * O; k++) {
            counts[k % O] += !isnan(model->conformal.scores[k]);
        }
        ck_assert_mem_eq(counts, model->conformal.counts, sizeof counts);
        check_bytes(model);
        struct predict_request req = {.n = 9,
                                      .x = rows.x,
                                      .want = PREDICT_INTERVALS,
                                      .n_intervals = 1,
                                      .intervals = &level,
                                      .n_threads = 1};
        ck_assert_msg(predict_run(model, &req, &arena, &r, &err) == ERR_OK, "%s", err_msg(&err));
        for (int c = 0; c < 9 * O; c++) {
            ck_assert_double_lt(r.intervals[c], r.intervals[9 * O + c]);
        }
        arena_release(&arena);
        model_unref(model);
    }
}
END_TEST

/* ---- refusals ---- */

START_TEST(an_output_that_no_row_has_is_refused)
{
    static struct rows rows;
    struct err err = ERR_INIT;
    struct model *model = NULL;
    make_rows(&rows);
    for (int i = 0; i < N; i++) {
        rows.y[i * O + 1] = i == 5 ? 1.0 : NAN;
        rows.y[i * O] = isnan(rows.y[i * O]) ? 90.0 : rows.y[i * O];
    }
    struct train_spec spec = small_spec(SOLVER_ENSEMBLE);
    long live = mem_live();
    spec.validation = 0.0;
    spec.calibration.method = CONFORMAL_CV_PLUS;
    spec.calibration.folds = 3;
    ck_assert_int_eq(train(&spec, first_rows(&rows, N), &model, &err), ERR_INVALID);
    ck_assert_msg(strstr(err.msg, "output 1") != NULL && strstr(err.msg, "fold") != NULL, "%s",
                  err.msg);
    err_clear(&err);
    rows.y[5 * O + 1] = NAN;
    spec.calibration.method = CONFORMAL_NONE;
    ck_assert_int_eq(train(&spec, first_rows(&rows, N), &model, &err), ERR_INVALID);
    ck_assert_msg(strstr(err.msg, "output 1") != NULL, "%s", err.msg);
    err_clear(&err);
    for (int i = 0; i < N; i++) {
        rows.y[i * O] = NAN;
    }
    ck_assert_int_eq(train(&spec, first_rows(&rows, N), &model, &err), ERR_INVALID);
    ck_assert_ptr_null(model);
    ck_assert_int_eq(mem_live(), live);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("holes_train");
    TCase *tc = tcase_create("holes_train");
    gemm_use_one_thread();
    tcase_set_timeout(tc, 240);
    tcase_add_loop_test(tc, every_solver_takes_rows_with_holes, 0, solver_known().n);
    tcase_add_loop_test(tc, rows_without_outputs_change_nothing, 0, 2);
    tcase_add_test(tc, an_output_is_scored_on_the_rows_that_have_it);
    tcase_add_test(tc, an_output_that_no_row_has_has_no_score);
    tcase_add_test(tc, pairs_of_models_are_compared_on_what_is_there);
    tcase_add_test(tc, pairs_of_models_are_compared_in_any_unit);
    tcase_add_test(tc, an_interval_is_of_the_scores_of_its_output);
    tcase_add_test(tc, folds_calibrate_with_what_is_there);
    tcase_add_test(tc, an_output_that_no_row_has_is_refused);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
