/* SPDX-License-Identifier: Apache-2.0 */
/* Scores of a model's predictions against formulas written out row by row, and integrals. */
#include "memory_checkpoint.h"
#include "run.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "math/gemm.h"
#include "model/conformal.h"
#include "predict/conformal_scores.h"
#include "predict/evaluation.h"
#include "predict/predict.h"

#define D 2
#define O 2
#define N 4500 /* more than one block */

/* Random draws of a small network; outputs are scaled, so that units matter. */
static struct model *make_model(int m, const double *noise)
{
    struct err err = ERR_INIT;
    struct model *model = NULL;
    struct arch arch = arch_default(D, O);
    struct rng rng;
    arch.width = 4;
    arch.layers = 1;
    ck_assert_int_eq(model_new(&arch, m, &model, &err), ERR_OK);
    rng_init(&rng, 7, RNG_TEST, 0);
    for (int k = 0; k < m * model->net.n_params; k++) {
        model->draws[k] = 0.7 * rng_normal(&rng);
    }
    model->out[0] = (struct scaler){.kind = SCALER_STANDARD, .shift = 3.0, .scale = 10.0};
    if (noise != NULL) {
        model->noise_sigma = mem_dup(noise, O * sizeof *noise);
        ck_assert_ptr_nonnull(model->noise_sigma);
    }
    ck_assert_int_eq(model_publish(model, &err), ERR_OK);
    return model;
}

struct rows {
    double x[N * D];
    double y[N * O];
    double mean[N * O];
    double variance[N * O]; /* total */
    double *samples;        /* [m x N x O] */
};

/* Targets are normal around the mean, `spread` times as wide as the model says. */
static void make_rows(const struct model *model, double spread, struct rows *rows)
{
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    struct predict_result r;
    struct rng rng;
    rng_init(&rng, 8, RNG_TEST, 0);
    for (int k = 0; k < N * D; k++) {
        rows->x[k] = 2.0 * rng_uniform(&rng) - 1.0;
    }
    struct predict_request req = {.n = N,
                                  .x = rows->x,
                                  .want = PREDICT_MEAN | PREDICT_VARIANCE | PREDICT_SAMPLES,
                                  .n_samples = model->m,
                                  .n_threads = 1};
    ck_assert_int_eq(predict_run(model, &req, &arena, &r, &err), ERR_OK);
    rows->samples = calloc((size_t)model->m * N * O, sizeof(double));
    memcpy(rows->samples, r.samples, (size_t)model->m * N * O * sizeof(double));
    for (int c = 0; c < N * O; c++) {
        double sigma = model->noise_sigma != NULL ? model->noise_sigma[c % O] : 0.0;
        rows->mean[c] = r.mean[c];
        rows->variance[c] = r.variance[c] + sigma * sigma;
        rows->y[c] = rows->mean[c] + spread * sqrt(rows->variance[c]) * rng_normal(&rng);
    }
    arena_release(&arena);
}

static struct data data_of(const struct rows *rows)
{
    return (struct data){.n = N, .d = D, .o = O, .x = rows->x, .y = rows->y};
}

static const double range[2 * O] = {-10.0, 15.0, 0.0, 2.0};

static struct scores score(const struct model *model, const struct rows *rows, int n_threads)
{
    struct err err = ERR_INIT;
    struct scores scores = {.n_rows = 0};
    struct data data = data_of(rows);
    ck_assert_msg(evaluation_score(model, &data, range,
                                   &(struct evaluation_run){.n_threads = n_threads}, &scores,
                                   &err) == ERR_OK,
                  "%s", err.msg);
    return scores;
}

/* ---- formulas that share nothing with the subject ---- */

static double cdf(double z)
{
    return z < 0.0 ? 0.5 * erfc(-z / sqrt(2.0)) : 1.0 - 0.5 * erfc(z / sqrt(2.0));
}

/* Integral of (F(t) - [t >= y])^2 by Simpson's rule on either side of y. */
static double crps_integral(double mean, double std, double y)
{
    const int steps = 200;
    double total = 0.0;
    double low = fmin(mean - 9.0 * std, y);
    double high = fmax(mean + 9.0 * std, y);
    for (int side = 0; side < 2; side++) {
        double from = side == 0 ? low : y;
        double h = ((side == 0 ? y : high) - from) / steps;
        double sum = 0.0;
        for (int k = 0; k <= steps; k++) {
            double value = cdf((from + h * k - mean) / std) - side;
            sum += value * value * (k == 0 || k == steps ? 1.0 : (k % 2 == 1 ? 4.0 : 2.0));
        }
        total += sum * h / 3.0;
    }
    return total;
}

/* z with cdf(z) = p, by bisection. */
static double quantile(double p)
{
    double low = -10.0;
    double high = 10.0;
    for (int k = 0; k < 100; k++) {
        double middle = 0.5 * (low + high);
        *(cdf(middle) < p ? &low : &high) = middle;
    }
    return low;
}

static double mixture(const struct rows *rows, int m, int c, double sigma)
{
    long double sum = 0.0L;
    for (int j = 0; j < m; j++) {
        long double z = ((long double)rows->y[c] - (long double)rows->samples[j * N * O + c]) /
                        (long double)sigma;
        sum += expl(-0.5L * z * z);
    }
    return (double)-logl(sum / m / ((long double)sigma * sqrtl(2.0L * acosl(-1.0L))));
}

static void close_to(double found, double expected)
{
    ck_assert_double_eq_tol(found, expected, 1e-11 * (1.0 + fabs(expected)));
}

START_TEST(scores_match_formulas_written_out)
{
    static struct rows rows;
    static const double levels[] = {0.5, 0.9, 0.95};
    const double noise[O] = {2.0, 0.3};
    struct model *model = make_model(6, noise);
    make_rows(model, 1.3, &rows);
    struct scores s = score(model, &rows, 1);
    double relative = 0.0;
    ck_assert_int_eq(s.n_rows, N);
    for (int i = 0; i < N; i++) {
        double above = 0.0;
        double below = 0.0;
        for (int j = 0; j < O; j++) {
            double width = range[2 * j + 1] - range[2 * j];
            above += pow((rows.mean[i * O + j] - rows.y[i * O + j]) / width, 2.0);
            below += pow((rows.y[i * O + j] - range[2 * j]) / width, 2.0);
        }
        relative += sqrt(above) / sqrt(below) / N;
    }
    close_to(s.relative_error, relative);
    for (int j = 0; j < O; j++) {
        double rmse = 0.0, nll = 0.0, nll_draws = 0.0, crps = 0.0;
        double within[3] = {0.0}, width[3] = {0.0}, below[19] = {0.0};
        for (int c = j; c < N * O; c += O) {
            double std = sqrt(rows.variance[c]);
            double z = (rows.y[c] - rows.mean[c]) / std;
            rmse += pow(rows.y[c] - rows.mean[c], 2.0) / N;
            nll -= log(exp(-0.5 * z * z) / (std * sqrt(2.0 * acos(-1.0)))) / N;
            nll_draws += mixture(&rows, model->m, c, noise[j]) / N;
            crps += crps_integral(rows.mean[c], std, rows.y[c]) / N;
            for (int k = 0; k < 3; k++) {
                within[k] += fabs(2.0 * cdf(z) - 1.0) <= levels[k] ? 1.0 / N : 0.0;
                width[k] += 2.0 * std * quantile(0.5 + 0.5 * levels[k]) / N;
            }
            for (int k = 0; k < 19; k++) {
                below[k] += cdf(z) <= 0.05 * (k + 1) ? 1.0 / N : 0.0;
            }
        }
        close_to(s.rmse[j], sqrt(rmse));
        close_to(s.nll[j], nll);
        close_to(s.nll_draws[j], nll_draws);
        ck_assert_double_eq_tol(s.crps[j], crps, 1e-7 * crps); /* of Simpson's rule */
        for (int k = 0; k < 3; k++) {
            close_to(s.coverage[j * 3 + k], within[k]);
            close_to(s.width[j * 3 + k], width[k]);
        }
        for (int k = 0; k < 19; k++) {
            close_to(s.calibration[j * 19 + k], below[k]);
        }
    }
    scores_release(&s);
    free(rows.samples);
    model_unref(model);
}
END_TEST

/* Shares of N rows against their probability: six standard deviations. */
START_TEST(a_model_that_is_right_is_calibrated)
{
    static struct rows rows;
    const double noise[O] = {2.0, 0.3};
    struct model *model = make_model(6, noise);
    make_rows(model, 1.0, &rows);
    struct scores s = score(model, &rows, 1);
    for (int j = 0; j < O; j++) {
        for (int k = 0; k < SCORES_INTERVALS; k++) {
            double p = scores_intervals[k];
            ck_assert_double_eq_tol(s.coverage[j * SCORES_INTERVALS + k], p,
                                    6.0 * sqrt(p * (1.0 - p) / N));
        }
        for (int k = 0; k < SCORES_LEVELS; k++) {
            double p = 0.05 * (k + 1);
            ck_assert_double_eq_tol(s.calibration[j * SCORES_LEVELS + k], p,
                                    6.0 * sqrt(p * (1.0 - p) / N));
        }
    }
    scores_release(&s);
    free(rows.samples);
    model_unref(model);
}
END_TEST

START_TEST(scores_do_not_depend_on_the_number_of_threads)
{
    static struct rows rows;
    const double noise[O] = {2.0, 0.3};
    struct model *model = make_model(300, noise);
    make_rows(model, 1.0, &rows);
    struct scores one = score(model, &rows, 1);
    struct scores three = score(model, &rows, 3);
    ck_assert_mem_eq(one.nll, three.nll, O * sizeof(double));
    ck_assert_mem_eq(one.nll_draws, three.nll_draws, O * sizeof(double));
    ck_assert_mem_eq(one.crps, three.crps, O * sizeof(double));
    ck_assert_mem_eq(one.rmse, three.rmse, O * sizeof(double));
    ck_assert_mem_eq(one.width, three.width, O * SCORES_INTERVALS * sizeof(double));
    scores_release(&one);
    scores_release(&three);
    free(rows.samples);
    model_unref(model);
}
END_TEST

START_TEST(without_a_variance_there_is_no_density)
{
    static struct rows rows;
    static const struct {
        int m;
        double noise[O]; /* 0, 0: not known */
        bool density, draws;
    } cases[] = {
        {1, {0.0, 0.0}, false, false}, {1, {1.0, 0.5}, true, true},  {4, {0.0, 0.0}, true, false},
        {1, {1.0, 0.0}, false, false}, {4, {1.0, 0.0}, true, false},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        bool known = cases[k].noise[0] > 0.0;
        struct model *model = make_model(cases[k].m, known ? cases[k].noise : NULL);
        make_rows(model, 1.0, &rows);
        ck_assert_int_eq(model_knows_noise(model), known);
        rows.y[0] += 1.0;
        struct scores s = score(model, &rows, 1);
        ck_assert_ptr_nonnull(s.rmse);
        ck_assert_double_gt(s.rmse[0], 0.0);
        ck_assert_double_gt(s.relative_error, 0.0);
        ck_assert_int_eq(s.nll != NULL, cases[k].density);
        ck_assert_int_eq(s.crps != NULL, cases[k].density);
        ck_assert_int_eq(s.coverage != NULL, cases[k].density);
        ck_assert_int_eq(s.width != NULL, cases[k].density);
        ck_assert_int_eq(s.calibration != NULL, cases[k].density);
        ck_assert_int_eq(s.nll_draws != NULL, cases[k].draws);
        if (cases[k].m == 1 && cases[k].draws) {
            /* One draw: mixture and normal are the same. */
            close_to(s.nll_draws[1], s.nll[1]);
        }
        scores_release(&s);
        free(rows.samples);
        model_unref(model);
    }
}
END_TEST

/* exp of the exponents is 0 here; the sum must be relative to its largest term. */
START_TEST(a_mixture_far_from_the_target_keeps_its_digits)
{
    static struct rows rows;
    const double noise[O] = {1e-3, 1e-3};
    struct model *model = make_model(3, noise);
    struct err err = ERR_INIT;
    struct scores s = {.n_rows = 0};
    make_rows(model, 1.0, &rows);
    rows.y[0] = rows.mean[0] + 50.0;
    rows.y[1] = rows.mean[1] - 50.0;
    struct data one = {.n = 1, .d = D, .o = O, .x = rows.x, .y = rows.y};
    ck_assert_int_eq(
        evaluation_score(model, &one, range, &(struct evaluation_run){.n_threads = 1}, &s, &err),
        ERR_OK);
    for (int j = 0; j < O; j++) {
        double nearest = INFINITY;
        for (int k = 0; k < 3; k++) {
            nearest = fmin(nearest, fabs(rows.samples[k * N * O + j] - rows.y[j]));
        }
        double expected = 0.5 * pow(nearest / 1e-3, 2.0) + log(3e-3 * sqrt(2.0 * acos(-1.0)));
        ck_assert_double_eq_tol(s.nll_draws[j], expected, 1e-12 * expected);
    }
    scores_release(&s);
    free(rows.samples);
    model_unref(model);
}
END_TEST

START_TEST(scoring_survives_each_failed_allocation)
{
    static struct rows rows;
    const double noise[O] = {2.0, 0.3};
    struct model *model = make_model(3, noise);
    make_rows(model, 1.0, &rows);
    struct data few = {.n = 5, .d = D, .o = O, .x = rows.x, .y = rows.y};
    struct data none = {.n = 0, .d = D, .o = O, .x = rows.x, .y = rows.y};
    long live = mem_live();
    for (long at = 1;; at++) {
        struct err err = ERR_INIT;
        struct scores s = {.n_rows = 0};
        mem_fail_after(at, false);
        enum err_code code = evaluation_score(model, &few, range,
                                              &(struct evaluation_run){.n_threads = 1}, &s, &err);
        long attempts = mem_attempts();
        mem_fail_after(0, false);
        if (attempts < at) {
            ck_assert_int_eq(code, ERR_OK);
            scores_release(&s);
            break;
        }
        ck_assert_int_eq(code, ERR_NOMEM);
        ck_assert_ptr_null(s.rmse);
        ck_assert_int_eq(mem_live(), live);
    }
    struct err err = ERR_INIT;
    struct scores s = {.n_rows = 0};
    ck_assert_int_eq(
        evaluation_score(model, &none, range, &(struct evaluation_run){.n_threads = 1}, &s, &err),
        ERR_INVALID);
    ck_assert_int_eq(mem_live(), live);
    free(rows.samples);
    model_unref(model);
}
END_TEST

/* ---- interruptions ---- */

enum scorer { SCORER_SCORES, SCORER_NOISE, SCORER_CONFORMAL, N_SCORERS };
enum { MAX_FOUND = N * O };

/* What a scorer finds, in a row; nothing of it after a failure. */
static enum err_code run_scorer(enum scorer scorer, const struct model *model,
                                const struct data *rows, const struct evaluation_run *run,
                                double *found, struct err *err)
{
    struct scores s = {.n_rows = 0};
    memset(found, 0, MAX_FOUND * sizeof *found);
    switch (scorer) {
    case SCORER_NOISE:
        return evaluation_noise(model, rows, run, found, err);
    case SCORER_CONFORMAL:
        return conformal_scores(model, rows, true, run, found, err);
    case SCORER_SCORES:
    case N_SCORERS:
        break;
    }
    if (evaluation_score(model, rows, range, run, &s, err) == ERR_OK) {
        ck_assert_int_eq(s.n_rows, rows->n);
        const double *const parts[] = {s.rmse, s.nll, s.nll_draws, s.crps};
        for (size_t i = 0; i < 4; i++) {
            memcpy(found + O * i, parts[i], O * sizeof *found);
        }
        memcpy(found + 4 * O, s.coverage, O * SCORES_INTERVALS * sizeof *found);
        memcpy(found + 7 * O, s.width, O * SCORES_INTERVALS * sizeof *found);
        memcpy(found + 10 * O, s.calibration, O * SCORES_LEVELS * sizeof *found);
        found[29 * O] = s.relative_error;
        scores_release(&s);
    }
    return err->code;
}

START_TEST(a_scoring_that_was_interrupted_ends_as_an_unbroken_one)
{
    static struct rows rows;
    static double whole[MAX_FOUND], resumed[MAX_FOUND];
    const double noise[O] = {2.0, 0.3};
    struct model *model = make_model(3, noise);
    make_rows(model, 1.0, &rows);
    struct data data = data_of(&rows);
    for (int at = 1; at <= 2; at++) {
        struct memory_checkpoint memory;
        struct cancel cancel = {false};
        struct err first = ERR_INIT;
        struct err err = ERR_INIT;
        struct evaluation_run run = {.n_threads = 2};
        ck_assert_int_eq(run_scorer((enum scorer)_i, model, &data, &run, whole, &err), ERR_OK);
        memory_checkpoint_init(&memory, 1);
        memory.cancel = &cancel;
        memory.die_after = at;
        run = (struct evaluation_run){1, &cancel, &memory.checkpoint, 5};
        ck_assert_int_eq(run_scorer((enum scorer)_i, model, &data, &run, resumed, &first),
                         ERR_CANCELLED);
        memory_checkpoint_revive(&memory);
        atomic_store(&cancel.stop, false);
        /* The rows that are done are not looked at again. */
        double y = rows.y[0];
        rows.y[0] = 1e9;
        ck_assert_int_eq(run_scorer((enum scorer)_i, model, &data, &run, resumed, &err), ERR_OK);
        rows.y[0] = y;
        ck_assert_int_eq(memory.n_loads, 1);
        ck_assert_int_eq(memory.n_saves, at == 1 ? 1 : 0); /* an end is not saved twice */
        ck_assert_mem_eq(whole, resumed, sizeof whole);
        /* Damaged. */
        memory.states[0].n_bytes -= 4;
        ck_assert_int_eq(run_scorer((enum scorer)_i, model, &data, &run, resumed, &err),
                         ERR_CORRUPT);
        memory_checkpoint_release(&memory);
    }
    free(rows.samples);
    model_unref(model);
}
END_TEST

START_TEST(a_scoring_can_be_cancelled)
{
    static struct rows rows;
    static double found[MAX_FOUND];
    const double noise[O] = {2.0, 0.3};
    struct model *model = make_model(3, noise);
    make_rows(model, 1.0, &rows);
    struct data data = data_of(&rows);
    struct cancel cancel = {false};
    const struct evaluation_run run = {.n_threads = 2, .cancel = &cancel};
    long live = mem_live();
    for (int rows_of_it = 1; rows_of_it <= N; rows_of_it += N - 1) {
        struct err err = ERR_INIT;
        data.n = rows_of_it;
        ck_assert_int_eq(run_scorer((enum scorer)_i, model, &data, &run, found, &err), ERR_OK);
        cancel_request(&cancel);
        ck_assert_int_eq(run_scorer((enum scorer)_i, model, &data, &run, found, &err),
                         ERR_CANCELLED);
        atomic_store(&cancel.stop, false);
        ck_assert_int_eq(mem_live(), live);
    }
    free(rows.samples);
    model_unref(model);
}
END_TEST

START_TEST(a_scoring_with_a_checkpoint_survives_each_failed_allocation)
{
    static struct rows rows;
    static double found[MAX_FOUND];
    const double noise[O] = {2.0, 0.3};
    struct model *model = make_model(3, noise);
    make_rows(model, 1.0, &rows);
    struct data few = {.n = 5, .d = D, .o = O, .x = rows.x, .y = rows.y};
    long live = mem_live();
    for (int resumed = 0; resumed < 2; resumed++) {
        enum err_code code = ERR_NOMEM;
        for (long at = 1; code != ERR_OK; at++) {
            struct memory_checkpoint memory;
            struct err err = ERR_INIT;
            memory_checkpoint_init(&memory, 1);
            const struct evaluation_run run = {.n_threads = 1, .checkpoint = &memory.checkpoint};
            if (resumed == 1) {
                ck_assert_int_eq(run_scorer((enum scorer)_i, model, &few, &run, found, &err),
                                 ERR_OK);
            }
            mem_fail_after(at, false);
            code = run_scorer((enum scorer)_i, model, &few, &run, found, &err);
            mem_fail_after(0, false);
            ck_assert(code == ERR_OK || code == ERR_NOMEM);
            memory_checkpoint_release(&memory);
            ck_assert_int_eq(mem_live(), live);
        }
    }
    free(rows.samples);
    model_unref(model);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("evaluation");
    TCase *tc = tcase_create("evaluation");
    gemm_use_one_thread();
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, scores_match_formulas_written_out);
    tcase_add_test(tc, a_model_that_is_right_is_calibrated);
    tcase_add_test(tc, scores_do_not_depend_on_the_number_of_threads);
    tcase_add_test(tc, without_a_variance_there_is_no_density);
    tcase_add_test(tc, a_mixture_far_from_the_target_keeps_its_digits);
    tcase_add_test(tc, scoring_survives_each_failed_allocation);
    tcase_add_loop_test(tc, a_scoring_that_was_interrupted_ends_as_an_unbroken_one, 0, N_SCORERS);
    tcase_add_loop_test(tc, a_scoring_can_be_cancelled, 0, N_SCORERS);
    tcase_add_loop_test(tc, a_scoring_with_a_checkpoint_survives_each_failed_allocation, 0,
                        N_SCORERS);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
