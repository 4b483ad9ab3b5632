/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plans in each precision against the plain forward pass, rows alone against rows together, and
 * gradients by a plan against the tape.
 */
#include "plain_forward.h"
#include "run.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "network/plan.h"
#include "network/plan_gradient.h"
#include "network/plan_gradient_rows.h"

#define DRAWS   9
#define ROWS    40
#define MAX_OUT 24
#define MAX_IN  40

static const struct shape {
    int d, o, r, layers;
    enum wpfn_basis basis;
    enum activation activation;
    bool bias, residual, ends; /* ends: pre and post layer */
    enum arch_final final;
} shapes[] = {
    {8, 1, 16, 4, WPFN_LINEAR, ACT_TANH, true, true, true, FINAL_NONE},
    {10, 10, 64, 3, WPFN_QUADRATIC, ACT_TANH, true, true, true, FINAL_NONE},
    {3, 20, 32, 2, WPFN_CUBIC, ACT_TANH, false, true, true, FINAL_EXP},
    {5, 3, 24, 2, WPFN_LINEAR, ACT_TANH, true, false, true, FINAL_SUM},
    {2, 2, 3, 3, WPFN_CONSTANT, ACT_TANH, true, true, true, FINAL_NONE},
    {17, 4, 33, 2, WPFN_LINEAR, ACT_IDENTITY, true, true, true, FINAL_LOGABS},
    {20, 20, 20, 2, WPFN_LINEAR, ACT_TANH, true, true, false, FINAL_NONE},
    {16, 16, 16, 1, WPFN_LINEAR, ACT_IDENTITY, false, false, false, FINAL_NONE},
    {5, 2, 24, 3, WPFN_LINEAR, ACT_RELU, true, true, true, FINAL_NONE},
    {5, 2, 24, 3, WPFN_LINEAR, ACT_SIN, true, true, true, FINAL_NONE},
    {5, 2, 33, 2, WPFN_LINEAR, ACT_SILU, true, false, true, FINAL_NONE},
    {20, 20, 20, 2, WPFN_LINEAR, ACT_GELU, true, true, false, FINAL_EXP},
    {3, 2, 4, 2, WPFN_LINEAR, ACT_GELU, false, false, true, FINAL_NONE},
};
#define N_SHAPES ((int)(sizeof shapes / sizeof *shapes))

struct subject {
    struct resnet net;
    double *draws;
    double x[ROWS * MAX_IN];
};

static void subject_init(struct subject *s, const struct shape *shape)
{
    struct err err = ERR_INIT;
    struct arch arch = arch_default(shape->d, shape->o);
    struct rng rng;
    arch.width = shape->r;
    arch.layers = shape->layers;
    arch.basis = shape->basis;
    arch.activation = shape->activation;
    arch.bias = arch.outer_bias = shape->bias;
    arch.residual = shape->residual;
    arch.layer_pre = arch.layer_post = shape->ends;
    arch.final = shape->final;
    ck_assert_msg(resnet_init(&s->net, &arch, &err) == ERR_OK, "%s", err.msg);
    s->draws = mem_alloc_array(DRAWS * (size_t)s->net.n_params, sizeof *s->draws);
    rng_init(&rng, 21, RNG_TEST, 0);
    for (int k = 0; k < DRAWS * s->net.n_params; k++) {
        s->draws[k] = 0.3 * rng_normal(&rng);
    }
    for (int k = 0; k < ROWS * shape->d; k++) {
        s->x[k] = rng_normal(&rng);
    }
}

static void subject_release(struct subject *s)
{
    mem_free(s->draws);
    resnet_release(&s->net);
}

/* f [DRAWS x rows x n_out] of rows `from` on, as predictions take them. */
static void eval_all(const struct plan *plan, const double *x, int rows, double *f)
{
    struct plan_tile tile = {.rows = rows, .scratch = mem_alloc(plan_scratch_bytes(plan, rows))};
    size_t cells = (size_t)rows * (size_t)plan->net->n_out;
    int group = plan_group(plan, rows);
    double *values = mem_alloc_array((size_t)group * (size_t)rows, MAX_OUT * sizeof *values);
    plan_load(plan, &tile, x);
    for (int first = 0; first < DRAWS; first += group) {
        int n = DRAWS - first < group ? DRAWS - first : group;
        plan_eval(plan, &tile, first, n, values);
        memcpy(f + (size_t)first * cells, values, (size_t)n * cells * sizeof *f);
    }
    mem_free(values);
    mem_free(tile.scratch);
}

static void check_plan(const struct subject *s, enum precision precision)
{
    static double f[DRAWS * ROWS * MAX_OUT], part[DRAWS * ROWS * MAX_OUT], y[ROWS * MAX_OUT];
    static const double bounds[] = {1e-12, 3e-5, 3e-5};
    struct err err = ERR_INIT;
    struct plan plan;
    size_t o = (size_t)s->net.n_out;
    ck_assert_int_eq(plan_init(&plan, &s->net, DRAWS, s->draws, precision, &err), ERR_OK);
    eval_all(&plan, s->x, ROWS, f);
    double worst = 0.0;
    double largest = 0.0;
    for (int j = 0; j < DRAWS; j++) {
        plain_forward(&s->net, s->draws + j * s->net.n_params, ROWS, s->x, y);
        for (size_t c = 0; c < ROWS * o; c++) {
            double found = f[(size_t)j * ROWS * o + c];
            if (s->net.arch.final == FINAL_LOGABS) { /* which has no bound near 0 */
                found = exp(found);
                y[c] = exp(y[c]);
            }
            largest = fmax(largest, fabs(y[c]));
            worst = fmax(worst, fabs(y[c] - found));
        }
    }
    ck_assert_msg(worst <= bounds[plan.precision] * fmax(largest, 1.0), "%g of %g", worst, largest);
    ck_assert(plan.precision == PRECISION_FLOAT64 || worst > 0.0);
    for (int rows = 1; rows <= 17; rows++) {
        eval_all(&plan, s->x + (size_t)(ROWS - rows) * (size_t)s->net.arch.inputs, rows, part);
        for (int j = 0; j < DRAWS; j++) {
            ck_assert_msg(memcmp(part + (size_t)(j * rows) * o,
                                 f + ((size_t)(j + 1) * ROWS - (size_t)rows) * o,
                                 (size_t)rows * o * sizeof *f) == 0,
                          "%d rows, draw %d, precision %d", rows, j, (int)precision);
        }
    }
    plan_release(&plan);
}

START_TEST(rows_alone_have_the_bits_of_rows_together)
{
    struct subject s;
    subject_init(&s, &shapes[_i]);
    check_plan(&s, PRECISION_FLOAT64);
    check_plan(&s, PRECISION_FLOAT32);
    check_plan(&s, PRECISION_MIXED);
    check_plan(&s, PRECISION_AUTO);
    subject_release(&s);
}
END_TEST

/* The gradients of all draws at the first row, for weights dy [n_out] of the outputs. */
static void gradients(const struct plan *plan, const double *x, const double *dy, double *y,
                      double *dx)
{
    size_t n_out = (size_t)plan->net->n_out;
    size_t d = (size_t)plan->net->arch.inputs;
    int group = plan_gradient_group(plan);
    double *scratch = mem_alloc_array(plan_gradient_scratch(plan, group), sizeof *scratch);
    double *all = mem_alloc_array((size_t)group * n_out, sizeof *all);
    ck_assert_int_ge(group, 1);
    for (int j = 0; j < group; j++) {
        memcpy(all + (size_t)j * n_out, dy, n_out * sizeof *dy);
    }
    for (int first = 0; first < DRAWS; first += group) {
        int n = DRAWS - first < group ? DRAWS - first : group;
        const struct plan_gradient of = {plan, first, n, scratch};
        plan_gradient_forward(&of, x, y + (size_t)first * n_out);
        for (int again = 0; again < 2; again++) {
            plan_gradient_backward(&of, all, dx + (size_t)first * d);
        }
    }
    mem_free(all);
    mem_free(scratch);
}

START_TEST(gradients_are_those_of_the_tape)
{
    static double y[DRAWS * MAX_OUT], dx[DRAWS * MAX_IN], mixed[DRAWS * MAX_IN];
    static double single[DRAWS * MAX_IN], y32[DRAWS * MAX_OUT], served[DRAWS * MAX_OUT];
    struct err err = ERR_INIT;
    struct subject s;
    struct plan plan;
    double dy[MAX_OUT];
    double value[MAX_OUT];
    double exact[MAX_IN];
    subject_init(&s, &shapes[_i]);
    size_t d = (size_t)s.net.arch.inputs;
    size_t n_out = (size_t)s.net.n_out;
    struct resnet_tape *tape = resnet_tape_new(&s.net, 1);
    const double bound = s.net.arch.final == FINAL_LOGABS ? 1e-3 : 3e-6; /* near 0 it has none */
    for (size_t a = 0; a < n_out; a++) {
        dy[a] = 1.0 + 0.5 * (double)a;
    }
    ck_assert_int_eq(plan_init(&plan, &s.net, DRAWS, s.draws, PRECISION_MIXED, &err), ERR_OK);
    gradients(&plan, s.x, dy, y, mixed);
    plan_release(&plan);
    ck_assert_int_eq(plan_init(&plan, &s.net, DRAWS, s.draws, PRECISION_FLOAT32, &err), ERR_OK);
    gradients(&plan, s.x, dy, y32, single);
    eval_all(&plan, s.x, 1, served);
    ck_assert_int_eq(memcmp(y32, served, DRAWS * n_out * sizeof *served), 0);
    plan_release(&plan);
    ck_assert_int_eq(plan_init(&plan, &s.net, DRAWS, s.draws, PRECISION_FLOAT64, &err), ERR_OK);
    gradients(&plan, s.x, dy, y, dx);
    eval_all(&plan, s.x, 1, served);
    ck_assert_int_eq(memcmp(y, served, DRAWS * n_out * sizeof *served), 0);
    plan_release(&plan);
    for (size_t j = 0; j < DRAWS; j++) {
        double largest = 0.0;
        resnet_set_params(tape, s.draws + j * (size_t)s.net.n_params);
        resnet_forward(tape, 1, s.x, value);
        resnet_backward(tape, dy, NULL, exact);
        for (size_t b = 0; b < d; b++) {
            largest = fmax(largest, fabs(exact[b]));
        }
        for (size_t a = 0; a < n_out; a++) {
            ck_assert_double_eq_tol(y[j * n_out + a], value[a], 1e-12 * fmax(1.0, fabs(value[a])));
        }
        for (size_t b = 0; b < d; b++) {
            ck_assert_double_eq_tol(dx[j * d + b], exact[b], 1e-12 * largest);
            ck_assert_double_eq_tol(mixed[j * d + b], exact[b], 1e-3 * largest);
            ck_assert_double_eq_tol(single[j * d + b], exact[b], bound * largest);
        }
    }
    resnet_tape_free(tape);
    subject_release(&s);
}
END_TEST

/* Rows together have the values and gradients that each has alone, bit for bit. */
static void check_gradients_of_rows(const struct subject *s, enum precision precision, int rows)
{
    static double y[DRAWS * MAX_OUT], dx[DRAWS * MAX_IN];
    static double y_rows[ROWS * MAX_OUT], dx_rows[ROWS * MAX_IN], dy_rows[ROWS * MAX_OUT];
    struct err err = ERR_INIT;
    struct plan plan;
    size_t d = (size_t)s->net.arch.inputs;
    size_t n_out = (size_t)s->net.n_out;
    double dy[MAX_OUT];
    ck_assert_int_eq(plan_init(&plan, &s->net, DRAWS, s->draws, precision, &err), ERR_OK);
    double *scratch = mem_alloc_array(plan_gradient_rows_scratch(&plan, rows), sizeof *scratch);
    for (size_t a = 0; a < n_out; a++) {
        dy[a] = 1.0 - 0.4 * (double)a;
    }
    for (int i = 0; i < rows; i++) {
        memcpy(dy_rows + (size_t)i * n_out, dy, n_out * sizeof *dy);
    }
    for (int draw = 0; draw < DRAWS; draw++) {
        const struct plan_gradient_rows of = {&plan, draw, rows, scratch};
        plan_gradient_rows_forward(&of, s->x, y_rows);
        for (int again = 0; again < 2; again++) {
            plan_gradient_rows_backward(&of, dy_rows, dx_rows);
        }
        for (size_t i = 0; i < (size_t)rows; i++) {
            gradients(&plan, s->x + i * d, dy, y, dx);
            ck_assert_int_eq(
                memcmp(y_rows + i * n_out, y + (size_t)draw * n_out, n_out * sizeof *y), 0);
            ck_assert_msg(memcmp(dx_rows + i * d, dx + (size_t)draw * d, d * sizeof *dx) == 0,
                          "row %zu of %d, draw %d, precision %d", i, rows, draw, (int)precision);
        }
    }
    mem_free(scratch);
    plan_release(&plan);
}

START_TEST(gradients_of_rows_together_have_the_bits_of_rows_alone)
{
    static const int n_rows[] = {1, 5, 8, 17, ROWS};
    struct subject s;
    subject_init(&s, &shapes[_i]);
    for (size_t k = 0; k < sizeof n_rows / sizeof *n_rows; k++) {
        for (enum precision p = PRECISION_FLOAT64; p <= PRECISION_AUTO; p++) {
            check_gradients_of_rows(&s, p, n_rows[k]);
        }
    }
    subject_release(&s);
}
END_TEST

/* Sensitivities that a float cannot hold: the gradient is linear in them, bit for bit. */
START_TEST(gradients_in_float_take_any_sensitivity)
{
    static const double scales[] = {0x1p-900, 0x1p-160, 0x1p160, 0x1p900};
    static double y[DRAWS * MAX_OUT], dx[DRAWS * MAX_IN], scaled[DRAWS * MAX_IN];
    struct err err = ERR_INIT;
    struct subject s;
    struct plan plan;
    double dy[MAX_OUT];
    subject_init(&s, &shapes[_i]);
    size_t d = (size_t)s.net.arch.inputs;
    size_t n_out = (size_t)s.net.n_out;
    ck_assert_int_eq(plan_init(&plan, &s.net, DRAWS, s.draws, PRECISION_FLOAT32, &err), ERR_OK);
    for (size_t k = 0; k < 1 + sizeof scales / sizeof *scales; k++) {
        double scale = k > 0 ? scales[k - 1] : 1.0;
        for (size_t a = 0; a < n_out; a++) {
            dy[a] = scale * (1.0 - 0.4 * (double)a);
        }
        gradients(&plan, s.x, dy, y, k > 0 ? scaled : dx);
        for (size_t i = 0; k > 0 && i < DRAWS * d; i++) {
            ck_assert_double_eq(scaled[i], scale * dx[i]);
        }
    }
    memset(dy, 0, sizeof dy);
    gradients(&plan, s.x, dy, y, dx);
    for (size_t i = 0; i < DRAWS * d; i++) {
        ck_assert_double_eq(dx[i], 0.0);
    }
    plan_release(&plan);
    subject_release(&s);
}
END_TEST

START_TEST(any_allocation_of_a_plan_may_fail)
{
    for (enum precision precision = PRECISION_FLOAT64; precision <= PRECISION_AUTO; precision++) {
        struct subject s;
        subject_init(&s, &shapes[4]); /* narrow: with lanes */
        long live = mem_live();
        bool failed = true;
        for (long n = 1; failed; n++) {
            struct err err = ERR_INIT;
            struct plan plan;
            mem_fail_after(n, false);
            failed = plan_init(&plan, &s.net, DRAWS, s.draws, precision, &err) != ERR_OK;
            mem_fail_after(0, false);
            ck_assert_int_eq(err.code, failed ? ERR_NOMEM : ERR_OK);
            ck_assert(failed || n > 3);
            plan_release(&plan);
            ck_assert_int_eq(mem_live(), live);
        }
        subject_release(&s);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("plan");
    TCase *tc = tcase_create("plan");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, rows_alone_have_the_bits_of_rows_together, 0, N_SHAPES);
    tcase_add_loop_test(tc, gradients_are_those_of_the_tape, 0, N_SHAPES);
    tcase_add_loop_test(tc, gradients_of_rows_together_have_the_bits_of_rows_alone, 0, N_SHAPES);
    tcase_add_loop_test(tc, gradients_in_float_take_any_sensitivity, 0, N_SHAPES);
    tcase_add_test(tc, any_allocation_of_a_plan_may_fail);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
