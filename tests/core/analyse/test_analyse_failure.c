/* SPDX-License-Identifier: Apache-2.0 */
/* Probabilities of failure against one-dimensional quadrature and closed forms. */
#include "run.h"

#include <math.h>
#include <stdio.h>

#include "analyse/failure.h"
#include "analyse_case.h"
#include "math/normal.h"

#define SEEDS 40

static double four_branch_p = 6.0 / M_SQRT2;

/* The series system of four branches; fails below 0. */
static void four_branch(int draw, const double *x, double *y, double *jac)
{
    double s = (x[0] + x[1]) / M_SQRT2;
    double d = x[0] - x[1];
    double bent = 3.0 + 0.1 * d * d;
    (void)draw;
    (void)jac;
    y[0] = fmin(fmin(bent - s, bent + s), fmin(d + four_branch_p, four_branch_p - d));
}

/* A beam: resistance, and load over an area. */
static void beam(int draw, const double *x, double *y, double *jac)
{
    (void)draw;
    (void)jac;
    y[0] = x[0] - x[1] / (M_PI * 100.0);
}

/* x1 + .. + x8 over sqrt 8 below beta in draws of different beta. */
static void half_space(int draw, const double *x, double *y, double *jac)
{
    double sum = 0.0;
    (void)jac;
    for (int i = 0; i < 8; i++) {
        sum += x[i];
    }
    y[0] = 3.5 + 0.2 * draw - sum / sqrt(8.0);
}

static const double standard[] = {0.0, 1.0};
static const struct analyse_limit below_zero[] = {{.output = 0, .above = false, .value = 0.0}};

static void ask(struct analyse_case *self, enum analyse_method method, int n)
{
    self->spec.kind = ANALYSE_FAILURE;
    self->spec.method = method;
    self->spec.n = n;
    self->spec.n_limits = 1;
    self->spec.limits = below_zero;
}

static void four_branch_case(struct analyse_case *self)
{
    analyse_case_init(self, four_branch, 2, 1, 1);
    analyse_case_set(self, 0, SPACE_NORMAL, standard);
    analyse_case_set(self, 1, SPACE_NORMAL, standard);
}

/* The intervals of many seeds hold the probability as often as they say. */
static void expect_covered(struct analyse_case *self, double p, double max_error)
{
    int inside = 0;
    double sum = 0.0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        self->spec.seed = seed;
        analyse_case_run(self);
        inside += self->result.lower[0] <= p && p <= self->result.upper[0];
        sum += self->result.estimate[0] / SEEDS;
        ck_assert_double_lt(self->result.sampling_error[0], max_error * p);
    }
    ck_assert_msg(inside >= SEEDS - 6, "%d of %d intervals", inside, SEEDS);
    ck_assert_msg(fabs(sum / p - 1.0) < 6.0 * max_error / sqrt(SEEDS), "mean %g, expected %g", sum,
                  p);
}

START_TEST(the_four_branches_fail_with_their_probability)
{
    static const double known[][2] = {{6.0 / M_SQRT2, 4.45733e-3}, {3.5 * M_SQRT2, 2.22280e-3}};
    struct analyse_case self;
    for (int i = 0; i < 2; i++) {
        four_branch_p = known[i][0];
        four_branch_case(&self);
        ask(&self, ANALYSE_MONTE_CARLO, 4000);
        expect_covered(&self, known[i][1], 0.15);
        ask(&self, ANALYSE_SUBSET, 1000);
        expect_covered(&self, known[i][1], 0.15);
        ask(&self, ANALYSE_IMPORTANCE, 1000);
        expect_covered(&self, known[i][1], 0.08);
        analyse_case_release(&self);
    }
}
END_TEST

/* Of another law than the normal. E and std of R are 3e6 and 3e5 */
START_TEST(a_stressed_beam_fails_with_its_probability)
{
    struct analyse_case self;
    double sigma = sqrt(log(1.0 + 0.01));
    const double r[] = {log(3.0) - 0.5 * sigma * sigma, sigma};
    const double f[] = {750.0, 50.0};
    static const enum analyse_method methods[] = {ANALYSE_MONTE_CARLO, ANALYSE_SUBSET,
                                                  ANALYSE_IMPORTANCE};
    analyse_case_init(&self, beam, 2, 1, 1);
    analyse_case_set(&self, 0, SPACE_LOGNORMAL, r);
    analyse_case_set(&self, 1, SPACE_NORMAL, f);
    for (int i = 0; i < 3; i++) {
        ask(&self, methods[i], 1000);
        expect_covered(&self, 0.0291982, 0.15);
    }
    analyse_case_release(&self);
}
END_TEST

START_TEST(rare_failures_of_draws_in_eight_dimensions)
{
    struct analyse_case self;
    double mean = 0.0;
    double p[3];
    analyse_case_init(&self, half_space, 8, 1, 3);
    for (int b = 0; b < 8; b++) {
        analyse_case_set(&self, b, SPACE_NORMAL, standard);
    }
    for (int j = 0; j < 3; j++) {
        p[j] = normal_tail(3.5 + 0.2 * j);
        mean += p[j] / 3.0;
    }
    double spread = sqrt(((p[0] - mean) * (p[0] - mean) + (p[1] - mean) * (p[1] - mean) +
                          (p[2] - mean) * (p[2] - mean)) /
                         2.0);
    for (int i = 0; i < 2; i++) {
        ask(&self, i == 0 ? ANALYSE_SUBSET : ANALYSE_IMPORTANCE, 2000);
        analyse_case_run(&self);
        ck_assert_double_eq_tol(self.result.estimate[0], mean, 6.0 * self.result.sampling_error[0]);
        ck_assert_double_lt(self.result.sampling_error[0], (i == 0 ? 0.2 : 0.03) * mean);
        ck_assert_double_eq_tol(self.result.surrogate_error[0], spread, 0.4 * spread);
        ck_assert_double_eq_tol(self.result.estimate[1], 3.7, 0.15);
    }
    analyse_case_release(&self);
}
END_TEST

START_TEST(failures_that_were_never_seen_leave_room_for_some)
{
    struct analyse_case self;
    four_branch_p = 100.0;
    four_branch_case(&self);
    const struct analyse_limit far[] = {{.output = 0, .above = true, .value = 1e9}};
    ask(&self, ANALYSE_MONTE_CARLO, 1000);
    self.spec.limits = far;
    analyse_case_run(&self);
    ck_assert_double_eq(self.result.estimate[0], 0.0);
    ck_assert_double_eq(self.result.lower[0], 0.0);
    ck_assert_double_eq_tol(self.result.upper[0], 3.0 / 16000.0, 1e-15);
    for (int i = 0; i < 2; i++) { /* no failure is known, so that importance is plain too */
        ask(&self, i == 0 ? ANALYSE_IMPORTANCE : ANALYSE_SUBSET, 100);
        self.spec.limits = far;
        analyse_case_run(&self);
        ck_assert_double_eq(self.result.estimate[0], 0.0);
        ck_assert_double_eq_tol(self.result.upper[0], 3.0 / 1600.0, 1e-15);
    }
    analyse_case_release(&self);
}
END_TEST

START_TEST(the_weights_of_importance_sampling_are_bounded)
{
    double mode[] = {3.0, 0.0};
    double weight[] = {0.9, 0.1};
    const struct failure_mixture mixture = {.n = 1, .mode = mode, .weight = weight};
    ck_assert_double_eq_tol(failure_max_weight(&mixture), 10.0, 1e-12);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("analyse_failure");
    TCase *tcase = tcase_create("probabilities");
    tcase_set_timeout(tcase, 200.0);
    tcase_add_test(tcase, the_four_branches_fail_with_their_probability);
    tcase_add_test(tcase, a_stressed_beam_fails_with_its_probability);
    tcase_add_test(tcase, rare_failures_of_draws_in_eight_dimensions);
    tcase_add_test(tcase, failures_that_were_never_seen_leave_room_for_some);
    tcase_add_test(tcase, the_weights_of_importance_sampling_are_bounded);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
