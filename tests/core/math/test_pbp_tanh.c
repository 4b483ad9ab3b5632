/* SPDX-License-Identifier: Apache-2.0 */
/* Moments of the tanh of Gaussians against brute force. */
#include "run.h"

#include <math.h>

#include "math/pbp_tanh.h"

enum { MEAN, VARIANCE, SLOPE, N_MOMENTS };

struct tanh_point {
    double value[N_MOMENTS], by_mean[N_MOMENTS], by_variance[N_MOMENTS];
};

static struct tanh_point rule(double mean, double variance)
{
    struct tanh_point p;
    double scratch[128];
    const struct pbp_tanh out = {&p.value[0],       &p.value[1],       &p.value[2],
                                 &p.by_mean[0],     &p.by_mean[1],     &p.by_mean[2],
                                 &p.by_variance[0], &p.by_variance[1], &p.by_variance[2]};
    ck_assert_uint_le(pbp_tanh_scratch(1), 128);
    pbp_tanh_eval(1, &mean, &variance, &out, scratch);
    return p;
}

/* Brute force: the midpoint rule with so many nodes that its error is that of rounding. */
static void integrate(double mean, double variance, double *value)
{
    const int n = 20000;
    double sum[3] = {0.0, 0.0, 0.0};
    double total = 0.0;
    for (int i = 0; i < n; i++) {
        double x = -10.0 + 20.0 * (i + 0.5) / n;
        double w = exp(-0.5 * x * x);
        double t = tanh(mean + sqrt(variance) * x);
        double dev = t - tanh(mean);
        total += w;
        sum[0] += w * dev;
        sum[1] += w * dev * dev;
        sum[2] += w * (1.0 - t * t);
    }
    value[MEAN] = tanh(mean) + sum[0] / total;
    value[VARIANCE] = sum[1] / total - sum[0] / total * (sum[0] / total);
    value[SLOPE] = sum[2] / total;
}

START_TEST(moments_of_tanh_are_as_exact_as_stated)
{
    const struct {
        double sigma, tolerance;
    } cases[] = {{0.0, 1e-14}, {1e-3, 1e-8}, {0.5, 3e-8}, {1.0, 5e-8},
                 {1.5, 8e-7},  {2.0, 4e-5},  {3.0, 2e-3}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        for (double mean = -2.5; mean <= 2.5; mean += 0.37) {
            double exact[N_MOMENTS];
            double variance = cases[c].sigma * cases[c].sigma;
            struct tanh_point p = rule(mean, variance);
            integrate(mean, variance, exact);
            for (int k = 0; k < N_MOMENTS; k++) {
                ck_assert_double_eq_tol(p.value[k], exact[k], cases[c].tolerance);
            }
        }
    }
}
END_TEST

START_TEST(derivatives_of_moments_of_tanh_match_central_differences)
{
    const double variances[] = {1e-9, 1e-7, 0.99e-6, 1.01e-6, 1e-4, 0.1, 1.0, 4.0};
    for (size_t c = 0; c < sizeof variances / sizeof *variances; c++) {
        for (double mean = -2.0; mean <= 2.0; mean += 0.41) {
            double v = variances[c];
            struct tanh_point p = rule(mean, v);
            struct tanh_point up = rule(mean + 1e-5, v);
            struct tanh_point down = rule(mean - 1e-5, v);
            for (int k = 0; k < N_MOMENTS; k++) {
                double found = (up.value[k] - down.value[k]) / 2e-5;
                ck_assert_double_eq_tol(p.by_mean[k], found, 1e-9);
            }
            /* By the variance: the step that balances truncation and rounding. */
            double step = fmin(1e-4, 0.1 * v);
            up = rule(mean, v + step);
            down = rule(mean, v - step);
            for (int k = 0; k < N_MOMENTS; k++) {
                double found = (up.value[k] - down.value[k]) / (2.0 * step);
                ck_assert_double_eq_tol(p.by_variance[k], found, 3e-16 / step + 1e-7);
            }
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pbp_tanh");
    TCase *tc = tcase_create("pbp_tanh");
    tcase_add_test(tc, moments_of_tanh_are_as_exact_as_stated);
    tcase_add_test(tc, derivatives_of_moments_of_tanh_match_central_differences);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
