/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Closed-form predictions where the exact answer is known: a network linear in its uncertain
 * parameters, a posterior without spread.
 */
#include "oracle.h"
#include "run.h"

#include <math.h>
#include <string.h>

#include "linear_cases.h"

#define WIDTH    5
#define FEATURES (WIDTH + 1)

/* Only the post layer of one output is uncertain, by a square factor. */
static struct model *last_layer_model(enum activation activation, bool linearised, int draws)
{
    struct err err = ERR_INIT;
    struct model *model = NULL;
    struct arch arch = arch_default(D, 1);
    struct rng rng;
    arch.width = WIDTH;
    arch.activation = activation;
    ck_assert_int_eq(model_new(&arch, draws, &model, &err), ERR_OK);
    int k = model->net.n_params;
    const struct gauss_shape shape = {
        .n_params = k, .first = model->net.off.weight_post, .n = FEATURES, .rank = FEATURES};
    ck_assert_int_eq(gauss_mixture_new(&model->gaussian, 1, &shape, &err), ERR_OK);
    rng_init(&rng, 77, RNG_TEST, 0);
    struct gauss *g = &model->gaussian.members[0];
    for (int j = 0; j < k; j++) {
        g->mean[j] = 0.4 * rng_normal(&rng);
    }
    for (int j = 0; j < FEATURES * FEATURES; j++) {
        g->factor[j] = 0.3 * rng_normal(&rng);
    }
    model->gaussian.n_draws = draws;
    model->gaussian.seed = 5;
    model->gaussian.linearised = linearised;
    ck_assert_int_eq(model_publish(model, &err), ERR_OK);
    return model;
}

/* What the post layer sees of a row, and 1: z after pre layer and blocks, by the formulas. */
static void features_of(const struct model *model, const double *x, double *phi)
{
    const double *p = model->gaussian.members[0].mean;
    const struct arch_offsets *off = &model->net.off;
    bool tanh_on = model->net.arch.activation == ACT_TANH;
    for (int a = 0; a < WIDTH; a++) {
        double sum = p[off->bias_pre + a];
        for (int b = 0; b < D; b++) {
            sum += p[off->weight_pre + a * D + b] * x[b];
        }
        phi[a] = tanh_on ? tanh(sum) : sum;
    }
    int blocks = model->net.arch.layers + 1;
    for (int i = 0; i < blocks; i++) {
        double t = (double)i / blocks;
        double next[WIDTH];
        for (int a = 0; a < WIDTH; a++) {
            double sum = p[off->bb + a] + t * p[off->bb + WIDTH + a];
            for (int b = 0; b < WIDTH; b++) {
                int at = off->ww + a * WIDTH + b;
                sum += (p[at] + t * p[at + WIDTH * WIDTH]) * phi[b];
            }
            next[a] = phi[a] + (tanh_on ? tanh(sum) : sum) / blocks;
        }
        memcpy(phi, next, sizeof next);
    }
    phi[WIDTH] = 1.0;
}

/* phi' S phi and phi' mean of the post layer. */
static void exact(const struct model *model, const double *x, double *mean, double *variance)
{
    const struct gauss *g = &model->gaussian.members[0];
    double phi[FEATURES];
    features_of(model, x, phi);
    *mean = 0.0;
    *variance = 0.0;
    for (int c = 0; c < FEATURES; c++) {
        double sum = 0.0;
        for (int a = 0; a < FEATURES; a++) {
            sum += phi[a] * g->factor[a * FEATURES + c];
        }
        *variance += sum * sum;
        *mean += phi[c] * g->mean[g->first + c];
    }
}

START_TEST(a_linear_network_has_its_exact_predictive)
{
    enum activation activation = _i == 0 ? ACT_IDENTITY : ACT_TANH;
    const int draws = 20000;
    struct arena arena = ARENA_INIT;
    struct predict_result closed;
    struct predict_result sampled;
    struct predict_result samples;
    struct model *linear = last_layer_model(activation, true, draws);
    struct model *drawn = last_layer_model(activation, false, draws);
    double x[N * D];
    mixed_rows(x, N);
    struct predict_request req = {
        .n = N, .x = x, .want = PREDICT_MEAN | PREDICT_VARIANCE, .n_threads = 1};
    run(linear, &req, &arena, &closed);
    run(drawn, &req, &arena, &sampled);
    for (int i = 0; i < N; i++) {
        double mean;
        double variance;
        exact(linear, x + D * i, &mean, &variance);
        ck_assert_double_eq_tol(closed.mean[i], mean, 1e-12 * (1.0 + fabs(mean)));
        ck_assert_double_eq_tol(closed.variance[i], variance, 1e-12 * variance);
        /* Six standard deviations of the moments of that many draws. */
        ck_assert_double_eq_tol(sampled.mean[i], mean, 6.0 * sqrt(variance / draws));
        ck_assert_double_eq_tol(sampled.variance[i], variance,
                                6.0 * variance * sqrt(2.0 / (draws - 1)));
    }
    /* A linear network's samples are those of the draws themselves. */
    req.want = PREDICT_SAMPLES;
    req.n_samples = 50;
    req.seed = 8;
    run(linear, &req, &arena, &closed);
    run(drawn, &req, &arena, &samples);
    ck_assert_double_le(oracle_error(closed.samples, samples.samples, 50 * N), 1e-12);
    arena_release(&arena);
    model_unref(linear);
    model_unref(drawn);
}
END_TEST

START_TEST(a_posterior_without_spread_is_a_step)
{
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    struct predict_result r;
    struct model *model = NULL;
    struct arch arch = arch_default(1, 1);
    arch.width = 2;
    ck_assert_int_eq(model_new(&arch, 2, &model, &err), ERR_OK);
    const struct gauss_shape shape = {.n_params = model->net.n_params, .first = 3, .n = 4};
    ck_assert_int_eq(gauss_mixture_new(&model->gaussian, 2, &shape, &err), ERR_OK);
    model->gaussian.members[0].mean[model->net.off.bias_post] = 1.0;
    model->gaussian.members[1].mean[model->net.off.bias_post] = 3.0;
    model->gaussian.linearised = true;
    ck_assert_int_eq(model_publish(model, &err), ERR_OK);
    struct predict_request req = {.n = 1,
                                  .x = (double[]){0.3},
                                  .want = PREDICT_VARIANCE | PREDICT_QUANTILES | PREDICT_SAMPLES,
                                  .n_levels = 3,
                                  .levels = (double[]){0.2, 0.5, 0.7},
                                  .n_samples = 2,
                                  .n_threads = 1};
    run(model, &req, &arena, &r);
    ck_assert_double_eq(r.mean[0], 2.0);
    ck_assert_double_eq(r.variance[0], 1.0);
    ck_assert_double_eq(r.quantiles[0], 1.0);
    ck_assert_double_eq(r.quantiles[1], 1.0);
    ck_assert_double_eq(r.quantiles[2], 3.0);
    ck_assert_double_eq(r.samples[0] + r.samples[1], 4.0);
    arena_release(&arena);
    model_unref(model);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("linear_exact");
    TCase *tc = tcase_create("all");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, a_linear_network_has_its_exact_predictive, 0, 2);
    tcase_add_test(tc, a_posterior_without_spread_is_a_step);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
