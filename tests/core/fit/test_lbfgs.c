/* SPDX-License-Identifier: Apache-2.0 */
/* L-BFGS on functions whose minimum is known. */
#include "fit/lbfgs.h"
#include "run.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"

enum { MAX = 40 };

struct function {
    lbfgs_fn *fn;
    int n;
    int calls;
    const double *scales; /* of a quadratic */
};

/* The sum over pairs of 100 (b - a^2)^2 + (1 - a)^2, whose minimum is 0, at ones. */
static double rosenbrock(void *ctx, const double *x, double *grad)
{
    struct function *f = ctx;
    double value = 0.0;
    f->calls++;
    for (int i = 0; i < f->n; i += 2) {
        double b = x[i + 1] - x[i] * x[i];
        double a = 1.0 - x[i];
        value += 100.0 * b * b + a * a;
        grad[i] = -400.0 * x[i] * b - 2.0 * a;
        grad[i + 1] = 200.0 * b;
    }
    return value;
}

/* sum s_i (x_i - i)^2 / 2 */
static double quadratic(void *ctx, const double *x, double *grad)
{
    struct function *f = ctx;
    double value = 0.0;
    f->calls++;
    for (int i = 0; i < f->n; i++) {
        value += 0.5 * f->scales[i] * (x[i] - i) * (x[i] - i);
        grad[i] = f->scales[i] * (x[i] - i);
    }
    return value;
}

/* x - log x for x > 0, otherwise not finite; the minimum is 1, at 1. */
static double walled(void *ctx, const double *x, double *grad)
{
    struct function *f = ctx;
    double value = 0.0;
    f->calls++;
    for (int i = 0; i < f->n; i++) {
        value += x[i] > 0.0 ? x[i] - log(x[i]) : NAN;
        grad[i] = 1.0 - 1.0 / x[i];
    }
    return value;
}

/* Until it ends or has taken `max` iterations. */
static enum lbfgs_end minimise(struct lbfgs *self, struct function *f, int max)
{
    enum lbfgs_end end = LBFGS_GOING;
    for (int i = 0; i < max && end == LBFGS_GOING; i++) {
        double before = self->f;
        end = lbfgs_step(self, f->fn, f);
        ck_assert_double_le(self->f, before); /* it never rises */
    }
    return end;
}

START_TEST(rosenbrock_valleys_are_walked_to_their_end)
{
    static const int sizes[] = {2, 10, MAX};
    static const int histories[] = {1, 3, 10, 100};
    for (size_t i = 0; i < 12; i++) {
        struct function f = {.fn = rosenbrock, .n = sizes[i % 3]};
        struct lbfgs self;
        struct err err = ERR_INIT;
        double x[MAX];
        for (int k = 0; k < f.n; k++) {
            x[k] = k % 2 == 0 ? -1.2 : 1.0;
        }
        ck_assert_int_eq(lbfgs_init(&self, f.n, histories[i / 3], 1e-9, &err), ERR_OK);
        ck_assert_int_eq(lbfgs_start(&self, x, f.fn, &f), LBFGS_GOING);
        ck_assert_int_ne(minimise(&self, &f, 2000), LBFGS_GOING);
        for (int k = 0; k < f.n; k++) {
            ck_assert_double_eq_tol(self.x[k], 1.0, 1e-6);
        }
        ck_assert_int_lt(f.calls, histories[i / 3] == 1 ? 2000 : 150);
        lbfgs_release(&self);
    }
}
END_TEST

START_TEST(badly_scaled_quadratics_are_solved)
{
    struct rng rng;
    double scales[MAX];
    struct function f = {.fn = quadratic, .n = MAX, .scales = scales};
    struct lbfgs self;
    struct err err = ERR_INIT;
    double x[MAX] = {0.0};
    rng_init(&rng, 1, RNG_TEST, 0);
    for (int i = 0; i < MAX; i++) {
        scales[i] = exp(8.0 * rng_uniform(&rng) - 4.0);
    }
    ck_assert_int_eq(lbfgs_init(&self, MAX, 10, 1e-10, &err), ERR_OK);
    ck_assert_int_eq(lbfgs_start(&self, x, f.fn, &f), LBFGS_GOING);
    ck_assert_int_ne(minimise(&self, &f, 1000), LBFGS_GOING);
    for (int i = 0; i < MAX; i++) {
        ck_assert_double_eq_tol(self.x[i], i, 1e-5);
    }
    lbfgs_release(&self);
}
END_TEST

START_TEST(steps_into_what_is_not_finite_are_taken_back)
{
    static const double starts[] = {1e-3, 0.1, 1.0, 50.0, 1e4};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        struct function f = {.fn = walled, .n = 3};
        struct lbfgs self;
        struct err err = ERR_INIT;
        double x[3] = {starts[i], 1.0, 2.0 * starts[i]};
        ck_assert_int_eq(lbfgs_init(&self, 3, 5, 1e-9, &err), ERR_OK);
        enum lbfgs_end end = lbfgs_start(&self, x, f.fn, &f);
        if (end == LBFGS_GOING) {
            ck_assert_int_ne(minimise(&self, &f, 500), LBFGS_GOING);
        }
        for (int k = 0; k < 3; k++) {
            ck_assert_double_eq_tol(self.x[k], 1.0, 1e-5);
        }
        lbfgs_release(&self);
    }
}
END_TEST

START_TEST(a_minimum_is_known_at_once)
{
    struct function f = {.fn = rosenbrock, .n = 2};
    struct lbfgs self;
    struct err err = ERR_INIT;
    const double x[] = {1.0, 1.0};
    ck_assert_int_eq(lbfgs_init(&self, 2, 5, 1e-9, &err), ERR_OK);
    ck_assert_int_eq(lbfgs_start(&self, x, f.fn, &f), LBFGS_CONVERGED);
    ck_assert_int_eq(lbfgs_step(&self, f.fn, &f), LBFGS_STUCK);
    ck_assert_double_eq(self.x[0], 1.0);
    lbfgs_release(&self);
    mem_fail_after(1, false);
    ck_assert_int_eq(lbfgs_init(&self, 2, 5, 1e-9, &err), ERR_NOMEM);
    mem_fail_after(0, false);
    lbfgs_release(&self);
}
END_TEST

START_TEST(a_saved_state_goes_on_bit_for_bit)
{
    double x[MAX];
    struct lbfgs whole;
    struct lbfgs part;
    struct err err = ERR_INIT;
    for (int k = 0; k < MAX; k++) {
        x[k] = k % 2 == 0 ? -1.2 : 1.0 + 0.01 * k;
    }
    for (int at = 0; at < 30; at++) {
        struct function f = {.fn = rosenbrock, .n = MAX};
        struct bytes_writer w = {.data = NULL};
        ck_assert_int_eq(lbfgs_init(&whole, MAX, 5, 1e-9, &err), ERR_OK);
        ck_assert_int_eq(lbfgs_init(&part, MAX, 5, 1e-9, &err), ERR_OK);
        ck_assert_int_eq(lbfgs_start(&whole, x, f.fn, &f), LBFGS_GOING);
        ck_assert_int_eq(minimise(&whole, &f, at), LBFGS_GOING);
        lbfgs_save(&whole, &w);
        struct bytes_reader r = {.data = w.data, .left = w.size};
        lbfgs_load(&part, &r);
        ck_assert(!r.failed && r.left == 0);
        mem_free(w.data);
        ck_assert_int_eq(minimise(&whole, &f, 10), minimise(&part, &f, 10));
        ck_assert_int_eq(memcmp(whole.x, part.x, sizeof x), 0);
        ck_assert_int_eq(memcmp(whole.g, part.g, sizeof x), 0);
        ck_assert(whole.f == part.f && whole.t == part.t);
        lbfgs_release(&whole);
        lbfgs_release(&part);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lbfgs");
    TCase *tc = tcase_create("lbfgs");
    tcase_add_test(tc, rosenbrock_valleys_are_walked_to_their_end);
    tcase_add_test(tc, badly_scaled_quadratics_are_solved);
    tcase_add_test(tc, steps_into_what_is_not_finite_are_taken_back);
    tcase_add_test(tc, a_minimum_is_known_at_once);
    tcase_add_test(tc, a_saved_state_goes_on_bit_for_bit);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
