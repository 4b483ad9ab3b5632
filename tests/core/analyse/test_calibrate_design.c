/* SPDX-License-Identifier: Apache-2.0 */
/* Points to simulate after a calibration, against the gain that each pair of points has. */
#include "run.h"

#include <math.h>
#include <string.h>

#include "analyse/calibrate_design.h"
#include "analyse_case.h"
#include "base/mem.h"

#define N_DRAWS 60

/* The draws differ by c_j in x1 below 0.5 and by e_j above, where e is ten times smaller. */
static void halves(int draw, const double *x, double *y, double *jac)
{
    static const double c[] = {-1.0, 1.0, 0.0, 0.0};
    static const double e[] = {0.0, 0.0, -0.1, 0.1};
    (void)jac;
    y[0] = x[0] + x[1] + (x[0] < 0.5 ? c[draw] : e[draw]);
    y[1] = 2.0 * y[0]; /* tells nothing more */
}

struct posed {
    struct analyse_case base;
    struct calibrate_spec spec;
    struct calibrate_run run;
    struct calibrate_result result;
    double draws[N_DRAWS];
    int inputs[1];
    struct arena arena;
    struct calibrate_design design;
};

static const double set_1[] = {NAN, 0.3};
static const double set_2[] = {NAN, 0.7};
static const double sigma[] = {0.5, 1.0};
static const struct calibrate_experiment experiments[] = {{.fixed = set_1, .n = 1},
                                                          {.fixed = set_2, .n = 1}};

/* x1 is drawn evenly from 0 to 1. */
static void pose(struct posed *p, int m)
{
    memset(p, 0, sizeof *p);
    analyse_case_init(&p->base, halves, 2, 2, m);
    for (int i = 0; i < N_DRAWS; i++) {
        p->draws[i] = (i + 0.5) / N_DRAWS;
    }
    p->spec = (struct calibrate_spec){
        .n_experiments = 2, .experiments = experiments, .sigma = sigma, .seed = 1};
    p->run = (struct calibrate_run){
        .spec = &p->spec, .field = &p->base.field, .laws = p->base.laws, .terms.n_threads = 1};
    p->result = (struct calibrate_result){
        .n_parameters = 1, .k = 1, .inputs = p->inputs, .n_draws = N_DRAWS, .draws = p->draws};
}

static void find(struct posed *p, int n)
{
    struct err err = ERR_INIT;
    ck_assert_msg(calibrate_design_find(&p->run, &p->result, n, &p->arena, &p->design, &err) ==
                      ERR_OK,
                  "%s", err.msg);
}

static void release(struct posed *p)
{
    arena_release(&p->arena);
    analyse_case_release(&p->base);
}

START_TEST(a_point_of_each_unsure_half_settles_it)
{
    struct posed p;
    pose(&p, 4);
    find(&p, 5);
    /* The variances are 2/3 and 2/300, in units of the noise four times as much for both outputs.
     */
    ck_assert_double_eq_tol(p.design.variance, 0.5 * 4.0 * (2.0 / 3.0 + 2.0 / 300.0), 1e-9);
    ck_assert_double_lt(p.design.x[0], 0.5);
    ck_assert_double_gt(p.design.x[2], 0.5);
    ck_assert_double_eq_tol(p.design.std[0], sqrt(2.0 / 3.0), 1e-9);
    ck_assert_double_eq_tol(p.design.std[1], 2.0 * sqrt(2.0 / 3.0), 1e-9);
    ck_assert_double_eq_tol(p.design.std[2], sqrt(2.0 / 300.0), 1e-9);
    ck_assert_double_lt(p.design.variance_after, 1e-6 * p.design.variance);
    /* Points are those of draws, at one of the experiments. */
    for (int i = 0; i < p.design.n; i++) {
        double x2 = p.design.x[2 * i + 1];
        ck_assert(x2 == 0.3 || x2 == 0.7);
        double place = p.design.x[2 * i] * N_DRAWS - 0.5;
        ck_assert_double_eq_tol(place, round(place), 1e-9);
    }
    release(&p);
}
END_TEST

START_TEST(one_point_goes_where_most_of_the_posterior_is)
{
    struct posed p;
    double lost;
    pose(&p, 4);
    /* 3 draws of 60 in the half that is ten times less sure. */
    for (int i = 0; i < N_DRAWS; i++) {
        p.draws[i] = i < 57 ? 0.6 : 0.4;
    }
    find(&p, 1);
    lost = p.design.variance - p.design.variance_after;
    /* 57 (2/300) = 0.38 against 3 (2/3) = 2: variance weighs as well. */
    ck_assert_double_eq(p.design.x[0], 0.4);
    ck_assert_double_eq_tol(lost / p.design.variance, 2.0 / 2.38, 1e-6);
    /* With two draws that differ nowhere, or a single one, there is nothing to learn. */
    p.base.field.m = 1;
    find(&p, 3);
    ck_assert_int_eq(p.design.n, 0);
    release(&p);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    struct posed p;
    bool succeeded = false;
    pose(&p, 4);
    for (long at = 1; !succeeded; at++) {
        struct err err = ERR_INIT;
        long before = mem_live();
        mem_fail_after(at, false);
        enum err_code code = calibrate_design_find(&p.run, &p.result, 3, &p.arena, &p.design, &err);
        mem_fail_after(0, false);
        succeeded = code == ERR_OK;
        ck_assert_msg(succeeded || code == ERR_NOMEM, "%s", err.msg);
        arena_release(&p.arena);
        ck_assert_int_eq(mem_live(), before);
    }
    release(&p);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("calibrate_design");
    TCase *tcase = tcase_create("points");
    tcase_add_test(tcase, a_point_of_each_unsure_half_settles_it);
    tcase_add_test(tcase, one_point_goes_where_most_of_the_posterior_is);
    tcase_add_test(tcase, every_allocation_may_fail);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
