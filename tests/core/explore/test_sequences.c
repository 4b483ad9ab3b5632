/* SPDX-License-Identifier: Apache-2.0 */
/* Sobol' and Halton sequences against SciPy's, their scrambling, and Latin hypercubes. */
#include "run.h"

#include <math.h>
#include <string.h>

#include "../../data/sequence_reference.h"
#include "base/mem.h"
#include "explore/halton.h"
#include "explore/lhs.h"
#include "explore/sobol.h"

static double weighted_sum(int d, const double *x)
{
    double sum = 0.0;
    for (int k = 0; k < d; k++) {
        sum += (k + 1) * x[k];
    }
    return sum;
}

START_TEST(sobol_points_are_those_of_scipy)
{
    static const struct {
        int d;
        const double *sums;
    } cases[] = {
        {1, sobol_sums_1}, {2, sobol_sums_2}, {21, sobol_sums_21}, {1111, sobol_sums_1111}};
    static double x[SOBOL_MAX_DIMENSIONS];
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct err err = ERR_INIT;
        struct sobol_sequence sobol;
        ck_assert_int_eq(sobol_init(&sobol, cases[c].d, false, 0, &err), ERR_OK);
        for (int i = 0; i < REFERENCE_PLACES; i++) {
            sobol_seek(&sobol, (uint64_t)reference_places[i]);
            sobol_next(&sobol, x);
            ck_assert_double_eq(weighted_sum(cases[c].d, x), cases[c].sums[i]);
        }
        sobol_release(&sobol);
    }
}
END_TEST

/* Walking and seeking agree, a copy goes on from the same place, and seeds differ. */
START_TEST(a_sequence_has_one_order)
{
    enum { D = 7, N = 70 };
    struct err err = ERR_INIT;
    struct sobol_sequence a;
    struct sobol_sequence b;
    struct sobol_sequence c;
    double walked[N][D];
    double x[D];
    ck_assert_int_eq(sobol_init(&a, D, _i == 1, 3, &err), ERR_OK);
    for (int i = 0; i < N; i++) {
        sobol_next(&a, walked[i]);
    }
    for (int i = N - 1; i >= 0; i -= 3) {
        sobol_seek(&a, (uint64_t)i);
        ck_assert_int_eq(sobol_copy(&b, &a, &err), ERR_OK);
        sobol_next(&b, x);
        ck_assert_mem_eq(x, walked[i], sizeof x);
        sobol_release(&b);
    }
    ck_assert_int_eq(sobol_init(&c, D, true, 4, &err), ERR_OK);
    sobol_next(&c, x);
    ck_assert_mem_ne(x, walked[0], sizeof x);
    sobol_seek(&c, SOBOL_MAX_POINTS - 1); /* the last point is there, and nothing behind it read */
    sobol_next(&c, x);
    sobol_release(&a);
    sobol_release(&c);
}
END_TEST

/* In each dimension every interval of length 1/n holds one of the first n points, n = 2^k; and in
 * the first two dimensions every elementary box does. */
START_TEST(scrambled_points_are_a_net)
{
    enum { D = 40, N = 256 };
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct err err = ERR_INIT;
        struct sobol_sequence sobol;
        static unsigned char line[D][N];
        static unsigned char box[9][N];
        double x[D];
        memset(line, 0, sizeof line);
        memset(box, 0, sizeof box);
        ck_assert_int_eq(sobol_init(&sobol, D, true, seed, &err), ERR_OK);
        for (int i = 0; i < N; i++) {
            sobol_next(&sobol, x);
            for (int k = 0; k < D; k++) {
                ck_assert(x[k] >= 0.0 && x[k] < 1.0);
                line[k][(int)(x[k] * N)]++;
            }
            for (int q = 0; q <= 8; q++) {
                int wide = 1 << q;
                box[q][(int)(x[0] * wide) * (N / wide) + (int)(x[1] * (N / wide))]++;
            }
        }
        for (int i = 0; i < N; i++) {
            for (int k = 0; k < D; k++) {
                ck_assert_int_eq(line[k][i], 1);
            }
            for (int q = 0; q <= 8; q++) {
                ck_assert_int_eq(box[q][i], 1);
            }
        }
        sobol_release(&sobol);
    }
}
END_TEST

/* The product of (1 + (x_k - 1/2)) has mean 1. Averages of scrambled points are unbiased (six
 * standard errors over 400 seeds), and far more accurate than those of as many random points. */
START_TEST(averages_over_scrambled_points_are_unbiased)
{
    enum { D = 5, N = 128, SEEDS = 400 };
    bool halton_turn = _i == 1;
    double sum = 0.0;
    double square = 0.0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct err err = ERR_INIT;
        struct sobol_sequence sobol = {.d = 0};
        struct halton_sequence halton = {.d = 0};
        double x[D];
        double mean = 0.0;
        ck_assert_int_eq(sobol_init(&sobol, D, true, seed, &err), ERR_OK);
        ck_assert_int_eq(halton_init(&halton, D, true, seed, &err), ERR_OK);
        for (int i = 0; i < N; i++) {
            double f = 1.0;
            if (halton_turn) {
                halton_next(&halton, x);
            } else {
                sobol_next(&sobol, x);
            }
            for (int k = 0; k < D; k++) {
                f *= 0.5 + x[k];
            }
            mean += f / N;
        }
        sum += mean - 1.0;
        square += (mean - 1.0) * (mean - 1.0);
        sobol_release(&sobol);
        halton_release(&halton);
    }
    double variance = square / SEEDS;
    double of_random = (pow(13.0 / 12.0, D) - 1.0) / N;
    ck_assert_double_le(fabs(sum / SEEDS), 6.0 * sqrt(variance / SEEDS));
    ck_assert_double_le(variance, of_random / (halton_turn ? 8.0 : 30.0));
}
END_TEST

START_TEST(halton_points_are_those_of_scipy)
{
    struct err err = ERR_INIT;
    struct halton_sequence halton;
    double x[HALTON_D];
    ck_assert_int_eq(halton_init(&halton, HALTON_D, false, 0, &err), ERR_OK);
    for (int i = 0; i < HALTON_POINTS; i++) {
        halton_next(&halton, x);
        for (int k = 0; k < HALTON_D; k++) {
            ck_assert_double_eq_tol(x[k], halton_points[i * HALTON_D + k], 1e-15);
        }
    }
    halton_release(&halton);
    ck_assert_int_eq(halton_init(&halton, HALTON_MAX_DIMENSIONS, true, 1, &err), ERR_OK);
    static double wide[HALTON_MAX_DIMENSIONS];
    halton_seek(&halton, 123456789);
    halton_next(&halton, wide);
    ck_assert_int_eq(halton.bases[HALTON_MAX_DIMENSIONS - 1], 8933); /* the 1111th prime */
    for (int k = 0; k < HALTON_MAX_DIMENSIONS; k++) {
        ck_assert(wide[k] >= 0.0 && wide[k] < 1.0);
    }
    halton_release(&halton);
}
END_TEST

START_TEST(latin_hypercubes_are_latin_and_maximin_spreads_them)
{
    enum { D = 4, N = 30 };
    for (uint64_t seed = 0; seed < 10; seed++) {
        struct err err = ERR_INIT;
        double x[2][N * D];
        for (int maximin = 0; maximin < 2; maximin++) {
            ck_assert_int_eq(
                lhs_fill(&(struct lhs_spec){N, D, maximin == 1, seed, NULL}, x[maximin], &err),
                ERR_OK);
            for (int j = 0; j < D; j++) {
                int cells[N] = {0};
                for (int i = 0; i < N; i++) {
                    cells[(int)(x[maximin][i * D + j] * N)]++;
                }
                for (int i = 0; i < N; i++) {
                    ck_assert_int_eq(cells[i], 1);
                }
            }
        }
        ck_assert_double_gt(lhs_min_distance2(N, D, x[1]), 1.5 * lhs_min_distance2(N, D, x[0]));
    }
    double one[2];
    struct err err = ERR_INIT;
    ck_assert_int_eq(lhs_fill(&(struct lhs_spec){1, 2, true, 5, NULL}, one, &err), ERR_OK);
    ck_assert_double_eq(lhs_min_distance2(1, 2, one), 0.0);
}
END_TEST

START_TEST(what_is_too_much_is_refused)
{
    struct err err = ERR_INIT;
    struct sobol_sequence sobol;
    struct halton_sequence halton;
    ck_assert_int_eq(sobol_init(&sobol, SOBOL_MAX_DIMENSIONS + 1, false, 0, &err), ERR_LIMIT);
    err_clear(&err);
    ck_assert_int_eq(sobol_init(&sobol, 0, false, 0, &err), ERR_LIMIT);
    err_clear(&err);
    ck_assert_int_eq(halton_init(&halton, HALTON_MAX_DIMENSIONS + 1, false, 0, &err), ERR_LIMIT);
    long live = mem_live();
    for (int n = 1; n <= 6; n++) { /* three allocations, two, and one */
        double x[4];
        err_clear(&err);
        mem_fail_after(n, false);
        bool ok = sobol_init(&sobol, 2, true, 0, &err) == ERR_OK;
        if (ok) {
            sobol_release(&sobol);
            ok = halton_init(&halton, 2, true, 0, &err) == ERR_OK;
        }
        if (ok) {
            halton_release(&halton);
            ok = lhs_fill(&(struct lhs_spec){2, 2, true, 0, NULL}, x, &err) == ERR_OK;
        }
        mem_fail_after(0, false);
        ck_assert_int_eq(err.code, ERR_NOMEM);
        ck_assert_int_eq(mem_live(), live);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sequences");
    TCase *tcase = tcase_create("sequences");
    tcase_add_test(tcase, sobol_points_are_those_of_scipy);
    tcase_add_loop_test(tcase, a_sequence_has_one_order, 0, 2);
    tcase_add_test(tcase, scrambled_points_are_a_net);
    tcase_add_loop_test(tcase, averages_over_scrambled_points_are_unbiased, 0, 2);
    tcase_add_test(tcase, halton_points_are_those_of_scipy);
    tcase_add_test(tcase, latin_hypercubes_are_latin_and_maximin_spreads_them);
    tcase_add_test(tcase, what_is_too_much_is_refused);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
