/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernels of prediction on every vector unit of this machine: their errors in ulp, and
 * agreement with each other.
 */
#include "run.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/rng.h"
#include "math/kernels.h"
#include "math/vtanh.h"

/* ---- tanh ---- */

static double ulp_error(double found, long double exact)
{
    double next = nextafter(fabs((double)exact), INFINITY);
    long double ulp = (long double)next - fabsl((long double)(double)exact);
    return (double)(fabsl((long double)found - exact) / ulp);
}

static void check_tanh(const struct kernels *k)
{
    double worst = 0.0;
    struct rng rng;
    rng_init(&rng, 8, RNG_TEST, 0);
    for (int i = 0; i < 20000; i++) {
        double x[5];
        double y[5];
        for (int j = 0; j < 5; j++) {
            double size = pow(10.0, -12.0 + 14.0 * rng_uniform(&rng));
            x[j] = y[j] = rng_uniform(&rng) < 0.5 ? size : -size;
        }
        k->tanh_f64(y, 5);
        for (int j = 0; j < 5; j++) {
            worst = fmax(worst, ulp_error(y[j], tanhl((long double)x[j])));
        }
    }
    ck_assert_msg(worst <= 4.0, "%s: %g ulp", k->isa, worst);
    double special[] = {0.0, -0.0, 5e-324, -1e-310, 1e308, -1e308, INFINITY, -INFINITY, NAN};
    double limits[] = {0.0, -0.0, 5e-324, -1e-310, 1.0, -1.0, 1.0, -1.0, NAN};
    k->tanh_f64(special, 9);
    for (int j = 0; j < 8; j++) {
        ck_assert_msg(memcmp(&special[j], &limits[j], sizeof(double)) == 0, "%s: special %d is %g",
                      k->isa, j, special[j]);
    }
    ck_assert(isnan(special[8]));
}

/* Every 97th float up to where tanh is 1, with both signs. */
static void check_tanhf(const struct kernels *k)
{
    double worst = 0.0;
    for (uint32_t u = 1; u < 0x41200000u; u += 97 * 64) {
        float x[64];
        float y[64];
        for (uint32_t j = 0; j < 64; j++) {
            uint32_t bits = (u + 97 * j) | (j % 2 == 1 ? 0x80000000u : 0);
            memcpy(&x[j], &bits, sizeof bits);
            y[j] = x[j];
        }
        k->tanh_f32(y, 64);
        for (uint32_t j = 0; j < 64; j++) {
            double exact = tanh((double)x[j]);
            float near = fabsf((float)exact);
            double ulp = (double)nextafterf(near, 2.0f) - (double)near;
            worst = fmax(worst, fabs((double)y[j] - exact) / ulp);
        }
    }
    ck_assert_msg(worst <= 2.0, "%s: %g ulp in float", k->isa, worst);
}

static void check_exp(const struct kernels *k)
{
    double worst = 0.0;
    struct rng rng;
    rng_init(&rng, 9, RNG_TEST, 0);
    for (int i = 0; i < 40000; i++) {
        double x[5];
        double y[5];
        for (int j = 0; j < 5; j++) {
            double size = i % 2 == 0 ? 709.7 * rng_uniform(&rng)
                                     : pow(10.0, -12.0 + 14.0 * rng_uniform(&rng));
            x[j] = y[j] = rng_uniform(&rng) < 0.5 ? size : fmax(-size, -708.0);
        }
        k->exp_f64(y, 5);
        for (int j = 0; j < 5; j++) {
            worst = fmax(worst, ulp_error(y[j], expl((long double)x[j])));
        }
    }
    ck_assert_msg(worst <= 1.0, "%s: %g ulp", k->isa, worst);
    double special[] = {0.0,    -0.0, 5e-324,   1e-20,     709.78, 709.79, 1e308,
                        -1e308, -746, INFINITY, -INFINITY, -745.1, -720.5, NAN};
    double limits[] = {1.0, 1.0, 1.0,      1.0, exp(709.78), INFINITY,    INFINITY,
                       0.0, 0.0, INFINITY, 0.0, exp(-745.1), exp(-720.5), NAN};
    k->exp_f64(special, 14);
    for (int j = 0; j < 13; j++) {
        ck_assert_msg(special[j] == limits[j] || ulp_error(special[j], limits[j]) <= 1.0,
                      "%s: special %d is %g", k->isa, j, special[j]);
    }
    ck_assert(isnan(special[13]));
}

START_TEST(exp_keeps_its_bound)
{
    int n;
    const struct kernels *const *all = kernels_all(&n);
    for (int i = 0; i < n; i++) {
        check_exp(all[i]);
    }
}
END_TEST

START_TEST(tanh_keeps_its_bounds)
{
    int n;
    const struct kernels *const *all = kernels_all(&n);
    for (int i = 0; i < n; i++) {
        check_tanh(all[i]);
        check_tanhf(all[i]);
    }
}
END_TEST

/* One product with one row. */
static void row_of(const struct kernels *k, int n_out, int n_in, const double *wt,
                   const double *bias, const double *z, double *out)
{
    const struct kernels_rows_f64 p = {.n_out = n_out,
                                       .n_in = n_in,
                                       .n = 1,
                                       .share = 1,
                                       .period = 1,
                                       .wt = wt,
                                       .bias = bias,
                                       .z = z,
                                       .out = out};
    k->rows_f64(&p);
}

/*
 * For every shape, the sets with fused multiply-add agree to the last bit with each other, and
 * rows agree with columns.
 */
START_TEST(kernels_agree)
{
    static const int shapes[][2] = {{1, 1},   {3, 3},   {8, 3},   {5, 16}, {16, 16},
                                    {17, 16}, {31, 32}, {32, 64}, {64, 7}, {1, 40}};
    int n;
    const struct kernels *const *all = kernels_all(&n);
    struct rng rng;
    rng_init(&rng, 4, RNG_TEST, 0);
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        int n_out = shapes[s][0];
        int n_in = shapes[s][1];
        for (size_t ld = 16; ld <= 80; ld += 16) {
            double wt[64 * 64];
            double bias[64];
            double z[64 * 80];
            double first[64 * 80];
            double out[64 * 80];
            float wt32[64 * 64];
            float z32[64 * 80];
            float out32[64 * 80];
            for (int k = 0; k < n_in * n_out; k++) {
                wt32[k] = (float)(wt[k] = rng_normal(&rng));
            }
            for (int k = 0; k < n_out; k++) {
                bias[k] = rng_normal(&rng);
            }
            for (size_t k = 0; k < (size_t)n_in * ld; k++) {
                z32[k] = (float)(z[k] = rng_normal(&rng));
            }
            for (int i = 0; i < n; i++) {
                bool fused = i > 0 || n == 1;
                all[i]->columns_f64(n_out, n_in, ld, wt, bias, z, i < 2 ? first : out);
                all[i]->columns_f32(n_out, n_in, ld, wt32, NULL, z32, out32);
                if (i == 2) {
                    ck_assert_int_eq(memcmp(first, out, (size_t)n_out * ld * sizeof *out), 0);
                }
                for (size_t c = 0; c < ld; c++) {
                    double column[64];
                    double row[64];
                    for (int k = 0; k < n_in; k++) {
                        column[k] = z[(size_t)k * ld + c];
                    }
                    row_of(all[i], n_out, n_in, wt, bias, column, row);
                    for (int o = 0; o < n_out; o++) {
                        double exact = bias[o];
                        double exact32 = 0.0;
                        for (int k = 0; k < n_in; k++) {
                            exact += wt[kernels_at(n_out, n_in, k, o)] * column[k];
                            exact32 += (double)wt32[kernels_at(n_out, n_in, k, o)] *
                                       (double)z32[(size_t)k * ld + c];
                        }
                        double found = (i < 2 ? first : out)[(size_t)o * ld + c];
                        ck_assert_double_eq_tol(found, exact, 1e-13);
                        ck_assert_double_eq_tol(out32[(size_t)o * ld + c], exact32, 1e-4);
                        ck_assert(!fused || memcmp(&found, &row[o], sizeof found) == 0);
                    }
                }
            }
        }
    }
}
END_TEST

START_TEST(lanes_are_networks_of_their_own)
{
    static const int shapes[][2] = {{1, 1}, {3, 3}, {7, 2}, {1, 7}, {5, 20}};
    static double wt[100 * KERNELS_LANES], bias[8 * KERNELS_LANES], z[20 * KERNELS_LANES];
    static float wt32[100 * KERNELS_LANES], z32[20 * KERNELS_LANES];
    int n;
    const struct kernels *const *all = kernels_all(&n);
    struct rng rng;
    rng_init(&rng, 6, RNG_TEST, 0);
    for (int k = 0; k < 100 * KERNELS_LANES; k++) {
        wt32[k] = (float)(wt[k] = rng_normal(&rng));
        z32[k % (20 * KERNELS_LANES)] = (float)(z[k % (20 * KERNELS_LANES)] = rng_normal(&rng));
        bias[k % (8 * KERNELS_LANES)] = rng_normal(&rng);
    }
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        int n_out = shapes[s][0];
        int n_in = shapes[s][1];
        for (int i = 0; i < n; i++) {
            double out[8 * KERNELS_LANES];
            float out32[8 * KERNELS_LANES];
            all[i]->lanes_f64(n_out, n_in, wt, bias, z, out);
            all[i]->lanes_f32(n_out, n_in, wt32, NULL, z32, out32);
            for (int lane = 0; lane < KERNELS_LANES; lane++) {
                double w[100], b[8], x[20], alone[8];
                float w32[100], x32[20], alone32[8];
                for (int k = 0; k < n_in * n_out; k++) {
                    w[k] = wt[k * KERNELS_LANES + lane];
                    w32[k] = wt32[k * KERNELS_LANES + lane];
                }
                for (int k = 0; k < n_in; k++) {
                    x[k] = z[k * KERNELS_LANES + lane];
                    x32[k] = z32[k * KERNELS_LANES + lane];
                }
                for (int k = 0; k < n_out; k++) {
                    b[k] = bias[k * KERNELS_LANES + lane];
                }
                row_of(all[i], n_out, n_in, w, b, x, alone);
                const struct kernels_rows_f32 p = {.n_out = n_out,
                                                   .n_in = n_in,
                                                   .n = 1,
                                                   .share = 1,
                                                   .period = 1,
                                                   .wt = w32,
                                                   .z = x32,
                                                   .out = alone32};
                all[i]->rows_f32(&p);
                for (int o = 0; o < n_out; o++) {
                    ck_assert(alone[o] == out[o * KERNELS_LANES + lane]);
                    ck_assert(alone32[o] == out32[o * KERNELS_LANES + lane]);
                }
            }
        }
    }
}
END_TEST

START_TEST(a_step_adds_h_tanh)
{
    int n;
    const struct kernels *const *all = kernels_all(&n);
    for (int i = 0; i < n; i++) {
        double a[37];
        double z[37];
        float a32[37];
        float z32[37];
        for (int k = 0; k < 37; k++) {
            a32[k] = (float)(a[k] = 0.1 * k - 2.0);
            z32[k] = (float)(z[k] = 1.0 - 0.2 * k);
        }
        all[i]->step_f64(a, 0.25, z, 37);
        all[i]->step_f32(a32, 0.25f, z32, 37);
        for (int k = 0; k < 37; k++) {
            double exact = 1.0 - 0.2 * k + 0.25 * tanh(a[k]);
            ck_assert_double_eq_tol(z[k], exact, 1e-14);
            ck_assert_double_eq_tol(z32[k], exact, 2e-6);
        }
    }
}
END_TEST

START_TEST(tanh_of_a_value_does_not_depend_on_its_place)
{
    double x[34];
    for (int n = 0; n <= 33; n++) {
        for (int k = 0; k < 34; k++) {
            x[k] = 0.7 + 0.01 * k;
        }
        vtanh(x, (size_t)n);
        for (int k = 0; k < 34; k++) {
            double alone = 0.7 + 0.01 * k;
            if (k < n) {
                vtanh(&alone, 1);
            }
            ck_assert(memcmp(&x[k], &alone, sizeof alone) == 0);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kernels");
    TCase *tc = tcase_create("kernels");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, exp_keeps_its_bound);
    tcase_add_test(tc, tanh_keeps_its_bounds);
    tcase_add_test(tc, kernels_agree);
    tcase_add_test(tc, lanes_are_networks_of_their_own);
    tcase_add_test(tc, a_step_adds_h_tanh);
    tcase_add_test(tc, tanh_of_a_value_does_not_depend_on_its_place);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
