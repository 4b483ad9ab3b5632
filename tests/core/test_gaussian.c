/* SPDX-License-Identifier: Apache-2.0 */
/* Solvers whose posterior is a Gaussian: bll, laplace, pbp; and the evidence that two of them use.
 */
#include "run.h"

#include <math.h>
#include <string.h>

#include "checkpoint.h"
#include "evidence.h"
#include "gemm.h"
#include "laplace.h"
#include "mem.h"
#include "uq.h"

/* ---- dense algebra of its own: Gauss-Jordan ---- */

/* a [n x n] -> inverse in place of a positive definite matrix; log det. */
static double invert(int n, double *a)
{
    double logdet = 0.0;
    for (int p = 0; p < n; p++) {
        double pivot = a[p * n + p];
        ck_assert_double_gt(pivot, 0.0);
        logdet += log(pivot);
        a[p * n + p] = 1.0;
        for (int j = 0; j < n; j++) {
            a[p * n + j] /= pivot;
        }
        for (int i = 0; i < n; i++) {
            double factor = a[i * n + p];
            if (i == p) {
                continue;
            }
            a[i * n + p] = 0.0;
            for (int j = 0; j < n; j++) {
                a[i * n + j] -= factor * a[p * n + j];
            }
        }
    }
    return logdet;
}

/* Covariance of parameters i, j of a member. */
static double covariance(const struct gauss *g, int i, int j)
{
    double sum = g->std != NULL && i == j ? g->std[i] * g->std[i] : 0.0;
    for (int k = 0; k < g->rank; k++) {
        sum += g->factor[i * g->rank + k] * g->factor[j * g->rank + k];
    }
    return sum;
}

/* log N(y; 0, noise^2 I + X diag(prior^2) X') for n rows of p features. */
static double log_marginal(int n, int p, const double *x, const double *y, double noise,
                           const double *prior)
{
    double *c = mem_zalloc_array((size_t)n * (size_t)n, sizeof *c);
    double value = -0.5 * n * log(2.0 * acos(-1.0));
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
            c[i * n + j] = i == j ? noise * noise : 0.0;
            for (int k = 0; k < p; k++) {
                c[i * n + j] += x[i * p + k] * prior[k] * prior[k] * x[j * p + k];
            }
        }
    }
    value -= 0.5 * invert(n, c);
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
            value -= 0.5 * y[i] * c[i * n + j] * y[j];
        }
    }
    mem_free(c);
    return value;
}

/* ---- a problem ---- */

#define N    60
#define KEPT 20

struct problem {
    struct resnet net;
    struct uq_problem uq;
    struct uq_settings settings;
    double x[2 * (N + KEPT)], y[2 * (N + KEPT)];
    double prior[512], sigmas[2];
};

static void problem_init(struct problem *p, const struct arch *arch, enum uq_kind kind)
{
    struct err err = ERR_INIT;
    struct rng rng;
    int d = arch->inputs;
    int o = arch->outputs;
    memset(p, 0, sizeof *p);
    ck_assert_int_eq(resnet_init(&p->net, arch, &err), ERR_OK);
    ck_assert_int_le(p->net.n_params, 512);
    rng_init(&rng, 11, RNG_TEST, 0);
    for (int i = 0; i < N + KEPT; i++) {
        double a = p->x[d * i] = 2.0 * rng_uniform(&rng) - 1.0;
        double b = d > 1 ? (p->x[d * i + 1] = 2.0 * rng_uniform(&rng) - 1.0) : 0.0;
        p->y[o * i] = 0.4 + sin(2.0 * a) + 0.5 * b + 0.1 * rng_normal(&rng);
        if (o > 1) {
            p->y[o * i + 1] = a * b - 0.3 + 0.05 * rng_normal(&rng);
        }
    }
    for (int k = 0; k < p->net.n_params; k++) {
        p->prior[k] = 0.8 + 0.1 * (k % 5);
    }
    p->sigmas[0] = 0.1;
    p->sigmas[1] = 0.05;
    p->uq = (struct uq_problem){
        .net = &p->net,
        .train = {.n = N, .d = d, .o = o, .x = p->x, .y = p->y},
        .validation = {.n = KEPT, .d = d, .o = o, .x = p->x + N * d, .y = p->y + N * o},
        .beliefs = {.noise = NOISE_LEARNED, .prior_sigmas = p->prior},
        .seed = 3,
        .n_threads = 1,
    };
    p->settings = uq_defaults(kind);
}

static void give_noise(struct problem *p)
{
    p->uq.beliefs.noise = NOISE_GIVEN;
    p->uq.beliefs.noise_sigmas = p->sigmas;
}

/* A network with two inputs and outputs. */
static struct arch two_by_two(void)
{
    struct arch arch = arch_default(2, 2);
    arch.width = 5;
    arch.layers = 1;
    return arch;
}

/* y = W x + b: linear in all its parameters. */
static struct arch linear(int d)
{
    struct arch arch = arch_default(d, d);
    arch.width = d;
    arch.layers = 0;
    arch.basis = WPFN_CONSTANT;
    arch.activation = ACT_IDENTITY;
    arch.residual = false;
    arch.layer_pre = false;
    arch.layer_post = false;
    return arch;
}

static const double *reported(const struct uq_result *result, const char *name, int n)
{
    const struct report_item *item = report_find(&result->report, name);
    ck_assert_ptr_nonnull(item);
    ck_assert_int_eq(item->n, n);
    return item->values;
}

/* ---- evidence ---- */

/* A ridge regression by hand in the eigenvectors' coordinates: the Gram matrix is diagonal. */
static void diagonal_model(double *x, double *y, double *eigenvalues, double *c, double *s0,
                           double rho0)
{
    const double scale[3] = {2.0, 1.0, 0.2};
    double residual[6] = {0.05, -0.1, 0.02, 0.3, -0.2, 0.1};
    double w[3] = {1.5, -0.7, 0.4};
    *s0 = 0.0;
    memset(x, 0, 18 * sizeof *x);
    for (int i = 0; i < 6; i++) {
        y[i] = residual[i];
        if (i < 3) {
            x[i * 3 + i] = scale[i];
            y[i] += scale[i] * w[i];
            eigenvalues[i] = scale[i] * scale[i];
            c[i] = scale[i] * y[i];
            *s0 += y[i] * y[i] * rho0 / (eigenvalues[i] + rho0);
        } else {
            *s0 += y[i] * y[i];
        }
    }
}

START_TEST(the_evidence_is_the_marginal_likelihood)
{
    double x[18];
    double y[6];
    double l[3];
    double c[3];
    struct evidence e = {.n_params = 3, .eigenvalues = l, .n_rows = 6, .c = c, .rho0 = 1e-6};
    diagonal_model(x, y, l, c, &e.s0, e.rho0);
    for (double rho = 1e-4; rho < 1e3; rho *= 7.0) {
        for (double beta = 0.1; beta < 1e3; beta *= 9.0) {
            double prior[3];
            prior[0] = prior[1] = prior[2] = 1.0 / sqrt(rho * beta);
            e.precision = beta;
            double exact = log_marginal(6, 3, x, y, 1.0 / sqrt(beta), prior);
            ck_assert_double_eq_tol(evidence_at(&e, rho).log_evidence, exact,
                                    1e-10 * fmax(1.0, fabs(exact)));
        }
    }
}
END_TEST

START_TEST(the_best_evidence_has_no_better_neighbour)
{
    double x[18];
    double y[6];
    double l[3];
    double c[3];
    struct evidence e = {
        .n_params = 3, .eigenvalues = l, .n_rows = 6, .c = c, .rho0 = 1e-6, .most_precision = 1e8};
    diagonal_model(x, y, l, c, &e.s0, e.rho0);
    struct evidence_point best = evidence_maximise(&e);
    double rho = best.alpha / best.beta;
    ck_assert(!best.at_bound);
    ck_assert_double_gt(best.gamma, 1.0);
    for (int i = -1; i <= 1; i++) {
        for (int j = -1; j <= 1; j++) {
            double beta = best.beta * (1.0 + 1e-3 * j);
            double prior[3];
            prior[0] = prior[1] = prior[2] = 1.0 / sqrt(rho * (1.0 + 1e-3 * i) * beta);
            double value = log_marginal(6, 3, x, y, 1.0 / sqrt(beta), prior);
            if (i == 0 && j == 0) {
                ck_assert_double_eq_tol(value, best.log_evidence, 1e-10);
            } else {
                ck_assert_double_lt(value, best.log_evidence - 1e-8);
            }
        }
    }
}
END_TEST

START_TEST(an_evidence_without_a_maximum_says_so)
{
    double l[2] = {1.0, 2.0};
    double c[2] = {0.0, 0.0}; /* the features have nothing to do with the targets */
    struct evidence e = {.n_params = 2,
                         .eigenvalues = l,
                         .n_rows = 9,
                         .s0 = 4.0,
                         .c = c,
                         .rho0 = 1e-12,
                         .most_precision = 1e8};
    struct evidence_point best = evidence_maximise(&e);
    ck_assert(best.at_bound);
    ck_assert_double_eq_tol(best.beta, 9.0 / 4.0, 1e-12);
    ck_assert_double_le(best.gamma, 1e-9);
}
END_TEST

/* ---- bll ---- */

/* phi at all rows, [N x (r + 1)], by the forward pass row by row through unit post layers. */
static void features(const struct problem *p, const double *params, double *phi)
{
    int r = p->net.arch.width;
    struct arch arch = p->net.arch;
    struct err err = ERR_INIT;
    struct resnet bare;
    arch.outputs = r;
    arch.layer_post = false;
    ck_assert_int_eq(resnet_init(&bare, &arch, &err), ERR_OK);
    double *own = mem_alloc_array((size_t)bare.n_params, sizeof *own);
    double *pack = mem_alloc_array(bare.pack_size, sizeof *pack);
    double *scratch = mem_alloc_array(resnet_apply_scratch(&bare, 1), sizeof *scratch);
    /* The same parameters without those of the post layer. */
    int before = p->net.off.weight_post;
    int after = p->net.off.bias_post + p->net.arch.outputs;
    memcpy(own, params, (size_t)before * sizeof *own);
    memcpy(own + before, params + after, (size_t)(p->net.n_params - after) * sizeof *own);
    resnet_pack(&bare, own, pack);
    for (int i = 0; i < N; i++) {
        resnet_apply(&bare, pack, 1, p->x + i * arch.inputs, phi + i * (r + 1), scratch);
        phi[i * (r + 1) + r] = 1.0;
    }
    mem_free(own);
    mem_free(pack);
    mem_free(scratch);
    resnet_release(&bare);
}

/* Mean and covariance of output j against A = alpha I + beta Phi'Phi, all by Gauss-Jordan. */
static void compare_output(const struct problem *p, const struct gauss *g, const double *phi, int j,
                           double alpha, double beta)
{
    int r = p->net.arch.width;
    int n = r + 1;
    int o = p->net.arch.outputs;
    double a[36];
    double b[6] = {0.0};
    ck_assert_int_le(n, 6);
    for (int s = 0; s < n; s++) {
        for (int t = 0; t < n; t++) {
            a[s * n + t] = s == t ? alpha : 0.0;
            for (int i = 0; i < N; i++) {
                a[s * n + t] += beta * phi[i * n + s] * phi[i * n + t];
            }
        }
        for (int i = 0; i < N; i++) {
            b[s] += beta * phi[i * n + s] * p->y[i * o + j];
        }
    }
    invert(n, a);
    double most = 0.0;
    for (int s = 0; s < n * n; s++) {
        most = fmax(most, fabs(a[s]));
    }
    for (int s = 0; s < n; s++) {
        int at = s < r ? j * r + s : o * r + j;
        double mean = 0.0;
        for (int t = 0; t < n; t++) {
            int to = t < r ? j * r + t : o * r + j;
            mean += a[s * n + t] * b[t];
            ck_assert_double_eq_tol(covariance(g, at, to), a[s * n + t], 1e-10 * most);
            /* Outputs are independent. */
            int other = t < r ? (1 - j) * r + t : o * r + 1 - j;
            ck_assert_double_eq(covariance(g, at, other), 0.0);
        }
        ck_assert_double_eq_tol(g->mean[g->first + at], mean, 1e-10 * fmax(1.0, fabs(mean)));
    }
}

static void compare_bll(bool given)
{
    struct err err = ERR_INIT;
    struct problem p;
    struct uq_result result;
    struct arch arch = two_by_two();
    double phi[N * 6];
    problem_init(&p, &arch, UQ_BLL);
    p.settings.epochs = 60;
    if (given) {
        give_noise(&p);
    }
    ck_assert_int_eq(uq_run(UQ_BLL, &p.uq, &p.settings, &result, &err), ERR_OK);
    const struct gauss *g = &result.gaussian.members[0];
    const double *alpha = reported(&result, "bll.alpha", 2);
    const double *beta = reported(&result, "bll.beta", 2);
    const double *gamma = reported(&result, "bll.gamma", 2);
    const double *evidence = reported(&result, "bll.log_evidence", 2);
    ck_assert_int_eq(g->first, p.net.off.weight_post);
    ck_assert_int_eq(g->n, 12);
    ck_assert(result.gaussian.linearised);
    features(&p, g->mean, phi);
    for (int j = 0; j < 2; j++) {
        double y[N];
        double prior[6];
        for (int i = 0; i < N; i++) {
            y[i] = p.y[2 * i + j];
        }
        for (int k = 0; k < 6; k++) {
            prior[k] = 1.0 / sqrt(alpha[j]);
        }
        compare_output(&p, g, phi, j, alpha[j], beta[j]);
        double exact = log_marginal(N, 6, phi, y, 1.0 / sqrt(beta[j]), prior);
        ck_assert_double_eq_tol(evidence[j], exact, 1e-8 * fabs(exact));
        ck_assert_double_eq_tol(result.noise_sigma[j], 1.0 / sqrt(beta[j]), 1e-12);
        ck_assert_double_le(gamma[j], 6.0);
        if (given) {
            ck_assert_double_eq_tol(result.noise_sigma[j], p.sigmas[j], 1e-12);
        }
        /* The prior's scale is the best one. */
        for (int step = -1; step <= 1; step += 2) {
            for (int k = 0; k < 6; k++) {
                prior[k] = 1.0 / sqrt(alpha[j] * (1.0 + 1e-2 * step));
            }
            ck_assert_double_lt(log_marginal(N, 6, phi, y, 1.0 / sqrt(beta[j]), prior), exact);
        }
    }
    uq_result_release(&result);
    resnet_release(&p.net);
}

START_TEST(bll_is_the_linear_models_posterior)
{
    compare_bll(false);
}
END_TEST

START_TEST(bll_keeps_a_given_noise)
{
    compare_bll(true);
}
END_TEST

/* Phi'Phi is singular. */
START_TEST(bll_takes_fewer_rows_than_features)
{
    struct err err = ERR_INIT;
    struct problem p;
    struct uq_result result;
    struct arch arch = two_by_two();
    problem_init(&p, &arch, UQ_BLL);
    p.settings.epochs = 5;
    p.uq.train.n = 3;
    p.uq.validation.n = 0;
    ck_assert_int_eq(uq_run(UQ_BLL, &p.uq, &p.settings, &result, &err), ERR_OK);
    ck_assert_int_eq(gauss_mixture_check(&result.gaussian, p.net.n_params, &err), ERR_OK);
    ck_assert_double_le(reported(&result, "bll.gamma", 2)[0], 3.0);
    uq_result_release(&result);
    resnet_release(&p.net);
}
END_TEST

/* No residual at all: the noise ends at its floor. */
START_TEST(bll_survives_constant_targets)
{
    struct err err = ERR_INIT;
    struct problem p;
    struct uq_result result;
    struct arch arch = two_by_two();
    problem_init(&p, &arch, UQ_BLL);
    p.settings.epochs = 5;
    memset(p.y, 0, sizeof p.y);
    ck_assert_int_eq(uq_run(UQ_BLL, &p.uq, &p.settings, &result, &err), ERR_OK);
    ck_assert_int_eq(gauss_mixture_check(&result.gaussian, p.net.n_params, &err), ERR_OK);
    ck_assert_double_eq_tol(result.noise_sigma[0], EVIDENCE_LEAST_SIGMA, 1e-12);
    ck_assert_int_eq(result.report.n_warnings, 1);
    uq_result_release(&result);
    resnet_release(&p.net);
}
END_TEST

START_TEST(bll_refuses_networks_without_a_last_layer)
{
    struct err err = ERR_INIT;
    struct problem p;
    struct uq_result result;
    struct arch arch = linear(2);
    problem_init(&p, &arch, UQ_BLL);
    ck_assert_int_eq(uq_run(UQ_BLL, &p.uq, &p.settings, &result, &err), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "layer_post"));
    resnet_release(&p.net);
    err_clear(&err);
    arch = two_by_two();
    arch.final = FINAL_EXP;
    problem_init(&p, &arch, UQ_BLL);
    ck_assert_int_eq(uq_run(UQ_BLL, &p.uq, &p.settings, &result, &err), ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.msg, "final"));
    resnet_release(&p.net);
}
END_TEST

/* ---- laplace ---- */

static void converge(struct problem *p)
{
    p->settings.optim.kind = OPTIM_LBFGS;
    p->settings.epochs = 400;
    p->uq.validation.n = 0;
}

/* y = W x + b with given noise: each output's parameters have the ridge regression's posterior. */
static void compare_laplace(int hessian, double scale)
{
    struct err err = ERR_INIT;
    struct problem p;
    struct uq_result result;
    struct arch arch = linear(2);
    double evidence = 0.0;
    problem_init(&p, &arch, UQ_LAPLACE);
    give_noise(&p);
    converge(&p);
    p.settings.hessian = hessian;
    p.settings.covariance_scale = scale;
    ck_assert_int_eq(p.net.n_params, 6); /* W [2 x 2], b [2] */
    ck_assert_int_eq(uq_run(UQ_LAPLACE, &p.uq, &p.settings, &result, &err), ERR_OK);
    const struct gauss *g = &result.gaussian.members[0];
    for (int j = 0; j < 2; j++) {
        double a[9];
        double b[3] = {0.0};
        double x[3 * N];
        double y[N];
        double prior[3];
        double beta = 1.0 / (p.sigmas[j] * p.sigmas[j]);
        const int at[3] = {2 * j, 2 * j + 1, 4 + j};
        for (int i = 0; i < N; i++) {
            x[3 * i] = p.x[2 * i];
            x[3 * i + 1] = p.x[2 * i + 1];
            x[3 * i + 2] = 1.0;
            y[i] = p.y[2 * i + j];
        }
        for (int s = 0; s < 3; s++) {
            prior[s] = p.prior[at[s]];
            for (int t = 0; t < 3; t++) {
                a[3 * s + t] = s == t ? 1.0 / (prior[s] * prior[s]) : 0.0;
                for (int i = 0; i < N; i++) {
                    a[3 * s + t] += beta * x[3 * i + s] * x[3 * i + t];
                }
            }
            for (int i = 0; i < N; i++) {
                b[s] += beta * x[3 * i + s] * y[i];
            }
        }
        invert(3, a);
        for (int s = 0; s < 3; s++) {
            double mean = a[3 * s] * b[0] + a[3 * s + 1] * b[1] + a[3 * s + 2] * b[2];
            ck_assert_double_eq_tol(g->mean[at[s]], mean, 1e-6);
            for (int t = 0; t < 3; t++) {
                ck_assert_double_eq_tol(covariance(g, at[s], at[t]), a[3 * s + t] / scale,
                                        1e-10 * fabs(a[0]));
            }
            ck_assert_double_eq_tol(covariance(g, at[s], (at[s] + 1 + j) % 2 + 2 * (1 - j)), 0.0,
                                    1e-10 * fabs(a[0]));
        }
        evidence += log_marginal(N, 3, x, y, p.sigmas[j], prior);
    }
    ck_assert_double_eq_tol(*reported(&result, "laplace.log_evidence", 1), evidence,
                            1e-8 * fabs(evidence));
    ck_assert_double_eq(result.noise_sigma[1], p.sigmas[1]);
    ck_assert_int_eq(result.report.n_warnings, 0);
    ck_assert(result.gaussian.linearised);
    uq_result_release(&result);
    resnet_release(&p.net);
}

START_TEST(laplace_is_exact_for_a_linear_model)
{
    compare_laplace(LAPLACE_GAUSS_NEWTON, 1.0);
    compare_laplace(LAPLACE_FULL, 1.0);
    compare_laplace(LAPLACE_GAUSS_NEWTON, 3.0);
    compare_laplace(LAPLACE_FULL, 0.25);
}
END_TEST

/* y = w x + b: the evidence by a sum over a grid of w and b. */
START_TEST(the_evidence_of_laplace_is_the_integral)
{
    struct err err = ERR_INIT;
    struct problem p;
    struct uq_result result;
    struct arch arch = linear(1);
    problem_init(&p, &arch, UQ_LAPLACE);
    give_noise(&p);
    converge(&p);
    p.uq.train.n = 8;
    ck_assert_int_eq(uq_run(UQ_LAPLACE, &p.uq, &p.settings, &result, &err), ERR_OK);
    const struct gauss *g = &result.gaussian.members[0];
    double wide[2] = {sqrt(covariance(g, 0, 0)), sqrt(covariance(g, 1, 1))};
    double most = -INFINITY;
    double sum = 0.0;
    const double log_two_pi = log(2.0 * acos(-1.0));
    for (int pass = 0; pass < 2; pass++) {
        for (int i = -80; i <= 80; i++) {
            for (int j = -80; j <= 80; j++) {
                double w = g->mean[0] + 0.1 * i * wide[0];
                double b = g->mean[1] + 0.1 * j * wide[1];
                double value = -5.0 * log_two_pi - 8.0 * log(p.sigmas[0]) - log(p.prior[0]) -
                               log(p.prior[1]) - 0.5 * w * w / (p.prior[0] * p.prior[0]) -
                               0.5 * b * b / (p.prior[1] * p.prior[1]);
                for (int k = 0; k < 8; k++) {
                    double residual = (p.y[k] - w * p.x[k] - b) / p.sigmas[0];
                    value -= 0.5 * residual * residual;
                }
                most = pass == 0 ? fmax(most, value) : most;
                sum += pass == 0 ? 0.0 : exp(value - most);
            }
        }
    }
    double integral = most + log(sum * 0.01 * wide[0] * wide[1]);
    ck_assert_double_eq_tol(*reported(&result, "laplace.log_evidence", 1), integral, 1e-8);
    uq_result_release(&result);
    resnet_release(&p.net);
}
END_TEST

START_TEST(laplace_of_the_diagonal_is_the_empirical_fisher)
{
    struct err err = ERR_INIT;
    struct problem p;
    struct uq_result result;
    struct arch arch = linear(1);
    problem_init(&p, &arch, UQ_LAPLACE);
    give_noise(&p);
    p.settings.epochs = 3;
    p.settings.hessian = LAPLACE_DIAGONAL;
    ck_assert_int_eq(uq_run(UQ_LAPLACE, &p.uq, &p.settings, &result, &err), ERR_OK);
    const struct gauss *g = &result.gaussian.members[0];
    ck_assert_ptr_null(g->factor);
    for (int k = 0; k < 2; k++) {
        double precision = 1.0 / (p.prior[k] * p.prior[k]);
        for (int i = 0; i < N; i++) {
            double residual = g->mean[0] * p.x[i] + g->mean[1] - p.y[i];
            double grad = residual * (k == 0 ? p.x[i] : 1.0) / (p.sigmas[0] * p.sigmas[0]);
            precision += grad * grad;
        }
        ck_assert_double_eq_tol(g->std[k], 1.0 / sqrt(precision), 1e-12 / sqrt(precision));
    }
    uq_result_release(&result);
    resnet_release(&p.net);
}
END_TEST

START_TEST(laplace_learns_the_noise)
{
    struct err err = ERR_INIT;
    struct problem p;
    struct uq_result result;
    struct arch arch = two_by_two();
    problem_init(&p, &arch, UQ_LAPLACE);
    p.settings.members = 2;
    p.settings.optim.kind = OPTIM_LBFGS;
    p.settings.epochs = 200;
    ck_assert_int_eq(uq_run(UQ_LAPLACE, &p.uq, &p.settings, &result, &err), ERR_OK);
    /* Standard error of a standard deviation from 60 rows: 9 %; the learned one has fewer. */
    ck_assert_double_eq_tol(result.noise_sigma[0], 0.1, 0.05);
    ck_assert_double_eq_tol(result.noise_sigma[1], 0.05, 0.025);
    ck_assert_int_eq(result.m, 200);
    ck_assert(isfinite(reported(&result, "laplace.log_evidence", 2)[1]));
    uq_result_release(&result);
    resnet_release(&p.net);
}
END_TEST

/* On a linear model the chosen prior and noise have no better neighbours, by the exact evidence. */
START_TEST(marginal_likelihood_chooses_the_best_prior_and_noise)
{
    struct err err = ERR_INIT;
    struct problem p;
    struct uq_result result;
    struct arch arch = linear(1);
    double x[2 * N];
    problem_init(&p, &arch, UQ_LAPLACE);
    converge(&p);
    p.settings.marginal_likelihood = true;
    ck_assert_int_eq(uq_run(UQ_LAPLACE, &p.uq, &p.settings, &result, &err), ERR_OK);
    double factor = *reported(&result, "laplace.prior_precision_factor", 1);
    double noise = result.noise_sigma[0];
    double best = *reported(&result, "laplace.log_evidence", 1);
    for (int i = 0; i < N; i++) {
        x[2 * i] = p.x[i];
        x[2 * i + 1] = 1.0;
    }
    for (int s = -1; s <= 1; s++) {
        for (int t = -1; t <= 1; t++) {
            double by = sqrt(factor * (1.0 + 0.02 * s));
            double prior[2] = {p.prior[0] / by, p.prior[1] / by};
            double value = log_marginal(N, 2, x, p.y, noise * (1.0 + 0.02 * t), prior);
            if (s == 0 && t == 0) {
                ck_assert_double_eq_tol(value, best, 1e-6);
            } else {
                ck_assert_double_lt(value, best);
            }
        }
    }
    ck_assert_double_gt(fabs(factor - 1.0), 0.05);
    uq_result_release(&result);
    resnet_release(&p.net);
}
END_TEST

START_TEST(laplace_needs_a_prior_where_rows_are_few)
{
    struct problem p;
    struct uq_result result;
    struct arch arch = two_by_two();
    for (int hessian = LAPLACE_GAUSS_NEWTON; hessian <= LAPLACE_FULL; hessian++) {
        struct err err = ERR_INIT;
        problem_init(&p, &arch, UQ_LAPLACE);
        p.settings.hessian = hessian;
        p.settings.epochs = 5;
        p.uq.beliefs.flat = true;
        p.uq.train.n = 4;
        ck_assert_int_eq(uq_run(UQ_LAPLACE, &p.uq, &p.settings, &result, &err), ERR_NUMERIC);
        ck_assert_ptr_nonnull(strstr(err.msg, "prior"));
        resnet_release(&p.net);
    }
    struct err err = ERR_INIT;
    problem_init(&p, &arch, UQ_LAPLACE);
    p.settings.marginal_likelihood = true;
    p.uq.beliefs.flat = true;
    ck_assert_int_eq(uq_run(UQ_LAPLACE, &p.uq, &p.settings, &result, &err), ERR_INVALID);
    resnet_release(&p.net);
}
END_TEST

START_TEST(laplace_without_a_prior_is_least_squares)
{
    struct err err = ERR_INIT;
    struct problem p;
    struct uq_result result;
    struct arch arch = linear(1);
    problem_init(&p, &arch, UQ_LAPLACE);
    give_noise(&p);
    converge(&p);
    p.uq.beliefs.flat = true;
    p.settings.hessian = LAPLACE_FULL;
    ck_assert_int_eq(uq_run(UQ_LAPLACE, &p.uq, &p.settings, &result, &err), ERR_OK);
    double a[4] = {0.0, 0.0, 0.0, N};
    for (int i = 0; i < N; i++) {
        a[0] += p.x[i] * p.x[i];
        a[1] += p.x[i];
        a[2] += p.x[i];
    }
    invert(2, a);
    for (int k = 0; k < 4; k++) {
        ck_assert_double_eq_tol(covariance(&result.gaussian.members[0], k / 2, k % 2), 0.01 * a[k],
                                1e-12);
    }
    ck_assert(isnan(*reported(&result, "laplace.log_evidence", 1)));
    uq_result_release(&result);
    resnet_release(&p.net);
}
END_TEST

/* Eigenvalues -3, 0.5 and 8 in the coordinates of the prior: the first two become 1. */
START_TEST(eigenvalues_below_the_priors_are_raised_to_it)
{
    struct err err = ERR_INIT;
    const double prior[3] = {0.5, 2.0, 1.0};
    const double e[3] = {-3.0, 0.5, 8.0};
    const double raised[3] = {1.0, 1.0, 8.0};
    /* Orthonormal rows. */
    const double u[9] = {2.0 / 3.0, 2.0 / 3.0, 1.0 / 3.0,  -2.0 / 3.0, 1.0 / 3.0,
                         2.0 / 3.0, 1.0 / 3.0, -2.0 / 3.0, 2.0 / 3.0};
    double h[9];
    double logdet;
    int n_raised;
    for (int i = 0; i < 9; i++) {
        h[i] = 0.0;
        for (int k = 0; k < 3; k++) {
            h[i] += u[3 * k + i / 3] * e[k] * u[3 * k + i % 3] / (prior[i / 3] * prior[i % 3]);
        }
    }
    ck_assert_int_eq(laplace_eigen(3, 2.0, prior, h, &logdet, &n_raised, &err), ERR_OK);
    ck_assert_int_eq(n_raised, 2);
    ck_assert_double_eq_tol(logdet, log(8.0), 1e-12); /* the prior's product is 1 */
    for (int i = 0; i < 9; i++) {
        double exact = 0.0;
        double found = 0.0;
        for (int k = 0; k < 3; k++) {
            exact += u[3 * k + i / 3] / raised[k] * u[3 * k + i % 3] * prior[i / 3] * prior[i % 3];
            found += h[3 * (i / 3) + k] * h[3 * (i % 3) + k];
        }
        ck_assert_double_eq_tol(found, 0.5 * exact, 1e-13);
    }
    ck_assert_int_eq(laplace_diagonal(1, 1.0, &(double){0.0}, h, &logdet, &err), ERR_NUMERIC);
}
END_TEST

/* ---- what each solver must do ---- */

struct variant {
    enum uq_kind kind;
    int hessian;
    bool choosing;
};

static const struct variant variants[] = {
    {UQ_BLL, 0, false},
    {UQ_PBP, 0, false},
    {UQ_LAPLACE, LAPLACE_GAUSS_NEWTON, false},
    {UQ_LAPLACE, LAPLACE_FULL, false},
    {UQ_LAPLACE, LAPLACE_DIAGONAL, true},
};
#define N_VARIANTS ((int)(sizeof variants / sizeof *variants))

static void variant_init(struct problem *p, const struct variant *variant)
{
    struct arch arch = two_by_two();
    problem_init(p, &arch, variant->kind);
    p->settings.members = 3;
    p->settings.epochs = 8;
    p->settings.batch_size = 16;
    p->settings.draws = 4;
    p->settings.hessian = variant->hessian;
    p->settings.marginal_likelihood = variant->choosing;
}

static void same(const struct problem *p, const struct uq_result *a, const struct uq_result *b)
{
    ck_assert_int_eq(a->m, b->m);
    ck_assert_int_eq(a->m, 12);
    ck_assert_int_eq(memcmp(a->noise_sigma, b->noise_sigma, 2 * sizeof(double)), 0);
    for (int i = 0; i < a->gaussian.n_members; i++) {
        const struct gauss *ga = &a->gaussian.members[i];
        const struct gauss *gb = &b->gaussian.members[i];
        size_t n = (size_t)ga->n;
        ck_assert_int_eq(memcmp(ga->mean, gb->mean, (size_t)p->net.n_params * sizeof(double)), 0);
        ck_assert(ga->std == NULL || memcmp(ga->std, gb->std, n * sizeof(double)) == 0);
        ck_assert(ga->factor == NULL ||
                  memcmp(ga->factor, gb->factor, n * (size_t)ga->rank * sizeof(double)) == 0);
    }
    ck_assert_int_eq(a->report.n_items, b->report.n_items);
    for (int i = 0; i < a->report.n_items; i++) {
        ck_assert_int_eq(memcmp(a->report.items[i].values, b->report.items[i].values,
                                (size_t)a->report.items[i].n * sizeof(double)),
                         0);
    }
}

START_TEST(results_do_not_depend_on_the_number_of_threads)
{
    struct err err = ERR_INIT;
    struct problem p;
    struct uq_result one;
    struct uq_result many;
    variant_init(&p, &variants[_i]);
    ck_assert_int_eq(uq_run(variants[_i].kind, &p.uq, &p.settings, &one, &err), ERR_OK);
    ck_assert_int_eq(gauss_mixture_check(&one.gaussian, p.net.n_params, &err), ERR_OK);
    ck_assert_int_eq(one.gaussian.n_draws, 4);
    p.uq.n_threads = 4;
    ck_assert_int_eq(uq_run(variants[_i].kind, &p.uq, &p.settings, &many, &err), ERR_OK);
    same(&p, &one, &many);
    ck_assert(one.gaussian.members[0].mean[0] != one.gaussian.members[1].mean[0]);
    uq_result_release(&one);
    uq_result_release(&many);
    resnet_release(&p.net);
}
END_TEST

struct watch {
    struct cancel cancel;
    int stop_at; /* calls; 0: never */
    int calls;
    double last;
};

static void on_progress(void *ctx, const struct progress *progress)
{
    struct watch *watch = ctx;
    ck_assert_double_ge(progress->fraction, watch->last);
    ck_assert_double_le(progress->fraction, 1.0);
    ck_assert_int_eq(progress->n_members, 3);
    watch->last = progress->fraction;
    if (++watch->calls == watch->stop_at) {
        cancel_request(&watch->cancel);
    }
}

START_TEST(progress_grows_to_one_and_a_cancel_ends_the_run)
{
    struct err err = ERR_INIT;
    struct problem p;
    struct watch watch = {.stop_at = 0};
    struct uq_result result;
    long live = mem_live();
    variant_init(&p, &variants[_i]);
    p.uq.progress = on_progress;
    p.uq.progress_ctx = &watch;
    p.uq.cancel = &watch.cancel;
    ck_assert_int_eq(uq_run(variants[_i].kind, &p.uq, &p.settings, &result, &err), ERR_OK);
    ck_assert_double_eq_tol(watch.last, 1.0, 1e-9);
    uq_result_release(&result);
    int calls = watch.calls;
    for (int at = 1; at < calls; at++) {
        struct err stopped = ERR_INIT;
        watch = (struct watch){.stop_at = at};
        enum err_code code = uq_run(variants[_i].kind, &p.uq, &p.settings, &result, &stopped);
        /* After the last report of a member nothing may be left to cancel. */
        ck_assert_int_eq(code, ERR_CANCELLED);
        ck_assert_int_le(watch.calls, at + 1);
    }
    resnet_release(&p.net);
    ck_assert_int_eq(mem_live(), live);
}
END_TEST

/* States kept in memory; after some saves the process "dies": a cancel, and nothing is kept. */
#define MOST_TASKS 64

struct memory {
    struct checkpoint checkpoint;
    struct cancel cancel;
    int saves, die_after, loads;
    void *bytes[MOST_TASKS];
    size_t n_bytes[MOST_TASKS];
};

static bool memory_due(void *ctx, int task)
{
    (void)ctx;
    (void)task;
    return true;
}

static enum err_code memory_save(void *ctx, int task, const void *bytes, size_t n_bytes,
                                 struct err *err)
{
    struct memory *memory = ctx;
    ck_assert_int_lt(task, MOST_TASKS);
    (void)err;
    if (memory->die_after > 0 && memory->saves >= memory->die_after) {
        return ERR_OK;
    }
    mem_free(memory->bytes[task]);
    memory->bytes[task] = mem_dup(bytes, n_bytes);
    memory->n_bytes[task] = n_bytes;
    if (++memory->saves == memory->die_after) {
        cancel_request(&memory->cancel);
    }
    return ERR_OK;
}

static enum err_code memory_load(void *ctx, int task, void **bytes, size_t *n_bytes,
                                 struct err *err)
{
    struct memory *memory = ctx;
    if (memory->bytes[task] == NULL) {
        return ERR_NOT_FOUND;
    }
    memory->loads++;
    *bytes = mem_dup(memory->bytes[task], memory->n_bytes[task]);
    *n_bytes = memory->n_bytes[task];
    return *bytes != NULL ? ERR_OK : err_set(err, ERR_NOMEM, "no memory");
}

START_TEST(an_interrupted_run_ends_the_same)
{
    struct err err = ERR_INIT;
    struct problem p;
    struct uq_result whole;
    variant_init(&p, &variants[_i]);
    ck_assert_int_eq(uq_run(variants[_i].kind, &p.uq, &p.settings, &whole, &err), ERR_OK);
    int interruptions = 0;
    for (int at = 1; at < 60; at += 4) {
        struct memory memory = {.die_after = at};
        struct uq_result resumed;
        struct err first = ERR_INIT;
        memory.checkpoint = (struct checkpoint){&memory, memory_due, memory_save, memory_load};
        p.uq.checkpoint = &memory.checkpoint;
        p.uq.cancel = &memory.cancel;
        if (uq_run(variants[_i].kind, &p.uq, &p.settings, &resumed, &first) == ERR_CANCELLED) {
            interruptions++;
            memory.die_after = 0;
            memory.cancel = (struct cancel){false};
            memory.loads = 0;
            struct err second = ERR_INIT;
            ck_assert_int_eq(uq_run(variants[_i].kind, &p.uq, &p.settings, &resumed, &second),
                             ERR_OK);
            ck_assert_int_gt(memory.loads, 0);
        }
        same(&p, &whole, &resumed);
        uq_result_release(&resumed);
        for (int task = 0; task < MOST_TASKS; task++) {
            mem_free(memory.bytes[task]);
        }
    }
    ck_assert_int_ge(interruptions, 5);
    uq_result_release(&whole);
    resnet_release(&p.net);
}
END_TEST

START_TEST(each_failing_allocation_is_an_error_and_leaks_nothing)
{
    struct problem p;
    struct uq_result result;
    variant_init(&p, &variants[_i]);
    p.settings.members = 2;
    p.settings.epochs = 1;
    long live = mem_live();
    for (int for_ever = 0; for_ever < 2; for_ever++) {
        for (long at = 1;; at++) {
            struct err err = ERR_INIT;
            mem_fail_after(at, for_ever == 1);
            enum err_code code = uq_run(variants[_i].kind, &p.uq, &p.settings, &result, &err);
            long attempts = mem_attempts();
            mem_fail_after(0, false);
            if (attempts < at) {
                ck_assert_int_eq(code, ERR_OK);
                uq_result_release(&result);
                ck_assert_int_gt(at, 20);
                break;
            }
            ck_assert_int_eq(code, ERR_NOMEM);
            ck_assert_int_eq(mem_live(), live);
        }
    }
    resnet_release(&p.net);
}
END_TEST

START_TEST(a_damaged_checkpoint_is_refused)
{
    struct err err = ERR_INIT;
    struct problem p;
    struct memory memory = {.die_after = 0};
    struct uq_result result;
    struct variant pbp = {.kind = UQ_PBP};
    variant_init(&p, &pbp);
    memory.checkpoint = (struct checkpoint){&memory, memory_due, memory_save, memory_load};
    p.uq.checkpoint = &memory.checkpoint;
    ck_assert_int_eq(uq_run(UQ_PBP, &p.uq, &p.settings, &result, &err), ERR_OK);
    uq_result_release(&result);
    memory.n_bytes[1] -= 8;
    ck_assert_int_eq(uq_run(UQ_PBP, &p.uq, &p.settings, &result, &err), ERR_CORRUPT);
    for (int task = 0; task < MOST_TASKS; task++) {
        mem_free(memory.bytes[task]);
    }
    resnet_release(&p.net);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gaussian");
    TCase *tc = tcase_create("gaussian");
    gemm_use_one_thread();
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, the_evidence_is_the_marginal_likelihood);
    tcase_add_test(tc, the_best_evidence_has_no_better_neighbour);
    tcase_add_test(tc, an_evidence_without_a_maximum_says_so);
    tcase_add_test(tc, bll_is_the_linear_models_posterior);
    tcase_add_test(tc, bll_keeps_a_given_noise);
    tcase_add_test(tc, bll_takes_fewer_rows_than_features);
    tcase_add_test(tc, bll_survives_constant_targets);
    tcase_add_test(tc, bll_refuses_networks_without_a_last_layer);
    tcase_add_test(tc, laplace_is_exact_for_a_linear_model);
    tcase_add_test(tc, the_evidence_of_laplace_is_the_integral);
    tcase_add_test(tc, laplace_of_the_diagonal_is_the_empirical_fisher);
    tcase_add_test(tc, laplace_learns_the_noise);
    tcase_add_test(tc, marginal_likelihood_chooses_the_best_prior_and_noise);
    tcase_add_test(tc, laplace_needs_a_prior_where_rows_are_few);
    tcase_add_test(tc, laplace_without_a_prior_is_least_squares);
    tcase_add_test(tc, eigenvalues_below_the_priors_are_raised_to_it);
    tcase_add_loop_test(tc, results_do_not_depend_on_the_number_of_threads, 0, N_VARIANTS);
    tcase_add_loop_test(tc, progress_grows_to_one_and_a_cancel_ends_the_run, 0, N_VARIANTS);
    tcase_add_loop_test(tc, an_interrupted_run_ends_the_same, 0, N_VARIANTS);
    tcase_add_loop_test(tc, each_failing_allocation_is_an_error_and_leaks_nothing, 0, N_VARIANTS);
    tcase_add_test(tc, a_damaged_checkpoint_is_refused);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
