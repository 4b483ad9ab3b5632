/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network's values against reference cases (QUiNN and PyTorch; plain Python), and its gradients
 * against reference cases and central differences. Errors are relative to the largest reference
 * value.
 */
#include "oracle.h"
#include "plain_forward.h"
#include "run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "fit/loss.h"
#include "network/resnet.h"

#define TOLERANCE 1e-12

static double check_case(const json_t *item)
{
    struct err err = ERR_INIT;
    struct resnet net;
    struct arch arch = oracle_arch(json_object_get(item, "architecture"));
    int n_params = 0;
    int n_x = 0;
    int n_y = 0;
    double *params = oracle_numbers(json_object_get(item, "parameters"), &n_params);
    double *x = oracle_numbers(json_object_get(item, "x"), &n_x);
    double *y = oracle_numbers(json_object_get(item, "y"), &n_y);
    ck_assert_int_eq(resnet_init(&net, &arch, &err), ERR_OK);
    ck_assert_int_eq(net.n_params, n_params);
    int n = n_x / arch.inputs;
    ck_assert_int_eq(n * net.n_out, n_y);

    double *found = calloc((size_t)n_y, sizeof *found);
    plain_forward(&net, params, n, x, found);
    double error = oracle_error(found, y, n_y);

    /* The taped pass has other kernels and gives the same values, except for rounding. */
    struct resnet_tape *tape = resnet_tape_new(&net, n + 3);
    double *again = calloc((size_t)n_y, sizeof *again);
    resnet_set_params(tape, params);
    resnet_forward(tape, n, x, again);
    error = fmax(error, oracle_error(again, y, n_y));
    resnet_tape_free(tape);
    resnet_release(&net);
    free(found);
    free(again);
    free(params);
    free(x);
    free(y);
    return error;
}

static void check_cases(json_t *document)
{
    size_t i;
    json_t *item;
    double worst = 0.0;
    json_array_foreach(json_object_get(document, "cases"), i, item)
    {
        double error = check_case(item);
        ck_assert_msg(error <= TOLERANCE, "case %zu: error %g", i, error);
        worst = fmax(worst, error);
    }
    printf("forward: %zu cases, largest error %.1e\n", i, worst);
    json_decref(document);
}

START_TEST(values_agree_with_plain_python)
{
    check_cases(golden_load("golden.json"));
}
END_TEST

START_TEST(values_agree_with_stored_cases_of_quinn)
{
    check_cases(golden_load("quinn_networks.json"));
}
END_TEST

START_TEST(values_agree_with_quinn)
{
    json_t *document = oracle_load("forward.json");
    if (document != NULL) {
        check_cases(document);
    }
}
END_TEST

/* ---- derivatives given by reference cases ---- */

struct fixture {
    struct resnet net;
    struct resnet_tape *tape;
    double *params, *x, *y, *grad;
    int n;
};

static void fixture_init(struct fixture *f, const json_t *item)
{
    struct err err = ERR_INIT;
    struct arch arch = oracle_arch(json_object_get(item, "architecture"));
    int n_x = 0;
    f->params = oracle_numbers(json_object_get(item, "parameters"), NULL);
    f->x = oracle_numbers(json_object_get(item, "x"), &n_x);
    f->y = oracle_numbers(json_object_get(item, "y"), NULL);
    ck_assert_int_eq(resnet_init(&f->net, &arch, &err), ERR_OK);
    f->n = n_x / arch.inputs;
    f->tape = resnet_tape_new(&f->net, 64);
    f->grad = calloc((size_t)f->net.n_params, sizeof *f->grad);
}

static void fixture_release(struct fixture *f)
{
    resnet_tape_free(f->tape);
    resnet_release(&f->net);
    free(f->params);
    free(f->x);
    free(f->y);
    free(f->grad);
}

static void check_loss(struct fixture *f, const json_t *item, const char *key,
                       const struct objective *objective, int tile)
{
    const json_t *expected = json_object_get(item, key);
    double *gradient = oracle_numbers(json_object_get(expected, "gradient"), NULL);
    double value = json_number_value(json_object_get(expected, "value"));
    struct err err = ERR_INIT;
    struct objective_loss loss;
    const struct data rows = {
        .n = f->n, .d = f->net.arch.inputs, .o = f->net.n_out, .x = f->x, .y = f->y};
    ck_assert_int_eq(objective_loss_init(&loss, objective, &f->net, &err), ERR_OK);
    loss.tile = tile;
    double found = objective_loss_eval(&loss, &rows, f->params, f->grad);
    objective_loss_release(&loss);
    double error = oracle_error(f->grad, gradient, f->net.n_params);
    ck_assert_msg(fabs(found - value) <= TOLERANCE * fabs(value), "%s: %.17g, not %.17g", key,
                  found, value);
    ck_assert_msg(error <= TOLERANCE, "%s gradient, tile %d: error %g", key, tile, error);
    free(gradient);
}

START_TEST(losses_and_gradients_agree_with_pytorch)
{
    json_t *document = oracle_load("derivatives.json");
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(document, "cases"), i, item)
    {
        struct fixture f;
        fixture_init(&f, item);
        double *anchor = oracle_numbers(json_object_get(item, "prior_anchor"), NULL);
        struct objective objective = {
            .noise_sigma = json_number_value(json_object_get(item, "noise_sigma")),
            .prior_sigma = json_number_value(json_object_get(item, "prior_sigma")),
            .anchor = anchor,
            .n_total = f.n,
        };
        for (int tile = 1; tile <= 64; tile += 21) {
            objective.kind = OBJECTIVE_MSE;
            check_loss(&f, item, "mse", &objective, tile);
            objective.kind = OBJECTIVE_NLL;
            check_loss(&f, item, "neg_log_likelihood", &objective, tile);
            objective.kind = OBJECTIVE_NLP;
            check_loss(&f, item, "neg_log_posterior", &objective, tile);
        }
        free(anchor);
        fixture_release(&f);
    }
    json_decref(document);
}
END_TEST

START_TEST(input_jacobians_agree_with_pytorch)
{
    json_t *document = oracle_load("derivatives.json");
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(document, "cases"), i, item)
    {
        struct fixture f;
        int n_jac = 0;
        fixture_init(&f, item);
        double *expected = oracle_numbers(json_object_get(item, "input_jacobian"), &n_jac);
        double *found = calloc((size_t)n_jac, sizeof *found);
        int o = f.net.n_out;
        int d = f.net.arch.inputs;
        double *values = calloc((size_t)(f.n * o), sizeof *values);
        double *scratch = calloc((size_t)(f.n * (o + d)), sizeof *scratch);
        ck_assert_int_eq(n_jac, f.n * o * d);
        resnet_set_params(f.tape, f.params);
        resnet_forward(f.tape, f.n, f.x, values);
        resnet_input_jacobian(f.tape, found, scratch);
        double error = oracle_error(found, expected, n_jac);
        ck_assert_msg(error <= TOLERANCE, "case %zu: error %g", i, error);
        free(expected);
        free(found);
        free(values);
        free(scratch);
        fixture_release(&f);
    }
    json_decref(document);
}
END_TEST

/* ---- central differences over every variant of the golden cases ---- */

/* The sum of c_k y_k over rows and outputs, a scalar whose gradient the backward pass computes. */
static double weighted(struct fixture *f, const double *params, const double *x, const double *c)
{
    double y[64];
    double sum = 0.0;
    resnet_set_params(f->tape, params);
    resnet_forward(f->tape, f->n, x, y);
    for (int k = 0; k < f->n * f->net.n_out; k++) {
        sum += c[k] * y[k];
    }
    return sum;
}

static double difference(struct fixture *f, double *at, const double *c)
{
    const double h = 1e-5;
    double keep = *at;
    *at = keep + h;
    double up = weighted(f, f->params, f->x, c);
    *at = keep - h;
    double down = weighted(f, f->params, f->x, c);
    *at = keep;
    return (up - down) / (2.0 * h);
}

START_TEST(gradients_match_central_differences)
{
    json_t *document = golden_load("golden.json");
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(document, "cases"), i, item)
    {
        struct fixture f;
        struct rng rng;
        double c[64];
        double y[64];
        double dx[64];
        double scale = 0.0;
        fixture_init(&f, item);
        rng_init(&rng, 5, RNG_TEST, (uint32_t)i);
        for (int k = 0; k < f.n * f.net.n_out; k++) {
            c[k] = rng_normal(&rng);
        }
        resnet_set_params(f.tape, f.params);
        resnet_forward(f.tape, f.n, f.x, y);
        resnet_backward(f.tape, c, f.grad, dx);
        for (int k = 0; k < f.net.n_params; k++) {
            scale = fmax(scale, fabs(f.grad[k]));
        }
        for (int k = 0; k < f.net.n_params; k++) {
            double found = difference(&f, &f.params[k], c);
            ck_assert_msg(fabs(found - f.grad[k]) <= 1e-7 * (scale + 1.0),
                          "case %zu, parameter %d: %g, difference %g", i, k, f.grad[k], found);
        }
        for (int k = 0; k < f.n * f.net.arch.inputs; k++) {
            double found = difference(&f, &f.x[k], c);
            ck_assert_msg(fabs(found - dx[k]) <= 1e-7 * (scale + 1.0),
                          "case %zu, input %d: %g, difference %g", i, k, dx[k], found);
        }
        fixture_release(&f);
    }
    json_decref(document);
}
END_TEST

START_TEST(rows_do_not_depend_on_their_neighbours)
{
    struct err err = ERR_INIT;
    struct arch arch = arch_default(3, 2);
    struct resnet net;
    struct rng rng;
    double x[67 * 3];
    double all[67 * 2];
    double one[2];
    arch.width = 9;
    ck_assert_int_eq(resnet_init(&net, &arch, &err), ERR_OK);
    double *params = calloc((size_t)net.n_params, sizeof *params);
    rng_init(&rng, 1, RNG_TEST, 0);
    for (int k = 0; k < net.n_params; k++) {
        params[k] = rng_normal(&rng);
    }
    for (int k = 0; k < 67 * 3; k++) {
        x[k] = rng_normal(&rng);
    }
    plain_forward(&net, params, 67, x, all);
    for (int i = 0; i < 67; i++) {
        plain_forward(&net, params, 1, x + 3 * i, one);
        ck_assert_double_eq_tol(one[0], all[2 * i], 1e-13);
        ck_assert_double_eq_tol(one[1], all[2 * i + 1], 1e-13);
    }
    resnet_release(&net);
    free(params);
}
END_TEST

/* ---- derivatives of each row ---- */

START_TEST(row_gradients_and_jacobians_are_those_of_rows_alone)
{
    json_t *document = golden_load("golden.json");
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(document, "cases"), i, item)
    {
        struct fixture f;
        struct rng rng;
        fixture_init(&f, item);
        size_t k = (size_t)f.net.n_params;
        size_t o = (size_t)f.net.n_out;
        size_t n = (size_t)f.n;
        size_t stride = k + 3;
        double *found = calloc(n * stride, sizeof *found);
        double *jac = calloc(n * o * k, sizeof *jac);
        double *columns = calloc(k * (n + 64), sizeof *columns);
        double *dy = calloc(3 * n * o, sizeof *dy);
        double *y = dy + n * o;
        double *one = y + n * o;
        rng_init(&rng, 6, RNG_TEST, (uint32_t)i);
        for (size_t c = 0; c < n * o; c++) {
            dy[c] = rng_normal(&rng);
        }
        resnet_set_params(f.tape, f.params);
        resnet_forward(f.tape, f.n, f.x, y);
        resnet_row_gradients(f.tape, dy, found, stride);
        resnet_param_jacobian(f.tape, jac, one);
        resnet_column_gradients(f.tape, dy, columns);
        size_t wide = resnet_tape_stride(f.tape);
        ck_assert(wide >= n && wide < n + 64);
        for (size_t row = 0; row < wide; row++) {
            for (size_t c = 0; c < k; c++) {
                f.grad[c] = columns[c * wide + row];
                ck_assert(row < n || f.grad[c] == 0.0);
            }
            ck_assert(row >= n || oracle_error(f.grad, found + row * stride, (int)k) <= TOLERANCE);
        }
        for (size_t row = 0; row < n; row++) {
            resnet_forward(f.tape, 1, f.x + row * (size_t)f.net.arch.inputs, y);
            resnet_backward(f.tape, dy + row * o, f.grad, NULL);
            ck_assert_double_le(oracle_error(found + row * stride, f.grad, (int)k), TOLERANCE);
            for (size_t a = 0; a < o; a++) {
                memset(one, 0, o * sizeof *one);
                one[a] = 1.0;
                resnet_backward(f.tape, one, f.grad, NULL);
                ck_assert_double_le(oracle_error(jac + (row * o + a) * k, f.grad, (int)k),
                                    TOLERANCE);
            }
        }
        free(found);
        free(columns);
        free(jac);
        free(dy);
        fixture_release(&f);
    }
    json_decref(document);
}
END_TEST

START_TEST(a_tape_without_memory_is_none)
{
    struct err err = ERR_INIT;
    struct arch arch = arch_default(3, 2);
    struct resnet net;
    struct resnet_tape *tape = NULL;
    long n = 0;
    arch.width = 4;
    ck_assert_int_eq(resnet_init(&net, &arch, &err), ERR_OK);
    long live = mem_live();
    while (tape == NULL) {
        mem_fail_after(++n, false);
        tape = resnet_tape_new(&net, 5);
        mem_fail_after(0, false);
        ck_assert(tape != NULL || mem_live() == live);
    }
    ck_assert_int_eq(n, 4);
    resnet_tape_free(tape);
    ck_assert_int_eq(mem_live(), live);
    resnet_release(&net);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("resnet");
    TCase *tc = tcase_create("resnet");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, values_agree_with_plain_python);
    tcase_add_test(tc, values_agree_with_stored_cases_of_quinn);
    tcase_add_test(tc, values_agree_with_quinn);
    tcase_add_test(tc, losses_and_gradients_agree_with_pytorch);
    tcase_add_test(tc, input_jacobians_agree_with_pytorch);
    tcase_add_test(tc, gradients_match_central_differences);
    tcase_add_test(tc, rows_do_not_depend_on_their_neighbours);
    tcase_add_test(tc, row_gradients_and_jacobians_are_those_of_rows_alone);
    tcase_add_test(tc, a_tape_without_memory_is_none);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
