/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The activations besides tanh on every vector unit of this machine: their errors in ulp against
 * long double, their derivatives, their ends, and agreement of the kernels with each other.
 */
#include "run.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "math/kernels.h"

#define FEW 5 /* less than a vector, more than the smallest one */

static const char *const names[] = {"tanh", "identity", "relu", "sin", "silu", "gelu"};

/* The bounds that core/math/kernels.h states, for values of units with fused multiply-add. */
static const struct {
    double ulp, ulp_single;     /* of values */
    double reach, reach_single; /* where they are exact to these: |u| */
} bounds[ACT_COUNT] = {[ACT_RELU] = {0.0, 0.0, 1e300, 1e30},
                       [ACT_SIN] = {3.0, 3.0, 1e9, 1e5},
                       [ACT_SILU] = {5.0, 5.0, 700.0, 80.0},
                       [ACT_GELU] = {10.0, 8.0, 37.0, 12.0}};

static long double exact(enum activation act, long double u, int derivative)
{
    long double tail = expl(-fabsl(u));
    long double s = u < 0.0L ? tail / (1.0L + tail) : 1.0L / (1.0L + tail);
    long double rest = u < 0.0L ? 1.0L / (1.0L + tail) : tail / (1.0L + tail);
    long double below = 0.5L * erfcl(-u / sqrtl(2.0L));
    long double density = expl(-0.5L * u * u) / sqrtl(2.0L * acosl(-1.0L));
    const long double all[ACT_COUNT][3] = {
        [ACT_RELU] = {u > 0.0L ? u : 0.0L, u > 0.0L ? 1.0L : 0.0L, 0.0L},
        [ACT_SIN] = {sinl(u), cosl(u), -sinl(u)},
        [ACT_SILU] = {u * s, s + u * s * rest, s * rest * (2.0L + u * (rest - s))},
        [ACT_GELU] = {u * below, below + u * density, density * (2.0L - u * u)},
    };
    return all[act][derivative];
}

static double draw(struct rng *rng, double reach)
{
    double size = rng_uniform(rng) < 0.5 ? pow(10.0, -12.0 + 14.0 * rng_uniform(rng))
                                         : 8.0 * rng_uniform(rng);
    size = fmin(size, reach);
    return rng_uniform(rng) < 0.5 ? size : -size;
}

static double ulps(double found, long double value)
{
    double near = fabs((double)value);
    return (double)(fabsl((long double)found - value) /
                    (long double)(nextafter(near, INFINITY) - near));
}

static void check_values(const struct kernels *k, enum activation act, bool fused)
{
    const struct kernels_sweeps_f64 *sweeps = &k->sweeps_f64[act];
    struct rng rng;
    double worst = 0.0;
    double slope = 0.0;
    double bend = 0.0;
    rng_init(&rng, 31, RNG_TEST, (uint32_t)act);
    for (int i = 0; i < 10000; i++) {
        double u[FEW];
        double value[FEW];
        double first[FEW];
        double second[FEW];
        double again[FEW];
        for (int j = 0; j < FEW; j++) {
            u[j] = value[j] = first[j] = second[j] = draw(&rng, bounds[act].reach);
        }
        sweeps->value(value, FEW);
        sweeps->slopes(FEW, first, again);
        sweeps->bends(FEW, second);
        ck_assert_int_eq(memcmp(value, again, sizeof value), 0);
        for (int j = 0; j < FEW; j++) {
            if (fused || fabs(u[j]) < 3.0) { /* libm has the tails from a rounded argument */
                worst = fmax(worst, ulps(value[j], exact(act, u[j], 0)));
            }
            slope = fmax(slope, (double)fabsl(first[j] - exact(act, u[j], 1)));
            bend = fmax(bend, (double)fabsl(second[j] - exact(act, u[j], 2)));
        }
    }
    double bound = fused ? bounds[act].ulp : fmax(bounds[act].ulp, 20.0);
    ck_assert_msg(worst <= bound, "%s, %s: %g ulp", k->isa, names[act], worst);
    ck_assert_msg(slope <= 1e-15, "%s, %s: first derivative off by %g", k->isa, names[act], slope);
    ck_assert_msg(bend <= 1e-15, "%s, %s: second derivative off by %g", k->isa, names[act], bend);
}

static void check_single(const struct kernels *k, enum activation act)
{
    const struct kernels_sweeps_f32 *sweeps = &k->sweeps_f32[act];
    struct rng rng;
    double worst = 0.0;
    double slope = 0.0;
    rng_init(&rng, 32, RNG_TEST, (uint32_t)act);
    for (int i = 0; i < 10000; i++) {
        float u[FEW];
        float value[FEW];
        float first[FEW];
        for (int j = 0; j < FEW; j++) {
            u[j] = first[j] = (float)draw(&rng, bounds[act].reach_single);
        }
        sweeps->slopes(FEW, first, value);
        for (int j = 0; j < FEW; j++) {
            double right = (double)exact(act, (long double)u[j], 0);
            float near = fabsf((float)right);
            double ulp = (double)nextafterf(near, INFINITY) - (double)near;
            worst = fmax(worst, fabs((double)value[j] - right) / ulp);
            slope = fmax(slope, fabs((double)first[j] - (double)exact(act, (long double)u[j], 1)));
        }
    }
    ck_assert_msg(worst <= bounds[act].ulp_single, "%s, %s: %g ulp in float", k->isa, names[act],
                  worst);
    ck_assert_msg(slope <= 5e-7, "%s, %s: first derivative off by %g", k->isa, names[act], slope);
}

START_TEST(activations_keep_their_bounds)
{
    int n;
    const struct kernels *const *all = kernels_all(&n);
    for (int i = 0; i < n; i++) {
        check_values(all[i], (enum activation)_i, strcmp(all[i]->isa, "generic") != 0);
        check_single(all[i], (enum activation)_i);
    }
}
END_TEST

/* step and layer are value and slopes with a sum; every unit with fused multiply-add has the same
 * bits. */
START_TEST(kernels_of_an_activation_agree)
{
    enum { N = 37 };
    int n;
    const struct kernels *const *all = kernels_all(&n);
    double first[N] = {0.0};
    for (int i = 0; i < n; i++) {
        const struct kernels_sweeps_f64 *sweeps = &all[i]->sweeps_f64[_i];
        double u[N];
        double value[N];
        double slope[N];
        double z[N];
        double next[N];
        double stepped[N];
        for (int j = 0; j < N; j++) {
            u[j] = 0.31 * j - 5.0;
            z[j] = 1.0 - 0.1 * j;
        }
        memcpy(slope, u, sizeof u);
        memcpy(stepped, z, sizeof z);
        sweeps->slopes(N, slope, value);
        sweeps->step(u, 0.25, stepped, N);
        sweeps->layer(N, 0.25, z, u, next);
        ck_assert_int_eq(memcmp(next, stepped, sizeof next), 0);
        ck_assert_int_eq(memcmp(u, slope, sizeof u), 0);
        for (int j = 0; j < N; j++) {
            ck_assert_double_eq_tol(next[j], z[j] + 0.25 * value[j], 1e-15 * (1.0 + fabs(next[j])));
        }
        if (i > 1) {
            ck_assert_int_eq(memcmp(value, first, sizeof value), 0);
        }
        memcpy(first, value, sizeof value);
    }
}
END_TEST

START_TEST(activations_have_right_ends)
{
    int n;
    const struct kernels *const *all = kernels_all(&n);
    for (int i = 0; i < n; i++) {
        const struct kernels_sweeps_f64 *sweeps = &all[i]->sweeps_f64[_i];
        double u[] = {0.0, 1e300, -1e300, INFINITY, -INFINITY, NAN, 1e20, -1e20};
        double slope[8];
        float single[] = {0.0f, 1e38f, -1e38f, INFINITY, -INFINITY, NAN, 1e20f, -1e20f};
        memcpy(slope, u, sizeof u);
        sweeps->slopes(8, slope, u);
        all[i]->sweeps_f32[_i].value(single, 8);
        ck_assert(u[0] == 0.0 && isnan(u[5]) && isnan((double)single[5]) && single[0] == 0.0f);
        if (_i == ACT_SIN) {
            ck_assert(fabs(u[1]) <= 1.0 && fabs(u[6]) <= 1.0 && fabs(slope[7]) <= 1.0);
            ck_assert(isnan(u[3]) && isnan(u[4]) && fabsf(single[1]) <= 1.0f);
            continue;
        }
        ck_assert(fabs(u[1] - 1e300) <= 1e285 && u[3] == INFINITY && fabs(u[6] - 1e20) <= 1e5);
        ck_assert(fabs(u[2]) <= 1e-300 && fabs(u[4]) <= 1e-300 && fabs(u[7]) <= 1e-300);
        ck_assert(fabs(slope[1] - 1.0) <= 1e-15 && fabs(slope[2]) <= 1e-300);
        ck_assert(fabsf(single[1] - 1e38f) <= 1e32f && single[3] == INFINITY &&
                  fabsf(single[4]) <= 1e-35f);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("activations");
    TCase *tc = tcase_create("activations");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, activations_keep_their_bounds, ACT_RELU, ACT_COUNT);
    tcase_add_loop_test(tc, kernels_of_an_activation_agree, ACT_RELU, ACT_COUNT);
    tcase_add_loop_test(tc, activations_have_right_ends, ACT_RELU, ACT_COUNT);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
