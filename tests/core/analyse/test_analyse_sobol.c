/* SPDX-License-Identifier: Apache-2.0 */
/* Indices against closed forms, and the stated errors against the true ones. */
#include "run.h"

#include <math.h>

#include "analyse_case.h"

#define SEEDS 100

struct known {
    const char *table;
    size_t i;
    double value;
};

/* Ishigami with a = 7, b = 0.1: V = a^2/8 + b pi^4/5 + b^2 pi^8/18 + 1/2. */
static const struct known ishigami[] = {{"first", 0, 0.3139051911},
                                        {"first", 1, 0.4424111448},
                                        {"first", 2, 0.0},
                                        {"total", 0, 0.5575888552},
                                        {"total", 1, 0.4424111448},
                                        {"total", 2, 0.2436836641},
                                        {"second", 0, 0.0},
                                        {"second", 1, 0.2436836641},
                                        {"second", 2, 0.0},
                                        {"mean", 0, 3.5},
                                        {"variance", 0, 13.84458754},
                                        {"closed", 0, 0.5575888552},
                                        {"closed_total", 0, 0.5575888552}};
#define N_KNOWN ((int)(sizeof ishigami / sizeof *ishigami))

static const int outer[] = {2, 0};
static const struct analyse_set groups[] = {{.n = 2, .inputs = outer}};

static void ask(struct analyse_case *self)
{
    self->spec.kind = ANALYSE_SOBOL;
    self->spec.second_order = true;
    self->spec.n_groups = 1;
    self->spec.groups = groups;
}

START_TEST(ishigami_has_its_indices_within_the_stated_errors)
{
    struct analyse_case self;
    int inside[N_KNOWN] = {0};
    double worst = 0.0;
    analyse_case_ishigami(&self, 1);
    ask(&self);
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        self.spec.seed = seed;
        analyse_case_run(&self);
        for (int i = 0; i < N_KNOWN; i++) {
            size_t at = analyse_case_at(&self, ishigami[i].table, ishigami[i].i);
            double error = self.result.estimate[at] - ishigami[i].value;
            inside[i] += self.result.lower[at] <= ishigami[i].value &&
                         ishigami[i].value <= self.result.upper[at];
            ck_assert_double_eq(self.result.surrogate_error[at], 0.0);
            worst = fmax(worst, fabs(error) / self.result.sampling_error[at]);
        }
    }
    int all = 0;
    for (int i = 0; i < N_KNOWN; i++) {
        /* Of 100 intervals of 95 %, 88 or fewer hold the value with a probability of 0.4 %. */
        ck_assert_msg(inside[i] >= 87, "%s[%zu]: only %d of %d intervals", ishigami[i].table,
                      ishigami[i].i, inside[i], SEEDS);
        all += inside[i];
    }
    ck_assert_msg(all >= 0.93 * SEEDS * N_KNOWN, "%d of %d intervals", all, SEEDS * N_KNOWN);
    ck_assert_double_lt(worst, 8.0);
    analyse_case_release(&self);
}
END_TEST

/* Sobol's g function of eight inputs. */
static const double g_a[8] = {0.0, 1.0, 4.5, 9.0, 99.0, 99.0, 99.0, 99.0};

static void g_function(int draw, const double *x, double *y, double *jac)
{
    (void)draw;
    (void)jac;
    y[0] = 1.0;
    for (int i = 0; i < 8; i++) {
        y[0] *= (fabs(4.0 * x[i] - 2.0) + g_a[i]) / (1.0 + g_a[i]);
    }
}

START_TEST(the_g_function_has_its_indices_within_the_stated_errors)
{
    struct analyse_case self;
    double product = 1.0;
    int inside = 0;
    analyse_case_init(&self, g_function, 8, 1, 1);
    self.spec.kind = ANALYSE_SOBOL;
    for (int i = 0; i < 8; i++) {
        product *= 1.0 + 1.0 / (3.0 * (1.0 + g_a[i]) * (1.0 + g_a[i]));
    }
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        self.spec.seed = seed;
        analyse_case_run(&self);
        for (size_t i = 0; i < 8; i++) {
            double part = 1.0 / (3.0 * (1.0 + g_a[i]) * (1.0 + g_a[i]));
            double first = part / (product - 1.0);
            double total = part * product / (1.0 + part) / (product - 1.0);
            size_t at = analyse_case_at(&self, "first", i);
            inside += self.result.lower[at] <= first && first <= self.result.upper[at];
            ck_assert_double_le(fabs(self.result.estimate[at] - first),
                                8.0 * self.result.sampling_error[at]);
            at = analyse_case_at(&self, "total", i);
            inside += self.result.lower[at] <= total && total <= self.result.upper[at];
            ck_assert_double_le(fabs(self.result.estimate[at] - total),
                                8.0 * self.result.sampling_error[at]);
            ck_assert_double_lt(self.result.sampling_error[at], 0.02);
        }
    }
    ck_assert_msg(inside >= 0.93 * 16 * SEEDS, "%d of %d intervals", inside, 16 * SEEDS);
    analyse_case_release(&self);
}
END_TEST

/* y = x1 + c x2 with c = 1, 2, 3 in three draws: S1 = 1 / (1 + c^2), and 1/5 in their mean. */
static void three_slopes(int draw, const double *x, double *y, double *jac)
{
    (void)jac;
    y[0] = x[0] + (draw + 1) * x[1] + 1e6;
}

START_TEST(spread_and_bias_of_the_draws_are_the_surrogate_error)
{
    struct analyse_case self;
    const double s[] = {1.0 / 2.0, 1.0 / 5.0, 1.0 / 10.0};
    const double mean = (s[0] + s[1] + s[2]) / 3.0;
    double sum = 0.0;
    for (int j = 0; j < 3; j++) {
        sum += (s[j] - mean) * (s[j] - mean);
    }
    analyse_case_init(&self, three_slopes, 2, 1, 3);
    self.spec.kind = ANALYSE_SOBOL;
    self.spec.n = 1024;
    analyse_case_run(&self);
    size_t at = analyse_case_at(&self, "first", 0);
    ck_assert_double_eq_tol(self.result.estimate[at], 0.2, 6.0 * self.result.sampling_error[at]);
    ck_assert_double_lt(self.result.sampling_error[at], 0.005);
    ck_assert_double_eq_tol(self.result.surrogate_error[at], hypot(sqrt(sum / 2.0), mean - 0.2),
                            0.005);
    at = analyse_case_at(&self, "mean", 0);
    ck_assert_double_eq_tol(self.result.estimate[at], 1e6 + 1.5,
                            6.0 * self.result.sampling_error[at] + 1e-6);
    ck_assert_double_eq_tol(self.result.surrogate_error[at], 0.5, 0.01);
    analyse_case_release(&self);
}
END_TEST

/* y = x1 + x2 + c (x1 - 1/2)(x2 - 1/2) with c = -1, 1: what the draws do not agree on interacts. */
static void ripples(int draw, const double *x, double *y, double *jac)
{
    (void)jac;
    y[0] = x[0] + x[1] + (draw == 0 ? -1.0 : 1.0) * (x[0] - 0.5) * (x[1] - 0.5);
}

START_TEST(ripples_of_the_draws_raise_no_index)
{
    struct analyse_case self;
    const double rippled = (1.0 / 12.0 + 1.0 / 144.0) / (2.0 / 12.0 + 1.0 / 144.0);
    analyse_case_init(&self, ripples, 2, 1, 2);
    self.spec.kind = ANALYSE_SOBOL;
    self.spec.n = 1024;
    analyse_case_run(&self);
    for (size_t i = 0; i < 2; i++) {
        size_t at = analyse_case_at(&self, "total", i);
        ck_assert_double_eq_tol(self.result.estimate[at], 0.5,
                                6.0 * self.result.sampling_error[at]);
        ck_assert_double_lt(self.result.sampling_error[at], 0.005);
        ck_assert_double_eq_tol(self.result.surrogate_error[at], rippled - 0.5, 0.003);
    }
    analyse_case_release(&self);
}
END_TEST

START_TEST(an_output_that_is_constant_has_no_indices)
{
    struct analyse_case self;
    analyse_case_init(&self, g_function, 8, 1, 1);
    self.spec.kind = ANALYSE_SOBOL;
    self.spec.n = 8;
    for (int b = 1; b < 8; b++) {
        self.laws[b] = law_of_value(0.25);
    }
    self.laws[0] = law_of_value(0.5); /* the product is 0 */
    const double p[] = {0.0, 1.0};
    analyse_case_set(&self, 4, SPACE_UNIFORM, p);
    analyse_case_run(&self);
    ck_assert_int_eq(analyse_case_table(&self, "first")->axes[1].n, 1);
    ck_assert(isnan(self.result.estimate[analyse_case_at(&self, "first", 0)]));
    ck_assert_double_eq(self.result.estimate[analyse_case_at(&self, "variance", 0)], 0.0);
    analyse_case_release(&self);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("analyse_sobol");
    TCase *tcase = tcase_create("indices");
    tcase_set_timeout(tcase, 120.0);
    tcase_add_test(tcase, ishigami_has_its_indices_within_the_stated_errors);
    tcase_add_test(tcase, the_g_function_has_its_indices_within_the_stated_errors);
    tcase_add_test(tcase, spread_and_bias_of_the_draws_are_the_surrogate_error);
    tcase_add_test(tcase, ripples_of_the_draws_raise_no_index);
    tcase_add_test(tcase, an_output_that_is_constant_has_no_indices);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
