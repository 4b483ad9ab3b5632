/* SPDX-License-Identifier: Apache-2.0 */
/* Calibrations against the closed forms of linear Gaussian models, and gradients against
 * differences. */
#include "run.h"

#include <math.h>
#include <string.h>

#include "analyse/calibrate_density.h"
#include "analyse_case.h"
#include "base/mem.h"
#include "math/linalg.h"
#include "memory_checkpoint.h"

/* Two outputs of two calibrated inputs and a third that experiments set; m draws. */
static void wavy(int draw, const double *x, double *y, double *jac)
{
    double c = 1.0 + 0.2 * draw;
    y[0] = sin(2.0 * x[0]) + c * x[1] * x[2];
    y[1] = c * x[0] - x[1] * x[1] + x[2];
    if (jac != NULL) {
        const double of[] = {2.0 * cos(2.0 * x[0]), c * x[2], c * x[1], c, -2.0 * x[1], 1.0};
        memcpy(jac, of, sizeof of);
    }
}

/* y1 = x1 + 2 x2 c, y2 = x1 - x2 + b, where b = 0.2 (draw - 1). */
static void linear(int draw, const double *x, double *y, double *jac)
{
    y[0] = x[0] + 2.0 * x[1] * x[2];
    y[1] = x[0] - x[1] + 0.2 * (draw - 1);
    if (jac != NULL) {
        const double of[] = {1.0, 2.0 * x[2], 2.0 * x[1], 1.0, -1.0, 0.0};
        memcpy(jac, of, sizeof of);
    }
}

static const double set_1[] = {NAN, NAN, 0.5};
static const double set_2[] = {NAN, NAN, -1.0};
static const double y_1[] = {1.3, 0.4, 1.1, 0.7};
static const double y_2[] = {-0.9, 0.3};
static const struct calibrate_experiment experiments[] = {{.fixed = set_1, .n = 2, .y = y_1},
                                                          {.fixed = set_2, .n = 1, .y = y_2}};
static const double sigma[] = {0.3, 0.2};
static const double scale[] = {0.2, 0.3};
static const double standard[] = {0.0, 1.0};

struct posed {
    struct analyse_case base;
    struct calibrate_spec spec;
    struct calibrate_run run;
    struct arena arena;
    struct calibrate_result result;
};

static void pose(struct posed *p, case_fn *fn, int m)
{
    memset(p, 0, sizeof *p);
    analyse_case_init(&p->base, fn, 3, 2, m);
    for (int b = 0; b < 2; b++) {
        analyse_case_set(&p->base, b, SPACE_NORMAL, standard);
    }
    p->base.laws[2] = law_of_value(0.0);
    p->spec = (struct calibrate_spec){.seed = 3,
                                      .chains = 4,
                                      .temperatures = 1,
                                      .warmup = 300,
                                      .draws = 1500,
                                      .n_experiments = 2,
                                      .experiments = experiments,
                                      .sigma = sigma,
                                      .scale = scale};
    p->run = (struct calibrate_run){
        .spec = &p->spec, .field = &p->base.field, .laws = p->base.laws, .terms.n_threads = 1};
}

static void calibrate(struct posed *p)
{
    struct err err = ERR_INIT;
    arena_release(&p->arena);
    ck_assert_msg(calibrate_run(&p->run, &p->arena, &p->result, &err) == ERR_OK, "%s", err.msg);
}

static void release(struct posed *p)
{
    arena_release(&p->arena);
    analyse_case_release(&p->base);
}

/* By error, and whether sigma is inferred and there is a discrepancy. */
START_TEST(gradients_are_those_of_the_density)
{
    struct posed p;
    struct err err = ERR_INIT;
    struct calibrate_density density;
    double q[6] = {0.3, -0.4, -1.2, -1.5, -1.0, -0.7};
    double grad[6];
    double unused[6];
    pose(&p, wavy, 3);
    p.spec.error = (enum calibrate_error)(_i % 4);
    p.spec.sigma = _i >= 4 ? NULL : sigma;
    p.spec.discrepancy = _i >= 8;
    const double lognormal[] = {0.1, 0.5};
    analyse_case_set(&p.base, 0, SPACE_LOGNORMAL, lognormal);
    int m = p.spec.error == CALIBRATE_DRAWS ? 1 : 3;
    ck_assert_int_eq(calibrate_density_init(&density, &p.run, 0, m, &p.arena, &err), ERR_OK);
    const struct target target = calibrate_density_target(&density);
    ck_assert_int_eq(target.n, _i >= 8 ? 6 : _i >= 4 ? 4 : 2);
    ck_assert(isfinite(target.logp(target.ctx, q, grad)));
    for (int i = 0; i < target.n; i++) {
        double h = 1e-5;
        double at = q[i];
        q[i] = at + h;
        double up = target.logp(target.ctx, q, NULL);
        q[i] = at - h;
        double down = target.logp(target.ctx, q, unused);
        q[i] = at;
        ck_assert_double_eq_tol(grad[i], (up - down) / (2.0 * h), 1e-6 * fmax(1.0, fabs(grad[i])));
    }
    calibrate_density_release(&density);
    release(&p);
}
END_TEST

/*
 * The closed form of the linear case with the mean of the draws (b = 0): x ~ N(0, I), the numbers
 * y = H x + e with covariance V = noise / n + extra. mean [2], cov [4]; returns the log evidence.
 */
static double closed_form(double between_draws, double mean[2], double cov[4])
{
    const double h[4][2] = {{1.0, 1.0}, {1.0, -1.0}, {1.0, -2.0}, {1.0, -1.0}};
    const double y[] = {1.2, 0.55, -0.9, 0.3};
    const int n[] = {2, 2, 1, 1};
    double v[16];
    double s[16]; /* H H' + V: the covariance of the numbers */
    double precision[4] = {1.0, 0.0, 0.0, 1.0};
    double right[2] = {0.0, 0.0};
    double inverse[16];
    for (int i = 0; i < 4; i++) {
        for (int j = 0; j < 4; j++) {
            double noise = i == j ? sigma[i % 2] * sigma[i % 2] / n[i] : 0.0;
            double draws = i % 2 == 1 && j % 2 == 1 ? between_draws : 0.0;
            v[i * 4 + j] = noise + draws;
            s[i * 4 + j] = v[i * 4 + j] + h[i][0] * h[j][0] + h[i][1] * h[j][1];
        }
    }
    /* V^-1 by Gauss and Jordan. */
    for (int i = 0; i < 16; i++) {
        inverse[i] = i % 5 == 0;
    }
    for (int c = 0; c < 4; c++) {
        double pivot = v[c * 5];
        for (int j = 0; j < 4; j++) {
            v[c * 4 + j] /= pivot;
            inverse[c * 4 + j] /= pivot;
        }
        for (int i = 0; i < 4; i++) {
            double factor = v[i * 4 + c];
            for (int j = 0; i != c && j < 4; j++) {
                v[i * 4 + j] -= factor * v[c * 4 + j];
                inverse[i * 4 + j] -= factor * inverse[c * 4 + j];
            }
        }
    }
    for (int i = 0; i < 4; i++) {
        for (int j = 0; j < 4; j++) {
            for (int a = 0; a < 2; a++) {
                right[a] += h[i][a] * inverse[i * 4 + j] * y[j];
                for (int b = 0; b < 2; b++) {
                    precision[a * 2 + b] += h[i][a] * inverse[i * 4 + j] * h[j][b];
                }
            }
        }
    }
    double det = precision[0] * precision[3] - precision[1] * precision[2];
    cov[0] = precision[3] / det;
    cov[1] = cov[2] = -precision[1] / det;
    cov[3] = precision[0] / det;
    mean[0] = cov[0] * right[0] + cov[1] * right[1];
    mean[1] = cov[2] * right[0] + cov[3] * right[1];
    /* log N(y; 0, S), and the two replicates around their means. */
    double z[4];
    double evidence = 0.0;
    ck_assert(linalg_cholesky(4, s));
    for (int i = 0; i < 4; i++) {
        z[i] = y[i];
        for (int j = 0; j < i; j++) {
            z[i] -= s[i * 4 + j] * z[j];
        }
        z[i] /= s[i * 5];
        evidence -= 0.5 * z[i] * z[i] + log(s[i * 5]) + 0.5 * log(2.0 * M_PI);
    }
    for (int a = 0; a < 2; a++) {
        double within = 0.5 * (y_1[a] - y_1[2 + a]) * (y_1[a] - y_1[2 + a]);
        evidence -= 0.5 * within / (sigma[a] * sigma[a]) + log(sigma[a]) + 0.5 * log(2.0 * M_PI) +
                    0.5 * log(2.0);
    }
    return evidence;
}

static void expect_posterior(const struct posed *p, const double mean[2], const double cov[4])
{
    double m[2] = {0.0, 0.0};
    double c[4] = {0.0};
    int n = p->result.n_draws;
    for (int i = 0; i < n; i++) {
        for (int a = 0; a < 2; a++) {
            m[a] += p->result.draws[i * 2 + a] / n;
        }
    }
    for (int i = 0; i < n; i++) {
        for (int a = 0; a < 4; a++) {
            c[a] += (p->result.draws[i * 2 + a / 2] - m[a / 2]) *
                    (p->result.draws[i * 2 + a % 2] - m[a % 2]) / (n - 1);
        }
    }
    for (int a = 0; a < 2; a++) {
        double std = sqrt(cov[a * 3]);
        double ess = p->result.ess_bulk[a];
        ck_assert_double_gt(ess, 500.0);
        ck_assert_double_lt(p->result.rhat[a], 1.02);
        ck_assert_double_eq_tol(m[a], mean[a], 6.0 * std / sqrt(ess));
        ck_assert_double_eq_tol(c[a * 3] / cov[a * 3], 1.0, 6.0 * sqrt(2.0 / ess));
    }
    ck_assert_double_eq_tol(c[1], cov[1], 0.1 * sqrt(cov[0] * cov[3]));
}

START_TEST(a_linear_posterior_has_its_closed_form_and_evidence)
{
    struct posed p;
    double mean[2];
    double cov[4];
    pose(&p, linear, 3);
    /* b = -0.2, 0, 0.2: the variance 0.04, the same at both experiments. */
    double evidence = closed_form(0.0, mean, cov);
    p.spec.error = CALIBRATE_NONE;
    calibrate(&p);
    expect_posterior(&p, mean, cov);
    ck_assert_double_eq_tol(p.result.log_evidence, evidence, 0.03);
    evidence = closed_form(0.04, mean, cov);
    p.spec.error = CALIBRATE_COVARIANCE;
    calibrate(&p);
    expect_posterior(&p, mean, cov);
    ck_assert_double_eq_tol(p.result.log_evidence, evidence, 0.03);
    ck_assert_int_eq((int)p.result.n_divergent, 0);
    ck_assert(isnan(p.result.outside));
    /* Predictions are those of the draws of the inputs. */
    for (int i = 0; i < p.result.n_draws; i += 97) {
        const double *x = p.result.draws + i * 2;
        ck_assert_double_eq_tol(p.result.predicted[i * 4], x[0] + x[1], 1e-12);
        ck_assert_double_eq_tol(p.result.predicted[i * 4 + 3], x[0] - x[1], 1e-12);
    }
    release(&p);
}
END_TEST

START_TEST(draws_that_are_calibrated_by_themselves_are_joined)
{
    struct posed p;
    double mean[2];
    double cov[4];
    double shifted = 0.0;
    pose(&p, linear, 3);
    p.spec.error = CALIBRATE_DRAWS;
    p.spec.chains = 2;
    calibrate(&p);
    ck_assert_int_eq(p.result.n_draws, 3 * 2 * 1500);
    (void)closed_form(0.0, mean, cov);
    /* Draw 1 has b = 0 and so the plain posterior; the others are shifted against each other. */
    double m = 0.0;
    for (int i = 3000; i < 6000; i++) {
        m += p.result.draws[i * 2] / 3000;
        shifted += (p.result.draws[(i - 3000) * 2] - p.result.draws[(i + 3000) * 2]) / 3000;
    }
    ck_assert_double_eq_tol(m, mean[0], 6.0 * sqrt(cov[0] / 1000.0));
    ck_assert_double_gt(shifted, 0.05);
    release(&p);
}
END_TEST

START_TEST(an_unknown_noise_and_a_discrepancy_are_drawn)
{
    struct posed p;
    double y[40];
    struct rng rng;
    rng_init(&rng, 9, RNG_TEST, 0);
    for (int i = 0; i < 20; i++) {
        y[2 * i] = 0.8 + 2.0 * 0.3 * 0.5 + 0.1 * rng_normal(&rng);
        y[2 * i + 1] = 0.8 - 0.3 + 0.05 * rng_normal(&rng);
    }
    const struct calibrate_experiment one[] = {{.fixed = set_1, .n = 20, .y = y}};
    pose(&p, linear, 1);
    p.spec.experiments = one;
    p.spec.n_experiments = 1;
    p.spec.sigma = NULL;
    p.spec.discrepancy = true;
    calibrate(&p);
    ck_assert_int_eq(p.result.n_parameters, 6);
    double means[6] = {0.0};
    for (int i = 0; i < p.result.n_draws; i++) {
        for (int a = 0; a < 6; a++) {
            means[a] += p.result.draws[i * 6 + a] / p.result.n_draws;
        }
    }
    ck_assert_double_eq_tol(means[2], 0.1, 0.04);
    ck_assert_double_eq_tol(means[3], 0.05, 0.02);
    ck_assert_double_gt(means[4],
                        0.01); /* it is what its prior says: one experiment tells little */
    release(&p);
}
END_TEST

static void expect_same(const struct calibrate_result *a, const struct calibrate_result *b)
{
    ck_assert_int_eq(a->n_draws, b->n_draws);
    ck_assert_mem_eq(a->draws, b->draws, (size_t)(a->n_draws * a->n_parameters) * sizeof *a->draws);
    ck_assert_double_eq(a->log_evidence, b->log_evidence);
}

/* y = x1^2, which is known to 0.1: two modes at -1 and 1 with nothing between. x2 does nothing. */
static void square(int draw, const double *x, double *y, double *jac)
{
    (void)draw;
    y[0] = x[0] * x[0] + 0.3 * x[0];
    if (jac != NULL) {
        jac[0] = 2.0 * x[0] + 0.3;
        jac[1] = jac[2] = 0.0;
    }
}

START_TEST(tempered_chains_find_both_modes_and_the_evidence)
{
    struct posed p;
    const double y[] = {2.0};
    const double tenth[] = {0.1};
    const struct calibrate_experiment one[] = {{.fixed = set_1, .n = 1, .y = y}};
    double z = 0.0;
    double above = 0.0;
    for (int i = 0; i < 400000; i++) {
        double x = -8.0 + 16.0 * (i + 0.5) / 400000.0;
        double r = (x * x + 0.3 * x - 2.0) / 0.1;
        double part = exp(-0.5 * (r * r + x * x)) / (2.0 * M_PI * 0.1) * 16.0 / 400000.0;
        z += part;
        above += x > 0.0 ? part : 0.0;
    }
    pose(&p, square, 1);
    p.base.field.o = 1;
    p.spec.experiments = one;
    p.spec.n_experiments = 1;
    p.spec.sigma = tenth;
    p.spec.temperatures = 8;
    calibrate(&p);
    double share = 0.0;
    for (int i = 0; i < p.result.n_draws; i++) {
        share += p.result.draws[2 * i] > 0.0 ? 1.0 / p.result.n_draws : 0.0;
    }
    /* The effective sample size of x1 is that of its sign. */
    ck_assert_double_gt(p.result.ess_bulk[0], 200.0);
    ck_assert_double_eq_tol(share, above / z, 4.0 * sqrt(0.25 / p.result.ess_bulk[0]));
    ck_assert_double_lt(p.result.rhat[0], 1.03);
    ck_assert_double_eq_tol(p.result.log_evidence, log(z), 0.1);
    release(&p);
}
END_TEST

/* By temperatures: 1, 3. */
START_TEST(threads_and_interruptions_do_not_change_a_bit)
{
    struct posed whole;
    pose(&whole, wavy, 3);
    whole.spec.temperatures = 1 + 2 * _i;
    whole.spec.error = CALIBRATE_VARIANCE;
    whole.spec.warmup = 60;
    whole.spec.draws = 40;
    calibrate(&whole);
    for (int saves = 0; saves <= 5; saves++) {
        struct posed p;
        struct memory_checkpoint memory;
        struct cancel cancel = {.stop = false};
        struct err err = ERR_INIT;
        pose(&p, wavy, 3);
        p.spec = whole.spec;
        p.run.terms.n_threads = 3;
        p.run.terms.cancel = &cancel;
        memory_checkpoint_init(&memory, 17);
        memory.die_after = saves;
        memory.cancel = &cancel;
        p.run.terms.checkpoint = &memory.checkpoint;
        if (saves > 0) {
            ck_assert_int_ne(calibrate_run(&p.run, &p.arena, &p.result, &err), ERR_OK);
            memory_checkpoint_revive(&memory);
            atomic_store(&cancel.stop, false);
        }
        calibrate(&p);
        ck_assert(saves == 0 || memory.n_loads > 0);
        expect_same(&whole.result, &p.result);
        memory_checkpoint_release(&memory);
        release(&p);
    }
    release(&whole);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    struct posed p;
    bool succeeded = false;
    pose(&p, wavy, 2);
    p.spec.chains = 2;
    p.spec.warmup = 20;
    p.spec.draws = 20;
    for (long at = 1; !succeeded; at = at < 60 ? at + 1 : at + at / 3) {
        struct err err = ERR_INIT;
        long before = mem_live();
        mem_fail_after(at, false);
        enum err_code code = calibrate_run(&p.run, &p.arena, &p.result, &err);
        mem_fail_after(0, false);
        succeeded = code == ERR_OK;
        ck_assert_msg(succeeded || code == ERR_NOMEM, "%s", err.msg);
        arena_release(&p.arena);
        ck_assert_int_eq(mem_live(), before);
    }
    release(&p);
}
END_TEST

START_TEST(what_cannot_be_done_is_refused)
{
    struct posed p;
    struct err err = ERR_INIT;
    const double zero[] = {0.1, 0.0};
    pose(&p, linear, 1);
    p.spec.sigma = zero;
    ck_assert_int_eq(calibrate_run(&p.run, &p.arena, &p.result, &err), ERR_INVALID);
    err_clear(&err);
    pose(&p, linear, 1);
    p.base.inputs[0].type = SPACE_INTEGER;
    ck_assert_int_eq(calibrate_run(&p.run, &p.arena, &p.result, &err), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "\"x1\""));
    err_clear(&err);
    pose(&p, linear, 1);
    p.base.laws[0] = law_of_value(0.0);
    p.base.laws[1] = law_of_value(0.0);
    ck_assert_int_eq(calibrate_run(&p.run, &p.arena, &p.result, &err), ERR_INVALID);
    err_clear(&err);
    pose(&p, linear, 1);
    p.spec.draws = CALIBRATE_MAX_STEPS / 4;
    p.base.field.d = 100;
    ck_assert_int_eq(calibrate_run(&p.run, &p.arena, &p.result, &err), ERR_LIMIT);
    err_clear(&err);
    pose(&p, linear, 1);
    p.spec.n_experiments = 0;
    ck_assert_int_eq(calibrate_run(&p.run, &p.arena, &p.result, &err), ERR_INVALID);
    release(&p);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("calibrate");
    TCase *tcase = tcase_create("posteriors");
    tcase_set_timeout(tcase, 200.0);
    tcase_add_loop_test(tcase, gradients_are_those_of_the_density, 0, 12);
    tcase_add_test(tcase, a_linear_posterior_has_its_closed_form_and_evidence);
    tcase_add_test(tcase, draws_that_are_calibrated_by_themselves_are_joined);
    tcase_add_test(tcase, an_unknown_noise_and_a_discrepancy_are_drawn);
    tcase_add_test(tcase, tempered_chains_find_both_modes_and_the_evidence);
    tcase_add_loop_test(tcase, threads_and_interruptions_do_not_change_a_bit, 0, 2);
    tcase_add_test(tcase, every_allocation_may_fail);
    tcase_add_test(tcase, what_cannot_be_done_is_refused);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
