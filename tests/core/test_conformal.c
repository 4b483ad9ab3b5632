/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conformal intervals: ranks and ends against sorted lists, whole trainings against the models of
 * their folds, and coverage against exact distributions at significance 1e-6.
 */
#include "run.h"

#include <math.h>
#include <string.h>

#include "calib.h"
#include "conformal.h"
#include "gemm.h"
#include "mem.h"
#include "predict.h"
#include "predict_join.h"
#include "rng.h"
#include "train.h"

/* ---- ranks and ends ---- */

START_TEST(ranks_are_those_of_decimal_levels)
{
    static const struct {
        int n;
        double alpha;
        int rank; /* 0: refused */
    } cases[] = {
        {9, 0.1, 9},      {8, 0.1, 0},   {19, 0.05, 19}, {18, 0.05, 0},   {99, 0.1, 90},
        {100, 0.1, 91},   {39, 0.1, 36}, {999, 0.3, 700}, {999999, 0.1, 900000}, {9, 0.9, 1},
        {3, 0.99, 1},     {1, 0.5, 1},   {1, 0.4, 0},    {29, 0.7, 9},    {999, 0.001, 999},
        {998, 0.001, 0},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct conformal c = {.method = CONFORMAL_SPLIT, .n_folds = 1, .n = cases[k].n};
        struct err err = ERR_INIT;
        int rank = 0;
        enum err_code code = conformal_rank(&c, cases[k].alpha, &rank, &err);
        ck_assert_int_eq(code, cases[k].rank > 0 ? ERR_OK : ERR_INVALID);
        ck_assert_msg(rank == cases[k].rank, "n %d, alpha %g: %d", cases[k].n, cases[k].alpha,
                      rank);
    }
    struct conformal c = {.method = CONFORMAL_SPLIT, .n_folds = 1, .n = 49};
    struct err err = ERR_INIT;
    int rank;
    ck_assert_int_eq(conformal_rank(&c, 0.01, &rank, &err), ERR_INVALID);
    ck_assert_msg(strstr(err.msg, "no alpha below 0.02") != NULL, "%s", err.msg);
    for (int k = 0; k < 3; k++) {
        struct err one = ERR_INIT;
        ck_assert_int_eq(conformal_rank(&c, (double[]){0.0, 1.0, NAN}[k], &rank, &one),
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

/* The k-th smallest by counting, for lists of any order. */
static double kth(const double *values, int n, int k)
{
    for (int i = 0; i < n; i++) {
        int less = 0;
        int equal = 0;
        for (int j = 0; j < n; j++) {
            less += values[j] < values[i];
            equal += values[j] == values[i];
        }
        if (less < k && k <= less + equal) {
            return values[i];
        }
    }
    ck_abort_msg("no such rank");
}

/* floor and ceil as in core/conformal.h, of alpha as a fraction, so without rounding. */
static void brute_force(const struct conformal *c, int percent, int o, int j, const double *mean,
                        const double *std, double interval[2])
{
    double low[200], high[200];
    int up = ((100 - percent) * (c->n + 1) + 99) / 100;
    int down = percent * (c->n + 1) / 100;
    for (int i = 0; i < c->n; i++) {
        int fold = c->fold != NULL ? c->fold[i] : 0;
        double half = c->scores[i * o + j] * (c->normalised ? std[fold] : 1.0);
        low[i] = c->fold != NULL ? mean[fold] - half : half;
        high[i] = mean[fold] + half;
    }
    if (c->fold == NULL) {
        interval[1] = kth(low, c->n, up);
        interval[0] = mean[0] - interval[1];
        interval[1] += mean[0];
        return;
    }
    interval[0] = kth(low, c->n, down);
    interval[1] = kth(high, c->n, up);
}

START_TEST(intervals_are_the_order_statistics_of_the_definition)
{
    enum { N_CAL = 57, ROWS = 7, O = 2, FOLDS = 5 };
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
        struct conformal_rows rows = {
            .n = ROWS, .o = O, .mean = mean, .std = c.normalised ? std : NULL};
        for (int percent = 2; percent <= 45; percent++) {
            struct err err = ERR_INIT;
            ck_assert_int_eq(
                conformal_interval(&c, 0.01 * percent, &rows, lower, upper, &err), ERR_OK);
            for (int k = 0; k < ROWS * O; k++) {
                double means[FOLDS], stds[FOLDS], expected[2];
                for (int f = 0; f < c.n_folds; f++) {
                    means[f] = mean[f * ROWS * O + k];
                    stds[f] = std[f * ROWS * O + k];
                }
                brute_force(&c, percent, O, k % O, means, stds, expected);
                ck_assert_double_eq(lower[k], expected[0]);
                ck_assert_double_eq(upper[k], expected[1]);
            }
        }
        for (int percent = 55; percent < 100; percent += 5) {
            struct err err = ERR_INIT;
            ck_assert_int_eq(
                conformal_interval(&c, 0.01 * percent, &rows, lower, upper, &err), ERR_OK);
            for (int k = 0; k < ROWS * O; k++) {
                ck_assert_double_le(lower[k], upper[k]);
            }
        }
        struct err err = ERR_INIT;
        long live = mem_live();
        ck_assert_int_eq(conformal_interval(&c, 0.01, &rows, lower, upper, &err), ERR_INVALID);
        err_clear(&err);
        mem_fail_after(1, false);
        ck_assert_int_eq(conformal_interval(&c, 0.1, &rows, lower, upper, &err), ERR_NOMEM);
        mem_fail_after(0, false);
        ck_assert_int_eq(mem_live(), live);
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
        c.n = k == 6 ? CONFORMAL_MOST_ROWS + 1 : c.n;
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

/* ---- trainings ---- */

enum { D = 1, O = 2, MOST = 400 };

/* Exchangeable rows of a smooth function; noise that grows with x. */
static void make_rows(struct rng *rng, int n, double *x, double *y)
{
    for (int i = 0; i < n; i++) {
        x[i] = 2.0 * rng_uniform(rng) - 1.0;
        y[2 * i] = sin(3.0 * x[i]) + (0.1 + 0.2 * fabs(x[i])) * rng_normal(rng);
        y[2 * i + 1] = 10.0 * x[i] + 2.0 * rng_normal(rng);
    }
}

struct plan_of {
    enum conformal_method method;
    bool normalised;
    enum noise_kind noise;
    double validation;
    int members;
    int folds;
    int epochs;
    uint64_t seed;
};

static enum err_code train_model(const struct plan_of *plan, int n, const double *x,
                                 const double *y, struct model **model, struct err *err)
{
    struct train_spec spec = train_defaults(UQ_ENSEMBLE);
    struct train_run run = {.spec = &spec,
                            .data = {.n = n, .d = D, .o = O, .x = x, .y = y},
                            .n_threads = 1};
    spec.arch.width = 3;
    spec.arch.layers = 0;
    spec.settings.members = plan->members;
    spec.settings.epochs = plan->epochs;
    spec.settings.batch_size = 16;
    spec.noise = plan->noise;
    spec.validation = plan->validation;
    spec.output_scaling = SCALER_NONE;
    spec.input_scaling = SCALER_NONE;
    spec.seed = (int64_t)plan->seed;
    spec.calibration = (struct train_calibration){.method = plan->method,
                                                  .share = 0.5,
                                                  .folds = plan->folds,
                                                  .normalised = plan->normalised};
    if (train_validate(&spec, err) != ERR_OK || train_resolve(&spec, D, O, err) != ERR_OK) {
        return err->code;
    }
    return train_run(&run, model, err);
}

/* A model of the draws of one fold alone; the whole one for split. */
static struct model *fold_model(const struct model *model, int fold)
{
    const struct conformal *c = &model->conformal;
    struct err err = ERR_INIT;
    struct model *own = NULL;
    int m = model->m / c->n_folds;
    size_t k = (size_t)model->net.n_params;
    ck_assert_int_eq(model_new(&model->net.arch, m, &own, &err), ERR_OK);
    memcpy(own->in, model->in, D * sizeof *own->in);
    memcpy(own->out, model->out, O * sizeof *own->out);
    memcpy(own->draws, model->draws + (size_t)fold * (size_t)m * k,
           (size_t)m * k * sizeof *own->draws);
    ck_assert_int_eq(model_publish(own, &err), ERR_OK);
    return own;
}

/* mean and s [n x O] of a fold's model. */
static void predict_fold(const struct model *model, int fold, int n, const double *x, double *mean,
                         double *std)
{
    const struct conformal *c = &model->conformal;
    struct model *own = fold_model(model, fold);
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    struct predict_result r;
    struct predict_request req = {
        .n = n, .x = x, .want = PREDICT_MEAN | PREDICT_VARIANCE, .n_threads = 1};
    ck_assert_int_eq(predict_run(own, &req, &arena, &r, &err), ERR_OK);
    for (int k = 0; k < n * O; k++) {
        double noise = c->fold_noise != NULL ? c->fold_noise[fold * O + k % O] : 0.0;
        if (c->method == CONFORMAL_SPLIT && model->noise_sigma != NULL) {
            noise = model->noise_sigma[k % O] * model->noise_sigma[k % O];
        }
        mean[k] = r.mean[k];
        std[k] = sqrt(r.variance[k] + noise);
    }
    arena_release(&arena);
    model_unref(own);
}

static void near(double found, double expected)
{
    ck_assert_double_eq_tol(found, expected, 1e-11 * (1.0 + fabs(expected)));
}

/* The rows of the calibration, in its order: what train.c leaves of the permuted rows. */
static void check_scores(const struct model *model, const struct plan_of *plan, int n,
                         const double *x, const double *y)
{
    const struct conformal *c = &model->conformal;
    int order[MOST];
    double cx[MOST], cy[MOST * O], mean[MOST * O], std[MOST * O];
    struct rng rng;
    rng_init(&rng, plan->seed, RNG_SPLIT, 0);
    rng_permutation(&rng, n, order);
    int kept = data_n_kept(n, plan->validation);
    for (int i = 0; i < c->n; i++) {
        cx[i] = x[order[kept + i]];
        memcpy(cy + i * O, y + order[kept + i] * O, O * sizeof *cy);
    }
    for (int f = 0; f < c->n_folds; f++) {
        int rows = 0;
        predict_fold(model, f, c->n, cx, mean, std);
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
        predict_fold(model, f, ROWS, x, mean + f * ROWS * O, std + f * ROWS * O);
    }
    for (int k = 0; k < ROWS * O; k++) {
        double means[MOST], stds[MOST];
        for (int f = 0; f < c->n_folds; f++) {
            means[f] = mean[f * ROWS * O + k];
            stds[f] = std[f * ROWS * O + k];
        }
        for (int l = 0; l < LEVELS; l++) {
            double expected[2];
            brute_force(c, (int)lround(100.0 * (1.0 - levels[l])), O, k % O, means, stds, expected);
            near(r.lower[l * ROWS * O + k], expected[0]);
            near(r.upper[l * ROWS * O + k], expected[1]);
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
    double x[MOST], y[MOST * O], fresh[MOST], unused[MOST * O];
    rng_init(&rng, 3, RNG_TEST, 0);
    make_rows(&rng, MOST, fresh, unused);
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
    static const struct plan_of plan = {CONFORMAL_CV_PLUS, false, NOISE_ESTIMATED, 0.0, 2, 4, 10, 5};
    enum { N = 30 };
    struct rng rng;
    struct err err = ERR_INIT;
    double x[N], y[N * O];
    int order[N];
    struct model *before = NULL;
    struct model *after = NULL;
    rng_init(&rng, 4, RNG_TEST, 0);
    make_rows(&rng, N, x, y);
    ck_assert_int_eq(train_model(&plan, N, x, y, &before, &err), ERR_OK);
    rng_init(&rng, plan.seed, RNG_SPLIT, 0);
    rng_permutation(&rng, N, order);
    for (int i = 0; i < N; i++) {
        y[order[i] * O] += before->conformal.fold[i] == 2 ? 1.0 : 0.0;
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
        double value = y[i * O + output];
        covered += r.lower[i * O + output] <= value && value <= r.upper[i * O + output];
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
    double tx[MOST], ty[MOST * O];
    struct rng rng;
    rng_init(&rng, 6, RNG_TEST, 0);
    for (int normalised = 0; normalised < 2; normalised++) {
        struct plan_of plan = {
            CONFORMAL_SPLIT, normalised == 1, NOISE_ESTIMATED, 0.0, 3, 0, 20, 31};
        struct err err = ERR_INIT;
        struct model *model = NULL;
        make_rows(&rng, MOST, tx, ty);
        make_rows(&rng, FRESH, x, y);
        ck_assert_int_eq(train_model(&plan, MOST, tx, ty, &model, &err), ERR_OK);
        for (int k = 0; k < 3; k++) {
            const double level = (double[]){0.5, 0.9, 0.98}[k];
            int n = model->conformal.n;
            int rank = 0;
            ck_assert_int_eq(n, MOST / 2);
            ck_assert_int_eq(conformal_rank(&model->conformal, 1.0 - level, &rank, &err), ERR_OK);
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
        struct conformal_rows at = {.n = 1, .o = O, .mean = mean};
        make_rows(&rng, N_CAL + 1, x, y);
        ck_assert_int_eq(conformal_scores(model, &rows, false, 1, scores, &err), ERR_OK);
        predict_fold(model, 0, 1, x + N_CAL, mean, lower);
        ck_assert_int_eq(conformal_interval(&c, 0.1, &at, lower, upper, &err), ERR_OK);
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
 * core/conformal.h has 1 - 2 alpha - min(2 (1 - 1/K) / (n / K + 1), (1 - K / n) / (K + 1))); one
 * fresh row a training, so the count is binomial.
 */
static void check_fold_coverage(const struct plan_of *base, int n, double promised)
{
    enum { TRIALS = 150 };
    double log_p[TRIALS + 1], x[MOST], y[MOST * O];
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
    static const struct plan_of plan = {CONFORMAL_CV_PLUS, false, NOISE_ESTIMATED, 0.0, 2, 5, 8, 400};
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
    ck_assert_mem_eq(all.lower, again.lower, LEVELS * N * O * sizeof *all.lower);
    ck_assert_mem_eq(all.upper, again.upper, LEVELS * N * O * sizeof *all.upper);

    ck_assert(predict_can_join(&req, &few));
    ck_assert(!predict_can_join(&req, &other));
    const struct predict_request *parts[] = {&req, &few};
    ck_assert_int_eq(predict_join(parts, 2, D, &arena, &joint, &err), ERR_OK);
    ck_assert_int_eq(predict_run(model, &joint, &arena, &joint_all, &err), ERR_OK);
    ck_assert_int_eq(
        predict_slice(model, &joint, &joint_all, N, &few, &arena, &part, &err), ERR_OK);
    ck_assert_ptr_null(part.total_variance);
    for (int l = 0; l < LEVELS; l++) {
        ck_assert_mem_eq(part.lower + l * 7 * O, all.lower + l * N * O, 7 * O * sizeof(double));
        ck_assert_mem_eq(part.upper + l * 7 * O, all.upper + l * N * O, 7 * O * sizeof(double));
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
        ck_assert_int_eq(calib_knows_noise(model), known == 1);
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
            near(r.lower[k], r.mean[c] - half);
            near(r.upper[k], r.mean[c] + half);
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
            ck_assert_msg(strstr(err.msg, "40 calibration rows allow no alpha below 0.0243902"),
                          "%s", err.msg);
        }
    }
    model_unref(model);

    static const struct plan_of flat = {
        CONFORMAL_CV_PLUS, true, NOISE_ESTIMATED, 0.0, 1, 3, 5, 9};
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
    Suite *suite = suite_create("conformal");
    TCase *tc = tcase_create("conformal");
    gemm_use_one_thread();
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, ranks_are_those_of_decimal_levels);
    tcase_add_test(tc, selection_finds_what_sorting_finds);
    tcase_add_test(tc, intervals_are_the_order_statistics_of_the_definition);
    tcase_add_test(tc, a_calibration_that_does_not_fit_its_model_is_refused);
    tcase_add_test(tc, trainings_give_the_intervals_of_their_folds);
    tcase_add_test(tc, the_model_of_a_fold_has_not_seen_it);
    tcase_add_test(tc, split_covers_as_often_as_it_must);
    tcase_add_test(tc, split_covers_over_calibrations);
    tcase_add_test(tc, cv_plus_covers_as_often_as_it_promises);
    tcase_add_test(tc, jackknife_plus_covers_as_often_as_it_promises);
    tcase_add_test(tc, intervals_depend_on_neither_tiles_nor_company);
    tcase_add_test(tc, without_a_calibration_intervals_are_normal);
    tcase_add_test(tc, intervals_that_cannot_be_given_are_refused);
    tcase_add_test(tc, no_failed_allocation_hurts);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
