/* SPDX-License-Identifier: Apache-2.0 */
/* Derivatives of scores, of conditioning and of spreads by the inputs, against differences. */
#include "explore_cases.h"

#include "explore/criterion.h"
#include "explore/spread_slope.h"
#include "give_feasible.h"
#include "predict/predict.h"

#define OUT  2
#define STEP 1e-5
#define M    7 /* draws of a member */

static const int both[] = {0, 1};

/* Two outputs, the second one scaled by its logarithm; n_members 0: draws alone. */
static struct model *curved_model(int n_members)
{
    struct err err = ERR_INIT;
    struct model *model = NULL;
    struct arch arch = arch_default(D, OUT);
    struct rng rng;
    int members = n_members > 0 ? n_members : 1;
    arch.width = 4;
    arch.layers = 1;
    ck_assert_int_eq(model_new(&arch, members * M, &model, &err), ERR_OK);
    int k = model->net.n_params;
    rng_init(&rng, 12, RNG_TEST, 0);
    for (int i = 0; i < members * M * k; i++) {
        model->draws[i] = 0.5 * rng_normal(&rng);
    }
    model->in[0].kind = model->in[1].kind = SCALER_STANDARD;
    model->in[0].shift = 0.3;
    model->in[0].scale = 1.7;
    model->in[1].scale = 0.8;
    model->out[0].kind = SCALER_STANDARD;
    model->out[0].scale = 2.5;
    model->out[1].kind = SCALER_LOG;
    model->out[1].scale = 0.4;
    const struct gauss_shape shape = {
        .n_params = k, .first = 3, .n = k - 3, .with_std = true, .rank = 3};
    if (n_members > 0) {
        ck_assert_int_eq(gauss_mixture_new(&model->gaussian, n_members, &shape, &err), ERR_OK);
    }
    for (int i = 0; i < n_members; i++) {
        struct gauss *g = &model->gaussian.members[i];
        for (int j = 0; j < k; j++) {
            g->mean[j] = 0.5 * rng_normal(&rng);
        }
        for (int j = 0; j < k - 3; j++) {
            g->std[j] = 0.05 + 0.1 * rng_uniform(&rng);
        }
        for (int j = 0; j < (k - 3) * 3; j++) {
            g->factor[j] = 0.2 * rng_normal(&rng);
        }
    }
    model->gaussian.n_draws = M;
    model->gaussian.seed = 5;
    model->gaussian.linearised = n_members > 0;
    ck_assert_int_eq(model_publish(model, &err), ERR_OK);
    return model;
}

/* ---- through means and rows ---- */

/* A number that depends on all that a spread holds. */
static double number(const struct model *model, const double *x, const double *by_mean,
                     const double *by_row)
{
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct spread spread;
    const struct spread_points points = {
        .n = 1, .x = x, .n_outputs = OUT, .outputs = both, .n_threads = 1};
    ck_assert_msg(spread_make(model, &points, &arena, &spread, &err) == ERR_OK, "%s", err.msg);
    double sum = 0.0;
    for (int q = 0; q < OUT; q++) {
        sum += by_mean[q] * spread.mean[q];
        sum +=
            spread_dot(spread_row(&spread, 0, q), by_row + (size_t)q * spread.width, spread.width);
    }
    arena_release(&arena);
    return sum;
}

START_TEST(spreads_have_exact_derivatives)
{
    struct model *model = curved_model(_i);
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct spread_slope slope;
    struct rng rng;
    double x[D] = {0.6, 1.1};
    double by_mean[OUT] = {0.7, -0.4};
    double gradient[D];
    size_t width = spread_width(model);
    double *by_row = arena_alloc_array(&arena, OUT * width, sizeof *by_row);
    rng_init(&rng, 3, RNG_TEST, 1);
    for (size_t k = 0; k < OUT * width; k++) {
        by_row[k] = rng_normal(&rng);
    }
    const struct spread_adjoint by = {OUT, both, by_mean, by_row};
    ck_assert_int_eq(spread_slope_init(&slope, model, &arena, &err), ERR_OK);
    ck_assert_int_eq(spread_slope_find(&slope, x, &by, gradient, &err), ERR_OK);
    for (int j = 0; j < D; j++) {
        double ends[2];
        for (int side = 0; side < 2; side++) {
            double moved[D] = {x[0], x[1]};
            moved[j] += side == 0 ? -STEP : STEP;
            ends[side] = number(model, moved, by_mean, by_row);
        }
        double wanted = (ends[1] - ends[0]) / (2.0 * STEP);
        ck_assert_double_gt(fabs(wanted), 1e-3);
        ck_assert_double_eq_tol(gradient[j], wanted, 1e-7 * (1.0 + fabs(wanted)));
    }
    spread_slope_release(&slope);
    arena_release(&arena);
    model_unref(model);
}
END_TEST

START_TEST(probabilities_of_success_have_exact_derivatives)
{
    struct model *model = curved_model(0);
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct spread_slope slope;
    struct predict_result result;
    double x[3 * D] = {0.6, 1.1};
    double gradient[D];
    double p;
    give_feasible(model);
    ck_assert_int_eq(spread_slope_init(&slope, model->feasible, &arena, &err), ERR_OK);
    ck_assert_int_eq(spread_slope_feasible(&slope, x, &p, gradient, &err), ERR_OK);
    for (int j = 0; j < D; j++) {
        memcpy(x + D, x, D * sizeof *x);
        memcpy(x + 2 * (size_t)D, x, D * sizeof *x);
        x[D + j] -= STEP;
        x[2 * D + j] += STEP;
        const struct predict_request req = {
            .n = 3, .x = x, .want = PREDICT_FEASIBLE, .n_threads = 1};
        ck_assert_int_eq(predict_run(model, &req, &arena, &result, &err), ERR_OK);
        double wanted = (result.feasible[2] - result.feasible[1]) / (2.0 * STEP);
        ck_assert_double_eq_tol(p, result.feasible[0], 1e-12);
        ck_assert_double_gt(fabs(wanted), 1e-4);
        ck_assert_double_eq_tol(gradient[j], wanted, 1e-8);
    }
    spread_slope_release(&slope);
    arena_release(&arena);
    model_unref(model);
}
END_TEST

/* ---- through a criterion ---- */

#define WIDE     6
#define N_OTHERS 4 /* references */

struct case_of_score {
    struct suggest_spec spec;
    struct outlook outlook;
    struct spread spread;
    struct spread refs;
    struct scoring_rule rule;
    struct scored at;
    double square[2 * OUT * OUT];
    double shift[OUTLOOK_FUTURES];
    double scales[OUT];
    double weights[WIDE];
    struct arena arena;
};

static double *numbers(struct case_of_score *c, struct rng *rng, size_t n, double size)
{
    double *v = arena_alloc_array(&c->arena, n, sizeof *v);
    ck_assert_ptr_nonnull(v);
    for (size_t k = 0; k < n; k++) {
        v[k] = size * rng_normal(rng);
    }
    return v;
}

/* variant 1: to be maximised, and a draw that is a column. */
static void case_init(struct case_of_score *c, enum criterion criterion, int variant)
{
    struct err err = ERR_INIT;
    struct rng rng;
    int o = criterion_is_of_one(criterion) ? 1 : OUT;
    rng_init(&rng, 21, RNG_TEST, (uint32_t)criterion);
    *c = (struct case_of_score){.arena = ARENA_INIT, .scales = {0.8, 1.6}};
    c->spec = (struct suggest_spec){.criterion = criterion,
                                    .n_outputs = o,
                                    .maximise = variant == 1,
                                    .threshold = 0.2,
                                    .k = variant == 1 ? 1.3 : NAN};
    c->spread = (struct spread){.n = 1, .o = o, .width = WIDE};
    c->spread.mean = numbers(c, &rng, OUT, 0.3);
    c->spread.a = numbers(c, &rng, OUT * WIDE, 0.5);
    c->spread.noise = numbers(c, &rng, OUT, 0.0);
    c->spread.noise[0] = 0.2;
    c->spread.noise[1] = 0.5;
    c->refs = (struct spread){.n = N_OTHERS, .o = o, .width = WIDE};
    c->refs.a = numbers(c, &rng, (size_t)N_OTHERS * OUT * WIDE, 0.5);
    ck_assert_int_eq(outlook_init(&c->outlook, 1, 1, 4, 0.1, &c->arena, &err), ERR_OK);
    c->outlook.n = 1;
    for (int s = 0; s < OUTLOOK_FUTURES; s++) {
        c->shift[s] = 0.3 * rng_normal(&rng);
        c->outlook.best[s] = 0.2 * rng_normal(&rng);
    }
    for (int k = 0; k < WIDE; k++) {
        c->weights[k] = rng_normal(&rng);
    }
    c->rule = (struct scoring_rule){.spec = &c->spec,
                                    .scales = c->scales,
                                    .outlook = &c->outlook,
                                    .refs = &c->refs,
                                    .n_refs = N_OTHERS,
                                    .draw = 2,
                                    .column_scale = 1.9,
                                    .weights = variant == 1 ? NULL : c->weights};
    c->at = (struct scored){&c->spread, 0, c->shift, c->square};
}

static double difference(struct case_of_score *c, double *v)
{
    double kept = *v;
    *v = kept + STEP;
    double high = criterion_score(&c->rule, &c->at);
    *v = kept - STEP;
    double low = criterion_score(&c->rule, &c->at);
    *v = kept;
    return (high - low) / (2.0 * STEP);
}

START_TEST(scores_have_exact_derivatives)
{
    struct case_of_score c;
    double by_mean[OUT];
    double by_row[OUT * WIDE];
    double by_shift[OUTLOOK_FUTURES];
    const struct criterion_slope slope = {by_mean, by_row, by_shift};
    case_init(&c, (enum criterion)(_i / 2), _i % 2);
    double score = criterion_score_slope(&c.rule, &c.at, &slope);
    ck_assert_double_eq(score, criterion_score(&c.rule, &c.at));
    double size = 0.0;
    for (int q = 0; q < c.spec.n_outputs; q++) {
        ck_assert_double_eq_tol(by_mean[q], difference(&c, &c.spread.mean[q]), 1e-7);
        size += fabs(by_mean[q]);
    }
    for (int k = 0; k < c.spec.n_outputs * WIDE; k++) {
        ck_assert_double_eq_tol(by_row[k], difference(&c, &c.spread.a[k]), 1e-7);
        size += fabs(by_row[k]);
    }
    for (int s = 0; s < OUTLOOK_FUTURES; s += 17) {
        ck_assert_double_eq_tol(by_shift[s], difference(&c, &c.shift[s]), 1e-7);
    }
    ck_assert_double_gt(size, 0.01);
    arena_release(&c.arena);
}
END_TEST

/* ---- through conditioning ---- */

#define N_SEEN 3

/* A number that depends on a conditioned row, and on how its mean moves in each future. */
static double of_conditioned(const struct spread_history *history, const struct outlook *outlook,
                             const double *row, const double *by_row, const double *by_shift)
{
    double a[WIDE];
    double mean = 0.0;
    double noise = 0.0;
    double dots[N_SEEN];
    double shift[OUTLOOK_FUTURES];
    struct spread one = {.n = 1, .o = 1, .width = WIDE, .mean = &mean, .a = a, .noise = &noise};
    memcpy(a, row, sizeof a);
    spread_condition(&one, history, dots);
    outlook_shift(outlook, history, dots, shift);
    return spread_dot(a, by_row, WIDE) + spread_dot(shift, by_shift, OUTLOOK_FUTURES);
}

START_TEST(conditioning_has_exact_derivatives)
{
    struct case_of_score c;
    struct err err = ERR_INIT;
    struct rng rng;
    struct spread_history history;
    struct outlook outlook;
    double by_dots[N_SEEN];
    case_init(&c, CRITERION_LEVEL_SET, 0);
    rng_init(&rng, 2, RNG_TEST, 9);
    struct spread pool = {.n = 4, .o = 1, .width = WIDE};
    pool.mean = numbers(&c, &rng, 4, 1.0);
    pool.a = numbers(&c, &rng, (size_t)4 * WIDE, 1.0);
    pool.noise = numbers(&c, &rng, 4, 0.0);
    double *row = numbers(&c, &rng, WIDE, 1.0); /* as the last point, before it is conditioned */
    memcpy(spread_row(&pool, 3, 0), row, WIDE * sizeof *row);
    double *by_row = numbers(&c, &rng, WIDE, 1.0);
    double *by_shift = numbers(&c, &rng, OUTLOOK_FUTURES, 1.0);
    double *back = numbers(&c, &rng, WIDE, 0.0);
    ck_assert_int_eq(spread_history_init(&history, WIDE, N_SEEN, &c.arena, &err), ERR_OK);
    ck_assert_int_eq(outlook_init(&outlook, 4, N_SEEN, 6, NAN, &c.arena, &err), ERR_OK);
    for (int k = 0; k < N_SEEN; k++) {
        pool.noise[k] = 0.1 + 0.2 * k;
        outlook_observe(&outlook, &pool, k, &history, false);
    }
    /* A point of the pool and the same point by itself are conditioned alike. */
    double here = of_conditioned(&history, &outlook, row, by_row, by_shift);
    double there =
        spread_dot(spread_row(&pool, 3, 0), by_row, WIDE) +
        spread_dot(outlook.shift + (size_t)3 * OUTLOOK_FUTURES, by_shift, OUTLOOK_FUTURES);
    ck_assert_double_eq_tol(here, there, 1e-9 * (1.0 + fabs(there)));
    memcpy(back, by_row, WIDE * sizeof *back);
    outlook_shift_back(&outlook, &history, by_shift, by_dots);
    spread_condition_back(&history, WIDE, by_dots, back);
    for (int k = 0; k < WIDE; k++) {
        double moved[WIDE];
        memcpy(moved, row, sizeof moved);
        moved[k] += 1.0; /* it is linear */
        double wanted = of_conditioned(&history, &outlook, moved, by_row, by_shift) - here;
        ck_assert_double_eq_tol(back[k], wanted, 1e-9 * (1.0 + fabs(wanted)));
    }
    arena_release(&c.arena);
}
END_TEST

/* The w of an observation are one in each of the equally likely intervals, in another order for
 * another observation; their mean is 0, and their variance nearly 1. */
START_TEST(futures_are_a_latin_hypercube)
{
    struct case_of_score c;
    struct err err = ERR_INIT;
    struct rng rng;
    struct spread_history history;
    struct outlook outlook;
    case_init(&c, CRITERION_LEVEL_SET, 0);
    rng_init(&rng, 2, RNG_TEST, 9);
    struct spread pool = {.n = 2, .o = 1, .width = WIDE};
    pool.mean = numbers(&c, &rng, 2, 1.0);
    pool.a = numbers(&c, &rng, (size_t)2 * WIDE, 1.0);
    pool.noise = numbers(&c, &rng, 2, 0.0);
    ck_assert_int_eq(spread_history_init(&history, WIDE, 2, &c.arena, &err), ERR_OK);
    ck_assert_int_eq(outlook_init(&outlook, 2, 2, 6, NAN, &c.arena, &err), ERR_OK);
    outlook_observe(&outlook, &pool, 0, &history, false);
    outlook_observe(&outlook, &pool, 1, &history, false);
    double product = 0.0;
    double sum = 0.0;
    double squares = 0.0;
    for (int k = 0; k < 2; k++) {
        bool there[OUTLOOK_FUTURES] = {false};
        const double *w = outlook.normal + (size_t)k * OUTLOOK_FUTURES;
        for (int s = 0; s < OUTLOOK_FUTURES; s++) {
            int interval = (int)(0.5 * erfc(-w[s] / sqrt(2.0)) * OUTLOOK_FUTURES);
            ck_assert(interval >= 0 && interval < OUTLOOK_FUTURES && !there[interval]);
            there[interval] = true;
            sum += w[s];
            squares += w[s] * w[s] / OUTLOOK_FUTURES;
            product += w[s] * outlook.normal[s + OUTLOOK_FUTURES * (1 - k)] / OUTLOOK_FUTURES;
        }
    }
    ck_assert_double_lt(fabs(sum), 1e-9);
    ck_assert(squares / 2.0 > 0.99 && squares / 2.0 < 1.0);
    ck_assert_double_lt(fabs(product / 2.0), 5.0 / sqrt(OUTLOOK_FUTURES));
    arena_release(&c.arena);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("slopes");
    TCase *tcase = tcase_create("slopes");
    tcase_add_loop_test(tcase, spreads_have_exact_derivatives, 0, 3);
    tcase_add_test(tcase, probabilities_of_success_have_exact_derivatives);
    tcase_add_loop_test(tcase, scores_have_exact_derivatives, 0, 2 * criterion_known().n);
    tcase_add_test(tcase, conditioning_has_exact_derivatives);
    tcase_add_test(tcase, futures_are_a_latin_hypercube);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
