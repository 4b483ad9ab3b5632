/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objectives of rows that miss outputs, for networks of every kind: values against sums over the
 * outputs that are there, first and second derivatives against central differences and sums over
 * single rows.
 */
#include "plain_forward.h"
#include "posed.h"
#include "run.h"

#include <math.h>
#include <string.h>

#include "fit/curvature.h"
#include "fit/loss.h"
#include "math/gemm.h"

/* About a third of the outputs; row 3 has none. */
static void punch_holes(struct posed *f)
{
    struct data *rows = &f->problem.rows;
    for (int c = 0; c < rows->n * rows->o; c++) {
        if ((c * 7 + c / rows->o) % 3 == 0 || c / rows->o == 3) {
            f->y[c] = NAN;
        }
    }
    data_find_holes(rows);
    ck_assert(data_has_holes(rows));
}

static double eval(struct posed *f, double *grad)
{
    struct err err = ERR_INIT;
    struct objective_loss loss;
    ck_assert_int_eq(objective_loss_init(&loss, &f->objective, &f->net, &err), ERR_OK);
    loss.tile = 5;
    double value = objective_loss_eval(&loss, &f->problem.rows, f->params, grad);
    objective_loss_release(&loss);
    return value;
}

/* ---- values ---- */

/* The standard deviation of an output's noise at a row whose network values are f. */
static double sigma_at(const struct posed *f, const double *values, int j)
{
    const struct objective *obj = &f->objective;
    if (obj->noise == NOISE_LEARNED) {
        return exp(f->params[f->net.n_params + j]);
    }
    if (obj->noise == NOISE_PREDICTED) {
        return sqrt(exp(values[f->problem.rows.o + j]) + OBJECTIVE_VAR_FLOOR);
    }
    return obj->noise_sigmas != NULL ? obj->noise_sigmas[j] : obj->noise_sigma;
}

/* The formulas of objective.h over what is there, term by term. */
static double by_formula(const struct posed *f)
{
    const struct objective *obj = &f->objective;
    const struct data *rows = &f->problem.rows;
    int width = f->net.n_out;
    double *values = calloc((size_t)(rows->n * width), sizeof *values);
    double squares = 0.0;
    double nll = 0.0;
    int cells = 0;
    int some = 0;
    bool one_sigma = obj->noise == NOISE_GIVEN && obj->noise_sigmas == NULL;
    plain_forward(&f->net, f->params, rows->n, rows->x, values);
    for (int i = 0; i < rows->n; i++) {
        bool here = false;
        for (int j = 0; j < rows->o; j++) {
            double y = rows->y[i * rows->o + j];
            if (isnan(y)) {
                continue;
            }
            double dev = values[i * width + j] - y;
            double sigma = sigma_at(f, values + i * width, j);
            squares += dev * dev;
            nll += dev * dev / (2.0 * sigma * sigma);
            nll += one_sigma ? 0.0 : 0.5 * log(2.0 * M_PI) + log(sigma);
            cells++;
            here = true;
        }
        some += here;
    }
    free(values);
    nll += one_sigma ? some * (0.5 * log(2.0 * M_PI) + log(obj->noise_sigma)) : 0.0;
    if (obj->kind == OBJECTIVE_MSE) {
        return squares / cells;
    }
    return obj->kind == OBJECTIVE_NLP
               ? nll + objective_prior(obj, &f->net, rows->n, f->params, NULL)
               : nll;
}

/* The largest difference to central differences, relative to the gradient's largest value. */
static double gradient_error(struct posed *f, const double *grad)
{
    double error = 0.0;
    double scale = 0.0;
    for (int k = 0; k < posed_n_params(f); k++) {
        double at = f->params[k];
        f->params[k] = at + 1e-5;
        double above = eval(f, NULL);
        f->params[k] = at - 1e-5;
        double below = eval(f, NULL);
        f->params[k] = at;
        error = fmax(error, fabs((above - below) / 2e-5 - grad[k]));
        scale = fmax(scale, fabs(grad[k]));
    }
    return error / scale;
}

typedef void check_fn(struct posed *f, const char *what);

static void for_each_problem(check_fn *check)
{
    for (int i = 0; i < posed_n_kinds; i++) {
        for (int objective = 0; objective < POSED_N_OBJECTIVES; objective++) {
            struct posed f;
            char what[80];
            if (!posed_init(&f, &posed_kinds[i], (enum posed_objective)objective, POSED_ROWS)) {
                continue;
            }
            snprintf(what, sizeof what, "%s, %s", posed_kinds[i].name,
                     posed_objective_names[objective]);
            punch_holes(&f);
            check(&f, what);
            posed_release(&f);
        }
    }
}

static void check_value(struct posed *f, const char *what)
{
    double *grad = calloc((size_t)posed_n_params(f), sizeof *grad);
    double expected = by_formula(f);
    double value = eval(f, grad);
    ck_assert_msg(fabs(value - expected) <= 1e-12 * fabs(expected), "%s: %.17g, not %.17g", what,
                  value, expected);
    double error = gradient_error(f, grad);
    ck_assert_msg(error <= 1e-7, "%s: gradient error %g", what, error);
    free(grad);
}

START_TEST(values_and_gradients_are_those_of_what_is_there)
{
    for_each_problem(check_value);
}
END_TEST

/* ---- second derivatives ---- */

static void moved_gradient(struct posed *f, int k, double t, double *grad)
{
    double keep = f->params[k];
    f->params[k] = keep + t;
    eval(f, grad);
    f->params[k] = keep;
}

static void check_hessian(struct posed *f, const char *what)
{
    struct err err = ERR_INIT;
    int n = posed_n_params(f);
    double *h = calloc((size_t)(n * n), sizeof *h);
    double *up = calloc((size_t)n, sizeof *up);
    double *down = calloc((size_t)n, sizeof *down);
    double scale = 0.0;
    double worst = 0.0;
    ck_assert_int_eq(curvature_hessian(&f->problem, h, &err), ERR_OK);
    for (int c = 0; c < n * n; c++) {
        scale = fmax(scale, fabs(h[c]));
    }
    for (int k = 0; k < n; k += 3) {
        moved_gradient(f, k, 1e-5, up);
        moved_gradient(f, k, -1e-5, down);
        for (int i = 0; i < n; i++) {
            worst = fmax(worst, fabs(h[k * n + i] - (up[i] - down[i]) / 2e-5));
        }
    }
    ck_assert_msg(worst <= 1e-7 * scale, "%s: Hessian error %g", what, worst / scale);
    free(h);
    free(up);
    free(down);
}

START_TEST(hessians_match_central_differences)
{
    for_each_problem(check_hessian);
}
END_TEST

/* The rows of f one at a time, their prior apart: what a sum over rows must equal. */
static void add_row(struct posed *f, int row, double *fisher, double *newton)
{
    struct err err = ERR_INIT;
    struct posed one = *f;
    struct curvature_problem *p = &one.problem;
    int n = posed_n_params(f);
    double *part = calloc((size_t)(n * n), sizeof *part);
    one.problem.objective = &one.objective;
    one.objective.kind = f->objective.kind == OBJECTIVE_MSE ? OBJECTIVE_MSE : OBJECTIVE_NLL;
    p->rows.x += row * p->rows.d;
    p->rows.y += row * p->rows.o;
    p->rows.n = 1;
    /* The mean squared error of all rows is the sum of the rows' shares. */
    double share = f->objective.kind == OBJECTIVE_MSE ? 1.0 / f->problem.rows.n : 1.0;
    eval(&one, part);
    for (int k = 0; k < n; k++) {
        fisher[k] += share * share * part[k] * part[k];
    }
    ck_assert_int_eq(curvature_gauss_newton(p, part, &err), ERR_OK);
    for (int c = 0; c < n * n; c++) {
        newton[c] += share * part[c];
    }
    free(part);
}

static void check_sums(struct posed *f, const char *what)
{
    struct err err = ERR_INIT;
    int n = posed_n_params(f);
    double *fisher = calloc((size_t)n, sizeof *fisher);
    double *newton = calloc((size_t)(n * n), sizeof *newton);
    double *found = calloc((size_t)(n * n), sizeof *found);
    double error = 0.0;
    double scale = 0.0;
    f->objective.kind = f->objective.kind == OBJECTIVE_MSE ? OBJECTIVE_MSE : OBJECTIVE_NLL;
    for (int row = 0; row < f->problem.rows.n; row++) {
        add_row(f, row, fisher, newton);
    }
    ck_assert_int_eq(curvature_gauss_newton(&f->problem, found, &err), ERR_OK);
    for (int c = 0; c < n * n; c++) {
        error = fmax(error, fabs(found[c] - newton[c]));
        scale = fmax(scale, fabs(newton[c]));
    }
    ck_assert_msg(error <= 1e-11 * scale, "%s: Gauss-Newton error %g", what, error / scale);
    ck_assert_int_eq(curvature_fisher_diagonal(&f->problem, found, &err), ERR_OK);
    error = scale = 0.0;
    for (int k = 0; k < n; k++) {
        error = fmax(error, fabs(found[k] - fisher[k]));
        scale = fmax(scale, fabs(fisher[k]));
    }
    ck_assert_msg(error <= 1e-11 * scale, "%s: Fisher error %g", what, error / scale);
    free(fisher);
    free(newton);
    free(found);
}

START_TEST(gauss_newton_and_fisher_are_sums_over_rows)
{
    for_each_problem(check_sums);
}
END_TEST

/* The expected second derivatives of what is there: without holes, and with the same values where
 * an output is missing, the matrices differ. */
START_TEST(a_hole_takes_its_curvature_away)
{
    struct err err = ERR_INIT;
    struct posed f;
    ck_assert(posed_init(&f, &posed_kinds[0], POSED_LEARNED, POSED_ROWS));
    int n = posed_n_params(&f);
    int k = f.net.n_params;
    double *h = calloc((size_t)(n * n), sizeof *h);
    int counts[8];
    punch_holes(&f);
    ck_assert_int_eq(data_count(&f.problem.rows, counts), POSED_ROWS - 1);
    ck_assert_int_lt(counts[0], POSED_ROWS);
    f.objective.kind = OBJECTIVE_NLL;
    ck_assert_int_eq(curvature_gauss_newton(&f.problem, h, &err), ERR_OK);
    for (int j = 0; j < f.problem.rows.o; j++) {
        ck_assert_double_eq(h[(k + j) * n + k + j], 2.0 * counts[j]);
    }
    free(h);
    posed_release(&f);
}
END_TEST

/* ---- rows ---- */

START_TEST(holes_are_found_and_counted)
{
    const double x[3] = {0.0, 0.0, 0.0};
    const double y[6] = {1.0, NAN, NAN, NAN, 3.0, 4.0};
    struct data rows = {.n = 3, .d = 1, .o = 2, .x = x, .y = y};
    int counts[2];
    struct err err = ERR_INIT;
    data_find_holes(&rows);
    ck_assert_double_eq(rows.present, 1.0);
    ck_assert_int_eq(data_count(&rows, counts), 2);
    ck_assert_int_eq(counts[0], 2);
    ck_assert_int_eq(counts[1], 1);
    ck_assert_int_eq(data_check_outputs(y, 3, 2, 0, &err), ERR_OK);
    ck_assert_int_eq(data_check_finite(y, 3, 2, 5, &err), ERR_NONFINITE);
    ck_assert_int_eq(err.row, 5);
    err_clear(&err);
    ck_assert_int_eq(data_check_outputs((const double[]){1.0, INFINITY}, 1, 2, 7, &err),
                     ERR_NONFINITE);
    ck_assert_int_eq(err.row, 7);
    rows.y = (const double[]){1.0, 2.0, 3.0, 4.0, 5.0, 6.0};
    data_find_holes(&rows);
    ck_assert(!data_has_holes(&rows));
    rows.y = (const double[]){NAN, NAN, NAN, NAN, NAN, NAN};
    data_find_holes(&rows);
    ck_assert(data_has_holes(&rows));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("holes");
    TCase *tc = tcase_create("holes");
    gemm_use_one_thread();
    tcase_set_timeout(tc, 240);
    tcase_add_test(tc, values_and_gradients_are_those_of_what_is_there);
    tcase_add_test(tc, hessians_match_central_differences);
    tcase_add_test(tc, gauss_newton_and_fisher_are_sums_over_rows);
    tcase_add_test(tc, a_hole_takes_its_curvature_away);
    tcase_add_test(tc, holes_are_found_and_counted);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
