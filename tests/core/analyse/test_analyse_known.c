/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions that a network with weights linear in t computes exactly, registered as models whose
 * draws are all that network: indices against closed forms, with no surrogate error.
 *
 *   linear        y = 1 + sum_i c_i x_i        S_i = ST_i = c_i^2 / sum_j c_j^2
 *   exponential   y = exp(1 + sum_i c_i x_i)   1 + V_i = c_i (exp(2 c_i) - 1) / 2 / (exp(c_i) -
 * 1)^2, V = prod_i (1 + V_i) - 1, S_i = V_i / V, ST_i = V_i (1 + V) / (1 + V_i) / V
 *
 * for inputs that are uniform between 0 and 1. The second has interactions of every order.
 */
#include "run.h"

#include <math.h>
#include <string.h>

#include "analyse_case.h"

#define D     4
#define SEEDS 100
#define ROWS  7

static const double slopes[D] = {2.0, -1.5, 1.0, 0.25};
static const int outputs[] = {0};

/*
 * Blocks z <- z + (W_0 + t W_1) z / 2 at t = 0 and 1/2: with W_0 = 2 I and W_1 = -4 I the first
 * doubles z, and the second leaves it.
 */
static void set_network(struct model *model)
{
    const struct arch *arch = &model->net.arch;
    struct arch_offsets at = arch_offsets(arch);
    for (int draw = 0; draw < model->m; draw++) {
        double *theta = model->draws + (size_t)draw * (size_t)model->net.n_params;
        memset(theta, 0, (size_t)model->net.n_params * sizeof *theta);
        for (int i = 0; i < D; i++) {
            theta[at.weight_pre + i * D + i] = 1.0;
            theta[at.ww + i * D + i] = 2.0;
            theta[at.ww + D * D + i * D + i] = -4.0;
            theta[at.weight_post + i] = 0.5 * slopes[i];
        }
        theta[at.bias_post] = 1.0;
    }
}

struct known {
    struct analyse_case base; /* its function is not used */
    struct model *model;
    struct field_model of;
    struct arena arena;
};

static void unused(int draw, const double *x, double *y, double *jac)
{
    (void)draw;
    (void)x;
    (void)y;
    (void)jac;
    ck_abort_msg("the case's own function was evaluated");
}

static void known_init(struct known *self, enum arch_final final, int m)
{
    struct err err = ERR_INIT;
    struct arch arch = arch_default(D, 1);
    arch.width = D;
    arch.layers = 1;
    arch.basis = WPFN_LINEAR;
    arch.activation = ACT_IDENTITY;
    arch.final = final;
    *self = (struct known){.arena = ARENA_INIT};
    ck_assert_msg(model_new(&arch, m, &self->model, &err) == ERR_OK, "%s", err.msg);
    set_network(self->model);
    ck_assert_msg(model_publish(self->model, &err) == ERR_OK, "%s", err.msg);
    analyse_case_init(&self->base, unused, D, 1, m);
    self->of = (struct field_model){.model = self->model, .outputs = outputs, .seed = 1};
    ck_assert_int_eq(field_of_model(&self->of, 1, m, &self->arena, &self->base.field, &err),
                     ERR_OK);
    self->base.spec.kind = ANALYSE_SOBOL;
    self->base.spec.n = 256;
}

static void known_release(struct known *self)
{
    analyse_case_release(&self->base);
    arena_release(&self->arena);
    model_unref(self->model);
}

static double value_of(enum arch_final final, const double *x)
{
    double y = 1.0;
    for (int i = 0; i < D; i++) {
        y += slopes[i] * x[i];
    }
    return final == FINAL_EXP ? exp(y) : y;
}

/* first [D], total [D] */
static void indices_of(enum arch_final final, double *first, double *total)
{
    double parts[D];
    double variance = final == FINAL_EXP ? 1.0 : 0.0;
    for (int i = 0; i < D; i++) {
        double c = slopes[i];
        double rise = expm1(c);
        parts[i] = final == FINAL_EXP ? 0.5 * c * expm1(2.0 * c) / (rise * rise) - 1.0 : c * c;
        variance = final == FINAL_EXP ? variance * (1.0 + parts[i]) : variance + parts[i];
    }
    double whole = final == FINAL_EXP ? variance - 1.0 : variance;
    for (int i = 0; i < D; i++) {
        first[i] = parts[i] / whole;
        total[i] = final == FINAL_EXP ? first[i] * variance / (1.0 + parts[i]) : first[i];
    }
}

static const enum arch_final finals[] = {FINAL_NONE, FINAL_EXP};

START_TEST(the_network_is_the_function)
{
    struct known self;
    struct err err = ERR_INIT;
    struct rng rng;
    double x[ROWS * D];
    double y[ROWS];
    known_init(&self, finals[_i], 1);
    rng_init(&rng, 3, RNG_TEST, 0);
    for (int i = 0; i < ROWS * D; i++) {
        x[i] = rng_uniform(&rng);
    }
    const struct field_rows rows = {.first = 0, .m = 1, .n = ROWS, .x = x};
    ck_assert_int_eq(self.base.field.ops->values(&self.base.field, &rows, &self.arena, y, &err),
                     ERR_OK);
    for (int i = 0; i < ROWS; i++) {
        double truth = value_of(finals[_i], x + (ptrdiff_t)i * D);
        ck_assert_double_eq_tol(y[i], truth, 1e-13 * fabs(truth) + 1e-14);
    }
    known_release(&self);
}
END_TEST

START_TEST(indices_are_the_closed_forms_but_for_the_sampling_error)
{
    struct known self;
    double known[2 * D];
    int inside = 0;
    known_init(&self, finals[_i], 1);
    indices_of(finals[_i], known, known + D);
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        self.base.spec.seed = seed;
        analyse_case_run(&self.base);
        for (size_t i = 0; i < 2 * D; i++) {
            size_t at = analyse_case_at(&self.base, i < D ? "first" : "total", i % D);
            const struct analyse_result *found = &self.base.result;
            ck_assert_double_eq(found->surrogate_error[at], 0.0);
            ck_assert_double_le(fabs(found->estimate[at] - known[i]),
                                8.0 * found->sampling_error[at] + 1e-12);
            inside += found->lower[at] - 1e-12 <= known[i] && known[i] <= found->upper[at] + 1e-12;
        }
    }
    ck_assert_msg(inside >= 0.95 * 2 * D * SEEDS, "%d of %d intervals", inside, 2 * D * SEEDS);
    known_release(&self);
}
END_TEST

START_TEST(draws_that_agree_leave_no_surrogate_error)
{
    struct known self;
    struct known one;
    known_init(&self, finals[_i], 3);
    known_init(&one, finals[_i], 1);
    analyse_case_run(&self.base);
    analyse_case_run(&one.base);
    ck_assert_uint_eq(self.base.result.n, one.base.result.n);
    for (size_t q = 0; q < self.base.result.n; q++) {
        double scale = fabs(one.base.result.estimate[q]) + 1e-3;
        ck_assert_double_eq_tol(self.base.result.estimate[q], one.base.result.estimate[q],
                                1e-10 * scale);
        ck_assert_double_le(self.base.result.surrogate_error[q], 1e-10 * scale);
    }
    known_release(&one);
    known_release(&self);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("analyse_known");
    TCase *tcase = tcase_create("networks");
    int n = (int)(sizeof finals / sizeof *finals);
    tcase_set_timeout(tcase, 120.0);
    tcase_add_loop_test(tcase, the_network_is_the_function, 0, n);
    tcase_add_loop_test(tcase, indices_are_the_closed_forms_but_for_the_sampling_error, 0, n);
    tcase_add_loop_test(tcase, draws_that_agree_leave_no_surrogate_error, 0, n);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
