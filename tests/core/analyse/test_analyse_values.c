/* SPDX-License-Identifier: Apache-2.0 */
/* Propagation, screening, slices, Shapley effects and active subspaces against closed forms. */
#include "run.h"

#include <math.h>

#include "analyse/points.h"
#include "analyse_case.h"
#include "math/moments.h"
#include "math/normal.h"

static const double standard[] = {0.0, 1.0};

static void expect(const struct analyse_case *self, const char *table, size_t i, double value)
{
    size_t at = analyse_case_at(self, table, i);
    double error = self->result.sampling_error[at];
    ck_assert_msg(fabs(self->result.estimate[at] - value) <= 6.0 * error + 1e-9,
                  "%s[%zu] is %.12g +- %.3g, expected %.12g", table, i, self->result.estimate[at],
                  error, value);
}

/* y1 = 1 + 2 x1 - x2, y2 = 3 x2: normal with normal inputs. */
static void linear(int draw, const double *x, double *y, double *jac)
{
    (void)draw;
    y[0] = 1.0 + 2.0 * x[0] - x[1];
    y[1] = 3.0 * x[1];
    if (jac != NULL) {
        jac[0] = 2.0;
        jac[1] = -1.0;
        jac[2] = 0.0;
        jac[3] = 3.0;
    }
}

static void linear_case(struct analyse_case *self, enum analyse_kind kind)
{
    analyse_case_init(self, linear, 2, 2, 1);
    analyse_case_set(self, 0, SPACE_NORMAL, standard);
    analyse_case_set(self, 1, SPACE_NORMAL, standard);
    self->spec.kind = kind;
}

START_TEST(linear_outputs_of_normal_inputs_are_normal)
{
    struct analyse_case self;
    const double levels[] = {0.05, 0.5, 0.9};
    linear_case(&self, ANALYSE_PROPAGATE);
    self.spec.n = 2048;
    self.spec.n_levels = 3;
    self.spec.levels = levels;
    self.spec.bins = 20;
    analyse_case_run(&self);
    expect(&self, "mean", 0, 1.0);
    expect(&self, "mean", 1, 0.0);
    expect(&self, "std", 0, sqrt(5.0));
    expect(&self, "std", 1, 3.0);
    expect(&self, "skewness", 0, 0.0);
    expect(&self, "kurtosis", 0, 3.0);
    expect(&self, "covariance", 0, 5.0);
    expect(&self, "covariance", 1, -3.0);
    expect(&self, "covariance", 2, -3.0);
    expect(&self, "covariance", 3, 9.0);
    for (size_t i = 0; i < 3; i++) {
        size_t at = analyse_case_at(&self, "quantiles", i);
        double value = 1.0 + sqrt(5.0) * normal_quantile(levels[i]);
        /* A quantile of n points has a bias of the order of 1/n. */
        ck_assert_double_eq_tol(self.result.estimate[at], value,
                                6.0 * self.result.sampling_error[at] + 0.005);
    }
    analyse_case_release(&self);
}
END_TEST

/* Even, crowded at one end, with ties, and constant. */
static int shape;

static double shaped(double x)
{
    return shape == 0   ? x
           : shape == 1 ? exp(40.0 * x)
           : shape == 2 ? floor(6.0 * x)
           : shape == 3 ? 7.0
                        : copysign(1e-310 * x, x - 0.5);
}

static void one_shape(int draw, const double *x, double *y, double *jac)
{
    (void)draw;
    (void)jac;
    y[0] = shaped(x[0]);
}

START_TEST(quantiles_are_those_of_the_sorted_points)
{
    struct analyse_case self;
    const double levels[] = {0.9, 0.05, 0.5, 0.501, 0.99};
    const int n = 700;
    double expected[5] = {0.0};
    shape = _i;
    analyse_case_init(&self, one_shape, 1, 1, 1);
    self.spec.kind = ANALYSE_PROPAGATE;
    self.spec.n = n;
    self.spec.replicates = 4;
    self.spec.n_levels = 5;
    self.spec.levels = levels;
    analyse_case_run(&self);
    for (int r = 0; r < 4; r++) {
        struct points points;
        struct err err = ERR_INIT;
        double values[700];
        double of[5];
        ck_assert_int_eq(points_init(&points, self.spec.seed, r, 1, &err), ERR_OK);
        points_next(&points, n, values);
        points_release(&points);
        for (int i = 0; i < n; i++) {
            values[i] = shaped(law_quantile(&self.laws[0], values[i]));
        }
        moments_quantiles(n, values, 5, levels, of);
        for (int l = 0; l < 5; l++) {
            expected[l] += of[l] / 4.0;
        }
    }
    for (size_t l = 0; l < 5; l++) {
        double found = self.result.estimate[analyse_case_at(&self, "quantiles", l)];
        ck_assert_double_le(fabs(found - expected[l]), 1e-13 * fabs(expected[l]) + 1e-320);
    }
    analyse_case_release(&self);
}
END_TEST

START_TEST(a_density_is_that_of_a_normal_and_has_the_area_one)
{
    struct analyse_case self;
    linear_case(&self, ANALYSE_PROPAGATE);
    self.spec.n = 4096;
    self.spec.bins = 25;
    analyse_case_run(&self);
    const struct analyse_table *table = analyse_case_table(&self, "density");
    const double *middle = table->axes[1].values;
    double width = middle[1] - middle[0];
    double area = 0.0;
    for (size_t b = 0; b < 25; b++) {
        double low = (middle[b] - 0.5 * width - 1.0) / sqrt(5.0);
        double high = low + width / sqrt(5.0);
        low = b == 0 ? -40.0 : low;
        high = b == 24 ? 40.0 : high;
        double density = (normal_tail(low) - normal_tail(high)) / width;
        expect(&self, "density", b, density);
        area += self.result.estimate[table->first + b] * width;
    }
    ck_assert_double_eq_tol(area, 1.0, 1e-12);
    analyse_case_release(&self);
}
END_TEST

START_TEST(effects_of_a_linear_function_are_its_slopes)
{
    struct analyse_case self;
    linear_case(&self, ANALYSE_MORRIS);
    const double cube[] = {0.0, 2.0};
    analyse_case_set(&self, 0, SPACE_UNIFORM, cube);
    analyse_case_set(&self, 1, SPACE_UNIFORM, cube);
    self.spec.n = 4;
    analyse_case_run(&self);
    const double mu[] = {4.0, -2.0, 0.0, 6.0};
    for (size_t i = 0; i < 4; i++) {
        size_t at = analyse_case_at(&self, "mu", i);
        ck_assert_double_eq_tol(self.result.estimate[at], mu[i], 1e-9);
        at = analyse_case_at(&self, "mu_star", i);
        ck_assert_double_eq_tol(self.result.estimate[at], fabs(mu[i]), 1e-9);
        at = analyse_case_at(&self, "sigma", i);
        ck_assert_double_eq_tol(self.result.estimate[at], 0.0, 1e-6);
    }
    analyse_case_release(&self);
}
END_TEST

START_TEST(slices_are_the_function_at_a_point_and_its_mean)
{
    struct analyse_case self;
    const double point[] = {0.5, -2.0};
    const int both[] = {1, 0};
    const struct analyse_set sets[] = {{.n = 1, .inputs = both + 1}, {.n = 2, .inputs = both}};
    linear_case(&self, ANALYSE_SLICES);
    self.spec.grid = 5;
    self.spec.at_point = true;
    self.spec.point = point;
    self.spec.n_slices = 2;
    self.spec.slices = sets;
    analyse_case_run(&self);
    const struct analyse_table *line = &self.result.tables[0];
    const struct analyse_table *plane = &self.result.tables[1];
    ck_assert_int_eq(line->axes[0].n, 5);
    ck_assert_int_eq(plane->rank, 3);
    for (size_t i = 0; i < 5; i++) {
        double x = line->axes[0].values[i];
        ck_assert_double_eq_tol(self.result.estimate[line->first + 2 * i], 3.0 + 2.0 * x, 1e-12);
        ck_assert_double_eq(self.result.sampling_error[line->first + 2 * i], 0.0);
        for (size_t j = 0; j < 5; j++) {
            double x2 = plane->axes[0].values[i];
            double x1 = plane->axes[1].values[j];
            size_t at = plane->first + (i * 5 + j) * 2;
            ck_assert_double_eq_tol(self.result.estimate[at], 1.0 + 2.0 * x1 - x2, 1e-12);
            ck_assert_double_eq_tol(self.result.estimate[at + 1], 3.0 * x2, 1e-12);
        }
    }
    self.spec.at_point = false;
    analyse_case_run(&self);
    for (size_t i = 0; i < 5; i++) {
        double x = self.result.tables[0].axes[0].values[i];
        expect(&self, "partial_dependence", 2 * i, 1.0 + 2.0 * x);
        expect(&self, "partial_dependence", 2 * i + 1, 0.0);
    }
    analyse_case_release(&self);
}
END_TEST

/* y = x1 + 2 x2 + 3 x3; in a linear Gaussian model the cost is c(J) = b_J' S_J|-J b_J. */
static void three(int draw, const double *x, double *y, double *jac)
{
    (void)draw;
    (void)jac;
    y[0] = x[0] + 2.0 * x[1] + 3.0 * x[2];
}

/*
 * With x2 and x3 of correlation r and x1 independent: x1 has 1 of V = 1 + 4 + 9 + 12 r; of the two
 * others each has half of the joint variance and half of what it explains beside the other.
 */
START_TEST(shapley_effects_of_dependent_inputs_are_those_of_a_linear_model)
{
    struct analyse_case self;
    const double r = 0.6;
    const double correlation[] = {1.0, 0.0, 0.0, 0.0, 1.0, r, 0.0, r, 1.0};
    analyse_case_init(&self, three, 3, 1, 1);
    for (int b = 0; b < 3; b++) {
        analyse_case_set(&self, b, SPACE_NORMAL, standard);
    }
    self.spec.kind = ANALYSE_SHAPLEY;
    self.spec.n = 2000;
    self.spec.correlation = correlation;
    analyse_case_run(&self);
    double joint = 4.0 + 9.0 + 12.0 * r;
    double v = 1.0 + joint;
    double alone_2 = 4.0 * (1.0 - r * r); /* E Var(y | x1, x3) */
    double alone_3 = 9.0 * (1.0 - r * r);
    expect(&self, "variance", 0, v);
    expect(&self, "effect", 0, 1.0 / v);
    expect(&self, "effect", 1, 0.5 * (alone_2 + joint - alone_3) / v);
    expect(&self, "effect", 2, 0.5 * (alone_3 + joint - alone_2) / v);
    double sum = 0.0;
    for (size_t i = 0; i < 3; i++) {
        sum += self.result.estimate[analyse_case_at(&self, "effect", i)];
    }
    ck_assert_double_eq_tol(sum, 1.0, 1e-9);
    analyse_case_release(&self);
}
END_TEST

/* y = exp(w x), w = (0.6, 0.8): the only direction is w. */
static void ridge(int draw, const double *x, double *y, double *jac)
{
    (void)draw;
    y[0] = exp(0.6 * x[0] - 0.8 * x[1]);
    if (jac != NULL) {
        jac[0] = 0.6 * y[0];
        jac[1] = -0.8 * y[0];
    }
}

START_TEST(a_ridge_has_one_direction)
{
    struct analyse_case self;
    analyse_case_init(&self, ridge, 2, 1, 1);
    analyse_case_set(&self, 0, SPACE_NORMAL, standard);
    analyse_case_set(&self, 1, SPACE_NORMAL, standard);
    self.spec.kind = ANALYSE_ACTIVE_SUBSPACE;
    self.spec.n = 4096;
    analyse_case_run(&self);
    expect(&self, "eigenvalues", 0, exp(2.0)); /* E exp(2 w x) = exp(2 |w|^2) */
    expect(&self, "eigenvalues", 1, 0.0);
    expect(&self, "derivative_measure", 0, 0.36 * exp(2.0));
    ck_assert_double_eq_tol(self.result.estimate[analyse_case_at(&self, "eigenvectors", 0)], -0.6,
                            1e-9);
    ck_assert_double_eq_tol(self.result.estimate[analyse_case_at(&self, "eigenvectors", 1)], 0.8,
                            1e-9);
    analyse_case_release(&self);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("analyse_values");
    TCase *tcase = tcase_create("closed forms");
    tcase_set_timeout(tcase, 120.0);
    tcase_add_test(tcase, linear_outputs_of_normal_inputs_are_normal);
    tcase_add_loop_test(tcase, quantiles_are_those_of_the_sorted_points, 0, 5);
    tcase_add_test(tcase, a_density_is_that_of_a_normal_and_has_the_area_one);
    tcase_add_test(tcase, effects_of_a_linear_function_are_its_slopes);
    tcase_add_test(tcase, slices_are_the_function_at_a_point_and_its_mean);
    tcase_add_test(tcase, shapley_effects_of_dependent_inputs_are_those_of_a_linear_model);
    tcase_add_test(tcase, a_ridge_has_one_direction);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
