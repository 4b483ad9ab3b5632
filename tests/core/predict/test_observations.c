/* SPDX-License-Identifier: Apache-2.0 */
/* Quantiles and samples of observations, against their definitions. */
#include "linear_cases.h"
#include "run.h"

#include <math.h>
#include <string.h>

#include "math/normal_mixture.h"

#define M        23
#define O        2
#define N_LEVELS 5

static const double levels[N_LEVELS] = {1e-6, 0.05, 0.5, 0.95, 0.999};

/* A model of draws. noise: that of every row, or predicted where it is negative; logs: it is of the
 * logarithms. */
static struct model *model_of_noise(double noise, bool logs)
{
    struct err err = ERR_INIT;
    struct model *model = NULL;
    const struct setup setup = {.out = logs ? SCALER_LOG : SCALER_STANDARD,
                                .noise_predicted = noise < 0.0};
    struct arch arch = arch_of(&setup);
    struct rng rng;
    ck_assert_int_eq(model_new(&arch, M, &model, &err), ERR_OK);
    rng_init(&rng, 51, RNG_TEST, 0);
    for (int k = 0; k < M * model->net.n_params; k++) {
        model->draws[k] = 0.5 * rng_normal(&rng);
    }
    if (noise < 0.0) {
        model_predict_noise(model);
    } else {
        model->noise_sigma = mem_alloc_array((size_t)model->o, sizeof(double));
        for (int a = 0; a < model->o; a++) {
            model->noise_sigma[a] = noise * (1.0 + a);
        }
    }
    set_scalers(&setup, model);
    for (int a = 0; logs && a < model->o; a++) {
        model->out[a] = (struct scaler){SCALER_LOG, 0.7, 1.5};
    }
    model->noise_of_logs = logs;
    ck_assert_msg(model_publish(model, &err) == ERR_OK, "%s", err.msg);
    return model;
}

static struct model *model_of_draws(double noise)
{
    return model_of_noise(noise, false);
}

/* Values and noise variances of a draw at a row, by the network alone. */
static void evaluate_draw(const struct model *model, int draw, const double *x, double *y,
                          double *noise)
{
    double z[D] = {(x[0] - 5.0) / 2.0, (log(x[1]) - 0.3) / 0.8, x[2]};
    double raw[2 * O];
    struct resnet_tape *tape = resnet_tape_new(&model->net, 1);
    resnet_set_params(tape, model->draws + draw * model->net.n_params);
    resnet_forward(tape, 1, z, raw);
    resnet_tape_free(tape);
    for (int a = 0; a < O; a++) {
        double scale = model->out[a].scale;
        y[a] = raw[a] * scale + model->out[a].shift;
        noise[a] = model->noise_predicted ? (exp(raw[O + a]) + 1e-6) * scale * scale
                                          : model->noise_sigma[a] * model->noise_sigma[a];
    }
}

/* The average over normals of the probability of being below y. */
static double below(int n, const double *mean, const double *var, double y)
{
    double sum = 0.0;
    for (int i = 0; i < n; i++) {
        sum += 0.5 * erfc((mean[i] - y) / sqrt(2.0 * var[i]));
    }
    return sum / n;
}

/* What each of n normals of every output says at a row. */
struct normals {
    int n;
    double mean[O][M], var[O][M];
};

static void check_quantiles(const struct predict_result *r, int row, const struct normals *normals)
{
    for (int a = 0; a < O; a++) {
        for (int k = 0; k < N_LEVELS; k++) {
            double y = r->total_quantiles[(k * N + row) * O + a];
            double found = below(normals->n, normals->mean[a], normals->var[a], y);
            ck_assert_double_eq_tol(found, levels[k], 1e-11 * levels[k] + 1e-15);
        }
    }
}

static struct predict_request quantiles_at(const double *x)
{
    return (struct predict_request){.n = N,
                                    .x = x,
                                    .want = PREDICT_TOTAL_QUANTILES,
                                    .n_total_levels = N_LEVELS,
                                    .total_levels = levels,
                                    .n_threads = 1};
}

/* With a noise of its own for each output, with next to none, and with predicted noise. */
START_TEST(quantiles_of_draws_solve_their_equation)
{
    static const double noises[] = {0.7, 1e-4, -1.0};
    struct model *model = model_of_draws(noises[_i]);
    struct arena arena = ARENA_INIT;
    struct predict_result r;
    double x[N * D];
    mixed_rows(x, N);
    struct predict_request req = quantiles_at(x);
    run(model, &req, &arena, &r);
    for (int row = 0; row < N; row++) {
        struct normals normals = {.n = M};
        for (int j = 0; j < M; j++) {
            double y[O];
            double noise[O];
            evaluate_draw(model, j, x + row * D, y, noise);
            for (int a = 0; a < O; a++) {
                normals.mean[a][j] = y[a];
                normals.var[a][j] = noise[a];
            }
        }
        check_quantiles(&r, row, &normals);
    }
    arena_release(&arena);
    model_unref(model);
}
END_TEST

/* Each member by itself says what it contributes. */
START_TEST(quantiles_in_closed_form_solve_their_equation)
{
    struct model *model = gaussian_model(&setups[_i]);
    struct arena arena = ARENA_INIT;
    struct predict_result r;
    struct predict_result alone[MAX_M];
    double x[N * D];
    mixed_rows(x, N);
    struct predict_request req = quantiles_at(x);
    int o = model->o;
    run(model, &req, &arena, &r);
    struct gauss_mixture whole = model->gaussian;
    for (int i = 0; i < whole.n_members; i++) {
        struct predict_request moments = {
            .n = N, .x = x, .want = PREDICT_MEAN | PREDICT_TOTAL_VARIANCE, .n_threads = 1};
        model->gaussian.n_members = 1;
        model->gaussian.members = whole.members + i;
        run(model, &moments, &arena, &alone[i]);
        model->gaussian = whole;
    }
    for (int c = 0; c < N * o; c++) {
        double mean[MAX_M];
        double var[MAX_M];
        for (int i = 0; i < whole.n_members; i++) {
            mean[i] = alone[i].mean[c];
            var[i] = alone[i].total_variance[c];
        }
        for (int k = 0; k < N_LEVELS; k++) {
            double found = below(whole.n_members, mean, var, r.total_quantiles[k * N * o + c]);
            ck_assert_double_eq_tol(found, levels[k], 1e-11 * levels[k] + 1e-15);
        }
    }
    arena_release(&arena);
    model_unref(model);
}
END_TEST

/* Nothing but the draws is left. */
START_TEST(quantiles_without_any_noise_are_those_of_the_draws)
{
    struct model *model = model_of_draws(0.0);
    struct arena arena = ARENA_INIT;
    struct predict_result r;
    double x[N * D];
    mixed_rows(x, N);
    struct predict_request req = quantiles_at(x);
    req.want |= PREDICT_QUANTILES;
    req.n_levels = N_LEVELS;
    req.levels = levels;
    run(model, &req, &arena, &r);
    ck_assert_mem_eq(r.quantiles, r.total_quantiles, sizeof(double) * N_LEVELS * N * O);
    arena_release(&arena);
    model_unref(model);
}
END_TEST

/* A gap between components has no density, and a step no slope. */
START_TEST(quantiles_of_odd_mixtures_are_found)
{
    const double mean[] = {-1e6, 0.0, 1e6, 1e-3};
    const double var[] = {1e-20, 0.0, 1e-20, 1e-30};
    const struct normal_mixture mix = {
        .m = 4, .mean = mean, .stride = 1, .var = var, .var_stride = 1};
    ck_assert_double_eq_tol(normal_mixture_quantile(&mix, 0.125, -1.1503493803760079), -1e6, 1e-9);
    ck_assert_double_eq(normal_mixture_quantile(&mix, 0.5, 0.0), 0.0);
    ck_assert_double_eq_tol(normal_mixture_quantile(&mix, 0.625, 0.31863936396437514), 1e-3, 1e-17);
    ck_assert_double_eq_tol(normal_mixture_quantile(&mix, 0.875, 1.1503493803760079), 1e6, 1e-9);
    ck_assert_double_eq_tol(normal_mixture_below(&mix, 5.0), 0.75, 1e-15);
}
END_TEST

/* The difference that noise makes: [samples x N x O]. */
static double *noise_of_samples(const struct model *model, const double *x, struct arena *arena,
                                double **function)
{
    struct predict_result without;
    struct predict_result with;
    struct predict_request req = {
        .n = N, .x = x, .want = PREDICT_SAMPLES, .n_samples = model->m, .seed = 4, .n_threads = 1};
    run(model, &req, arena, &without);
    req.of_observations = true;
    run(model, &req, arena, &with);
    for (int k = 0; k < model->m * N * model->o; k++) {
        with.samples[k] -= without.samples[k];
    }
    *function = without.samples;
    return with.samples;
}

static void check_standard_normal(const double *z, int n)
{
    double sum = 0.0;
    double square = 0.0;
    double next = 0.0;
    for (int k = 0; k < n; k++) {
        sum += z[k];
        square += z[k] * z[k];
        next += k > 0 ? z[k] * z[k - 1] : 0.0;
    }
    ck_assert_double_le(fabs(sum), 5.0 * sqrt(n));
    ck_assert_double_le(fabs(square - n), 5.0 * sqrt(2.0 * n));
    ck_assert_double_le(fabs(next), 5.0 * sqrt(n));
}

START_TEST(samples_of_observations_have_the_noise_of_their_draws)
{
    struct model *plain = model_of_draws(1.0);
    struct model *predicted = model_of_draws(-1.0);
    struct arena arena = ARENA_INIT;
    double *function;
    double x[N * D];
    mixed_rows(x, N);
    double *z = noise_of_samples(plain, x, &arena, &function);
    for (int k = 0; k < M * N * O; k++) {
        z[k] /= 1.0 + k % O; /* the noise of the second output is twice that of the first */
    }
    check_standard_normal(z, M * N * O);
    double *noise = noise_of_samples(predicted, x, &arena, &function);
    for (int k = 0; k < M * N; k++) {
        bool found = false;
        for (int j = 0; j < M && !found; j++) {
            double y[O];
            double var[O];
            evaluate_draw(predicted, j, x + k % N * D, y, var);
            found = fabs(y[0] - function[k * O]) <= 1e-10;
            for (int a = 0; found && a < O; a++) {
                double expected = z[k * O + a] * sqrt(var[a]);
                ck_assert_double_eq_tol(noise[k * O + a], expected, 1e-9 * (1.0 + fabs(expected)));
            }
        }
        ck_assert(found);
    }
    arena_release(&arena);
    model_unref(plain);
    model_unref(predicted);
}
END_TEST

/* Noise of a logarithm is a share of what is predicted: of the mean, and of each sample. */
START_TEST(noise_of_logarithms_grows_with_the_output)
{
    struct model *plain = model_of_draws(1.0);
    struct model *logs = model_of_noise(0.3, true);
    struct arena arena = ARENA_INIT;
    struct predict_result r;
    double *function;
    double x[N * D];
    mixed_rows(x, N);
    double *z = noise_of_samples(plain, x, &arena, &function);
    double *noise = noise_of_samples(logs, x, &arena, &function);
    struct predict_request req = quantiles_at(x);
    req.want |= PREDICT_MEAN | PREDICT_VARIANCE | PREDICT_NOISE_VARIANCE | PREDICT_TOTAL_VARIANCE;
    run(logs, &req, &arena, &r);
    double least = INFINITY;
    double most = 0.0;
    for (int c = 0; c < N * O; c++) {
        double sigma = 0.3 * (1.0 + c % O);
        double share = exp(sigma * sigma) - 1.0;
        double expected = r.mean[c] * r.mean[c] * share;
        double values[M];
        double var[M];
        ck_assert_double_eq_tol(r.noise_variance[c], expected, 1e-12 * expected);
        ck_assert_double_eq_tol(r.total_variance[c], r.variance[c] + expected, 1e-12 * expected);
        for (int j = 0; j < M; j++) {
            size_t at = (size_t)(j * N * O + c);
            double by = z[at] / (1.0 + c % O) * function[at] * sqrt(share);
            ck_assert_double_eq_tol(noise[at], by, 1e-9 * (fabs(by) + function[at]));
            values[j] = function[at];
            var[j] = expected;
        }
        for (int k = 0; k < N_LEVELS; k++) {
            double found = below(M, values, var, r.total_quantiles[k * N * O + c]);
            ck_assert_double_eq_tol(found, levels[k], 1e-10 * levels[k] + 1e-14);
        }
        least = c % O == 0 ? fmin(least, expected) : least;
        most = c % O == 0 ? fmax(most, expected) : most;
    }
    ck_assert_double_gt(most, 2.0 * least);
    arena_release(&arena);
    model_unref(plain);
    model_unref(logs);
}
END_TEST

START_TEST(samples_of_observations_in_closed_form_have_noise)
{
    struct model *model = gaussian_model(&setups[0]);
    struct arena arena = ARENA_INIT;
    double *function;
    double x[N * D];
    mixed_rows(x, N);
    double *z = noise_of_samples(model, x, &arena, &function);
    for (int k = 0; k < DRAWS * N * MAX_O; k++) {
        z[k] /= 0.5 + k % MAX_O;
    }
    check_standard_normal(z, DRAWS * N * MAX_O);
    arena_release(&arena);
    model_unref(model);
}
END_TEST

START_TEST(what_says_nothing_of_observations_is_refused)
{
    struct model *model = model_of_draws(0.5);
    double x[N * D];
    static const double outside[] = {0.5, 1.0};
    mixed_rows(x, N);
    struct err err = ERR_INIT;
    struct predict_request req = quantiles_at(x);
    req.n_total_levels = 2;
    req.total_levels = outside;
    ck_assert_int_eq(predict_check(model, &req, &err), ERR_INVALID);
    ck_assert_msg(strstr(err.msg, "total_quantiles[1] is 1;") != NULL, "%s", err.msg);
    mem_free(model->noise_sigma);
    model->noise_sigma = NULL;
    err = (struct err)ERR_INIT;
    req = quantiles_at(x);
    ck_assert_int_eq(predict_check(model, &req, &err), ERR_INVALID);
    ck_assert_msg(strstr(err.msg, "no noise, so total_quantiles") != NULL, "%s", err.msg);
    err = (struct err)ERR_INIT;
    req.want = PREDICT_SAMPLES;
    req.n_samples = 2;
    ck_assert_int_eq(predict_check(model, &req, &err), ERR_OK);
    req.of_observations = true;
    ck_assert_int_eq(predict_check(model, &req, &err), ERR_INVALID);
    ck_assert_msg(strstr(err.msg, "samples of observations") != NULL, "%s", err.msg);
    model_unref(model);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("observations");
    TCase *tc = tcase_create("all");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, quantiles_of_draws_solve_their_equation, 0, 3);
    tcase_add_loop_test(tc, quantiles_in_closed_form_solve_their_equation, 0, (int)N_SETUPS);
    tcase_add_test(tc, quantiles_without_any_noise_are_those_of_the_draws);
    tcase_add_test(tc, quantiles_of_odd_mixtures_are_found);
    tcase_add_test(tc, samples_of_observations_have_the_noise_of_their_draws);
    tcase_add_test(tc, noise_of_logarithms_grows_with_the_output);
    tcase_add_test(tc, samples_of_observations_in_closed_form_have_noise);
    tcase_add_test(tc, what_says_nothing_of_observations_is_refused);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
