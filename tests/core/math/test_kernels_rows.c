/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Products of several networks with one row each, and of their transposes, on every vector unit:
 * against sums in the order that the header promises, and weights in 32 bits against their bound.
 */
#include "run.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "math/halves.h"
#include "math/kernels.h"

#define MAX_NETS 7
#define MAX_SIZE (70 * 40)

static const int shapes[][2] = {{1, 1},   {3, 3},   {8, 3},   {10, 64}, {16, 16}, {17, 16}, {24, 9},
                                {31, 33}, {32, 15}, {64, 40}, {70, 5},  {1, 40},  {26, 12}};

struct nets {
    int n_out, n_in;
    size_t stride;
    double wt[MAX_NETS * (MAX_SIZE + 70)]; /* in the kernels' order, biases behind the weights */
    float wt32[MAX_NETS * (MAX_SIZE + 70)];
    uint32_t halves[MAX_NETS * (MAX_SIZE + 70)];
    double rounded[MAX_NETS * (MAX_SIZE + 70)]; /* what the halves stand for */
};

static void fill_nets(struct nets *nets, int n_out, int n_in, struct rng *rng)
{
    size_t size = (size_t)n_out * (size_t)n_in;
    nets->n_out = n_out;
    nets->n_in = n_in;
    nets->stride = size + (size_t)n_out;
    for (size_t i = 0; i < MAX_NETS * nets->stride; i++) {
        nets->wt32[i] = (float)(nets->wt[i] = rng_normal(rng));
    }
    const struct kernels *const *all = kernels_all(&(int){0});
    for (size_t net = 0; net < MAX_NETS; net++) {
        size_t at = net * nets->stride;
        halves_store_weights(n_out, n_in, nets->wt + at, nets->halves + at);
        halves_store((size_t)n_out, nets->wt + at + size, nets->halves + at + size);
        all[0]->widen(n_out, n_in, nets->halves + at, nets->rounded + at);
        for (size_t o = 0; o < (size_t)n_out; o++) {
            nets->rounded[at + size + o] = halves_get(nets->halves[at + size + o]);
        }
    }
}

/* The sum that the kernels promise, for units with fused multiply-add. */
static double exact(const struct nets *nets, const double *wt, size_t net, int o, const double *z)
{
    const double *w = wt + net * nets->stride;
    double sum = w[(size_t)nets->n_out * (size_t)nets->n_in + (size_t)o];
    for (int k = 0; k < nets->n_in; k++) {
        sum = fma(w[kernels_at(nets->n_out, nets->n_in, k, o)], z[k], sum);
    }
    return sum;
}

/* The same number on units with fused multiply-add, nearly the same without. */
static void check_sum(bool fused, double found, double sum)
{
    ck_assert_msg(fused ? found == sum : fabs(found - sum) <= 1e-12, "%.17g, not %.17g", found,
                  sum);
}

static void check_rows(const struct kernels *k, bool fused, const struct nets *nets, int n,
                       int share, int period, const double *z, const float *z32)
{
    static double out[MAX_NETS * 70], mixed[MAX_NETS * 70];
    static float out32[MAX_NETS * 70];
    size_t size = (size_t)nets->n_out * (size_t)nets->n_in;
    const struct kernels_rows_f64 p = {nets->n_out,  nets->n_in, n,        share,           period,
                                       nets->stride, 0,          nets->wt, nets->wt + size, z,
                                       out};
    const struct kernels_rows_f32 p32 = {
        nets->n_out, nets->n_in,        n,   share, period, nets->stride, 0,
        nets->wt32,  nets->wt32 + size, z32, out32};
    struct kernels_rows_mixed half = {
        nets->n_out,  nets->n_in,          n, share, period, nets->stride, 0,
        nets->halves, nets->halves + size, z, mixed};
    k->rows_f64(&p);
    k->rows_f32(&p32);
    k->rows_mixed(&half);
    for (int i = 0; i < n; i++) {
        size_t net = (size_t)(i / share);
        const double *row = z + (size_t)(i % period) * (size_t)nets->n_in;
        for (int o = 0; o < nets->n_out; o++) {
            size_t at = (size_t)i * (size_t)nets->n_out + (size_t)o;
            double sum = exact(nets, nets->wt, net, o, row);
            double sum_of_rounded = exact(nets, nets->rounded, net, o, row);
            check_sum(fused, out[at], sum);
            check_sum(fused, mixed[at], sum_of_rounded);
            ck_assert_double_eq_tol((double)out32[at], sum, 2e-4);
        }
    }
    memcpy(out, mixed, sizeof out);
    half.ahead = 4 * nets->stride;
    k->rows_mixed(&half);
    ck_assert_int_eq(memcmp(out, mixed, (size_t)n * (size_t)nets->n_out * sizeof *out), 0);
}

START_TEST(products_are_the_promised_sums)
{
    static struct nets nets;
    static double z[MAX_NETS * 64];
    static float z32[MAX_NETS * 64];
    int n_sets;
    const struct kernels *const *all = kernels_all(&n_sets);
    struct rng rng;
    rng_init(&rng, 3, RNG_TEST, 0);
    for (int i = 0; i < MAX_NETS * 64; i++) {
        z32[i] = (float)(z[i] = rng_normal(&rng));
    }
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        fill_nets(&nets, shapes[s][0], shapes[s][1], &rng);
        for (int set = 0; set < n_sets; set++) {
            bool fused = set > 0 || n_sets == 1;
            for (int n = 1; n <= MAX_NETS; n++) {
                check_rows(all[set], fused, &nets, n, 1, n, z, z32);
                check_rows(all[set], fused, &nets, n, 1, 1, z, z32);
                check_rows(all[set], fused, &nets, n, 3, n, z, z32);
                check_rows(all[set], fused, &nets, n, 2, 2, z, z32);
            }
        }
    }
}
END_TEST

/* The lanes of kernels_back.inc. */
static double exact_back(const struct nets *nets, const double *wt, size_t net, int k,
                         const double *d)
{
    const double *w = wt + net * nets->stride;
    double lane[8] = {0.0};
    int o = 0;
    for (; o + 8 <= nets->n_out; o += 8) {
        for (int l = 0; l < 8; l++) {
            lane[l] = fma(w[kernels_at(nets->n_out, nets->n_in, k, o + l)], d[o + l], lane[l]);
        }
    }
    double sum =
        ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
    for (; o < nets->n_out; o++) {
        sum = fma(w[kernels_at(nets->n_out, nets->n_in, k, o)], d[o], sum);
    }
    return sum;
}

static float exact_back_f32(const struct nets *nets, size_t net, int k, const float *d)
{
    const float *w = nets->wt32 + net * nets->stride;
    float lane[8] = {0.0f};
    int o = 0;
    for (; o + 8 <= nets->n_out; o += 8) {
        for (int l = 0; l < 8; l++) {
            lane[l] = fmaf(w[kernels_at(nets->n_out, nets->n_in, k, o + l)], d[o + l], lane[l]);
        }
    }
    float sum =
        ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
    for (; o < nets->n_out; o++) {
        sum = fmaf(w[kernels_at(nets->n_out, nets->n_in, k, o)], d[o], sum);
    }
    return sum;
}

START_TEST(transposed_products_in_float_are_the_promised_sums)
{
    static struct nets nets;
    static float d[MAX_NETS * 70], out[MAX_NETS * 64];
    int n_sets;
    const struct kernels *const *all = kernels_all(&n_sets);
    struct rng rng;
    rng_init(&rng, 9, RNG_TEST, 0);
    for (int i = 0; i < MAX_NETS * 70; i++) {
        d[i] = (float)rng_normal(&rng);
    }
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        fill_nets(&nets, shapes[s][0], shapes[s][1], &rng);
        for (int set = 0; set < n_sets; set++) {
            bool fused = set > 0 || n_sets == 1;
            const struct kernels_rows_f32 p = {.n_out = nets.n_out,
                                               .n_in = nets.n_in,
                                               .n = MAX_NETS,
                                               .stride = nets.stride,
                                               .wt = nets.wt32,
                                               .z = d,
                                               .out = out};
            memset(out, 0xff, sizeof out);
            all[set]->back_f32(&p, false);
            for (int i = 0; i < MAX_NETS * nets.n_in; i++) {
                size_t net = (size_t)(i / nets.n_in);
                float sum = exact_back_f32(&nets, net, i % nets.n_in, d + net * (size_t)nets.n_out);
                ck_assert_msg(fused ? out[i] == sum : fabsf(out[i] - sum) <= 2e-4f,
                              "%s: %g, not %g", all[set]->isa, (double)out[i], (double)sum);
                out[i] = sum;
            }
            all[set]->back_f32(&p, true);
            for (int i = 0; i < MAX_NETS * nets.n_in; i++) {
                size_t net = (size_t)(i / nets.n_in);
                float sum = exact_back_f32(&nets, net, i % nets.n_in, d + net * (size_t)nets.n_out);
                ck_assert_float_eq_tol(out[i], 2.0f * sum, 4e-4f);
            }
        }
    }
}
END_TEST

START_TEST(transposed_products_are_the_promised_sums)
{
    static struct nets nets;
    static double d[MAX_NETS * 70], out[MAX_NETS * 64], mixed[MAX_NETS * 64];
    int n_sets;
    const struct kernels *const *all = kernels_all(&n_sets);
    struct rng rng;
    rng_init(&rng, 5, RNG_TEST, 0);
    for (int i = 0; i < MAX_NETS * 70; i++) {
        d[i] = rng_normal(&rng);
    }
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        fill_nets(&nets, shapes[s][0], shapes[s][1], &rng);
        for (int set = 0; set < n_sets; set++) {
            bool fused = set > 0 || n_sets == 1;
            for (int add = 0; add < 2; add++) {
                const struct kernels_rows_f64 p = {.n_out = nets.n_out,
                                                   .n_in = nets.n_in,
                                                   .n = MAX_NETS,
                                                   .stride = nets.stride,
                                                   .wt = nets.wt,
                                                   .z = d,
                                                   .out = out};
                const struct kernels_rows_mixed half = {.n_out = nets.n_out,
                                                        .n_in = nets.n_in,
                                                        .n = MAX_NETS,
                                                        .stride = nets.stride,
                                                        .wt = nets.halves,
                                                        .z = d,
                                                        .out = mixed};
                memset(out, 0, sizeof out);
                memset(mixed, 0, sizeof mixed);
                all[set]->back_f64(&p, add == 1);
                all[set]->back_mixed(&half, add == 1);
                for (int i = 0; i < MAX_NETS * nets.n_in; i++) {
                    size_t net = (size_t)(i / nets.n_in);
                    const double *by = d + net * (size_t)nets.n_out;
                    check_sum(fused, out[i], exact_back(&nets, nets.wt, net, i % nets.n_in, by));
                    check_sum(fused, mixed[i],
                              exact_back(&nets, nets.rounded, net, i % nets.n_in, by));
                }
                /* What stood there is added to, or not. */
                double before = out[0];
                all[set]->back_f64(&p, add == 1);
                ck_assert_double_eq_tol(out[0], add == 1 ? 2.0 * before : before, 1e-12);
            }
        }
    }
}
END_TEST

/* By columns a row of a transposed product has the bits that it has alone. */
static void check_back_columns(const struct kernels *k, const struct nets *nets, size_t ld,
                               bool add)
{
    static double d[70 * 56], out[64 * 56], row[70], alone[64];
    static float d32[70 * 56], out32[64 * 56], row32[70], alone32[64];
    size_t n_out = (size_t)nets->n_out;
    size_t n_in = (size_t)nets->n_in;
    struct rng rng;
    rng_init(&rng, 11, RNG_TEST, 0);
    for (size_t i = 0; i < n_out * ld; i++) {
        d32[i] = (float)(d[i] = rng_normal(&rng));
    }
    for (size_t i = 0; i < n_in * ld; i++) {
        out[i] = out32[i] = 0.5F;
    }
    k->back_columns_f64(nets->n_out, nets->n_in, ld, add, nets->wt, d, out);
    k->back_columns_f32(nets->n_out, nets->n_in, ld, add, nets->wt32, d32, out32);
    for (size_t i = 0; i < ld; i++) {
        for (size_t o = 0; o < n_out; o++) {
            row[o] = d[o * ld + i];
            row32[o] = d32[o * ld + i];
        }
        for (size_t q = 0; q < n_in; q++) {
            alone[q] = alone32[q] = 0.5F;
        }
        const struct kernels_rows_f64 p = {.n_out = nets->n_out,
                                           .n_in = nets->n_in,
                                           .n = 1,
                                           .wt = nets->wt,
                                           .z = row,
                                           .out = alone};
        const struct kernels_rows_f32 p32 = {.n_out = nets->n_out,
                                             .n_in = nets->n_in,
                                             .n = 1,
                                             .wt = nets->wt32,
                                             .z = row32,
                                             .out = alone32};
        k->back_f64(&p, add);
        k->back_f32(&p32, add);
        for (size_t q = 0; q < n_in; q++) {
            ck_assert_msg(memcmp(&alone[q], &out[q * ld + i], sizeof *out) == 0 &&
                              memcmp(&alone32[q], &out32[q * ld + i], sizeof *out32) == 0,
                          "%s, %zu x %zu, input %zu, column %zu of %zu: %a and %a, %a and %a",
                          k->isa, n_out, n_in, q, i, ld, alone[q], out[q * ld + i],
                          (double)alone32[q], (double)out32[q * ld + i]);
        }
    }
}

START_TEST(transposed_products_by_columns_have_the_bits_of_rows)
{
    static struct nets nets;
    int n_sets;
    const struct kernels *const *all = kernels_all(&n_sets);
    struct rng rng;
    rng_init(&rng, 6, RNG_TEST, 0);
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        fill_nets(&nets, shapes[s][0], shapes[s][1], &rng);
        for (int set = 0; set < n_sets; set++) {
            for (size_t ld = KERNELS_PAD_F32; ld <= 48; ld += KERNELS_PAD_F32) {
                check_back_columns(all[set], &nets, ld, false);
                check_back_columns(all[set], &nets, ld, true);
            }
        }
    }
}
END_TEST

START_TEST(weights_in_32_bits_keep_their_bound)
{
    static double wt[MAX_SIZE], found[MAX_SIZE], alone[MAX_SIZE];
    static uint32_t halves[MAX_SIZE];
    static const double special[] = {
        0.0,      -0.0, 1e-320, -1e-320, 2.3e-308,           1e300, -1e300, 1.7e308,
        -1.7e308, 1.0,  -1.0,   0x1p-1,  0x1.fffffffffffffp0};
    const int n_special = sizeof special / sizeof *special;
    int n_sets;
    const struct kernels *const *all = kernels_all(&n_sets);
    struct rng rng;
    rng_init(&rng, 7, RNG_TEST, 0);
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        int n_out = shapes[s][0];
        int n_in = shapes[s][1];
        int size = n_out * n_in;
        for (int i = 0; i < size; i++) {
            double scale = pow(10.0, -30.0 + 60.0 * rng_uniform(&rng));
            wt[i] = i % 7 == 3 ? special[i / 7 % n_special] : scale * rng_normal(&rng);
        }
        halves_store_weights(n_out, n_in, wt, halves);
        for (int set = 0; set < n_sets; set++) {
            all[set]->widen(n_out, n_in, halves, found);
            for (int i = 0; i < size; i++) {
                /* Where a word holds two, the first may be as far off as the smallest numbers. */
                double bound = 0x1p-21 * fabs(wt[i]) + 2.3e-308;
                ck_assert_msg(isfinite(found[i]) && fabs(found[i] - wt[i]) <= bound,
                              "%s, %d x %d, %d: %g is %g", all[set]->isa, n_out, n_in, i, wt[i],
                              found[i]);
                ck_assert(wt[i] == 0.0 || signbit(found[i]) == signbit(wt[i]));
                ck_assert(found[i] == 0.0 || fabs(found[i]) >= 2.2e-308 || fabs(wt[i]) < 2.3e-308);
            }
            if (set > 0) {
                ck_assert_int_eq(memcmp(found, alone, (size_t)size * sizeof *found), 0);
            }
            memcpy(alone, found, sizeof found);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kernels_rows");
    TCase *tc = tcase_create("kernels_rows");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, products_are_the_promised_sums);
    tcase_add_test(tc, transposed_products_are_the_promised_sums);
    tcase_add_test(tc, transposed_products_in_float_are_the_promised_sums);
    tcase_add_test(tc, transposed_products_by_columns_have_the_bits_of_rows);
    tcase_add_test(tc, weights_in_32_bits_keep_their_bound);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
