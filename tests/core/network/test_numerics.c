/* SPDX-License-Identifier: Apache-2.0 */
/* Random streams, vector tanh, weight functions, architectures, scalers. */
#include "run.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/rng.h"
#include "fit/data.h"
#include "fit/scaler.h"
#include "math/kernels.h"
#include "math/vtanh.h"
#include "network/arch.h"
#include "network/wpfn.h"

/* ---- random numbers ---- */

START_TEST(philox_gives_its_known_answers)
{
    /* Counter 0, key 0: the first line for philox4x32-10 of Random123's kat_vectors. */
    struct rng rng;
    rng_init(&rng, 0, RNG_INIT, 0);
    ck_assert_uint_eq(rng_u64(&rng), 0xe169c58d6627e8d5u);
    ck_assert_uint_eq(rng_u64(&rng), 0x9b00dbd8bc57ac4cu);
}
END_TEST

START_TEST(streams_differ_and_copies_agree)
{
    struct rng a;
    struct rng b;
    rng_init(&a, 1, RNG_INIT, 0);
    rng_init(&b, 1, RNG_INIT, 1);
    ck_assert_uint_ne(rng_u64(&a), rng_u64(&b));
    rng_init(&b, 1, RNG_BATCH, 0);
    rng_init(&a, 1, RNG_INIT, 0);
    ck_assert_uint_ne(rng_u64(&a), rng_u64(&b));
    rng_normal(&a); /* leaves a spare */
    b = a;
    for (int i = 0; i < 20; i++) {
        ck_assert_double_eq(rng_normal(&a), rng_normal(&b));
    }
}
END_TEST

/* 1000 cells, 1e6 draws: chi-square has mean 999 and deviation 44.7; 6 deviations are 1 in 1e9. */
START_TEST(uniforms_fill_the_interval)
{
    struct rng rng;
    int cells[1000] = {0};
    double chi = 0.0;
    rng_init(&rng, 42, RNG_TEST, 0);
    for (int i = 0; i < 1000000; i++) {
        double u = rng_uniform(&rng);
        ck_assert(u > 0.0 && u < 1.0);
        cells[(int)(u * 1000.0)]++;
    }
    for (int k = 0; k < 1000; k++) {
        chi += (cells[k] - 1000.0) * (cells[k] - 1000.0) / 1000.0;
    }
    ck_assert_double_eq_tol(chi, 999.0, 6.0 * 44.7);
}
END_TEST

START_TEST(normals_have_their_moments)
{
    struct rng rng;
    double sum[5] = {0};
    rng_init(&rng, 7, RNG_TEST, 0);
    for (int i = 0; i < 1000000; i++) {
        double x = rng_normal(&rng);
        for (int p = 1; p <= 4; p++) {
            sum[p] += pow(x, p) / 1e6;
        }
    }
    /* Standard errors 1e-3 sqrt(1, 2, 15, 96); six of them. */
    ck_assert_double_eq_tol(sum[1], 0.0, 6e-3);
    ck_assert_double_eq_tol(sum[2], 1.0, 8.5e-3);
    ck_assert_double_eq_tol(sum[3], 0.0, 2.4e-2);
    ck_assert_double_eq_tol(sum[4], 3.0, 5.9e-2);
}
END_TEST

START_TEST(permutations_are_uniform)
{
    struct rng rng;
    int counts[24] = {0};
    rng_init(&rng, 3, RNG_TEST, 0);
    for (int i = 0; i < 24000; i++) {
        int p[4];
        int seen = 0;
        rng_permutation(&rng, 4, p);
        for (int k = 0; k < 4; k++) {
            seen |= 1 << p[k];
        }
        ck_assert_int_eq(seen, 15);
        /* Lehmer code: the number of later, smaller elements. */
        int code = 0;
        for (int k = 0; k < 4; k++) {
            int smaller = 0;
            for (int l = k + 1; l < 4; l++) {
                smaller += p[l] < p[k];
            }
            code = code * (4 - k) + smaller;
        }
        counts[code]++;
    }
    for (int k = 0; k < 24; k++) {
        ck_assert_double_eq_tol(counts[k], 1000.0, 6.0 * 31.0);
    }
}
END_TEST

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

/* Every 97th float up to where tanh is 1, and both signs. */
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

/* Sets with fused multiply-add agree to the last bit, and rows with columns, for every shape. */
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
                    all[i]->row_f64(n_out, n_in, wt, bias, column, row);
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
                all[i]->row_f64(n_out, n_in, w, b, x, alone);
                all[i]->row_f32(n_out, n_in, w32, NULL, x32, alone32);
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

/* ---- weight functions ---- */

START_TEST(quinns_index_rule_errs_where_it_is_known_to)
{
    int wrong_counts = 0;
    for (int blocks = 1; blocks <= 256; blocks++) {
        double phi[256 * 256];
        int wrong = 0;
        struct arch arch = arch_default(1, 1);
        arch.basis = WPFN_NONPARAMETRIC;
        arch.layers = blocks - 1;
        arch.index_rule = INDEX_QUINN;
        wpfn_table_fill(&arch, phi);
        for (int i = 0; i < blocks; i++) {
            wrong += !(phi[i * blocks + i] > 0.5);
        }
        wrong_counts += wrong > 0;
        bool first_four = blocks == 7 || blocks == 9 || blocks == 12 || blocks == 14;
        ck_assert(blocks > 14 || (wrong > 0) == first_four);
        ck_assert(blocks != 49 || wrong == 22);
    }
    ck_assert_int_eq(wrong_counts, 163);
}
END_TEST

/* ---- architectures ---- */

START_TEST(bad_architectures_are_named)
{
    struct {
        size_t offset;
        int value;
        const char *word;
    } cases[] = {
        {offsetof(struct arch, inputs), 0, "inputs"},
        {offsetof(struct arch, outputs), -1, "outputs"},
        {offsetof(struct arch, width), 0, "width"},
        {offsetof(struct arch, layers), -1, "layers"},
        {offsetof(struct arch, order), 1, "order"},
        {offsetof(struct arch, inputs), ARCH_MAX_INPUTS + 1, "inputs"},
        {offsetof(struct arch, outputs), ARCH_MAX_OUTPUTS + 1, "outputs"},
        {offsetof(struct arch, width), ARCH_MAX_WIDTH + 1, "width"},
        {offsetof(struct arch, layers), ARCH_MAX_LAYERS + 1, "layers"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = ERR_INIT;
        struct arch arch = arch_default(2, 1);
        memcpy((char *)&arch + cases[i].offset, &cases[i].value, sizeof(int));
        ck_assert_int_ne(arch_validate(&arch, &err), ERR_OK);
        ck_assert_ptr_nonnull(strstr(err.msg, cases[i].word));
    }
    struct err err = ERR_INIT;
    struct arch arch = arch_default(2, 1);
    arch.width = ARCH_MAX_WIDTH;
    arch.basis = WPFN_NONPARAMETRIC;
    arch.layers = 100;
    ck_assert_int_eq(arch_validate(&arch, &err), ERR_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.msg, "parameters"));
}
END_TEST

START_TEST(parameters_are_counted_as_published)
{
    struct arch a = arch_default(3, 2);
    a.width = 9;
    a.layers = 3;
    ck_assert_int_eq(arch_n_params(&a), (9 * 3 + 9) + 2 * (81 + 9) + (2 * 9 + 2));
    a.bias = false;
    ck_assert_int_eq(arch_n_params(&a), (9 * 3 + 9) + 2 * 81 + (2 * 9 + 2));
    a.basis = WPFN_FOURIER;
    a.order = 2;
    ck_assert_int_eq(arch_n_coef(&a), 5);
    struct arch_offsets off = arch_offsets(&a);
    ck_assert_int_eq(off.weight_pre, 0);
    ck_assert_int_eq(off.bias_pre, 27);
    ck_assert_int_eq(off.weight_post, 36);
    ck_assert_int_eq(off.bias_post, 54);
    ck_assert_int_eq(off.ww, 56);
    ck_assert_int_eq(off.bb, -1);
    ck_assert_int_eq(off.n_params, 56 + 5 * 81);
}
END_TEST

/* ---- scalers ---- */

START_TEST(scalers_fit_apply_and_invert)
{
    const double v[] = {1.0, 10.0, 2.0, 10.0, 4.0, 10.0, 9.0, 10.0};
    static const enum scaler_kind kinds[] = {SCALER_NONE, SCALER_STANDARD, SCALER_RANGE,
                                             SCALER_UNIT, SCALER_LOG};
    const struct scaler_rows rows = {.n = 4, .k = 2, .v = v};
    for (size_t k = 0; k < 5; k++) {
        struct err err = ERR_INIT;
        struct scaler s[2];
        double z[8];
        ck_assert_int_eq(scaler_fit(kinds[k], &rows, s, &err), ERR_OK);
        ck_assert_int_eq(scaler_apply(s, &rows, z, &err), ERR_OK);
        ck_assert_double_eq(s[1].scale, 1.0); /* a constant column */
        double slope = scaler_slope(&s[0], v[4]);
        double up = kinds[k] == SCALER_LOG ? log(4.0 + 1e-6) : 4.0 + 1e-6;
        up = kinds[k] == SCALER_NONE ? up : (up - s[0].shift) / s[0].scale;
        ck_assert_double_eq_tol((up - z[4]) / 1e-6, slope, 1e-5);
        if (kinds[k] == SCALER_RANGE || kinds[k] == SCALER_UNIT) {
            ck_assert_double_eq_tol(z[0], kinds[k] == SCALER_RANGE ? -1.0 : 0.0, 1e-15);
            ck_assert_double_eq_tol(z[6], 1.0, 1e-15);
        }
        scaler_invert(s, 4, 2, z);
        for (int i = 0; i < 8; i++) {
            ck_assert_double_eq_tol(z[i], v[i], 1e-14 * v[i]);
        }
    }
}
END_TEST

START_TEST(logarithms_of_what_is_not_positive_are_refused)
{
    struct err err = ERR_INIT;
    struct scaler s[1];
    const double v[] = {1.0, 0.0};
    struct scaler_rows rows = {.n = 2, .k = 1, .v = v};
    ck_assert_int_eq(scaler_fit(SCALER_LOG, &rows, s, &err), ERR_INVALID);
    ck_assert_int_eq(err.row, 1);
    err_clear(&err);
    double z[2];
    s[0] = (struct scaler){SCALER_LOG, 0.0, 1.0};
    rows.first_row = 100;
    ck_assert_int_eq(scaler_apply(s, &rows, z, &err), ERR_INVALID);
    ck_assert_int_eq(err.row, 101);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("numerics");
    TCase *tc = tcase_create("numerics");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, philox_gives_its_known_answers);
    tcase_add_test(tc, streams_differ_and_copies_agree);
    tcase_add_test(tc, uniforms_fill_the_interval);
    tcase_add_test(tc, normals_have_their_moments);
    tcase_add_test(tc, permutations_are_uniform);
    tcase_add_test(tc, tanh_keeps_its_bounds);
    tcase_add_test(tc, exp_keeps_its_bound);
    tcase_add_test(tc, kernels_agree);
    tcase_add_test(tc, lanes_are_networks_of_their_own);
    tcase_add_test(tc, a_step_adds_h_tanh);
    tcase_add_test(tc, tanh_of_a_value_does_not_depend_on_its_place);
    tcase_add_test(tc, quinns_index_rule_errs_where_it_is_known_to);
    tcase_add_test(tc, bad_architectures_are_named);
    tcase_add_test(tc, parameters_are_counted_as_published);
    tcase_add_test(tc, scalers_fit_apply_and_invert);
    tcase_add_test(tc, logarithms_of_what_is_not_positive_are_refused);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
