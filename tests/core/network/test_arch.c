/* SPDX-License-Identifier: Apache-2.0 */
/* Architectures and weight functions. */
#include "run.h"

#include <math.h>
#include <string.h>

#include "network/arch.h"
#include "network/wpfn.h"

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

/* phi of qr against what defines it: orthonormal, and spanned by the powers up to its own. */
START_TEST(the_orthogonal_basis_is_that_of_the_powers)
{
    struct arch a = arch_default(2, 1);
    a.basis = WPFN_QR;
    for (int layers = 0; layers <= 40; layers += 5) {
        for (int grid = GRID_LEFT; grid <= GRID_CLOSED; grid++) {
            double phi[41 * 41];
            a.layers = a.order = layers;
            a.grid = (enum arch_grid)grid;
            int n = layers + 1;
            wpfn_table_fill(&a, phi);
            for (int j = 0; j < n; j++) {
                for (int k = 0; k <= j; k++) {
                    double sum = 0.0;
                    double of_power = 0.0;
                    for (int i = 0; i < n; i++) {
                        double t = grid == GRID_LEFT ? (double)i / n
                                   : layers > 0      ? (double)i / layers
                                                     : 0.0;
                        sum += phi[i * n + j] * phi[i * n + k];
                        of_power += phi[i * n + j] * pow(t, k);
                    }
                    ck_assert_double_eq_tol(sum, j == k ? 1.0 : 0.0, 1e-13);
                    ck_assert(j == k ? of_power > 0.0 || k > 12 : fabs(of_power) <= 1e-13);
                }
            }
        }
    }
}
END_TEST

START_TEST(the_orthogonal_basis_takes_no_more_than_the_blocks)
{
    struct err err = ERR_INIT;
    struct arch a = arch_default(2, 1);
    a.basis = WPFN_QR;
    a.layers = 3;
    a.order = 3;
    ck_assert_int_eq(arch_validate(&a, &err), ERR_OK);
    a.order = 4;
    ck_assert_int_eq(arch_validate(&a, &err), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err_msg(&err), "at most layers"));
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

int main(void)
{
    Suite *suite = suite_create("arch");
    TCase *tc = tcase_create("arch");
    tcase_add_test(tc, quinns_index_rule_errs_where_it_is_known_to);
    tcase_add_test(tc, bad_architectures_are_named);
    tcase_add_test(tc, the_orthogonal_basis_is_that_of_the_powers);
    tcase_add_test(tc, the_orthogonal_basis_takes_no_more_than_the_blocks);
    tcase_add_test(tc, parameters_are_counted_as_published);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
