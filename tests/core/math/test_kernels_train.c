/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels of training, on every vector unit of this machine, against plain loops. */
#include "run.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "math/kernels.h"

#define MAX_FEATURES 37
#define MAX_COLUMNS  48

struct buffers {
    double w[MAX_FEATURES * MAX_FEATURES], bias[MAX_FEATURES];
    double a[MAX_FEATURES * MAX_COLUMNS], b[MAX_FEATURES * MAX_COLUMNS];
    double found[MAX_FEATURES * MAX_COLUMNS], expected[MAX_FEATURES * MAX_COLUMNS];
};

/* Like oracle_error, without a check of each of the millions of values. NaN gives infinity. */
static double largest_error(const struct buffers *v)
{
    double error = 0.0;
    double scale = 0.0;
    for (size_t i = 0; i < MAX_FEATURES * MAX_COLUMNS; i++) {
        double delta = fabs(v->found[i] - v->expected[i]);
        error = delta <= error ? error : (isnan(delta) ? INFINITY : delta);
        scale = fmax(scale, fabs(v->expected[i]));
    }
    return error / scale;
}

static void fill(struct rng *rng, double *v, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        v[k] = rng_normal(rng);
    }
}

/* which: 0 with a bias, 1 without, 2 with `add`; back: by the transpose. */
static void check_product(const struct kernels *k, struct buffers *v, int n_out, int n_in,
                          size_t ld, int which, bool back)
{
    size_t out = (size_t)n_out;
    size_t in = (size_t)n_in;
    struct kernels_product p = {.n_out = n_out,
                                .n_in = n_in,
                                .ld = ld,
                                .w = v->w,
                                .by_out = back ? 1 : in,
                                .by_in = back ? out : 1,
                                .bias = which == 0 ? v->bias : NULL,
                                .add = which == 2,
                                .z = v->a,
                                .out = v->found};
    memcpy(v->found, v->b, sizeof v->b);
    memcpy(v->expected, v->b, sizeof v->b);
    for (size_t o = 0; o < out; o++) {
        for (size_t c = 0; c < ld; c++) {
            double sum = which == 0 ? v->bias[o] : (which == 2 ? v->b[o * ld + c] : 0.0);
            for (size_t i = 0; i < in; i++) {
                sum += v->w[o * p.by_out + i * p.by_in] * v->a[i * ld + c];
            }
            v->expected[o * ld + c] = sum;
        }
    }
    k->product(&p);
    ck_assert_msg(largest_error(v) < 1e-14, "%s: %d x %d by %zu", k->isa, n_out, n_in, ld);
}

static void check_outer(const struct kernels *k, struct buffers *v, int n_a, int n_b, size_t ld,
                        bool add)
{
    struct kernels_outer p = {
        .n_a = n_a, .n_b = n_b, .ld = ld, .add = add, .a = v->a, .b = v->b, .out = v->found};
    memset(v->found, 0, sizeof v->found);
    memset(v->expected, 0, sizeof v->expected);
    memcpy(v->found, v->w, sizeof v->w);
    memcpy(v->expected, v->w, sizeof v->w);
    for (size_t i = 0; i < (size_t)n_a; i++) {
        for (size_t j = 0; j < (size_t)n_b; j++) {
            double sum = add ? v->w[i * (size_t)n_b + j] : 0.0;
            for (size_t c = 0; c < ld; c++) {
                sum += v->a[i * ld + c] * v->b[j * ld + c];
            }
            v->expected[i * (size_t)n_b + j] = sum;
        }
    }
    k->outer(&p);
    ck_assert_msg(largest_error(v) < 1e-14, "%s: %d by %d over %zu", k->isa, n_a, n_b, ld);
    memset(v->found, 0, sizeof v->found);
    memset(v->expected, 0, sizeof v->expected);
    for (size_t i = 0; i < (size_t)n_a; i++) {
        for (size_t c = 0; c < ld; c++) {
            v->expected[i] += v->a[i * ld + c];
        }
    }
    k->sums(n_a, ld, v->a, v->found);
    ck_assert_double_le(largest_error(v), 1e-14);
}

START_TEST(kernels_of_training_agree_with_plain_loops)
{
    static struct buffers v;
    struct rng rng;
    int n;
    const struct kernels *const *all = kernels_all(&n);
    rng_init(&rng, 7, RNG_TEST, 0);
    fill(&rng, v.w, MAX_FEATURES * MAX_FEATURES);
    fill(&rng, v.bias, MAX_FEATURES);
    fill(&rng, v.a, MAX_FEATURES * MAX_COLUMNS);
    fill(&rng, v.b, MAX_FEATURES * MAX_COLUMNS);
    for (int u = 0; u < n; u++) {
        for (int p = 1; p <= MAX_FEATURES; p += p < 13 ? 1 : 8) {
            for (int q = 1; q <= MAX_FEATURES; q += q < 9 ? 1 : 14) {
                for (size_t ld = 8; ld <= MAX_COLUMNS; ld += 8) {
                    for (int which = 0; which < 3; which++) {
                        check_product(all[u], &v, p, q, ld, which, false);
                        check_product(all[u], &v, p, q, ld, which, true);
                    }
                    check_outer(all[u], &v, p, q, ld, false);
                    check_outer(all[u], &v, p, q, ld, true);
                }
            }
        }
    }
}
END_TEST

START_TEST(sweeps_of_training_agree_with_plain_loops)
{
    static struct buffers v;
    struct rng rng;
    int n;
    const struct kernels *const *all = kernels_all(&n);
    rng_init(&rng, 8, RNG_TEST, 0);
    fill(&rng, v.a, MAX_FEATURES);
    fill(&rng, v.b, MAX_FEATURES);
    for (int u = 0; u < n; u++) {
        for (size_t count = 0; count <= MAX_FEATURES; count++) {
            memcpy(v.w, v.a, count * sizeof *v.w);
            all[u]->layer_f64(count, 0.3, v.b, v.w, v.found);
            for (size_t i = 0; i < count; i++) {
                ck_assert_double_eq_tol(v.w[i], tanh(v.a[i]), 1e-15);
                ck_assert_double_eq_tol(v.found[i], v.b[i] + 0.3 * tanh(v.a[i]), 1e-14);
            }
            all[u]->slope_f64(count, 0.3, v.b, v.a, v.found);
            for (size_t i = 0; i < count; i++) {
                ck_assert_double_eq_tol(v.found[i], 0.3 * v.b[i] * (1.0 - v.a[i] * v.a[i]), 1e-14);
            }
            memcpy(v.found, v.b, count * sizeof *v.w);
            all[u]->axpy(count, 0.3, v.a, v.found);
            for (size_t i = 0; i < count; i++) {
                ck_assert_double_eq(v.found[i], v.b[i] + 0.3 * v.a[i]);
            }
        }
    }
}
END_TEST

/* The same sweeps in float, of reverse mode by plans. */
START_TEST(sweeps_in_float_agree_with_plain_loops)
{
    static float a[MAX_FEATURES], b[MAX_FEATURES], w[MAX_FEATURES], found[MAX_FEATURES];
    struct rng rng;
    int n;
    const struct kernels *const *all = kernels_all(&n);
    rng_init(&rng, 10, RNG_TEST, 0);
    for (int i = 0; i < MAX_FEATURES; i++) {
        a[i] = (float)rng_normal(&rng);
        b[i] = (float)rng_normal(&rng);
    }
    for (int u = 0; u < n; u++) {
        for (size_t count = 0; count <= MAX_FEATURES; count++) {
            memcpy(w, a, sizeof w);
            all[u]->layer_f32(count, 0.3f, b, w, found);
            for (size_t i = 0; i < MAX_FEATURES; i++) {
                ck_assert_float_eq_tol(w[i], i < count ? tanhf(a[i]) : a[i], 3e-7f);
                if (i < count) {
                    ck_assert_float_eq_tol(found[i], b[i] + 0.3f * w[i], 5e-7f);
                }
            }
            all[u]->slope_f32(count, 0.3f, b, a, found);
            for (size_t i = 0; i < count; i++) {
                ck_assert_float_eq_tol(found[i], 0.3f * b[i] * (1.0f - a[i] * a[i]), 4e-6f);
            }
        }
    }
}
END_TEST

/* The formulas of core/fit/optim.c; the order of evaluation may differ. */
START_TEST(adam_s_kernel_agrees_with_plain_loops)
{
    static struct buffers v;
    struct kernels_adam p = {
        .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .size = 0.02, .root = 0.3};
    struct rng rng;
    int n;
    const struct kernels *const *all = kernels_all(&n);
    rng_init(&rng, 9, RNG_TEST, 0);
    fill(&rng, v.a, MAX_FEATURES);
    for (int u = 0; u < n; u++) {
        double *m = v.found;
        double *s = v.found + MAX_FEATURES;
        double *w = v.found + 2 * MAX_FEATURES;
        for (int i = 0; i < MAX_FEATURES; i++) {
            m[i] = 0.1 * i;
            s[i] = 0.01 * i;
            w[i] = 1.0;
        }
        all[u]->adam(&p, MAX_FEATURES - 1, v.a, m, s, w);
        for (int i = 0; i < MAX_FEATURES - 1; i++) {
            double first = 0.9 * 0.1 * i + 0.1 * v.a[i];
            double second = 0.999 * 0.01 * i + 0.001 * v.a[i] * v.a[i];
            ck_assert_double_eq_tol(m[i], first, 1e-14);
            ck_assert_double_eq_tol(s[i], second, 1e-14);
            ck_assert_double_eq_tol(w[i], 1.0 - 0.02 * first / (sqrt(second) / 0.3 + 1e-8), 1e-13);
        }
        ck_assert_double_eq(w[MAX_FEATURES - 1], 1.0); /* nothing beyond n */
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kernels of training");
    TCase *tc = tcase_create("kernels of training");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, kernels_of_training_agree_with_plain_loops);
    tcase_add_test(tc, sweeps_of_training_agree_with_plain_loops);
    tcase_add_test(tc, sweeps_in_float_agree_with_plain_loops);
    tcase_add_test(tc, adam_s_kernel_agrees_with_plain_loops);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
