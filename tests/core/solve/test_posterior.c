/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each sampler on a network's posterior that is a Gaussian in closed form: mean and covariance.
 *
 * Significance: a mean may be Z standard errors off, Z = 5, about once in 2e6 comparisons, of which
 * there are 56. Seeds are fixed.
 */
#include "batch_means.h"
#include "run.h"
#include "sampler_settings.h"

#include <math.h>
#include <string.h>

#include "fit/fit.h"
#include "math/gemm.h"
#include "math/linalg.h"
#include "sample/chain.h"
#include "sample/sampler.h"
#include "solve/logpost.h"

#define Z 5.0

#define ROWS  20
#define WIDTH 3
#define P     (WIDTH + 1)
#define S     0.3 /* noise */
#define S_P   1.5 /* prior */

/*
 * A network without activation whose last layer alone is free is linear in it: with features
 * phi = (z, 1) the posterior of (w, b) is Gaussian of precision phi' phi / s^2 + I / s_p^2. As many
 * inputs as units, and a pre layer near the identity, so that the features are far from collinear.
 */
struct last_layer {
    struct resnet net;
    double x[ROWS * WIDTH], y[ROWS], params[200];
    double features[ROWS][P];
    double mean[P], cov[P * P];
    struct logpost logpost;
};

static void last_layer_features(struct last_layer *l)
{
    struct resnet_tape *tape = resnet_tape_new(&l->net, ROWS);
    for (int k = 0; k < P; k++) {
        double f[ROWS];
        for (int j = 0; j < P; j++) {
            l->params[l->net.off.weight_post + j] = j == k ? 1.0 : 0.0;
        }
        resnet_set_params(tape, l->params);
        resnet_forward(tape, ROWS, l->x, f);
        for (int i = 0; i < ROWS; i++) {
            l->features[i][k] = f[i];
        }
    }
    resnet_tape_free(tape);
}

/* x <- (L L')^-1 x */
static void solve(const double *l, double *x)
{
    cblas_dtrsv(CblasRowMajor, CblasLower, CblasNoTrans, CblasNonUnit, P, l, P, x, 1);
    cblas_dtrsv(CblasRowMajor, CblasLower, CblasTrans, CblasNonUnit, P, l, P, x, 1);
}

static void last_layer_init(struct last_layer *l)
{
    struct err err = ERR_INIT;
    struct arch arch = arch_default(WIDTH, 1);
    struct rng rng;
    double precision[P * P] = {0};
    arch.width = WIDTH;
    arch.layers = 1;
    arch.activation = ACT_IDENTITY;
    memset(l, 0, sizeof *l);
    ck_assert_int_eq(resnet_init(&l->net, &arch, &err), ERR_OK);
    rng_init(&rng, 31, RNG_TEST, 0);
    fit_init_params(&l->net, 0.5, &rng, l->params);
    for (int j = 0; j < WIDTH; j++) {
        l->params[l->net.off.weight_pre + j * (WIDTH + 1)] += 1.0;
    }
    for (int i = 0; i < ROWS; i++) {
        for (int j = 0; j < WIDTH; j++) {
            l->x[i * WIDTH + j] = rng_normal(&rng);
        }
        l->y[i] = l->x[i * WIDTH] - 0.5 * l->x[i * WIDTH + 1] + 0.3 + S * rng_normal(&rng);
    }
    last_layer_features(l);
    for (int a = 0; a < P; a++) {
        for (int i = 0; i < ROWS; i++) {
            for (int b = 0; b < P; b++) {
                precision[a * P + b] += l->features[i][a] * l->features[i][b] / (S * S);
            }
            l->mean[a] += l->features[i][a] * l->y[i] / (S * S);
        }
        precision[a * P + a] += 1.0 / (S_P * S_P);
    }
    ck_assert(linalg_cholesky(P, precision));
    solve(precision, l->mean);
    for (int k = 0; k < P; k++) {
        l->cov[k * P + k] = 1.0;
        solve(precision, l->cov + k * P);
    }
    struct data rows = {.n = ROWS, .d = WIDTH, .o = 1, .x = l->x, .y = l->y};
    struct objective objective = {
        .kind = OBJECTIVE_NLP, .noise_sigma = S, .prior_sigma = S_P, .n_total = ROWS};
    ck_assert_int_eq(logpost_init(&l->logpost, &objective, &l->net, &rows, &err), ERR_OK);
}

/* The posterior of the last layer's parameters [P], the others given. */
static double last_layer_logp(void *ctx, const double *theta, double *grad)
{
    struct last_layer *l = ctx;
    struct target all = logpost_target(&l->logpost);
    double all_grad[200];
    memcpy(l->params + l->net.off.weight_post, theta, P * sizeof *theta);
    double value = all.logp(all.ctx, l->params, grad != NULL ? all_grad : NULL);
    if (grad != NULL) {
        memcpy(grad, all_grad + l->net.off.weight_post, P * sizeof *grad);
    }
    return value;
}

static void last_layer_release(struct last_layer *l)
{
    logpost_release(&l->logpost);
    resnet_release(&l->net);
}

START_TEST(the_last_layer_s_posterior_is_the_known_gaussian)
{
    static const int thin[] = {12, 4, 1, 1};
    enum { N = 3000 };
    enum sampler_kind kind = (enum sampler_kind)_i;
    static double draws[P][CHAINS * N], g[CHAINS * N];
    static struct last_layer l;
    struct sampler_settings settings = test_sampler_settings(kind);
    last_layer_init(&l);
    struct target target = {.n = P, .logp = last_layer_logp, .ctx = &l};
    for (int c = 0; c < CHAINS; c++) {
        struct err err = ERR_INIT;
        struct sampler sampler;
        struct sampler_info info;
        struct rng rng;
        double q0[P];
        rng_init(&rng, 33, RNG_TEST, (uint32_t)c);
        for (int i = 0; i < P; i++) {
            q0[i] = rng_normal(&rng);
        }
        ck_assert_int_eq(sampler_init(&sampler, &settings, &target, q0, &rng, &err), ERR_OK);
        for (int t = -(kind == SAMPLER_AMCMC ? 5000 : settings.warmup); t < N * thin[_i]; t++) {
            sampler_step(&sampler, &target, &rng, &info);
            for (int i = 0; t >= 0 && t % thin[_i] == 0 && i < P; i++) {
                draws[i][c * N + t / thin[_i]] = sampler.q[i];
            }
        }
        sampler_release(&sampler);
    }
    for (int i = 0; i < P; i++) {
        struct err err = ERR_INIT;
        struct chain_summary summary;
        char what[80];
        ck_assert_int_eq(chain_summarise(CHAINS, N, draws[i], &summary, &err), ERR_OK);
        ck_assert_msg(summary.rhat < 1.01 && summary.ess_bulk > 20.0 * CHAINS * BATCHES,
                      "%s: R-hat %g, effective size %g", sampler_name(kind), summary.rhat,
                      summary.ess_bulk);
        snprintf(what, sizeof what, "%s: mean %d", sampler_name(kind), i);
        check_mean(what, draws[i], N, l.mean[i], Z);
        for (int j = 0; j <= i; j++) {
            for (int k = 0; k < CHAINS * N; k++) {
                g[k] = (draws[i][k] - l.mean[i]) * (draws[j][k] - l.mean[j]);
            }
            snprintf(what, sizeof what, "%s: covariance %d, %d", sampler_name(kind), i, j);
            check_mean(what, g, N, l.cov[i * P + j], Z);
        }
    }
    last_layer_release(&l);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("posterior");
    TCase *tc = tcase_create("posterior");
    gemm_use_one_thread();
    tcase_set_timeout(tc, 200);
    tcase_add_loop_test(tc, the_last_layer_s_posterior_is_the_known_gaussian, SAMPLER_AMCMC,
                        SAMPLER_NUTS + 1);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
