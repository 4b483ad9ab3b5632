/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole trainings with a calibration against the models of their folds, and coverage against exact
 * distributions at significance 1e-6.
 */
#include "conformal_intervals.h"
#include "conformal_cases.h"

#include "base/cancel.h"
#include "base/mem.h"
#include "fit/split.h"
#include "math/gemm.h"
#include "predict/conformal_scores.h"
#include "predict/evaluation.h"

/* The rows of the calibration, in its order: those that split.h leaves for it. */
static void check_scores(const struct model *model, const struct plan_of *plan, int n,
                         const double *x, const double *y)
{
    const struct conformal *c = &model->conformal;
    unsigned char role[MAX];
    double cx[MAX], cy[MAX * O], mean[MAX * O], std[MAX * O];
    int used = 0;
    bool folds = c->fold != NULL;
    split_rows(plan->seed, n, plan->validation, folds ? 0.0 : SHARE, role);
    for (int i = 0; i < n; i++) {
        if (role[i] == (folds ? SPLIT_TRAIN : SPLIT_CALIBRATION)) {
            cx[used] = x[i];
            memcpy(cy + used * O, y + i * O, O * sizeof *cy);
            used++;
        }
    }
    ck_assert_int_eq(used, c->n);
    for (int f = 0; f < c->n_folds; f++) {
        int rows = 0;
        predict_fold(model, f, (struct data){.n = c->n, .x = cx}, mean, std);
        for (int k = 0; k < c->n * O; k++) {
            if (c->fold == NULL || c->fold[k / O] == f) {
                double unit = c->normalised ? std[k] : 1.0;
                near(c->scores[k], fabs(cy[k] - mean[k]) / unit);
                rows += k % O == 0;
            }
        }
        /* Folds are equally large. */
        ck_assert_int_ge(rows, c->n / c->n_folds);
        ck_assert_int_le(rows, c->n / c->n_folds + 1);
    }
}

/* Ends of a prediction at fresh rows by brute force over the folds' models. */
static void check_intervals(const struct model *model, const double *x)
{
    enum { ROWS = 200, LEVELS = 3 };
    static const double levels[LEVELS] = {0.5, 0.8, 0.9};
    const struct conformal *c = &model->conformal;
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    struct predict_result r;
    double *mean = calloc((size_t)c->n_folds * ROWS * O, sizeof *mean);
    double *std = calloc((size_t)c->n_folds * ROWS * O, sizeof *std);
    struct predict_request req = {.n = ROWS,
                                  .x = x,
                                  .want = PREDICT_MEAN | PREDICT_INTERVALS,
                                  .n_intervals = LEVELS,
                                  .intervals = levels,
                                  .n_threads = 1};
    ck_assert_msg(predict_run(model, &req, &arena, &r, &err) == ERR_OK, "%s", err.msg);
    for (int f = 0; f < c->n_folds; f++) {
        predict_fold(model, f, (struct data){.n = ROWS, .x = x}, mean + f * ROWS * O,
                     std + f * ROWS * O);
    }
    for (int k = 0; k < ROWS * O; k++) {
        double means[MAX], stds[MAX];
        for (int f = 0; f < c->n_folds; f++) {
            means[f] = mean[f * ROWS * O + k];
            stds[f] = std[f * ROWS * O + k];
        }
        for (int l = 0; l < LEVELS; l++) {
            double expected[2];
            brute_force(c, (int)lround(100.0 * (1.0 - levels[l])), k % O,
                        &(struct conformal_point){means, stds, 1, 1.0}, expected);
            near(r.intervals[2 * l * ROWS * O + k], expected[0]);
            near(r.intervals[(2 * l + 1) * ROWS * O + k], expected[1]);
        }
    }
    free(mean);
    free(std);
    arena_release(&arena);
}

START_TEST(trainings_give_the_intervals_of_their_folds)
{
    static const struct plan_of plans[] = {
        {CONFORMAL_SPLIT, false, NOISE_ESTIMATED, 0.0, 3, 0, 20, 11},
        {CONFORMAL_SPLIT, true, NOISE_ESTIMATED, 0.2, 3, 0, 20, 12},
        {CONFORMAL_CV_PLUS, false, NOISE_ESTIMATED, 0.0, 2, 5, 20, 13},
        {CONFORMAL_CV_PLUS, true, NOISE_ESTIMATED, 0.0, 3, 5, 20, 14},
        {CONFORMAL_CV_PLUS, true, NOISE_ESTIMATED, 0.2, 3, 5, 20, 15},
        {CONFORMAL_CV_PLUS, true, NOISE_LEARNED, 0.0, 2, 5, 20, 16},
        {CONFORMAL_JACKKNIFE_PLUS, false, NOISE_ESTIMATED, 0.0, 1, 0, 10, 17},
        {CONFORMAL_JACKKNIFE_PLUS, true, NOISE_LEARNED, 0.1, 2, 0, 10, 18},
    };
    struct rng rng;
    double x[MAX], y[MAX * O], fresh[MAX], unused[MAX * O];
    rng_init(&rng, 3, RNG_TEST, 0);
    make_rows(&rng, MAX, fresh, unused);
    for (size_t p = 0; p < sizeof plans / sizeof *plans; p++) {
        struct err err = ERR_INIT;
        struct model *model = NULL;
        int n = plans[p].method == CONFORMAL_JACKKNIFE_PLUS ? 21 : 83;
        make_rows(&rng, n, x, y);
        ck_assert_msg(train_model(&plans[p], n, x, y, &model, &err) == ERR_OK, "%s", err.msg);
        ck_assert_int_eq(model->conformal.method, plans[p].method);
        ck_assert_int_eq(model->conformal.normalised, plans[p].normalised);
        ck_assert_int_eq(model->m, plans[p].members * model->conformal.n_folds);
        check_scores(model, &plans[p], n, x, y);
        check_intervals(model, fresh);
        model_unref(model);
    }
}
END_TEST

/* Outputs of one fold's rows change: only the others' models may notice. */
START_TEST(the_model_of_a_fold_has_not_seen_it)
{
    static const struct plan_of plan = {
        CONFORMAL_CV_PLUS, false, NOISE_ESTIMATED, 0.0, 2, 4, 10, 5};
    enum { N = 30 };
    struct rng rng;
    struct err err = ERR_INIT;
    double x[N], y[N * O];
    struct model *before = NULL;
    struct model *after = NULL;
    rng_init(&rng, 4, RNG_TEST, 0);
    make_rows(&rng, N, x, y);
    ck_assert_int_eq(train_model(&plan, N, x, y, &before, &err), ERR_OK);
    for (int i = 0; i < N; i++) {
        y[i * O] += before->conformal.fold[i] == 2 ? 1.0 : 0.0;
    }
    ck_assert_int_eq(train_model(&plan, N, x, y, &after, &err), ERR_OK);
    size_t size = (size_t)(plan.members * before->net.n_params);
    for (size_t f = 0; f < 4; f++) {
        int same = memcmp(before->draws + f * size, after->draws + f * size,
                          size * sizeof *before->draws) == 0;
        ck_assert_int_eq(same, f == 2);
    }
    model_unref(before);
    model_unref(after);
}
END_TEST

/* A sigma that was given of logarithms stays one, kept rows or not; where folds need one number for
 * their scores, it is measured in the outputs' units. */
START_TEST(noise_of_logarithms_is_told_as_that)
{
    enum { N = 60 };
    const double sigma[] = {0.1, 0.1};
    double x[N], y[N * O];
    struct rng rng;
    rng_init(&rng, 16, RNG_TEST, 0);
    for (int i = 0; i < N; i++) {
        x[i] = 2.0 * rng_uniform(&rng) - 1.0;
        for (int j = 0; j < O; j++) {
            y[i * O + j] = 1000.0 * exp(x[i] + 0.1 * rng_normal(&rng));
        }
    }
    for (int k = 0; k < 4; k++) {
        bool folds = k >= 2;
        struct train_spec spec = train_defaults(SOLVER_ENSEMBLE);
        struct train_run run = {
            .spec = &spec, .data = {.n = N, .d = D, .o = O, .x = x, .y = y}, .n_threads = 1};
        struct err err = ERR_INIT;
        struct model *model = NULL;
        spec.arch.width = 3;
        spec.settings.members = 1;
        spec.settings.epochs = 600;
        spec.noise = NOISE_GIVEN;
        spec.n_noise_sigmas = O;
        spec.noise_sigmas = (double *)sigma;
        spec.output_scaling = SCALER_LOG;
        spec.validation = (k & 1) != 0 ? 0.3 : 0.0;
        if (folds) {
            spec.calibration.method = CONFORMAL_CV_PLUS;
            spec.calibration.folds = 3;
        }
        ck_assert_int_eq(train_resolve(&spec, D, O, &err), ERR_OK);
        ck_assert_msg(train_run(&run, &model, &err) == ERR_OK, "%s", err.msg);
        ck_assert_int_eq(model->noise_of_logs, !folds);
        for (int j = 0; j < O; j++) {
            if (!folds) {
                ck_assert_double_eq_tol(model->noise_sigma[j], sigma[j], 1e-15);
                continue;
            }
            /* A tenth of outputs between 368 and 2718. */
            ck_assert_double_gt(model->noise_sigma[j], 30.0);
            ck_assert_double_lt(model->noise_sigma[j], 400.0);
        }
        model_unref(model);
    }
}
END_TEST

/* ---- interruptions ---- */

enum { TASKS = 9 * 8192 };

/* Keeps states in memory; after `left` saves the run is cancelled. */
struct keeper {
    void *bytes[TASKS];
    size_t sizes[TASKS];
    int left;
    struct cancel cancel;
};

static bool always(void *ctx, int task)
{
    (void)ctx;
    (void)task;
    return true;
}

static enum err_code keep(void *ctx, int task, const void *bytes, size_t n_bytes, struct err *err)
{
    struct keeper *keeper = ctx;
    ck_assert_int_lt(task, TASKS);
    mem_free(keeper->bytes[task]);
    keeper->bytes[task] = mem_dup(bytes, n_bytes);
    keeper->sizes[task] = n_bytes;
    ck_assert_ptr_nonnull(keeper->bytes[task]);
    if (--keeper->left == 0) {
        cancel_request(&keeper->cancel);
    }
    return err->code;
}

static enum err_code give(void *ctx, int task, void **bytes, size_t *n_bytes, struct err *err)
{
    struct keeper *keeper = ctx;
    if (keeper->bytes[task] == NULL) {
        return err->code = ERR_NOT_FOUND;
    }
    *bytes = mem_dup(keeper->bytes[task], keeper->sizes[task]);
    *n_bytes = keeper->sizes[task];
    return *bytes != NULL ? ERR_OK : err_set(err, ERR_NOMEM, "no memory");
}

START_TEST(an_interrupted_training_ends_with_the_same_folds)
{
    static struct keeper keeper;
    static const struct plan_of plans[] = {
        {CONFORMAL_CV_PLUS, true, NOISE_ESTIMATED, 0.2, 2, 4, 6, 21},
        {CONFORMAL_SPLIT, true, NOISE_ESTIMATED, 0.2, 2, 0, 6, 22}};
    static const int saves[] = {12, 2}; /* of each attempt */
    const struct plan_of plan = plans[_i];
    const struct checkpoint checkpoint = {
        .ctx = &keeper, .due = always, .save = keep, .load = give};
    struct rng rng;
    struct err err = ERR_INIT;
    struct model *whole = NULL;
    struct model *resumed = NULL;
    int interruptions = -1;
    double x[50], y[50 * O];
    rng_init(&rng, 15, RNG_TEST, 0);
    make_rows(&rng, 50, x, y);
    ck_assert_int_eq(train_model(&plan, 50, x, y, &whole, &err), ERR_OK);
    for (enum err_code code = ERR_CANCELLED; code == ERR_CANCELLED; interruptions++) {
        struct err one = ERR_INIT;
        keeper.left = saves[_i];
        ck_assert_int_lt(interruptions, 50);
        keeper.cancel = (struct cancel){false};
        code = train_resumable(&plan, (struct data){.n = 50, .d = D, .o = O, .x = x, .y = y},
                               &checkpoint, &keeper.cancel, &resumed, &one);
        ck_assert_msg(code == ERR_OK || code == ERR_CANCELLED, "%s", one.msg);
    }
    ck_assert_int_ge(interruptions, 4);
    const struct conformal *a = &whole->conformal;
    const struct conformal *b = &resumed->conformal;
    ck_assert_int_eq(a->n, b->n);
    ck_assert_mem_eq(whole->draws, resumed->draws,
                     (size_t)(whole->m * whole->net.n_params) * sizeof *whole->draws);
    ck_assert_mem_eq(a->scores, b->scores, (size_t)(a->n * O) * sizeof *a->scores);
    if (plan.method == CONFORMAL_CV_PLUS) {
        ck_assert_mem_eq(a->fold, b->fold, (size_t)a->n * sizeof *a->fold);
        ck_assert_mem_eq(a->fold_noise, b->fold_noise, (size_t)(4 * O) * sizeof *a->fold_noise);
    }
    ck_assert_mem_eq(whole->noise_sigma, resumed->noise_sigma, O * sizeof *whole->noise_sigma);
    ck_assert_int_eq(whole->scores.n_rows, 10);
    ck_assert_mem_eq(whole->scores.crps, resumed->scores.crps, O * sizeof *whole->scores.crps);
    ck_assert_mem_eq(&whole->scores.relative_error, &resumed->scores.relative_error,
                     sizeof whole->scores.relative_error);
    model_unref(whole);
    model_unref(resumed);
    for (int task = 0; task < TASKS; task++) {
        mem_free(keeper.bytes[task]);
    }
}
END_TEST

/* ---- coverage ---- */

/* P(X <= k) for X of the sum of `trials` events; log P(X = i) by the function. */
static double lower_tail(int k, const double *log_p)
{
    double sum = 0.0;
    for (int i = 0; i <= k; i++) {
        sum += exp(log_p[i]);
    }
    return sum;
}

static double upper_tail(int k, int trials, const double *log_p)
{
    double sum = 0.0;
    for (int i = k; i <= trials; i++) {
        sum += exp(log_p[i]);
    }
    return sum;
}

static double log_choose(double n, double k)
{
    return lgamma(n + 1.0) - lgamma(k + 1.0) - lgamma(n - k + 1.0);
}

static void binomial(int trials, double p, double *log_p)
{
    for (int i = 0; i <= trials; i++) {
        log_p[i] = log_choose(trials, i) + i * log(p) + (trials - i) * log(1.0 - p);
    }
}

static double log_beta(double a, double b)
{
    return lgamma(a) + lgamma(b) - lgamma(a + b);
}

/* Rows covered by an interval whose coverage is Beta(a, b). */
static void beta_binomial(int trials, double a, double b, double *log_p)
{
    for (int i = 0; i <= trials; i++) {
        log_p[i] = log_choose(trials, i) + log_beta(i + a, trials - i + b) - log_beta(a, b);
    }
}

static int count_covered(const struct model *model, double level, int n, const double *x,
                         const double *y, int output)
{
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    struct predict_result r;
    int covered = 0;
    struct predict_request req = {.n = n,
                                  .x = x,
                                  .want = PREDICT_INTERVALS,
                                  .n_intervals = 1,
                                  .intervals = &level,
                                  .n_threads = 1};
    ck_assert_msg(predict_run(model, &req, &arena, &r, &err) == ERR_OK, "%s", err.msg);
    for (int i = 0; i < n; i++) {
        int c = i * O + output;
        covered += r.intervals[c] <= y[c] && y[c] <= r.intervals[n * O + c];
    }
    arena_release(&arena);
    return covered;
}

#define SIGNIFICANCE 1e-6

/*
 * Given the model, the coverage of a split interval over calibrations is Beta(rank, n + 1 - rank),
 * so the count over fresh rows is beta-binomial, exactly: tested from both sides.
 */
START_TEST(split_covers_as_often_as_it_must)
{
    enum { FRESH = 4000 };
    static double x[FRESH], y[FRESH * O], log_p[FRESH + 1];
    double tx[MAX], ty[MAX * O];
    struct rng rng;
    rng_init(&rng, 6, RNG_TEST, 0);
    for (int normalised = 0; normalised < 2; normalised++) {
        struct plan_of plan = {
            CONFORMAL_SPLIT, normalised == 1, NOISE_ESTIMATED, 0.0, 3, 0, 20, 31};
        struct err err = ERR_INIT;
        struct model *model = NULL;
        make_rows(&rng, MAX, tx, ty);
        make_rows(&rng, FRESH, x, y);
        ck_assert_int_eq(train_model(&plan, MAX, tx, ty, &model, &err), ERR_OK);
        for (int k = 0; k < 3; k++) {
            const double level = (double[]){0.5, 0.9, 0.98}[k];
            int n = model->conformal.n;
            int rank = 0;
            ck_assert_int_eq(n, MAX / 2);
            ck_assert_int_eq(conformal_rank(&model->conformal, 0, 1.0 - level, &rank, &err),
                             ERR_OK);
            beta_binomial(FRESH, rank, n + 1 - rank, log_p);
            for (int j = 0; j < O; j++) {
                int covered = count_covered(model, level, FRESH, x, y, j);
                ck_assert_double_gt(lower_tail(covered, log_p), 0.5 * SIGNIFICANCE);
                ck_assert_double_gt(upper_tail(covered, FRESH, log_p), 0.5 * SIGNIFICANCE);
            }
        }
        model_unref(model);
    }
}
END_TEST

/*
 * Marginal coverage of split with few rows: one fresh row a calibration, so the count is binomial
 * with rank / (n + 1), which is at least 1 - alpha.
 */
START_TEST(split_covers_over_calibrations)
{
    enum { N_CAL = 19, TRIALS = 4000 };
    static double log_p[TRIALS + 1];
    static const struct plan_of plan = {CONFORMAL_SPLIT, false, NOISE_ESTIMATED, 0.0, 2, 0, 5, 32};
    double tx[60], ty[60 * O], x[N_CAL + 1], y[(N_CAL + 1) * O], scores[(N_CAL + 1) * O];
    struct err err = ERR_INIT;
    struct model *model = NULL;
    struct rng rng;
    int covered = 0;
    rng_init(&rng, 7, RNG_TEST, 0);
    make_rows(&rng, 60, tx, ty);
    ck_assert_int_eq(train_model(&plan, 60, tx, ty, &model, &err), ERR_OK);
    for (int trial = 0; trial < TRIALS; trial++) {
        struct data rows = {.n = N_CAL, .d = D, .o = O, .x = x, .y = y};
        struct conformal c = {
            .method = CONFORMAL_SPLIT, .n_folds = 1, .n = N_CAL, .scores = scores};
        double mean[O], lower[O], upper[O];
        struct predicted_rows at = {.n = 1, .o = O, .mean = mean};
        make_rows(&rng, N_CAL + 1, x, y);
        ck_assert_int_eq(conformal_scores(model, &rows, false,
                                          &(struct evaluation_run){.n_threads = 1}, scores, &err),
                         ERR_OK);
        predict_fold(model, 0, (struct data){.n = 1, .x = x + N_CAL}, mean, lower);
        ck_assert_int_eq(conformal_intervals(&c, 0.1, &at, lower, upper, &err), ERR_OK);
        covered += lower[0] <= y[N_CAL * O] && y[N_CAL * O] <= upper[0];
    }
    binomial(TRIALS, 18.0 / 20.0, log_p);
    ck_assert_double_gt(lower_tail(covered, log_p), 0.5 * SIGNIFICANCE);
    ck_assert_double_gt(upper_tail(covered, TRIALS, log_p), 0.5 * SIGNIFICANCE);
    model_unref(model);
}
END_TEST

/*
 * cv+ and jackknife+ promise 1 - 2 alpha over trainings (cv+ less 1.5 % here: theorem 4 of [2] of
 * core/model/conformal.h has 1 - 2 alpha - min(2 (1 - 1/K) / (n / K + 1), (1 - K / n) / (K + 1)));
 * one fresh row a training, so the count is binomial.
 */
static void check_fold_coverage(const struct plan_of *base, int n, double promised)
{
    enum { TRIALS = 300 };
    double log_p[TRIALS + 1], x[MAX], y[MAX * O];
    struct rng rng;
    int covered = 0;
    rng_init(&rng, base->seed, RNG_TEST, 1);
    binomial(TRIALS, promised, log_p);
    for (int trial = 0; trial < TRIALS; trial++) {
        struct plan_of plan = *base;
        struct err err = ERR_INIT;
        struct model *model = NULL;
        plan.seed += (uint64_t)trial;
        make_rows(&rng, n + 1, x, y);
        ck_assert_msg(train_model(&plan, n, x, y, &model, &err) == ERR_OK, "%s", err.msg);
        covered += count_covered(model, 0.9, 1, x + n, y + n * O, 0);
        model_unref(model);
    }
    ck_assert_double_gt(lower_tail(covered, log_p), SIGNIFICANCE);
}

START_TEST(cv_plus_covers_as_often_as_it_promises)
{
    static const struct plan_of plan = {
        CONFORMAL_CV_PLUS, false, NOISE_ESTIMATED, 0.0, 2, 5, 8, 400};
    double excess = fmin(2.0 * (1.0 - 1.0 / 5.0) / (40.0 / 5.0 + 1.0), (1.0 - 5.0 / 40.0) / 6.0);
    check_fold_coverage(&plan, 40, 0.8 - excess);
}
END_TEST

START_TEST(jackknife_plus_covers_as_often_as_it_promises)
{
    static const struct plan_of absolute = {
        CONFORMAL_JACKKNIFE_PLUS, false, NOISE_ESTIMATED, 0.0, 1, 0, 8, 500};
    static const struct plan_of normalised = {
        CONFORMAL_JACKKNIFE_PLUS, true, NOISE_LEARNED, 0.0, 2, 0, 8, 600};
    check_fold_coverage(&absolute, 15, 0.8);
    check_fold_coverage(&normalised, 15, 0.8);
}
END_TEST

/* Each allocation of a training with folds, and of a prediction, fails once. */
START_TEST(no_failed_allocation_hurts)
{
    static const struct plan_of plans[] = {
        {CONFORMAL_SPLIT, true, NOISE_ESTIMATED, 0.2, 2, 0, 1, 9},
        {CONFORMAL_CV_PLUS, true, NOISE_ESTIMATED, 0.2, 2, 2, 1, 9},
    };
    struct rng rng;
    double x[20], y[20 * O];
    const double level = 0.5;
    rng_init(&rng, 14, RNG_TEST, 0);
    make_rows(&rng, 20, x, y);
    for (int p = 0; p < 2; p++) {
        struct model *model = NULL;
        long live = mem_live();
        for (long at = 1; model == NULL; at++) {
            struct err err = ERR_INIT;
            mem_fail_after(at, false);
            enum err_code code = train_model(&plans[p], 20, x, y, &model, &err);
            long attempts = mem_attempts();
            mem_fail_after(0, false);
            ck_assert_int_eq(code, attempts < at ? ERR_OK : ERR_NOMEM);
            ck_assert(model != NULL || mem_live() == live);
        }
        struct predict_request req = {.n = 20,
                                      .x = x,
                                      .want = PREDICT_INTERVALS,
                                      .n_intervals = 1,
                                      .intervals = &level,
                                      .n_threads = 1};
        enum err_code code = ERR_NOMEM;
        live = mem_live();
        for (long at = 1; code == ERR_NOMEM; at++) {
            struct err err = ERR_INIT;
            struct arena arena = ARENA_INIT;
            struct predict_result r;
            mem_fail_after(at, false);
            code = predict_run(model, &req, &arena, &r, &err);
            mem_fail_after(0, false);
            arena_release(&arena);
            ck_assert_int_eq(mem_live(), live);
        }
        ck_assert_int_eq(code, ERR_OK);
        model_unref(model);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("conformal_train");
    TCase *tc = tcase_create("conformal_train");
    gemm_use_one_thread();
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, trainings_give_the_intervals_of_their_folds);
    tcase_add_test(tc, the_model_of_a_fold_has_not_seen_it);
    tcase_add_test(tc, noise_of_logarithms_is_told_as_that);
    tcase_add_loop_test(tc, an_interrupted_training_ends_with_the_same_folds, 0, 2);
    tcase_add_test(tc, split_covers_as_often_as_it_must);
    tcase_add_test(tc, split_covers_over_calibrations);
    tcase_add_test(tc, cv_plus_covers_as_often_as_it_promises);
    tcase_add_test(tc, jackknife_plus_covers_as_often_as_it_promises);
    tcase_add_test(tc, no_failed_allocation_hurts);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
