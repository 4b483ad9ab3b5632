/* SPDX-License-Identifier: Apache-2.0 */
/* Random streams. */
#include "run.h"

#include <math.h>

#include "base/rng.h"

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

/* 1e6 draws in 1000 cells: chi-square has mean 999, deviation 44.7; 6 deviations are 1 in 1e9. */
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
    /* The standard errors are 1e-3 sqrt(1, 2, 15, 96); six of them are allowed. */
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
        /* Its Lehmer code: for each element, the number of later, smaller ones. */
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

int main(void)
{
    Suite *suite = suite_create("rng");
    TCase *tc = tcase_create("rng");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, philox_gives_its_known_answers);
    tcase_add_test(tc, streams_differ_and_copies_agree);
    tcase_add_test(tc, uniforms_fill_the_interval);
    tcase_add_test(tc, normals_have_their_moments);
    tcase_add_test(tc, permutations_are_uniform);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
