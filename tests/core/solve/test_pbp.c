/* SPDX-License-Identifier: Apache-2.0 */
/* Probabilistic backpropagation: moments, their derivatives, updates of weights, noise and prior.
 */
#include "plain_forward.h"
#include "run.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "math/gemm.h"
#include "solve/pbp.h"
#include "solve/solver.h"

/* ---- moments of a network ---- */

static void random_net(const struct arch *arch, uint32_t stream, double spread, struct resnet *net,
                       double **m, double **v)
{
    struct err err = ERR_INIT;
    struct rng rng;
    ck_assert_int_eq(resnet_init(net, arch, &err), ERR_OK);
    *m = mem_alloc_array((size_t)net->n_params, sizeof **m);
    *v = mem_alloc_array((size_t)net->n_params, sizeof **v);
    rng_init(&rng, 5, RNG_TEST, stream);
    for (int k = 0; k < net->n_params; k++) {
        (*m)[k] = 0.7 * rng_normal(&rng);
        (*v)[k] = spread * (0.1 + rng_uniform(&rng));
    }
}

/* Moments of outputs [o] over draws of weights and inputs, against the forward pass: six standard
 * errors, that of the variance from the fourth moment. */
static void compare_with_draws(const struct resnet *net, const double *m, const double *v,
                               const double *x, const double *xv)
{
    enum { DRAWS = 200000, MAX = 8 };
    int o = net->arch.outputs;
    int d = net->arch.inputs;
    double mean[MAX];
    double variance[MAX];
    double sums[MAX][4] = {{0.0}};
    double xs[MAX];
    double y[MAX];
    struct pbp_moments *moments = pbp_moments_new(net);
    double *theta = mem_alloc_array((size_t)net->n_params, sizeof *theta);
    struct rng rng;
    rng_init(&rng, 6, RNG_TEST, 0);
    pbp_moments_forward(moments, (struct gaussians){m, v}, (struct gaussians){x, xv}, mean,
                        variance);
    for (int i = 0; i < DRAWS; i++) {
        for (int k = 0; k < net->n_params; k++) {
            theta[k] = m[k] + (v[k] > 0.0 ? sqrt(v[k]) * rng_normal(&rng) : 0.0);
        }
        for (int k = 0; k < d; k++) {
            xs[k] = x[k] + (xv != NULL ? sqrt(xv[k]) * rng_normal(&rng) : 0.0);
        }
        plain_forward(net, theta, 1, xs, y);
        for (int j = 0; j < o; j++) {
            double dev = y[j] - mean[j];
            sums[j][0] += dev / DRAWS;
            sums[j][1] += dev * dev / DRAWS;
            sums[j][2] += dev * dev * dev * dev / DRAWS;
        }
    }
    for (int j = 0; j < o; j++) {
        double error = sqrt((sums[j][2] - sums[j][1] * sums[j][1]) / DRAWS);
        ck_assert_double_le(fabs(sums[j][0]), 6.0 * sqrt(sums[j][1] / DRAWS));
        ck_assert_double_le(fabs(sums[j][1] - variance[j]), 6.0 * error);
    }
    pbp_moments_free(moments);
    mem_free(theta);
}

/* One block without pre and post layer: z + h tanh(W z + b). */
static struct arch one_block(int r)
{
    struct arch arch = arch_default(r, r);
    arch.width = r;
    arch.layers = 0;
    arch.basis = WPFN_CONSTANT;
    arch.layer_pre = false;
    arch.layer_post = false;
    return arch;
}

START_TEST(a_block_of_known_weights_has_exact_moments)
{
    const double x[4] = {0.3, -0.8, 0.1, 0.5};
    const double xv[4] = {0.2, 0.5, 0.05, 0.3};
    struct arch arch = one_block(4);
    struct resnet net;
    double *m;
    double *v;
    for (int residual = 0; residual < 2; residual++) {
        arch.residual = residual == 1;
        random_net(&arch, 1, 0.0, &net, &m, &v);
        compare_with_draws(&net, m, v, x, xv);
        mem_free(m);
        mem_free(v);
        resnet_release(&net);
    }
}
END_TEST

START_TEST(a_block_of_a_known_input_has_exact_moments)
{
    const double x[4] = {0.3, -0.8, 0.1, 0.5};
    struct arch arch = one_block(4);
    struct resnet net;
    double *m;
    double *v;
    random_net(&arch, 2, 0.5, &net, &m, &v);
    compare_with_draws(&net, m, v, x, NULL);
    mem_free(m);
    mem_free(v);
    resnet_release(&net);
}
END_TEST

/* Weights that are sums over coefficients, at a depth where phi is not trivial. */
START_TEST(the_linear_layers_moments_are_exact)
{
    const double x[3] = {0.3, -0.8, 0.6};
    const double xv[3] = {0.2, 0.5, 0.1};
    struct arch arch = one_block(3);
    struct resnet net;
    double *m;
    double *v;
    arch.activation = ACT_IDENTITY;
    arch.residual = false;
    arch.basis = WPFN_LEGENDRE;
    arch.order = 2;
    random_net(&arch, 3, 0.4, &net, &m, &v);
    compare_with_draws(&net, m, v, x, xv);
    mem_free(m);
    mem_free(v);
    resnet_release(&net);
}
END_TEST

/* ---- gradients of log Z ---- */

static double log_z_at(struct pbp *pbp, double *value, double at, const double *x, const double *y)
{
    double old = *value;
    *value = at;
    double log_z = pbp_log_z(pbp, x, y);
    *value = old;
    return log_z;
}

static void compare_gradients(const struct arch *arch, uint32_t stream)
{
    struct err err = ERR_INIT;
    struct resnet net;
    struct pbp pbp;
    double *m;
    double *v;
    const double x[4] = {0.4, -0.7, 0.9, 0.2};
    const double y[8] = {
        0.3, -0.2, 1.1, 0.5, 0.1, 0.2, 0.3, 0.4,
    };
    double worst = 0.0;
    double max = 0.0;
    struct data rows = {.n = 2, .d = arch->inputs, .o = arch->outputs, .x = x, .y = y};
    struct rng rng;
    random_net(arch, stream, 0.15, &net, &m, &v);
    rng_init(&rng, 1, RNG_TEST, 9);
    ck_assert_int_eq(pbp_init(&pbp, &(struct pbp_problem){&net, &rows, NULL, 1.0}, &rng, &err),
                     ERR_OK);
    memcpy(pbp.m, m, (size_t)net.n_params * sizeof *m);
    memcpy(pbp.v, v, (size_t)net.n_params * sizeof *v);
    pbp_log_z(&pbp, x, y);
    pbp_moments_backward(pbp.moments, pbp.d_mean, pbp.d_variance, pbp.gm, pbp.gv);
    for (int k = 0; k < net.n_params; k++) {
        double step = 1e-5;
        double by_m = (log_z_at(&pbp, &pbp.m[k], m[k] + step, x, y) -
                       log_z_at(&pbp, &pbp.m[k], m[k] - step, x, y)) /
                      (2.0 * step);
        double by_v = (log_z_at(&pbp, &pbp.v[k], v[k] + step, x, y) -
                       log_z_at(&pbp, &pbp.v[k], v[k] - step, x, y)) /
                      (2.0 * step);
        worst = fmax(worst, fmax(fabs(by_m - pbp.gm[k]), fabs(by_v - pbp.gv[k])));
        max = fmax(max, fmax(fabs(pbp.gm[k]), fabs(pbp.gv[k])));
    }
    ck_assert_double_gt(max, 1e-3);
    ck_assert_double_le(worst, 1e-7 * max);
    pbp_release(&pbp);
    resnet_release(&net);
    mem_free(m);
    mem_free(v);
}

START_TEST(gradients_of_log_z_match_central_differences)
{
    struct arch arch = arch_default(3, 2);
    arch.width = 5;
    arch.layers = 2;
    compare_gradients(&arch, 10);
    arch.basis = WPFN_NONPARAMETRIC;
    compare_gradients(&arch, 11);
    arch.residual = false;
    compare_gradients(&arch, 12);
    arch.bias = false;
    arch.activation = ACT_IDENTITY;
    compare_gradients(&arch, 13);
    arch = arch_default(4, 4);
    arch.width = 4;
    arch.layers = 3;
    arch.basis = WPFN_QUADRATIC;
    arch.layer_pre = false;
    arch.layer_post = false;
    arch.horizon = 3.0;
    compare_gradients(&arch, 14);
    arch.outputs = 1;
    arch.layer_post = true;
    compare_gradients(&arch, 15);
}
END_TEST

/* ---- updates ---- */

/* The blocks are known and do nothing: y = W x + b, whose posterior after one row is Kalman's. */
START_TEST(one_row_of_a_linear_model_is_kalmans_update)
{
    struct err err = ERR_INIT;
    struct resnet net;
    struct pbp pbp;
    struct rng rng;
    struct arch arch = one_block(3);
    const double x[3] = {0.5, -1.2, 0.8};
    const double y[2] = {0.7, -0.4};
    const double sigmas[2] = {0.3, 0.2};
    double m[8];
    double v[8];
    arch.outputs = 2;
    arch.layer_post = true;
    ck_assert_int_eq(resnet_init(&net, &arch, &err), ERR_OK);
    struct data rows = {.n = 1, .d = 3, .o = 2, .x = x, .y = y};
    rng_init(&rng, 2, RNG_TEST, 0);
    ck_assert_int_eq(pbp_init(&pbp, &(struct pbp_problem){&net, &rows, sigmas, 1.0}, &rng, &err),
                     ERR_OK);
    for (int k = 8; k < net.n_params; k++) {
        pbp.m[k] = pbp.v[k] = 0.0;
    }
    for (int k = 0; k < 8; k++) {
        m[k] = pbp.m[k];
        v[k] = pbp.v[k] *= 0.5 + 0.1 * k;
    }
    pbp_add_row(&pbp, x, y);
    for (int j = 0; j < 2; j++) {
        double features[4] = {x[0], x[1], x[2], 1.0};
        double total = sigmas[j] * sigmas[j];
        double residual = y[j];
        for (int i = 0; i < 4; i++) {
            int k = i < 3 ? 3 * j + i : 6 + j;
            total += features[i] * features[i] * v[k];
            residual -= features[i] * m[k];
        }
        for (int i = 0; i < 4; i++) {
            int k = i < 3 ? 3 * j + i : 6 + j;
            double gain = v[k] * features[i] / total;
            ck_assert_double_eq_tol(pbp.m[k], m[k] + gain * residual, 1e-14);
            ck_assert_double_eq_tol(pbp.v[k], v[k] - gain * features[i] * v[k], 1e-14);
        }
    }
    pbp_release(&pbp);
    resnet_release(&net);
}
END_TEST

struct small {
    struct resnet net;
    struct pbp pbp;
    double x[20], y[20];
};

static void small_init(struct small *s)
{
    struct err err = ERR_INIT;
    struct rng rng;
    struct arch arch = arch_default(1, 1);
    arch.width = 4;
    arch.layers = 1;
    ck_assert_int_eq(resnet_init(&s->net, &arch, &err), ERR_OK);
    rng_init(&rng, 8, RNG_TEST, 0);
    for (int i = 0; i < 20; i++) {
        s->x[i] = 2.0 * rng_uniform(&rng) - 1.0;
        s->y[i] = sin(3.0 * s->x[i]);
    }
    struct data rows = {.n = 20, .d = 1, .o = 1, .x = s->x, .y = s->y};
    ck_assert_int_eq(
        pbp_init(&s->pbp, &(struct pbp_problem){&s->net, &rows, NULL, 1.0}, &rng, &err), ERR_OK);
}

static void small_release(struct small *s)
{
    pbp_release(&s->pbp);
    resnet_release(&s->net);
}

/* The new Gamma has the first two moments of the old one times the likelihood's three values. */
START_TEST(the_noise_keeps_the_first_two_moments_of_its_precision)
{
    struct small s;
    small_init(&s);
    for (int i = 0; i < 20; i++) {
        double a = s.pbp.noise_a[0];
        double b = s.pbp.noise_b[0];
        pbp_log_z(&s.pbp, &s.x[i], &s.y[i]);
        double residual = s.y[i] - s.pbp.mean[0];
        double z[3];
        for (int k = 0; k < 3; k++) {
            double total = s.pbp.variance[0] + b / (a - 1.0 + k);
            z[k] = exp(-0.5 * residual * residual / total) / sqrt(total);
        }
        double first = z[1] / z[0] * a / b;
        double second = z[2] / z[0] * a * (a + 1.0) / (b * b);
        pbp_add_row(&s.pbp, &s.x[i], &s.y[i]);
        a = s.pbp.noise_a[0];
        b = s.pbp.noise_b[0];
        ck_assert_double_eq_tol(a / b, first, 1e-9 * first);
        ck_assert_double_eq_tol(a * (a + 1.0) / (b * b), second, 1e-9 * second);
    }
    small_release(&s);
}
END_TEST

/*
 * q after the refresh is the cavity times N(0, E[1 / lambda]) of the moment's lambda; the cavity
 * stays what it was, so a second refresh of the same q finds it again.
 */
START_TEST(refreshing_the_prior_leaves_the_cavities_alone)
{
    struct small s;
    small_init(&s);
    struct pbp *p = &s.pbp;
    double cavity[2][64];
    for (int i = 0; i < 20; i++) {
        pbp_add_row(p, &s.x[i], &s.y[i]);
    }
    ck_assert_int_le(s.net.n_params, 64);
    for (int k = 0; k < s.net.n_params; k++) {
        double s2 = p->scale[k] * p->scale[k];
        cavity[0][k] = s2 / p->v[k] - p->prior_v[k];
        cavity[1][k] = p->m[k] * p->scale[k] / p->v[k] - p->prior_m[k];
    }
    double a = p->lambda[0];
    double b = p->lambda[1];
    /* The first parameter's by hand: its factor on lambda was 1 so far. */
    double v = 1.0 / cavity[0][0];
    double m = cavity[1][0] / cavity[0][0];
    double prior = b / (a - 1.0);
    pbp_refresh_prior(p);
    ck_assert_double_gt(cavity[0][0], 1e-6);
    ck_assert_double_eq_tol(p->v[0], p->scale[0] * p->scale[0] / (1.0 / v + 1.0 / prior), 1e-12);
    ck_assert_double_eq_tol(p->m[0], p->scale[0] * (m / v) / (1.0 / v + 1.0 / prior), 1e-12);
    int changed = 0;
    for (int k = 0; k < s.net.n_params; k++) {
        double s2 = p->scale[k] * p->scale[k];
        ck_assert_double_eq_tol(s2 / p->v[k] - p->prior_v[k], cavity[0][k], 1e-9);
        ck_assert_double_eq_tol(p->m[k] * p->scale[k] / p->v[k] - p->prior_m[k], cavity[1][k],
                                1e-9);
        changed += p->prior_a[k] != 0.0;
    }
    ck_assert_int_gt(changed, 0);
    /* lambda's posterior is its prior times the factors. */
    double shape = 6.0;
    double rate = 6.0;
    for (int k = 0; k < s.net.n_params; k++) {
        shape += p->prior_a[k];
        rate -= p->prior_b[k];
    }
    ck_assert_double_eq_tol(p->lambda[0], shape, 1e-9);
    ck_assert_double_eq_tol(p->lambda[1], rate, 1e-9);
    small_release(&s);
}
END_TEST

START_TEST(updates_keep_variances_positive)
{
    struct small s;
    small_init(&s);
    double wild = 1e3; /* a row so far off that some variances would turn negative */
    for (int i = 0; i < 20; i++) {
        ck_assert(isfinite(pbp_add_row(&s.pbp, &s.x[i], i == 10 ? &wild : &s.y[i])));
        for (int k = 0; k < s.net.n_params; k++) {
            ck_assert_double_gt(s.pbp.v[k], 0.0);
        }
        ck_assert_double_gt(s.pbp.noise_a[0], 1.0);
        ck_assert_double_gt(s.pbp.noise_b[0], 0.0);
    }
    ck_assert_int_gt(s.pbp.skipped, 0);
    small_release(&s);
}
END_TEST

START_TEST(a_row_that_is_not_finite_changes_nothing)
{
    struct small s;
    small_init(&s);
    double before = s.pbp.m[3];
    double y = INFINITY;
    ck_assert(!isfinite(pbp_add_row(&s.pbp, &s.x[0], &y)));
    ck_assert_double_eq(s.pbp.m[3], before);
    small_release(&s);
}
END_TEST

/* ---- the solver ---- */

/* Mean and variance of the values at x over the posterior's draws. */
static void predict(const struct resnet *net, const struct solver_result *result, int n,
                    const double *x, double *mean, double *variance)
{
    double *theta = mem_alloc_array((size_t)net->n_params, sizeof *theta);
    double *y = mem_alloc_array((size_t)n, sizeof *y);
    memset(mean, 0, (size_t)n * sizeof *mean);
    memset(variance, 0, (size_t)n * sizeof *variance);
    for (int j = 0; j < result->m; j++) {
        gauss_mixture_draw(&result->gaussian, net->n_params, j, theta);
        plain_forward(net, theta, n, x, y);
        for (int i = 0; i < n; i++) {
            double dev = y[i] - mean[i];
            mean[i] += dev / (j + 1);
            variance[i] += dev * (y[i] - mean[i]);
        }
    }
    for (int i = 0; i < n; i++) {
        variance[i] /= result->m - 1;
    }
    mem_free(theta);
    mem_free(y);
}

START_TEST(pbp_learns_a_sine_and_knows_how_well)
{
    enum { N = 300, TEST = 200 };
    static double x[N + TEST];
    static double y[N + TEST];
    static double mean[TEST];
    static double variance[TEST];
    struct err err = ERR_INIT;
    struct resnet net;
    struct solver_result result;
    struct rng rng;
    struct arch arch = arch_default(1, 1);
    arch.width = 16;
    arch.layers = 2;
    ck_assert_int_eq(resnet_init(&net, &arch, &err), ERR_OK);
    rng_init(&rng, 4, RNG_TEST, 0);
    for (int i = 0; i < N + TEST; i++) {
        x[i] = 2.0 * rng_uniform(&rng) - 1.0;
        y[i] = sin(3.0 * x[i]) + 0.1 * rng_normal(&rng);
    }
    struct solver_problem problem = {
        .net = &net,
        .train = {.n = N, .d = 1, .o = 1, .x = x, .y = y},
        .validation = {.n = 0, .d = 1, .o = 1},
        .beliefs = {.noise = NOISE_LEARNED, .flat = true},
        .seed = 1,
        .n_threads = 1,
    };
    struct solver_settings settings = solver_defaults(SOLVER_PBP);
    ck_assert_int_eq(settings.epochs, 40);
    ck_assert_int_eq(solver_run(SOLVER_PBP, &problem, &settings, &result, &err), ERR_OK);
    ck_assert_double_eq_tol(result.noise_sigma[0], 0.1, 0.03);
    predict(&net, &result, TEST, x + N, mean, variance);
    double squares = 0.0;
    int inside = 0;
    double noise = result.noise_sigma[0] * result.noise_sigma[0];
    for (int i = 0; i < TEST; i++) {
        double truth = sin(3.0 * x[N + i]);
        squares += (mean[i] - truth) * (mean[i] - truth) / TEST;
        inside += fabs(y[N + i] - mean[i]) < 1.96 * sqrt(variance[i] + noise);
    }
    ck_assert_double_le(sqrt(squares), 0.05);
    /* 95 % of 200: six standard errors below, and not all of them. */
    ck_assert_int_ge(inside, 172);
    const struct report_item *log_z = report_find(&result.report, "pbp.log_z");
    ck_assert_ptr_nonnull(log_z);
    ck_assert_int_eq(log_z->n, 40);
    ck_assert_double_gt(log_z->values[39], log_z->values[0]);
    solver_result_release(&result);
    resnet_release(&net);
}
END_TEST

START_TEST(a_final_map_is_refused)
{
    struct err err = ERR_INIT;
    struct resnet net;
    struct solver_result result;
    struct arch arch = arch_default(1, 1);
    double one = 1.0;
    arch.final = FINAL_EXP;
    ck_assert_int_eq(resnet_init(&net, &arch, &err), ERR_OK);
    struct solver_problem problem = {.net = &net,
                                     .train = {.n = 1, .d = 1, .o = 1, .x = &one, .y = &one},
                                     .beliefs = {.noise = NOISE_LEARNED}};
    struct solver_settings settings = solver_defaults(SOLVER_PBP);
    ck_assert_int_eq(solver_run(SOLVER_PBP, &problem, &settings, &result, &err), ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.msg, "final"));
    resnet_release(&net);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pbp");
    TCase *tc = tcase_create("pbp");
    gemm_use_one_thread();
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, a_block_of_known_weights_has_exact_moments);
    tcase_add_test(tc, a_block_of_a_known_input_has_exact_moments);
    tcase_add_test(tc, the_linear_layers_moments_are_exact);
    tcase_add_test(tc, gradients_of_log_z_match_central_differences);
    tcase_add_test(tc, one_row_of_a_linear_model_is_kalmans_update);
    tcase_add_test(tc, the_noise_keeps_the_first_two_moments_of_its_precision);
    tcase_add_test(tc, refreshing_the_prior_leaves_the_cavities_alone);
    tcase_add_test(tc, updates_keep_variances_positive);
    tcase_add_test(tc, a_row_that_is_not_finite_changes_nothing);
    tcase_add_test(tc, pbp_learns_a_sine_and_knows_how_well);
    tcase_add_test(tc, a_final_map_is_refused);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
