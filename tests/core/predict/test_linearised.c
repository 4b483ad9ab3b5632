/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gaussian posteriors predicted in closed form, against dense matrices with Jacobians by
 * differences of the served values of other models (core/network/plan, not the tape).
 */
#include "oracle.h"
#include "run.h"

#include <math.h>
#include <string.h>

#include "linear_cases.h"
#include "predict/predict_join.h"

/* ---- the dense computation ---- */

/* Values [N x o], and noise variances [N x o] when there are, of one parameter vector. */
static void values_at(const struct setup *s, const double *theta, const double *x, double *y,
                      double *noise)
{
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    struct predict_result r;
    struct model *model = NULL;
    struct arch arch = arch_of(s);
    ck_assert_int_eq(model_new(&arch, 1, &model, &err), ERR_OK);
    memcpy(model->draws, theta, (size_t)model->net.n_params * sizeof *theta);
    if (s->noise_predicted) {
        model_predict_noise(model);
    }
    set_scalers(s, model);
    ck_assert_int_eq(model_publish(model, &err), ERR_OK);
    struct predict_request req = {.n = N,
                                  .x = x,
                                  .want = PREDICT_MEAN |
                                          (s->noise_predicted ? PREDICT_NOISE_VARIANCE : 0),
                                  .n_threads = 1};
    run(model, &req, &arena, &r);
    memcpy(y, r.mean, (size_t)(N * model->o) * sizeof *y);
    if (noise != NULL) {
        memcpy(noise, r.noise_variance, (size_t)(N * model->o) * sizeof *noise);
    }
    arena_release(&arena);
    model_unref(model);
}

/* jac [N x o x n] by central differences of fourth order. */
static void differences(const struct setup *s, const struct model *model, const struct gauss *g,
                        const double *x, double *jac)
{
    static const double steps[] = {-2.0, -1.0, 1.0, 2.0};
    static const double weights[] = {1.0 / 12.0, -8.0 / 12.0, 8.0 / 12.0, -1.0 / 12.0};
    const double h = 2e-3;
    int k = model->net.n_params;
    int cells = N * model->o;
    double *theta = malloc((size_t)k * sizeof *theta);
    double y[N * MAX_O];
    memset(jac, 0, (size_t)(cells * g->n) * sizeof *jac);
    for (int j = 0; j < g->n; j++) {
        for (int q = 0; q < 4; q++) {
            memcpy(theta, g->mean, (size_t)k * sizeof *theta);
            theta[g->first + j] += steps[q] * h;
            values_at(s, theta, x, y, NULL);
            for (int c = 0; c < cells; c++) {
                jac[c * g->n + j] += weights[q] * y[c] / h;
            }
        }
    }
    free(theta);
}

/* cov [cells x cells] of a member: J S J' with S written out. */
static void dense_covariance(const struct gauss *g, int cells, const double *jac, double *cov)
{
    int n = g->n;
    double *s = calloc((size_t)(n * n), sizeof *s);
    double *js = calloc((size_t)(cells * n), sizeof *js);
    for (int a = 0; a < n; a++) {
        for (int b = 0; b < n; b++) {
            for (int c = 0; c < g->rank; c++) {
                s[a * n + b] += g->factor[a * g->rank + c] * g->factor[b * g->rank + c];
            }
        }
        s[a * n + a] += g->std != NULL ? g->std[a] * g->std[a] : 0.0;
    }
    for (int i = 0; i < cells; i++) {
        for (int b = 0; b < n; b++) {
            for (int a = 0; a < n; a++) {
                js[i * n + b] += jac[i * n + a] * s[a * n + b];
            }
        }
    }
    for (int i = 0; i < cells; i++) {
        for (int j = 0; j < cells; j++) {
            cov[i * cells + j] = 0.0;
            for (int b = 0; b < n; b++) {
                cov[i * cells + j] += js[i * n + b] * jac[j * n + b];
            }
        }
    }
    free(s);
    free(js);
}

/* Everything about N rows, all outputs together: cells = N o. */
struct dense {
    int cells;
    double f[MAX_M][N * MAX_O];
    double cov[MAX_M][N * MAX_O * N * MAX_O];
    double noise[N * MAX_O];
    double *jac[MAX_M];
    double mean[N * MAX_O];
    double all[N * MAX_O * N * MAX_O]; /* covariance of the mixture */
};

static struct dense dense;

static void dense_compute(const struct setup *s, const struct model *model, const double *x)
{
    int cells = N * model->o;
    double noise[N * MAX_O];
    memset(&dense, 0, sizeof dense);
    dense.cells = cells;
    for (int i = 0; i < s->members; i++) {
        const struct gauss *g = &model->gaussian.members[i];
        dense.jac[i] = malloc((size_t)(cells * g->n) * sizeof(double));
        values_at(s, g->mean, x, dense.f[i], s->noise_predicted ? noise : NULL);
        differences(s, model, g, x, dense.jac[i]);
        dense_covariance(g, cells, dense.jac[i], dense.cov[i]);
        for (int c = 0; c < cells; c++) {
            dense.mean[c] += dense.f[i][c] / s->members;
            dense.noise[c] += s->noise_predicted ? noise[c] / s->members : 0.0;
        }
    }
    for (int i = 0; i < s->members; i++) {
        for (int p = 0; p < cells * cells; p++) {
            int a = p / cells;
            int b = p % cells;
            dense.all[p] += (dense.cov[i][p] +
                             (dense.f[i][a] - dense.mean[a]) * (dense.f[i][b] - dense.mean[b])) /
                            s->members;
        }
    }
}

static void dense_release(void)
{
    for (int i = 0; i < MAX_M; i++) {
        free(dense.jac[i]);
    }
}

static void check_covariances(const struct model *model, const struct predict_result *outputs,
                              const struct predict_result *rows)
{
    int o = model->o;
    int cells = dense.cells;
    double largest = 0.0;
    for (int p = 0; p < cells * cells; p++) {
        largest = fmax(largest, fabs(dense.all[p]));
    }
    for (int i = 0; i < N; i++) {
        for (int a = 0; a < o; a++) {
            for (int b = 0; b < o; b++) {
                ck_assert_double_eq_tol(outputs->covariance[(i * o + a) * o + b],
                                        dense.all[(i * o + a) * cells + i * o + b], 1e-9 * largest);
            }
            for (int j = 0; j < N; j++) {
                ck_assert_double_eq_tol(rows->covariance_rows[(a * N + i) * N + j],
                                        dense.all[(i * o + a) * cells + j * o + a], 1e-9 * largest);
            }
        }
    }
}

/* The levels of the mixture's distribution function at the quantiles. */
static void check_quantiles(const struct setup *s, const struct predict_result *r,
                            const double *levels, int n_levels)
{
    for (int k = 0; k < n_levels; k++) {
        for (int c = 0; c < dense.cells; c++) {
            double level = 0.0;
            for (int i = 0; i < s->members; i++) {
                double sd = sqrt(dense.cov[i][c * dense.cells + c]);
                double gap = (r->quantiles[k * dense.cells + c] - dense.f[i][c]) / sd;
                level += 0.5 * erfc(-gap / sqrt(2.0)) / s->members;
            }
            ck_assert_double_eq_tol(level, levels[k], 1e-8);
        }
    }
}

/* Every sample is one of the model's draws put into the straightened network; each once. */
static void check_samples(const struct model *model, const struct predict_result *r, int n_samples)
{
    bool used[MAX_M * DRAWS] = {false};
    int cells = dense.cells;
    for (int q = 0; q < n_samples; q++) {
        int found = -1;
        for (int j = 0; j < model->m && found < 0; j++) {
            int i = j / DRAWS;
            const struct gauss *g = &model->gaussian.members[i];
            double worst = 0.0;
            for (int c = 0; c < cells; c++) {
                double y = dense.f[i][c];
                for (int k = 0; k < g->n; k++) {
                    y += dense.jac[i][c * g->n + k] *
                         (model->draws[j * model->net.n_params + g->first + k] -
                          g->mean[g->first + k]);
                }
                worst = fmax(worst, fabs(y - r->samples[q * cells + c]) / (1.0 + fabs(y)));
            }
            found = worst < 1e-8 && !used[j] ? j : -1;
        }
        ck_assert_int_ge(found, 0);
        used[found] = true;
    }
}

START_TEST(moments_quantiles_and_samples_match_dense_matrices)
{
    static const double levels[] = {1e-6, 0.05, 0.5, 0.9, 0.999};
    const struct setup *s = &setups[_i];
    struct arena arena = ARENA_INIT;
    struct predict_result r;
    struct predict_result by_rows;
    struct model *model = gaussian_model(s);
    double x[N * D];
    mixed_rows(x, N);
    struct predict_request req = {.n = N,
                                  .x = x,
                                  .want = PREDICT_STD | PREDICT_QUANTILES | PREDICT_SAMPLES |
                                          PREDICT_COVARIANCE_OUTPUTS | PREDICT_NOISE_VARIANCE |
                                          PREDICT_TOTAL_VARIANCE,
                                  .n_levels = 5,
                                  .levels = levels,
                                  .n_samples = 13,
                                  .seed = 3,
                                  .n_threads = 1};
    run(model, &req, &arena, &r);
    req.want = PREDICT_COVARIANCE_ROWS;
    run(model, &req, &arena, &by_rows);
    dense_compute(s, model, x);
    ck_assert_double_le(oracle_error(r.mean, dense.mean, dense.cells), 1e-12);
    for (int c = 0; c < dense.cells; c++) {
        double v = dense.all[c * dense.cells + c];
        double sigma = s->noise_predicted ? 0.0 : model->noise_sigma[c % model->o];
        double noise = s->noise_predicted ? dense.noise[c] : sigma * sigma;
        ck_assert_double_eq_tol(r.variance[c], v, 1e-9 * v);
        ck_assert_double_eq_tol(r.std[c], sqrt(v), 1e-9 * sqrt(v));
        ck_assert_double_eq_tol(r.noise_variance[c], noise, 1e-12 * noise);
        ck_assert_double_eq_tol(r.total_variance[c], v + noise, 1e-9 * (v + noise));
    }
    check_covariances(model, &r, &by_rows);
    check_quantiles(s, &r, levels, 5);
    check_samples(model, &r, 13);
    dense_release();
    arena_release(&arena);
    model_unref(model);
}
END_TEST

/* Mean and std of the model itself, which the dense matrices have checked, at moved inputs. */
START_TEST(jacobians_match_central_differences)
{
    const double h = 1e-4;
    static const double steps[] = {-2.0, -1.0, 1.0, 2.0};
    static const double weights[] = {1.0 / 12.0, -8.0 / 12.0, 8.0 / 12.0, -1.0 / 12.0};
    struct arena arena = ARENA_INIT;
    struct predict_result r;
    struct predict_result moved;
    struct model *model = gaussian_model(&setups[_i]);
    double x[N * D];
    double at[N * D];
    int cells = N * model->o;
    mixed_rows(x, N);
    struct predict_request req = {.n = N, .x = x, .want = PREDICT_JACOBIAN, .n_threads = 1};
    run(model, &req, &arena, &r);
    /* Beside a covariance a standard deviation is in double, whatever the model is served in. */
    req = (struct predict_request){
        .n = N, .x = at, .want = PREDICT_STD | PREDICT_COVARIANCE_OUTPUTS, .n_threads = 1};
    for (int b = 0; b < D; b++) {
        double mean[N * MAX_O] = {0.0};
        double std[N * MAX_O] = {0.0};
        for (int q = 0; q < 4; q++) {
            memcpy(at, x, sizeof x);
            for (int i = 0; i < N; i++) {
                at[i * D + b] += steps[q] * h;
            }
            run(model, &req, &arena, &moved);
            for (int c = 0; c < cells; c++) {
                mean[c] += weights[q] * moved.mean[c] / h;
                std[c] += weights[q] * moved.std[c] / h;
            }
        }
        for (int c = 0; c < cells; c++) {
            ck_assert_double_eq_tol(r.jacobian[c * D + b], mean[c], 1e-8 * (1.0 + fabs(mean[c])));
            ck_assert_double_eq_tol(r.jacobian[(cells + c) * D + b], std[c],
                                    1e-8 * (1.0 + fabs(std[c])));
        }
    }
    arena_release(&arena);
    model_unref(model);
}
END_TEST

/* ---- intervals ---- */

START_TEST(intervals_are_of_the_normal_or_of_the_folds)
{
    const double level = 0.8;
    const double half = 1.2815515655446004; /* of the standard normal, 0.9 */
    struct arena arena = ARENA_INIT;
    struct predict_result r;
    struct predict_result one[2];
    struct model *model = gaussian_model(&setups[1]); /* two members: a fold each */
    double x[N * D];
    size_t o = (size_t)model->o;
    mixed_rows(x, N);
    struct predict_request req = {.n = N,
                                  .x = x,
                                  .want = PREDICT_INTERVALS,
                                  .n_intervals = 1,
                                  .intervals = &level,
                                  .n_threads = 1};
    run(model, &req, &arena, &r);
    for (size_t c = 0; c < N * o; c++) {
        double width = half * sqrt(r.total_variance[c]);
        ck_assert_double_eq_tol(r.intervals[c], r.mean[c] - width,
                                1e-12 * (width + fabs(r.mean[c])));
        ck_assert_double_eq_tol(r.intervals[N * o + c], r.mean[c] + width,
                                1e-12 * (width + fabs(r.mean[c])));
    }

    /* CV+ of four rows: rank 4 of 5, so the ends are the extremes of the four shifted scores. */
    struct conformal *c = &model->conformal;
    *c = (struct conformal){.method = CONFORMAL_CV_PLUS,
                            .normalised = true,
                            .n_folds = 2,
                            .n = 4,
                            .fold = mem_zalloc_array(4, sizeof *c->fold),
                            .scores = mem_zalloc_array(4 * o, sizeof *c->scores)};
    for (int i = 0; i < 4; i++) {
        c->fold[i] = i % 2;
        for (size_t a = 0; a < o; a++) {
            c->scores[(size_t)i * o + a] = 0.5 + 0.25 * i;
        }
    }
    run(model, &req, &arena, &r);
    req.want = PREDICT_STD;
    struct gauss_mixture both = model->gaussian;
    for (int k = 0; k < 2; k++) {
        /* The fold alone: a mixture of its one member. */
        model->gaussian.members = &both.members[k];
        model->gaussian.n_members = 1;
        run(model, &req, &arena, &one[k]);
    }
    model->gaussian = both;
    for (size_t at = 0; at < N * o; at++) {
        double low = INFINITY;
        double high = -INFINITY;
        for (int i = 0; i < 4; i++) {
            double shift = (0.5 + 0.25 * i) * one[i % 2].std[at];
            low = fmin(low, one[i % 2].mean[at] - shift);
            high = fmax(high, one[i % 2].mean[at] + shift);
        }
        ck_assert_double_eq_tol(r.intervals[at], low, 1e-12 * (1.0 + fabs(low)));
        ck_assert_double_eq_tol(r.intervals[N * o + at], high, 1e-12 * (1.0 + fabs(high)));
    }
    arena_release(&arena);
    model_unref(model);
}
END_TEST

/* ---- around it ---- */

START_TEST(the_answer_of_a_row_depends_on_nothing_around_it)
{
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    struct predict_result one;
    struct predict_result four;
    struct predict_result alone;
    struct model *model = gaussian_model(&setups[2]);
    double x[N * D];
    mixed_rows(x, N);
    struct predict_request req = {.n = N,
                                  .x = x,
                                  .want = PREDICT_STD | PREDICT_QUANTILES |
                                          PREDICT_COVARIANCE_OUTPUTS | PREDICT_SAMPLES |
                                          PREDICT_JACOBIAN,
                                  .n_levels = 1,
                                  .levels = (double[]){0.3},
                                  .n_samples = 2,
                                  .n_threads = 1};
    size_t o = (size_t)model->o;
    run(model, &req, &arena, &one);
    req.n_threads = 4;
    run(model, &req, &arena, &four);
    ck_assert_int_eq(memcmp(one.std, four.std, N * o * sizeof(double)), 0);
    ck_assert_int_eq(memcmp(one.quantiles, four.quantiles, N * o * sizeof(double)), 0);
    ck_assert_int_eq(memcmp(one.samples, four.samples, 2 * N * o * sizeof(double)), 0);
    req.n = 1;
    for (size_t i = 0; i < N; i++) {
        req.x = x + i * D;
        run(model, &req, &arena, &alone);
        ck_assert_int_eq(memcmp(alone.mean, one.mean + i * o, o * sizeof(double)), 0);
        ck_assert_int_eq(memcmp(alone.std, one.std + i * o, o * sizeof(double)), 0);
        ck_assert_int_eq(memcmp(alone.quantiles, one.quantiles + i * o, o * sizeof(double)), 0);
        ck_assert_int_eq(
            memcmp(alone.jacobian + o * D, one.jacobian + (N + i) * o * D, o * D * sizeof(double)),
            0);
        ck_assert_int_eq(
            memcmp(alone.covariance, one.covariance + i * o * o, o * o * sizeof(double)), 0);
    }
    ck_assert_int_eq(err.code, ERR_OK);
    arena_release(&arena);
    model_unref(model);
}
END_TEST

START_TEST(joined_requests_have_the_answers_of_each_alone)
{
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    struct model *model = gaussian_model(&setups[4]);
    double x[N * D];
    mixed_rows(x, N);
    struct predict_request a = {.n = 3, .x = x, .want = PREDICT_TOTAL_VARIANCE, .n_threads = 1};
    struct predict_request b = {.n = N - 3, .x = x + 3 * D, .want = PREDICT_STD, .n_threads = 1};
    const struct predict_request *parts[] = {&a, &b};
    struct predict_request joint;
    struct predict_result all;
    struct predict_result part;
    struct predict_result alone;
    size_t o = (size_t)model->o;
    ck_assert(predict_can_join(&a, &b));
    ck_assert_int_eq(predict_join(parts, 2, D, &arena, &joint, &err), ERR_OK);
    const struct predict_call call = {.model = model, .req = &joint, .out = &all};
    run(model, &joint, &arena, &all);
    ck_assert_int_eq(predict_slice(&call, 0, &a, &arena, &part, &err), ERR_OK);
    run(model, &a, &arena, &alone);
    ck_assert_int_eq(memcmp(part.total_variance, alone.total_variance, 3 * o * sizeof(double)), 0);
    ck_assert_int_eq(predict_slice(&call, 3, &b, &arena, &part, &err), ERR_OK);
    run(model, &b, &arena, &alone);
    ck_assert_int_eq(memcmp(part.std, alone.std, (N - 3) * o * sizeof(double)), 0);
    arena_release(&arena);
    model_unref(model);
}
END_TEST

START_TEST(what_closed_form_cannot_answer_is_refused)
{
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    struct predict_result r;
    struct model *model = gaussian_model(&setups[0]);
    double x[N * D];
    mixed_rows(x, N);
    struct predict_request req = {.n = N, .x = x, .want = PREDICT_QUANTILES, .n_threads = 1};
    req.n_levels = 2;
    req.levels = (double[]){0.5, 1.0};
    ck_assert_int_eq(predict_run(model, &req, &arena, &r, &err), ERR_INVALID);
    err_clear(&err);
    /* Of the log-scaled input. */
    x[9 * D + 1] = -1.0;
    req.want = PREDICT_MEAN;
    ck_assert_int_eq(predict_run(model, &req, &arena, &r, &err), ERR_INVALID);
    ck_assert_int_eq(err.row, 9);
    ck_assert_int_eq(err.column, 1);
    arena_release(&arena);
    model_unref(model);
}
END_TEST

START_TEST(closed_form_survives_each_failed_allocation)
{
    struct model *model = gaussian_model(&setups[4]);
    double x[N * D];
    mixed_rows(x, N);
    struct predict_request req = {.n = N,
                                  .x = x,
                                  .want = PREDICT_STD | PREDICT_QUANTILES | PREDICT_SAMPLES |
                                          PREDICT_COVARIANCE_ROWS | PREDICT_TOTAL_VARIANCE |
                                          PREDICT_JACOBIAN,
                                  .n_levels = 1,
                                  .levels = (double[]){0.3},
                                  .n_samples = 2,
                                  .n_threads = 1};
    long live = mem_live();
    for (long at = 1;; at++) {
        struct err err = ERR_INIT;
        struct arena arena = ARENA_INIT;
        struct predict_result r;
        mem_fail_after(at, false);
        enum err_code code = predict_run(model, &req, &arena, &r, &err);
        long attempts = mem_attempts();
        mem_fail_after(0, false);
        arena_release(&arena);
        ck_assert_int_eq(mem_live(), live);
        if (attempts < at) {
            ck_assert_int_eq(code, ERR_OK);
            break;
        }
        ck_assert_int_eq(code, ERR_NOMEM);
    }
    model_unref(model);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("linearised");
    TCase *tc = tcase_create("all");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, moments_quantiles_and_samples_match_dense_matrices, 0, N_SETUPS);
    tcase_add_loop_test(tc, jacobians_match_central_differences, 0, N_SETUPS);
    tcase_add_test(tc, intervals_are_of_the_normal_or_of_the_folds);
    tcase_add_test(tc, the_answer_of_a_row_depends_on_nothing_around_it);
    tcase_add_test(tc, joined_requests_have_the_answers_of_each_alone);
    tcase_add_test(tc, what_closed_form_cannot_answer_is_refused);
    tcase_add_test(tc, closed_form_survives_each_failed_allocation);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
