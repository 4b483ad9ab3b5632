/* SPDX-License-Identifier: Apache-2.0 */
/* Moments of the activations of Gaussians against brute force. */
#include "run.h"

#include <math.h>

#include "math/kernels.h"
#include "math/pbp_activation.h"

enum { MEAN, VARIANCE, SLOPE, N_MOMENTS };

struct tanh_point {
    double value[N_MOMENTS], by_mean[N_MOMENTS], by_variance[N_MOMENTS];
};

static struct tanh_point moments(enum activation act, double mean, double variance)
{
    struct tanh_point p;
    double scratch[256];
    const struct pbp_tanh out = {&p.value[0],       &p.value[1],       &p.value[2],
                                 &p.by_mean[0],     &p.by_mean[1],     &p.by_mean[2],
                                 &p.by_variance[0], &p.by_variance[1], &p.by_variance[2]};
    ck_assert_uint_le(pbp_activation_scratch(act, 1), 256);
    pbp_activation_eval(act, 1, (struct pbp_normal){&mean, &variance}, &out, scratch);
    return p;
}

static struct tanh_point rule(double mean, double variance)
{
    return moments(ACT_TANH, mean, variance);
}

/* act(u) and act'(u) by libm. */
static double activation(enum activation act, double u, double *slope)
{
    double s = 1.0 / (1.0 + exp(-u));
    double below = 0.5 * erfc(-u / sqrt(2.0));
    switch (act) {
    case ACT_TANH:
        *slope = 1.0 - tanh(u) * tanh(u);
        return tanh(u);
    case ACT_RELU:
        *slope = u > 0.0 ? 1.0 : 0.0;
        return fmax(u, 0.0);
    case ACT_SIN:
        *slope = cos(u);
        return sin(u);
    case ACT_SILU:
        *slope = s + u * s * (1.0 - s);
        return u * s;
    case ACT_IDENTITY:
    case ACT_COUNT:
    case ACT_GELU:
        break;
    }
    *slope = below + u * exp(-0.5 * u * u) / sqrt(2.0 * M_PI);
    return u * below;
}

/* Brute force: the midpoint rule with so many nodes that its error is that of rounding. */
static void integrate(enum activation act, double mean, double variance, double *value)
{
    const int n = 20000;
    double sum[3] = {0.0, 0.0, 0.0};
    double total = 0.0;
    double slope;
    double steep;
    double middle = activation(act, mean, &steep);
    for (int i = 0; i < n; i++) {
        double x = -10.0 + 20.0 * (i + 0.5) / n;
        double w = exp(-0.5 * x * x);
        double dev = activation(act, mean + sqrt(variance) * x, &slope) - middle;
        total += w;
        sum[0] += w * dev;
        sum[1] += w * dev * dev;
        sum[2] += w * (slope - steep);
    }
    value[MEAN] = middle + sum[0] / total;
    value[VARIANCE] = sum[1] / total - sum[0] / total * (sum[0] / total);
    value[SLOPE] = steep + sum[2] / total;
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
            integrate(ACT_TANH, mean, variance, exact);
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

/* The kink of relu limits the midpoint rule, not the closed form. */
START_TEST(moments_of_other_activations_are_as_exact_as_stated)
{
    static const struct {
        double sigma, tolerance;
    } cases[] = {{0.0, 1e-14}, {1e-3, 1e-7}, {0.5, 2e-7}, {1.0, 2e-7}, {2.0, 5e-7}, {3.0, 4e-5}};
    const enum activation act = (enum activation)_i;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        for (double mean = -2.5; mean <= 2.5; mean += 0.37) {
            double exact[N_MOMENTS];
            double variance = cases[c].sigma * cases[c].sigma;
            struct tanh_point p = moments(act, mean, variance);
            integrate(act, mean, variance, exact);
            for (int k = 0; k < N_MOMENTS; k++) {
                double tolerance =
                    cases[c].tolerance + (act == ACT_RELU && k == SLOPE ? 1e-3 : 0.0);
                ck_assert_msg(fabs(p.value[k] - exact[k]) <= tolerance, "%d, %d at %g, %g: %g, %g",
                              _i, k, mean, cases[c].sigma, p.value[k], exact[k]);
            }
        }
    }
}
END_TEST

START_TEST(derivatives_of_moments_of_other_activations_match_central_differences)
{
    static const double variances[] = {1e-7, 0.99e-6, 1.01e-6, 1e-4, 0.1, 1.0, 4.0};
    const enum activation act = (enum activation)_i;
    for (size_t c = 0; c < sizeof variances / sizeof *variances; c++) {
        for (double mean = -2.0; mean <= 2.0; mean += 0.41) {
            double v = variances[c];
            double by = fmin(1e-5, 1e-3 * sqrt(v));
            double step = fmin(1e-4, 0.1 * v);
            /* At relu's kink all depends on mean / sqrt(v). */
            bool kink = act == ACT_RELU && fabs(mean) < 6.0 * sqrt(v);
            step = kink ? 1e-3 * v : step;
            struct tanh_point p = moments(act, mean, v);
            struct tanh_point up = moments(act, mean + by, v);
            struct tanh_point down = moments(act, mean - by, v);
            struct tanh_point more = moments(act, mean, v + step);
            struct tanh_point less = moments(act, mean, v - step);
            for (int k = 0; k < N_MOMENTS; k++) {
                double found = (up.value[k] - down.value[k]) / (2.0 * by);
                double other = (more.value[k] - less.value[k]) / (2.0 * step);
                ck_assert_msg(fabs(p.by_mean[k] - found) <= 3e-16 / by + 1e-5 * fabs(found) + 1e-8,
                              "%d, %d by mean at %g, %g: %g, %g", _i, k, mean, v, p.by_mean[k],
                              found);
                ck_assert_msg(fabs(p.by_variance[k] - other) <=
                                  6e-16 / step + 1e-5 * fabs(other) + 1e-6,
                              "%d, %d by variance at %g, %g: %g, %g", _i, k, mean, v,
                              p.by_variance[k], other);
            }
        }
    }
}
END_TEST

START_TEST(relu_of_a_point_is_its_value)
{
    static const double means[] = {-2.0, 0.0, 3.0};
    for (int i = 0; i < 3; i++) {
        for (double v = 0.0; v<1e-299; v = v> 0.0 ? v * 1e10 : 1e-320) {
            struct tanh_point p = moments(ACT_RELU, means[i], v);
            ck_assert_double_eq(p.value[MEAN], fmax(means[i], 0.0));
            for (int k = 0; k < N_MOMENTS; k++) {
                ck_assert(isfinite(p.value[k]) && isfinite(p.by_mean[k]));
                ck_assert(isfinite(p.by_variance[k]));
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
    tcase_add_loop_test(tc, moments_of_other_activations_are_as_exact_as_stated, ACT_RELU,
                        ACT_COUNT);
    tcase_add_loop_test(tc, derivatives_of_moments_of_other_activations_match_central_differences,
                        ACT_RELU, ACT_COUNT);
    tcase_add_test(tc, relu_of_a_point_is_its_value);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
