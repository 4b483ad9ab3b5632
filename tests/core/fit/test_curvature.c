/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Second derivatives, for networks of every kind and every objective, against reference cases
 * (PyTorch), central differences of gradients and sums over single rows.
 */
#include "memory_checkpoint.h"
#include "oracle.h"
#include "posed.h"
#include "run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "fit/loss.h"
#include "math/gemm.h"

/* Like oracle_error, without a check of each number. */
static double matrix_error(const double *a, const double *b, int n)
{
    double error = 0.0;
    double scale = 0.0;
    for (int k = 0; k < n; k++) {
        double delta = fabs(a[k] - b[k]);
        error = delta <= error ? error : (isnan(delta) ? INFINITY : delta);
        scale = fmax(scale, fabs(b[k]));
    }
    return error / scale;
}

/* ---- Hessians ---- */

START_TEST(second_derivatives_agree_with_pytorch)
{
    json_t *document = oracle_load("derivatives.json");
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(document, "cases"), i, item)
    {
        struct err err = ERR_INIT;
        struct resnet net;
        struct arch arch = oracle_arch(json_object_get(item, "architecture"));
        double *params = oracle_numbers(json_object_get(item, "parameters"), NULL);
        int n_x = 0;
        double *x = oracle_numbers(json_object_get(item, "x"), &n_x);
        double *y = oracle_numbers(json_object_get(item, "y"), NULL);
        double *anchor = oracle_numbers(json_object_get(item, "prior_anchor"), NULL);
        const json_t *posterior = json_object_get(item, "neg_log_posterior");
        int cells = 0;
        double *hessian = oracle_numbers(json_object_get(posterior, "hessian"), &cells);
        double *newton = oracle_numbers(json_object_get(item, "gauss_newton_likelihood"), NULL);
        double *found = calloc((size_t)cells, sizeof *found);
        ck_assert_int_eq(resnet_init(&net, &arch, &err), ERR_OK);
        ck_assert_int_eq(cells, net.n_params * net.n_params);
        struct objective objective = {
            .kind = OBJECTIVE_NLP,
            .noise_sigma = json_number_value(json_object_get(item, "noise_sigma")),
            .prior_sigma = json_number_value(json_object_get(item, "prior_sigma")),
            .anchor = anchor,
            .n_total = n_x / arch.inputs,
        };
        struct curvature_problem problem = {
            .objective = &objective,
            .net = &net,
            .rows = {.n = n_x / arch.inputs, .d = arch.inputs, .o = net.n_out, .x = x, .y = y},
            .params = params,
            .n_threads = 2,
        };
        ck_assert_int_eq(curvature_hessian(&problem, found, &err), ERR_OK);
        double error = oracle_error(found, hessian, cells);
        ck_assert_msg(error <= 1e-9, "case %zu, Hessian: error %g", i, error);
        objective.kind = OBJECTIVE_NLL;
        ck_assert_int_eq(curvature_gauss_newton(&problem, found, &err), ERR_OK);
        double second = oracle_error(found, newton, cells);
        ck_assert_msg(second <= 1e-9, "case %zu, Gauss-Newton: error %g", i, second);
        printf("case %zu: errors %.1e and %.1e\n", i, error, second);
        resnet_release(&net);
        free(params);
        free(x);
        free(y);
        free(anchor);
        free(hessian);
        free(newton);
        free(found);
    }
    json_decref(document);
}
END_TEST

/* The gradient of the objective with parameter k moved by t. */
static void moved_gradient(struct posed *f, struct objective_loss *loss, int k, double t,
                           double *grad)
{
    double keep = f->params[k];
    f->params[k] = keep + t;
    objective_loss_eval(loss, &f->problem.rows, f->params, grad);
    f->params[k] = keep;
}

static void check_hessian(struct posed *f, const char *kind, const char *objective)
{
    struct err err = ERR_INIT;
    const double step = 1e-5;
    int n = posed_n_params(f);
    double *h = calloc((size_t)(n * n), sizeof *h);
    double *up = calloc(2 * (size_t)n, sizeof *up);
    double *down = up + n;
    struct objective_loss loss;
    double scale = 0.0;
    ck_assert_int_eq(objective_loss_init(&loss, &f->objective, &f->net, &err), ERR_OK);
    ck_assert_msg(curvature_hessian(&f->problem, h, &err) == ERR_OK, "%s", err_msg(&err));
    for (int c = 0; c < n * n; c++) {
        scale = fmax(scale, fabs(h[c]));
    }
    for (int k = 0; k < n; k++) {
        moved_gradient(f, &loss, k, step, up);
        moved_gradient(f, &loss, k, -step, down);
        /* A check is slower than a comparison, so there is one for each column. */
        double worst = 0.0;
        bool symmetric = true;
        for (int i = 0; i < n; i++) {
            double error = fabs(h[k * n + i] - (up[i] - down[i]) / (2.0 * step));
            worst = error <= worst ? worst : (isnan(error) ? INFINITY : error);
            symmetric = symmetric && memcmp(&h[k * n + i], &h[i * n + k], sizeof *h) == 0;
        }
        ck_assert_msg(worst <= 1e-7 * scale, "%s, %s: column %d of %d: error %g", kind, objective,
                      k, n, worst);
        ck_assert(symmetric);
    }
    objective_loss_release(&loss);
    free(h);
    free(up);
}

START_TEST(hessians_match_central_differences_of_gradients)
{
    for (size_t i = 0; i < (size_t)posed_n_kinds; i++) {
        for (int objective = 0; objective < POSED_N_OBJECTIVES; objective++) {
            struct posed f;
            if (posed_init(&f, &posed_kinds[i], (enum posed_objective)objective, POSED_ROWS)) {
                check_hessian(&f, posed_kinds[i].name, posed_objective_names[objective]);
                posed_release(&f);
            }
        }
    }
}
END_TEST

START_TEST(a_predicted_variance_at_its_ceiling_is_constant)
{
    struct posed f;
    ck_assert(posed_init(&f, &posed_kinds[0], POSED_PREDICTED, POSED_ROWS));
    f.params[f.net.off.bias_post + 1] = OBJECTIVE_MAX_LOG + 9.0;
    check_hessian(&f, posed_kinds[0].name, "ceiling");
    posed_release(&f);
}
END_TEST

/* ---- Gauss-Newton and Fisher ---- */

/* The prior's second derivative by parameter k. */
static double prior_of(const struct posed *f, int k)
{
    const struct objective *obj = &f->objective;
    double sigma =
        obj->prior_sigmas != NULL && k < f->net.n_params ? obj->prior_sigmas[k] : obj->prior_sigma;
    sigma = k < f->net.n_params ? sigma : OBJECTIVE_LOG_S_SD;
    return obj->kind == OBJECTIVE_NLP && sigma > 0.0
               ? (double)f->problem.rows.n / obj->n_total / (sigma * sigma)
               : 0.0;
}

/* The expectation over y of the second derivative by output a, at a row. */
static double output_weight(const struct posed *f, const double *row, int a)
{
    const struct objective *obj = &f->objective;
    int half = f->net.n_out / 2;
    if (obj->kind == OBJECTIVE_MSE) {
        return 2.0 / (f->problem.rows.n * f->net.n_out);
    }
    if (obj->noise == NOISE_LEARNED) {
        return exp(-2.0 * f->params[f->net.n_params + a]);
    }
    if (obj->noise == NOISE_PREDICTED) {
        double e = exp(row[half + a % half]);
        double v = e + OBJECTIVE_VAR_FLOOR;
        return a < half ? 1.0 / v : 0.5 * e * e / (v * v);
    }
    double s = obj->noise_sigmas != NULL ? obj->noise_sigmas[a] : obj->noise_sigma;
    return 1.0 / (s * s);
}

/* By the definition: one row and one output at a time, with gradients by the reverse pass. */
static void newton_by_rows(const struct posed *f, double *h)
{
    int n = posed_n_params(f);
    int o = f->net.n_out;
    double y[8];
    double *grad = calloc((size_t)n, sizeof *grad);
    struct resnet_tape *tape = resnet_tape_new(&f->net, 1);
    resnet_set_params(tape, f->params);
    for (int i = 0; i < f->problem.rows.n; i++) {
        resnet_forward(tape, 1, f->x + i * f->net.arch.inputs, y);
        for (int a = 0; a < o; a++) {
            double dy[8] = {0.0};
            dy[a] = 1.0;
            resnet_backward(tape, dy, grad, NULL);
            double weight = output_weight(f, y, a);
            for (int p = 0; p < f->net.n_params; p++) {
                for (int q = 0; q < f->net.n_params; q++) {
                    h[p * n + q] += weight * grad[p] * grad[q];
                }
            }
        }
    }
    for (int k = 0; k < n; k++) {
        h[k * n + k] += prior_of(f, k) + (k < f->net.n_params ? 0.0 : 2.0 * f->problem.rows.n);
    }
    resnet_tape_free(tape);
    free(grad);
}

START_TEST(gauss_newton_is_its_sum_over_rows)
{
    for (size_t i = 0; i < (size_t)posed_n_kinds; i++) {
        for (int objective = 0; objective < POSED_N_OBJECTIVES; objective++) {
            struct posed f;
            struct err err = ERR_INIT;
            if (!posed_init(&f, &posed_kinds[i], (enum posed_objective)objective, POSED_ROWS)) {
                continue;
            }
            int n = posed_n_params(&f);
            double *found = calloc(2 * (size_t)(n * n), sizeof *found);
            double *expected = found + n * n;
            ck_assert_int_eq(curvature_gauss_newton(&f.problem, found, &err), ERR_OK);
            newton_by_rows(&f, expected);
            double error = matrix_error(found, expected, n * n);
            ck_assert_msg(error <= 1e-12, "%s, %s: error %g", posed_kinds[i].name,
                          posed_objective_names[objective], error);
            free(found);
            posed_release(&f);
        }
    }
}
END_TEST

START_TEST(the_fisher_diagonal_is_its_sum_over_rows)
{
    for (size_t i = 0; i < (size_t)posed_n_kinds; i++) {
        for (int objective = 0; objective < POSED_N_OBJECTIVES; objective++) {
            struct posed f;
            struct err err = ERR_INIT;
            if (!posed_init(&f, &posed_kinds[i], (enum posed_objective)objective, POSED_ROWS)) {
                continue;
            }
            size_t n = (size_t)posed_n_params(&f);
            double *found = calloc(3 * n, sizeof *found);
            double *expected = found + n;
            double *grad = expected + n;
            struct objective_loss loss;
            struct objective alone = f.objective;
            /* The row's own part: without the prior, and for mse its share of the mean. */
            alone.kind = alone.kind == OBJECTIVE_NLP ? OBJECTIVE_NLL : alone.kind;
            double share = alone.kind == OBJECTIVE_MSE ? 1.0 / POSED_ROWS : 1.0;
            ck_assert_int_eq(objective_loss_init(&loss, &alone, &f.net, &err), ERR_OK);
            ck_assert_int_eq(curvature_fisher_diagonal(&f.problem, found, &err), ERR_OK);
            for (int row = 0; row < POSED_ROWS; row++) {
                const struct data one = {.n = 1,
                                         .d = f.problem.rows.d,
                                         .o = f.problem.rows.o,
                                         .x = f.x + row * f.problem.rows.d,
                                         .y = f.y + row * f.problem.rows.o};
                objective_loss_eval(&loss, &one, f.params, grad);
                for (size_t k = 0; k < n; k++) {
                    expected[k] += share * share * grad[k] * grad[k];
                }
            }
            for (size_t k = 0; k < n; k++) {
                expected[k] += prior_of(&f, (int)k);
            }
            double error = oracle_error(found, expected, (int)n);
            ck_assert_msg(error <= 1e-12, "%s, %s: error %g", posed_kinds[i].name,
                          posed_objective_names[objective], error);
            objective_loss_release(&loss);
            free(found);
            posed_release(&f);
        }
    }
}
END_TEST

/* ---- all three ---- */

typedef enum err_code curvature_fn(const struct curvature_problem *problem, double *out,
                                   struct err *err);

static curvature_fn *const functions[] = {curvature_hessian, curvature_gauss_newton,
                                          curvature_fisher_diagonal};
#define N_FUNCTIONS (sizeof functions / sizeof *functions)

/* More rows than a tile, and an odd number of them. */
#define MANY (2 * OBJECTIVE_TILE + 91)

START_TEST(results_do_not_depend_on_the_number_of_threads)
{
    for (size_t i = 0; i < N_FUNCTIONS; i++) {
        for (int objective = POSED_LEARNED; objective < POSED_N_OBJECTIVES; objective++) {
            struct posed f;
            struct err err = ERR_INIT;
            ck_assert(posed_init(&f, &posed_kinds[1], (enum posed_objective)objective, MANY));
            size_t cells = (size_t)posed_n_params(&f) * (size_t)posed_n_params(&f);
            double *one = calloc(2 * cells, sizeof *one);
            double *more = one + cells;
            ck_assert_int_eq(functions[i](&f.problem, one, &err), ERR_OK);
            for (int threads = 2; threads <= 7; threads += 5) {
                f.problem.n_threads = threads;
                ck_assert_int_eq(functions[i](&f.problem, more, &err), ERR_OK);
                ck_assert_int_eq(memcmp(one, more, cells * sizeof *one), 0);
            }
            free(one);
            posed_release(&f);
        }
    }
}
END_TEST

START_TEST(tiles_add_up)
{
    struct posed f;
    struct err err = ERR_INIT;
    ck_assert(posed_init(&f, &posed_kinds[1], POSED_NLP, MANY));
    f.objective.n_total = MANY;
    int n = posed_n_params(&f);
    int cells = n * n;
    double *whole = calloc(3 * (size_t)cells, sizeof *whole);
    double *sum = whole + cells;
    double *part = sum + cells;
    for (size_t i = 0; i < N_FUNCTIONS; i++) {
        memset(sum, 0, (size_t)cells * sizeof *sum);
        f.problem.rows = (struct data){.n = MANY, .d = 3, .o = 2, .x = f.x, .y = f.y};
        ck_assert_int_eq(functions[i](&f.problem, whole, &err), ERR_OK);
        for (int first = 0; first < MANY; first += 100) {
            f.problem.rows = (struct data){.n = MANY - first < 100 ? MANY - first : 100,
                                           .d = 3,
                                           .o = 2,
                                           .x = f.x + 3 * first,
                                           .y = f.y + 2 * first};
            ck_assert_int_eq(functions[i](&f.problem, part, &err), ERR_OK);
            for (int c = 0; c < (i < 2 ? cells : n); c++) {
                sum[c] += part[c];
            }
        }
        ck_assert_double_le(oracle_error(sum, whole, i < 2 ? cells : n), 1e-12);
    }
    free(whole);
    posed_release(&f);
}
END_TEST

/* ---- interruptions ---- */

/* Runs function i over groups of rows, with its checkpoints in `memory`. */
static enum err_code run_kept(size_t i, struct posed *f, struct memory_checkpoint *memory,
                              struct cancel *cancel, double *out, struct err *err)
{
    struct curvature_problem problem = f->problem;
    problem.group_rows = 40;
    problem.checkpoint = memory != NULL ? &memory->checkpoint : NULL;
    problem.cancel = cancel;
    problem.task = 3;
    problem.stage = 2;
    return functions[i](&problem, out, err);
}

/* The run dies after each number of saves, which come at every group or at every other one. */
static void check_interruptions(size_t i, struct posed *f, int every)
{
    size_t cells = (size_t)posed_n_params(f) * (size_t)posed_n_params(f);
    double *whole = calloc(2 * cells, sizeof *whole);
    double *resumed = whole + cells;
    struct err err = ERR_INIT;
    int deaths = 0;
    ck_assert_int_eq(run_kept(i, f, NULL, NULL, whole, &err), ERR_OK);
    for (enum err_code code = ERR_CANCELLED; code != ERR_OK; deaths++) {
        struct memory_checkpoint memory;
        struct cancel cancel = {false};
        struct err first = ERR_INIT;
        memory_checkpoint_init(&memory, every);
        memory.cancel = &cancel;
        memory.die_after = deaths + 1;
        code = run_kept(i, f, &memory, &cancel, resumed, &first);
        ck_assert_int_eq(code, code == ERR_OK ? ERR_OK : ERR_CANCELLED);
        if (code != ERR_OK) {
            /* Rows that are in the sums already must not be read again. */
            memory_checkpoint_revive(&memory);
            atomic_store(&cancel.stop, false);
            memset(resumed, 0, cells * sizeof *resumed);
            ck_assert_int_eq(run_kept(i, f, &memory, &cancel, resumed, &err), ERR_OK);
            ck_assert_int_eq(memory.n_loads, 1);
        }
        ck_assert_int_eq(memcmp(whole, resumed, cells * sizeof *whole), 0);
        memory_checkpoint_release(&memory);
    }
    ck_assert_int_eq(deaths - 1, (MANY + 39) / 40 / every);
    free(whole);
}

START_TEST(sums_that_were_interrupted_end_as_unbroken_ones)
{
    for (size_t i = 0; i < N_FUNCTIONS; i++) {
        for (int every = 2; every <= 5; every += 3) {
            struct posed f;
            ck_assert(posed_init(&f, &posed_kinds[1], every == 2 ? POSED_LEARNED : POSED_PREDICTED,
                                 MANY));
            f.problem.n_threads = every;
            check_interruptions(i, &f, every);
            posed_release(&f);
        }
    }
}
END_TEST

/* Rows that are in the saved sums are not read again, unless the sums are another stage's. */
START_TEST(a_state_is_taken_for_its_own_stage_alone)
{
    for (size_t i = 0; i < N_FUNCTIONS; i++) {
        struct posed f;
        struct err err = ERR_INIT;
        struct memory_checkpoint memory;
        ck_assert(posed_init(&f, &posed_kinds[1], POSED_NLP, MANY));
        size_t cells = (size_t)posed_n_params(&f) * (size_t)posed_n_params(&f);
        double *a = calloc(3 * cells, sizeof *a);
        double *b = a + cells;
        double *c = b + cells;
        memory_checkpoint_init(&memory, 1);
        ck_assert_int_eq(run_kept(i, &f, &memory, NULL, a, &err), ERR_OK);
        f.params[0] += 0.5;
        ck_assert_int_eq(run_kept(i, &f, &memory, NULL, b, &err), ERR_OK);
        ck_assert_int_eq(memcmp(a, b, cells * sizeof *a), 0);
        struct curvature_problem other = f.problem;
        other.group_rows = 40;
        other.checkpoint = &memory.checkpoint;
        other.task = 3;
        other.stage = 1;
        ck_assert_int_eq(functions[i](&other, b, &err), ERR_OK);
        ck_assert_int_eq(run_kept(i, &f, NULL, NULL, c, &err), ERR_OK);
        ck_assert_int_eq(memcmp(b, c, cells * sizeof *b), 0);
        ck_assert_int_ne(memcmp(a, c, cells * sizeof *b), 0);
        memory_checkpoint_release(&memory);
        free(a);
        posed_release(&f);
    }
}
END_TEST

START_TEST(a_damaged_state_is_refused)
{
    for (size_t i = 0; i < N_FUNCTIONS; i++) {
        struct posed f;
        ck_assert(posed_init(&f, &posed_kinds[1], POSED_NLP, MANY));
        size_t cells = (size_t)posed_n_params(&f) * (size_t)posed_n_params(&f);
        double *out = calloc(cells, sizeof *out);
        for (int cut = 0; cut < 3; cut++) {
            struct err err = ERR_INIT;
            struct memory_checkpoint memory;
            long live = mem_live();
            memory_checkpoint_init(&memory, 1);
            ck_assert_int_eq(run_kept(i, &f, &memory, NULL, out, &err), ERR_OK);
            ck_assert_int_eq(memory.n_states, 1);
            memory.states[0].n_bytes = cut == 0 ? 2 : cut == 1 ? 6 : memory.states[0].n_bytes - 8;
            ck_assert_int_eq(run_kept(i, &f, &memory, NULL, out, &err), ERR_CORRUPT);
            memory_checkpoint_release(&memory);
            ck_assert_int_eq(mem_live(), live);
        }
        free(out);
        posed_release(&f);
    }
}
END_TEST

START_TEST(every_failing_allocation_is_an_error)
{
    for (size_t i = 0; i < N_FUNCTIONS; i++) {
        struct posed f;
        ck_assert(posed_init(&f, &posed_kinds[0], POSED_LEARNED, POSED_ROWS));
        double *out = calloc((size_t)(posed_n_params(&f) * posed_n_params(&f)), sizeof *out);
        long live = mem_live();
        long n = 1;
        enum err_code code = ERR_NOMEM;
        for (; code != ERR_OK; n++) {
            struct err err = ERR_INIT;
            struct memory_checkpoint memory;
            memory_checkpoint_init(&memory, 1);
            mem_fail_after(n, false);
            code = run_kept(i, &f, &memory, NULL, out, &err);
            mem_fail_after(0, false);
            ck_assert(code == ERR_OK || code == ERR_NOMEM);
            memory_checkpoint_release(&memory);
            ck_assert_int_eq(mem_live(), live);
        }
        ck_assert_int_gt(n, 4);
        free(out);
        posed_release(&f);
    }
}
END_TEST

START_TEST(cancelled_work_stops_and_what_is_not_finite_is_an_error)
{
    for (size_t i = 0; i < N_FUNCTIONS; i++) {
        struct posed f;
        struct err err = ERR_INIT;
        struct cancel cancel = {false};
        ck_assert(posed_init(&f, &posed_kinds[0], POSED_NLP, POSED_ROWS));
        double *out = calloc((size_t)(posed_n_params(&f) * posed_n_params(&f)), sizeof *out);
        f.problem.cancel = &cancel;
        f.problem.n_threads = 2;
        ck_assert_int_eq(functions[i](&f.problem, out, &err), ERR_OK);
        cancel_request(&cancel);
        ck_assert_int_eq(functions[i](&f.problem, out, &err), ERR_CANCELLED);
        f.problem.cancel = NULL;
        f.params[f.net.off.bias_post] = INFINITY;
        err = (struct err)ERR_INIT;
        ck_assert_int_eq(functions[i](&f.problem, out, &err),
                         i == 1 ? ERR_OK : ERR_NUMERIC); /* J does not depend on that bias */
        f.params[f.net.off.ww] = NAN;
        err = (struct err)ERR_INIT;
        ck_assert_int_eq(functions[i](&f.problem, out, &err), ERR_NUMERIC);
        free(out);
        posed_release(&f);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("curvature");
    TCase *tc = tcase_create("curvature");
    gemm_use_one_thread();
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, results_do_not_depend_on_the_number_of_threads);
    tcase_add_test(tc, sums_that_were_interrupted_end_as_unbroken_ones);
    tcase_add_test(tc, cancelled_work_stops_and_what_is_not_finite_is_an_error);
    suite_add_tcase(suite, tc);
    TCase *rest = tcase_create("curvature of one thread");
    tcase_set_tags(rest, "no_races");
    tcase_set_timeout(rest, 120);
    tcase_add_test(rest, second_derivatives_agree_with_pytorch);
    tcase_add_test(rest, hessians_match_central_differences_of_gradients);
    tcase_add_test(rest, a_predicted_variance_at_its_ceiling_is_constant);
    tcase_add_test(rest, gauss_newton_is_its_sum_over_rows);
    tcase_add_test(rest, the_fisher_diagonal_is_its_sum_over_rows);
    tcase_add_test(rest, tiles_add_up);
    tcase_add_test(rest, a_state_is_taken_for_its_own_stage_alone);
    tcase_add_test(rest, a_damaged_state_is_refused);
    tcase_add_test(rest, every_failing_allocation_is_an_error);
    suite_add_tcase(suite, rest);
    return run_suite(suite);
}
