/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Samplers: each against each known target, by moments and quantiles within their Monte Carlo
 * errors; QUiNN's kernels step by step; the integrator's symmetries; diagnostics of chains.
 *
 * Significance: a coordinate's mean, variance and median may be Z Monte Carlo errors off, Z = 5,
 * which a right sampler exceeds about once in 2e6 comparisons (there are some 150). Seeds are
 * fixed.
 */
#include "oracle.h"
#include "run.h"
#include "targets.h"

#include <math.h>
#include <string.h>

#include "chain.h"
#include "fit.h"
#include "gemm.h"
#include "linalg.h"
#include "mem.h"
#include "logpost.h"
#include "sampler.h"
#include "sampler_priv.h"

#define Z      5.0
#define CHAINS 4

/* ---- conformance ---- */

struct run {
    int n; /* draws of a chain */
    int dim;
    double *draws; /* [dim x CHAINS x n] */
    int divergent;
    double accept;
};

static void run_chains(enum sampler_kind kind, const struct known_target *known, int n, int thin,
                       struct run *out)
{
    struct sampler_settings settings = sampler_defaults(kind);
    settings.warmup = 1500;
    settings.leapfrog_steps = 12;
    settings.target_accept = kind == SAMPLER_MALA ? 0.574 : 0.9;
    int dim = known->target.n;
    *out = (struct run){.n = n, .dim = dim};
    out->draws = calloc((size_t)(dim * CHAINS * n), sizeof *out->draws);
    for (int c = 0; c < CHAINS; c++) {
        struct err err = ERR_INIT;
        struct sampler sampler;
        struct sampler_info info;
        struct rng rng;
        double q0[TARGETS_MOST];
        rng_init(&rng, 17 + (uint64_t)kind, RNG_TEST, (uint32_t)c);
        for (int i = 0; i < dim; i++) {
            q0[i] =
                known->mean[i] + 2.0 * sqrt(known->variance[i]) * (2.0 * rng_uniform(&rng) - 1.0);
        }
        ck_assert_int_eq(sampler_init(&sampler, kind, &settings, &known->target, q0, &rng, &err),
                         ERR_OK);
        int warmup = kind == SAMPLER_AMCMC ? 20000 : settings.warmup;
        for (int t = 0; t < warmup; t++) {
            sampler_step(&sampler, &known->target, &rng, &info);
        }
        for (int t = 0; t < n; t++) {
            for (int k = 0; k < thin; k++) {
                sampler_step(&sampler, &known->target, &rng, &info);
                out->divergent += info.divergent;
                out->accept += info.accept / (n * thin * CHAINS);
            }
            for (int i = 0; i < dim; i++) {
                out->draws[(i * CHAINS + c) * n + t] = sampler.q[i];
            }
        }
        sampler_release(&sampler);
    }
}

/* Is the mean of g(x) over the draws `expected`, within Z errors by its own effective size? */
static void check_mean(const char *what, const double *values, int n, double expected)
{
    struct err err = ERR_INIT;
    struct chain_summary summary;
    double mean = 0.0;
    double square = 0.0;
    ck_assert_int_eq(chain_summarise(CHAINS, n, values, &summary, &err), ERR_OK);
    for (int i = 0; i < CHAINS * n; i++) {
        double delta = values[i] - mean;
        mean += delta / (i + 1);
        square += delta * (values[i] - mean);
    }
    double error = sqrt(square / (CHAINS * n) / summary.ess_bulk);
    ck_assert_msg(fabs(mean - expected) <= Z * error, "%s: %g, %g is expected (error %g, ess %g)",
                  what, mean, expected, error, summary.ess_bulk);
    ck_assert_msg(summary.rhat < 1.02, "%s: R-hat %g", what, summary.rhat);
}

/* Mean, variance and median of the first `dims` coordinates. */
static void check_moments(enum sampler_kind kind, const struct known_target *known,
                          const struct run *run, int dims)
{
    int n = run->n;
    double *g = calloc((size_t)(CHAINS * n), sizeof *g);
    for (int i = 0; i < dims; i++) {
        const double *x = run->draws + i * CHAINS * n;
        char what[80];
        snprintf(what, sizeof what, "%s on %s: mean of x%d", sampler_name(kind), known->name, i);
        check_mean(what, x, n, known->mean[i]);
        for (int k = 0; k < CHAINS * n; k++) {
            g[k] = (x[k] - known->mean[i]) * (x[k] - known->mean[i]);
        }
        snprintf(what, sizeof what, "%s on %s: variance of x%d", sampler_name(kind), known->name,
                 i);
        check_mean(what, g, n, known->variance[i]);
        if (isnan(known->median[i])) {
            continue;
        }
        for (int k = 0; k < CHAINS * n; k++) {
            g[k] = x[k] < known->median[i] ? 1.0 : 0.0;
        }
        snprintf(what, sizeof what, "%s on %s: median of x%d", sampler_name(kind), known->name, i);
        check_mean(what, g, n, 0.5);
    }
    free(g);
}

static void conform(enum sampler_kind kind, const struct known_target *known, int n, int thin)
{
    struct run run;
    run_chains(kind, known, n, thin, &run);
    check_moments(kind, known, &run, run.dim);
    free(run.draws);
}

START_TEST(samplers_draw_from_known_targets)
{
    static const int thin[] = {20, 10, 2, 1};
    for (int t = 0; t < n_known_targets; t++) {
        conform((enum sampler_kind)_i, &known_targets[t], 4000, thin[_i]);
    }
}
END_TEST

/*
 * Steps so large that proposals are often refused: then an error in the acceptance or in the
 * weights of a trajectory shows in the moments, which small steps would hide.
 */
START_TEST(large_steps_are_corrected)
{
    static const double epsilon[] = {0.0, 1.0, 1.5, 1.5};
    enum sampler_kind kind = (enum sampler_kind)_i;
    const struct known_target *known = &known_targets[0];
    const int n = 50000;
    struct run run = {.n = n, .dim = known->target.n};
    struct sampler_settings settings = sampler_defaults(kind);
    double accept = 0.0;
    settings.warmup = 0;
    settings.epsilon = epsilon[_i];
    settings.leapfrog_steps = 3;
    settings.t0 = 1 << 30;
    run.draws = calloc((size_t)(run.dim * CHAINS * n), sizeof *run.draws);
    for (int c = 0; c < CHAINS; c++) {
        struct err err = ERR_INIT;
        struct sampler sampler;
        struct sampler_info info;
        struct rng rng;
        rng_init(&rng, 23, RNG_TEST, (uint32_t)c);
        ck_assert_int_eq(
            sampler_init(&sampler, kind, &settings, &known->target, known->mean, &rng, &err),
            ERR_OK);
        memcpy(sampler.inv_mass, known->variance, (size_t)run.dim * sizeof(double));
        for (int t = 0; t < n; t++) {
            for (int k = kind == SAMPLER_AMCMC ? 20 : 1; k > 0; k--) {
                sampler_step(&sampler, &known->target, &rng, &info);
            }
            accept += info.accept / (n * CHAINS);
            for (int i = 0; i < run.dim; i++) {
                run.draws[(i * CHAINS + c) * n + t] = sampler.q[i];
            }
        }
        sampler_release(&sampler);
    }
    ck_assert_msg(accept > 0.1 && accept < 0.9, "acceptance %g", accept);
    check_moments(kind, known, &run, kind == SAMPLER_AMCMC ? 1 : 5);
    free(run.draws);
}
END_TEST

START_TEST(same_seed_same_chain)
{
    for (int kind = SAMPLER_AMCMC; kind <= SAMPLER_NUTS; kind++) {
        struct run a;
        struct run b;
        run_chains((enum sampler_kind)kind, &known_targets[1], 50, 1, &a);
        run_chains((enum sampler_kind)kind, &known_targets[1], 50, 1, &b);
        ck_assert_int_eq(memcmp(a.draws, b.draws, (size_t)(a.dim * CHAINS * 50) * sizeof(double)),
                         0);
        free(a.draws);
        free(b.draws);
    }
}
END_TEST

START_TEST(a_start_without_density_is_refused)
{
    double q0[4] = {NAN, 0, 0, 0};
    for (int kind = SAMPLER_AMCMC; kind <= SAMPLER_NUTS; kind++) {
        struct sampler_settings settings = sampler_defaults((enum sampler_kind)kind);
        struct err err = ERR_INIT;
        struct sampler sampler;
        struct rng rng;
        rng_init(&rng, 1, RNG_TEST, 0);
        ck_assert_int_eq(sampler_init(&sampler, (enum sampler_kind)kind, &settings,
                                      &known_targets[3].target, q0, &rng, &err),
                         ERR_NUMERIC);
    }
}
END_TEST

/* ---- the integrator ---- */

START_TEST(leapfrog_is_reversible_and_keeps_volume)
{
    for (int t = 0; t < n_known_targets; t++) {
        const struct target *target = &known_targets[t].target;
        int n = target->n;
        double inv_mass[TARGETS_MOST] = {0.5, 2.0, 1.0, 0.3, 4.0};
        double q[TARGETS_MOST], p[TARGETS_MOST], grad[TARGETS_MOST], q0[TARGETS_MOST],
            p0[TARGETS_MOST];
        struct phase at = {.q = q, .p = p, .grad = grad};
        for (int i = 0; i < n; i++) {
            q[i] = q0[i] = known_targets[t].mean[i] + 0.3 - 0.1 * i;
            p[i] = p0[i] = 0.5 - 0.2 * i;
        }
        at.logp = target->logp(target->ctx, q, grad);
        for (int k = 0; k < 20; k++) {
            leapfrog_step(target, inv_mass, 0.02, &at);
        }
        for (int k = 0; k < 20; k++) {
            leapfrog_step(target, inv_mass, -0.02, &at);
        }
        for (int i = 0; i < n; i++) {
            ck_assert_double_eq_tol(q[i], q0[i], 1e-10);
            ck_assert_double_eq_tol(p[i], p0[i], 1e-10);
        }
    }
}
END_TEST

/* The energy error of a path of fixed length falls as the square of the step. */
START_TEST(leapfrog_is_of_second_order)
{
    const struct target *target = &known_targets[2].target;
    double inv_mass[2] = {1.0, 1.0};
    double errors[2];
    for (int k = 0; k < 2; k++) {
        double q[2] = {0.7, -0.4}, p[2] = {0.9, 0.3}, grad[2];
        struct phase at = {.q = q, .p = p, .grad = grad};
        int steps = k == 0 ? 50 : 100;
        at.logp = target->logp(target->ctx, q, grad);
        double before = leapfrog_energy(2, inv_mass, &at);
        for (int i = 0; i < steps; i++) {
            leapfrog_step(target, inv_mass, 1.0 / steps, &at);
        }
        errors[k] = fabs(leapfrog_energy(2, inv_mass, &at) - before);
    }
    ck_assert_double_eq_tol(errors[0] / errors[1], 4.0, 0.2);
}
END_TEST

/* ---- QUiNN's kernels ---- */

static void check_kernel(const json_t *item, const struct target *target, const double *state)
{
    int n;
    double *start = oracle_numbers(
        json_object_get(item, json_object_get(item, "momentum") != NULL ? "momentum" : "noise"),
        &n);
    double *expected = oracle_numbers(json_object_get(item, "proposal"), NULL);
    double epsilon = json_number_value(json_object_get(item, "epsilon"));
    const json_t *steps = json_object_get(item, "leapfrog_steps");
    double *memory = calloc((size_t)(3 * n), sizeof *memory);
    double *ones = calloc((size_t)n, sizeof *ones);
    struct phase at = {.q = memory, .p = memory + n, .grad = memory + 2 * n};
    memcpy(at.q, state, (size_t)n * sizeof *at.q);
    memcpy(at.p, start, (size_t)n * sizeof *at.p);
    for (int i = 0; i < n; i++) {
        ones[i] = 1.0;
    }
    at.logp = target->logp(target->ctx, at.q, at.grad);
    ck_assert_double_eq_tol(leapfrog_kinetic(n, ones, at.p),
                            json_number_value(json_object_get(item, "kinetic_before")), 1e-11);
    ck_assert_double_eq_tol(
        at.logp, json_number_value(json_object_get(item, "log_likelihood_before")), 1e-9);
    for (int k = steps != NULL ? (int)json_integer_value(steps) : 1; k > 0; k--) {
        leapfrog_step(target, ones, epsilon, &at);
    }
    ck_assert_double_le(oracle_error(at.q, expected, n), 1e-12);
    ck_assert_double_eq_tol(leapfrog_kinetic(n, ones, at.p),
                            json_number_value(json_object_get(item, "kinetic_after")), 1e-10);
    ck_assert_double_eq_tol(at.logp,
                            json_number_value(json_object_get(item, "log_likelihood_after")), 1e-9);
    free(start);
    free(expected);
    free(memory);
    free(ones);
}

static void check_adaptive(const json_t *item)
{
    int n_all, n;
    const json_t *chain = json_object_get(item, "chain");
    double *states = oracle_numbers(chain, &n_all);
    double *mean = oracle_numbers(json_object_get(item, "running_mean"), &n);
    double *cov = oracle_numbers(json_object_get(item, "running_covariance"), NULL);
    double *proposal = oracle_numbers(json_object_get(item, "proposal_covariance"), NULL);
    double gamma = json_number_value(json_object_get(item, "gamma"));
    double m[8] = {0}, c[64] = {0}, delta[8];
    memcpy(m, states, (size_t)n * sizeof *m);
    for (int t = 1; t < n_all / n; t++) {
        sampler_observe(n, t, states + t * n, m, c, delta);
    }
    ck_assert_double_le(oracle_error(m, mean, n), 1e-12);
    ck_assert_double_le(oracle_error(c, cov, n * n), 1e-12);
    for (int i = 0; i < n * n; i++) {
        c[i] = sampler_amcmc_scale(gamma, n) * (c[i] + (i % (n + 1) == 0 ? 1e-8 : 0.0));
    }
    ck_assert_double_le(oracle_error(c, proposal, n * n), 1e-12);
    free(states);
    free(mean);
    free(cov);
    free(proposal);
}

START_TEST(kernels_agree_with_quinn)
{
    json_t *root = oracle_load("mcmc.json");
    if (root == NULL) {
        return;
    }
    struct err err = ERR_INIT;
    struct arch arch = oracle_arch(json_object_get(root, "architecture"));
    struct resnet net;
    struct logpost logpost;
    struct data rows = {.d = arch.inputs, .o = arch.outputs};
    double *state = oracle_numbers(json_object_get(root, "state"), NULL);
    double *x = oracle_numbers(json_object_get(root, "x"), &rows.n);
    double *y = oracle_numbers(json_object_get(root, "y"), NULL);
    rows.n /= arch.inputs;
    rows.x = x;
    rows.y = y;
    ck_assert_int_eq(resnet_init(&net, &arch, &err), ERR_OK);
    struct objective objective = {.kind = OBJECTIVE_NLL,
                                  .noise_sigma =
                                      json_number_value(json_object_get(root, "noise_sigma"))};
    ck_assert_int_eq(logpost_init(&logpost, &objective, &net, &rows, &err), ERR_OK);
    struct target target = logpost_target(&logpost);
    const json_t *kernels = json_object_get(root, "kernels");
    for (size_t k = 0; k < json_array_size(kernels); k++) {
        check_kernel(json_array_get(kernels, k), &target, state);
    }
    check_adaptive(json_object_get(root, "adaptive_metropolis"));
    logpost_release(&logpost);
    resnet_release(&net);
    free(x);
    free(y);
    free(state);
    json_decref(root);
}
END_TEST

/* ---- a posterior in closed form ---- */

#define ROWS  40
#define WIDTH 3

/*
 * A network without activation whose last layer alone is free is linear in it: with features
 * phi = (z, 1) the posterior of (w, b) is Gaussian of precision phi' phi / s^2 + I / s_p^2.
 */
START_TEST(the_last_layer_s_posterior_is_the_known_gaussian)
{
    enum sampler_kind kind = (enum sampler_kind)_i;
    const double s = 0.3;
    const double s_p = 1.5;
    enum { P = WIDTH + 1 };
    struct err err = ERR_INIT;
    struct arch arch = arch_default(2, 1);
    struct resnet net;
    struct logpost logpost;
    struct rng rng;
    double x[ROWS * 2], y[ROWS], params[200], features[ROWS][P], precision[P * P] = {0},
                                                                               mean[P] = {0};
    arch.width = WIDTH;
    arch.layers = 1;
    arch.activation = ACT_IDENTITY;
    ck_assert_int_eq(resnet_init(&net, &arch, &err), ERR_OK);
    rng_init(&rng, 31, RNG_TEST, 0);
    fit_init_params(&net, 2.0, &rng, params);
    for (int i = 0; i < ROWS; i++) {
        x[2 * i] = rng_normal(&rng);
        x[2 * i + 1] = rng_normal(&rng);
        y[i] = x[2 * i] - 0.5 * x[2 * i + 1] + 0.3 + s * rng_normal(&rng);
    }
    struct data rows = {.n = ROWS, .d = 2, .o = 1, .x = x, .y = y};
    struct objective objective = {
        .kind = OBJECTIVE_NLP, .noise_sigma = s, .prior_sigma = s_p, .n_total = ROWS};
    ck_assert_int_eq(logpost_init(&logpost, &objective, &net, &rows, &err), ERR_OK);
    /* Features by unit vectors in the last layer. */
    struct resnet_tape *tape = resnet_tape_new(&net, ROWS);
    for (int k = 0; k < P; k++) {
        double f[ROWS];
        for (int j = 0; j < P; j++) {
            params[net.off.weight_post + j] = j == k ? 1.0 : 0.0;
        }
        resnet_set_params(tape, params);
        resnet_forward(tape, ROWS, x, f);
        for (int i = 0; i < ROWS; i++) {
            features[i][k] = f[i];
        }
    }
    resnet_tape_free(tape);
    for (int a = 0; a < P; a++) {
        for (int b = 0; b < P; b++) {
            for (int i = 0; i < ROWS; i++) {
                precision[a * P + b] += features[i][a] * features[i][b] / (s * s);
            }
        }
        precision[a * P + a] += 1.0 / (s_p * s_p);
        for (int i = 0; i < ROWS; i++) {
            mean[a] += features[i][a] * y[i] / (s * s);
        }
    }
    double cov[P * P];
    ck_assert(linalg_cholesky(P, precision));
    linalg_solve_lower(P, precision, mean);
    linalg_solve_upper(P, precision, mean);
    linalg_inverse(P, precision, cov);

    logpost_restrict(&logpost, params, net.off.weight_post, P);
    struct known_target known = {.name = "last layer", .target = logpost_target(&logpost)};
    for (int k = 0; k < P; k++) {
        known.mean[k] = known.median[k] = mean[k];
        known.variance[k] = cov[k * P + k];
    }
    static const int thin[] = {20, 20, 3, 1};
    conform(kind, &known, 3000, thin[_i]);
    logpost_release(&logpost);
    resnet_release(&net);
}
END_TEST

/* ---- diagnostics ---- */

START_TEST(normal_quantiles_are_exact)
{
    static const double known[][2] = {{0.5, 0.0},
                                      {0.975, 1.959963984540054},
                                      {0.025, -1.959963984540054},
                                      {0.001, -3.090232306167813},
                                      {1e-10, -6.361340902404056}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        ck_assert_double_eq_tol(chain_normal_quantile(known[i][0]), known[i][1], 1e-12);
    }
}
END_TEST

/* AR(1) of coefficient a has (1 - a) / (1 + a) effective draws each. */
START_TEST(effective_sizes_are_those_of_autoregressions)
{
    static const double coefficients[] = {0.0, 0.5, 0.9, -0.3};
    for (int k = 0; k < 4; k++) {
        double a = coefficients[k];
        static double x[4 * 10000];
        struct err err = ERR_INIT;
        struct chain_summary s;
        for (int c = 0; c < 4; c++) {
            struct rng rng;
            rng_init(&rng, 3, RNG_TEST, (uint32_t)c);
            double now = rng_normal(&rng);
            for (int i = 0; i < 10000; i++) {
                now = a * now + sqrt(1.0 - a * a) * rng_normal(&rng);
                x[c * 10000 + i] = now;
            }
        }
        ck_assert_int_eq(chain_summarise(4, 10000, x, &s, &err), ERR_OK);
        double expected = 40000.0 * (1.0 - a) / (1.0 + a);
        ck_assert_msg(fabs(s.ess_bulk / expected - 1.0) < 0.15, "%g: %g, %g is expected", a,
                      s.ess_bulk, expected);
        ck_assert_double_lt(s.rhat, 1.01);
        ck_assert_double_gt(s.ess_tail, 1000.0);
    }
}
END_TEST

START_TEST(chains_that_disagree_are_seen)
{
    static double x[4 * 1000];
    struct err err = ERR_INIT;
    struct chain_summary s;
    struct rng rng;
    for (int kind = 0; kind < 3; kind++) {
        rng_init(&rng, 4, RNG_TEST, 0);
        for (int i = 0; i < 4000; i++) {
            double z = rng_normal(&rng);
            /* One chain aside; one of another spread (folding sees it); all drifting. */
            x[i] = kind == 0 ? z + (i < 1000 ? 1.0 : 0.0)
                             : (kind == 1 ? z * (i < 1000 ? 3.0 : 1.0) : z + 0.002 * (i % 1000));
        }
        ck_assert_int_eq(chain_summarise(4, 1000, x, &s, &err), ERR_OK);
        ck_assert_msg(s.rhat > 1.05, "kind %d: R-hat %g", kind, s.rhat);
    }
    for (int i = 0; i < 4000; i++) {
        x[i] = 2.0;
    }
    ck_assert_int_eq(chain_summarise(4, 1000, x, &s, &err), ERR_OK);
    ck_assert(isnan(s.rhat) && isnan(s.ess_bulk));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sampler");
    TCase *tc = tcase_create("sampler");
    gemm_use_one_thread();
    tcase_set_timeout(tc, 200);
    tcase_add_loop_test(tc, samplers_draw_from_known_targets, SAMPLER_AMCMC, SAMPLER_NUTS + 1);
    tcase_add_loop_test(tc, large_steps_are_corrected, SAMPLER_AMCMC, SAMPLER_NUTS + 1);
    tcase_add_test(tc, same_seed_same_chain);
    tcase_add_test(tc, a_start_without_density_is_refused);
    tcase_add_test(tc, leapfrog_is_reversible_and_keeps_volume);
    tcase_add_test(tc, leapfrog_is_of_second_order);
    tcase_add_test(tc, kernels_agree_with_quinn);
    tcase_add_loop_test(tc, the_last_layer_s_posterior_is_the_known_gaussian, SAMPLER_AMCMC,
                        SAMPLER_NUTS + 1);
    tcase_add_test(tc, normal_quantiles_are_exact);
    tcase_add_test(tc, effective_sizes_are_those_of_autoregressions);
    tcase_add_test(tc, chains_that_disagree_are_seen);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
