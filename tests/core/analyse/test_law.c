/* SPDX-License-Identifier: Apache-2.0 */
/* Quantiles, densities and grids of distributions agree with each other and with closed forms. */
#include "run.h"

#include <math.h>

#include "analyse/law.h"
#include "math/normal.h"

struct posed {
    enum space_distribution_kind kind;
    double p[4];
    double median;
};

static const struct posed all[] = {
    {SPACE_UNIFORM, {-2.0, 6.0}, 2.0},
    {SPACE_LOGUNIFORM, {0.1, 10.0}, 1.0},
    {SPACE_NORMAL, {3.0, 2.0}, 3.0},
    {SPACE_LOGNORMAL, {0.5, 0.3}, 1.6487212707001282},
    {SPACE_TRUNCATED_NORMAL, {1.0, 5.0, 3.0, 2.0}, 3.0},
    {SPACE_TRUNCATED_NORMAL, {40.0, 41.0, 3.0, 4.0}, NAN}, /* nine standard deviations out */
    {SPACE_TRUNCATED_LOGNORMAL, {0.5, 2.0, 0.0, 0.7}, 1.0},
    {SPACE_TRIANGULAR, {0.0, 2.0, 1.0}, 1.0},
    {SPACE_TRIANGULAR, {0.0, 3.0, 3.0}, NAN},
};
#define N_ALL ((int)(sizeof all / sizeof *all))

static struct law law_of(struct space_input *input, const struct posed *posed)
{
    struct law law;
    struct err err = ERR_INIT;
    *input = (struct space_input){.name = "x"};
    input->distribution.kind = posed->kind;
    for (int k = 0; k < 4; k++) {
        input->distribution.p[k] = posed->p[k];
    }
    ck_assert_int_eq(law_of_input(input, &law, &err), ERR_OK);
    return law;
}

/* The share below the quantile of u is u: by Simpson's rule over the density. */
START_TEST(the_density_has_the_share_u_below_the_quantile_of_u)
{
    struct space_input input;
    struct law law = law_of(&input, &all[_i]);
    double first = law_quantile(&law, 0.01);
    for (double u = 0.1; u < 0.995; u += 0.1) {
        const int n = 4000;
        double last = law_quantile(&law, u);
        double step = (last - first) / n;
        double sum = 0.0;
        for (int i = 0; i <= n; i++) {
            double weight = i == 0 || i == n ? 1.0 : i % 2 == 1 ? 4.0 : 2.0;
            sum += weight * exp(law_log_density(&law, first + i * step, NULL)) * step / 3.0;
        }
        ck_assert_double_eq_tol(sum, u - 0.01, 1e-6);
    }
    if (!isnan(all[_i].median)) {
        ck_assert_double_eq_tol(law_quantile(&law, 0.5), all[_i].median, 1e-12);
    }
}
END_TEST

START_TEST(slopes_are_those_of_values_and_densities)
{
    struct space_input input;
    struct law law = law_of(&input, &all[_i]);
    for (double z = -1.75; z < 2.0; z += 0.5) {
        double x = law_from_normal(&law, z);
        double h = 1e-5;
        double slope;
        double difference = (law_from_normal(&law, z + h) - law_from_normal(&law, z - h)) / (2 * h);
        ck_assert_double_eq_tol(law_normal_slope(&law, z), difference,
                                1e-6 * fmax(1.0, fabs(difference)));
        double e = 1e-6 * fmax(fabs(x), 0.1);
        (void)law_log_density(&law, x, &slope);
        difference =
            (law_log_density(&law, x + e, NULL) - law_log_density(&law, x - e, NULL)) / (2 * e);
        ck_assert_double_eq_tol(slope, difference, 1e-4 * fmax(1.0, fabs(difference)));
        double u = z > 0.0 ? 1.0 - normal_tail(z) : normal_tail(-z);
        ck_assert_double_eq_tol(law_quantile(&law, u), x, 1e-9 * fmax(1.0, fabs(x)));
    }
}
END_TEST

START_TEST(values_stay_within_the_ends)
{
    struct space_input input;
    struct law law = law_of(&input, &all[_i]);
    const double extreme[] = {-40.0, -9.0, 9.0, 40.0};
    for (int i = 0; i < 4; i++) {
        double x = law_from_normal(&law, extreme[i]);
        ck_assert(isfinite(x));
        if (all[_i].kind != SPACE_NORMAL && all[_i].kind != SPACE_LOGNORMAL) {
            ck_assert_double_ge(x, all[_i].p[0]);
            ck_assert_double_le(x, all[_i].p[1]);
        }
    }
}
END_TEST

START_TEST(integers_and_categories_have_their_values)
{
    struct err err = ERR_INIT;
    struct law law;
    char *members[] = {"a", "b", "c"};
    double probabilities[] = {0.5, 0.25, 0.25};
    double grid[8];
    struct space_input input = {
        .name = "n", .type = SPACE_INTEGER, .has_bounds = true, .bounds = {2.0, 5.0}};
    ck_assert_int_eq(law_of_input(&input, &law, &err), ERR_OK);
    ck_assert_double_eq(law_quantile(&law, 0.001), 2.0);
    ck_assert_double_eq(law_quantile(&law, 0.251), 3.0);
    ck_assert_double_eq(law_quantile(&law, 0.999), 5.0);
    ck_assert_int_eq(law_grid(&law, 8, grid), 4);
    ck_assert_double_eq(grid[3], 5.0);
    ck_assert_int_le(law_grid(&law, 3, grid), 3);
    struct space_input category = {
        .name = "c", .type = SPACE_CATEGORY, .n_values = 3, .values = members};
    ck_assert_int_eq(law_of_input(&category, &law, &err), ERR_OK);
    ck_assert_double_eq(law_quantile(&law, 0.3), 0.0);
    ck_assert_double_eq(law_quantile(&law, 0.34), 1.0);
    ck_assert_int_eq(law_grid(&law, 8, grid), 3);
    category.distribution =
        (struct space_distribution){.kind = SPACE_DISCRETE, .n = 3, .probabilities = probabilities};
    ck_assert_int_eq(law_of_input(&category, &law, &err), ERR_OK);
    ck_assert_double_eq(law_quantile(&law, 0.49), 0.0);
    ck_assert_double_eq(law_quantile(&law, 0.51), 1.0);
    ck_assert_double_eq(law_quantile(&law, 0.76), 2.0);
    ck_assert_int_eq(law_grid(&law, 8, grid), 3);
    struct space_input bare = {.name = "bare"};
    ck_assert_int_eq(law_of_input(&bare, &law, &err), ERR_INVALID);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("law");
    TCase *tcase = tcase_create("distributions");
    tcase_add_loop_test(tcase, the_density_has_the_share_u_below_the_quantile_of_u, 0, N_ALL);
    tcase_add_loop_test(tcase, slopes_are_those_of_values_and_densities, 0, N_ALL);
    tcase_add_loop_test(tcase, values_stay_within_the_ends, 0, N_ALL);
    tcase_add_test(tcase, integers_and_categories_have_their_values);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
