/* SPDX-License-Identifier: Apache-2.0 */
/* Bayes by Backprop: its loss against QUiNN's, its gradient against differences, its answer against
 * the optimum that is known for a linear network. */
#include "oracle.h"
#include "run.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "math/gemm.h"
#include "solver_toy.h"
#include "solve/solver_vi.h"

/* ---- reference cases ---- */

static double number(const json_t *item, const char *key)
{
    return json_number_value(json_object_get(item, key));
}

static void near(double value, double expected)
{
    ck_assert_double_eq_tol(value, expected, 1e-12 * fabs(expected));
}

static void check_case(const json_t *item)
{
    struct err err = ERR_INIT;
    struct resnet net;
    struct arch arch = oracle_arch(json_object_get(item, "architecture"));
    const json_t *prior_json = json_object_get(item, "prior");
    struct vi_prior prior = {.pi = number(prior_json, "pi"),
                             .sigma1 = number(prior_json, "sigma1"),
                             .sigma2 = number(prior_json, "sigma2")};
    struct vi_loss loss;
    struct vi_parts parts;
    int n_x = 0;
    int k = 0;
    double *mu = oracle_numbers(json_object_get(item, "mu"), &k);
    double *rho = oracle_numbers(json_object_get(item, "log_sigma"), NULL);
    double *epsilon = oracle_numbers(json_object_get(item, "epsilon"), NULL);
    double *x = oracle_numbers(json_object_get(item, "x"), &n_x);
    double *y = oracle_numbers(json_object_get(item, "y"), NULL);
    double *by_mu = oracle_numbers(json_object_get(item, "gradient_mu"), NULL);
    double *by_rho = oracle_numbers(json_object_get(item, "gradient_log_sigma"), NULL);
    int n = n_x / arch.inputs;
    struct objective objective = {.kind = OBJECTIVE_NLL,
                                  .noise_sigma = number(item, "noise_sigma"),
                                  .n_total = n * (int)number(item, "batches")};
    struct data rows = {.n = n, .d = arch.inputs, .o = arch.outputs, .x = x, .y = y};
    ck_assert_int_eq(resnet_init(&net, &arch, &err), ERR_OK);
    ck_assert_int_eq(net.n_params, k);
    ck_assert_int_eq(vi_loss_init(&loss, &objective, &net, &prior, 1, &err), ERR_OK);
    ck_assert_int_eq(vi_n_params(&loss), 2 * k);
    double *params = mem_alloc_array(2 * (size_t)k, sizeof *params);
    double *grad = mem_zalloc_array(2 * (size_t)k, sizeof *grad);
    memcpy(params, mu, (size_t)k * sizeof *params);
    memcpy(params + k, rho, (size_t)k * sizeof *params);
    memcpy(loss.epsilon, epsilon, (size_t)k * sizeof *epsilon);
    near(vi_loss_eval(&loss, &rows, params, grad, &parts), number(item, "loss"));
    near(parts.log_prior, number(item, "log_prior"));
    near(parts.log_q, number(item, "log_q"));
    near(parts.nll, number(item, "neg_log_likelihood"));
    ck_assert_double_le(oracle_error(grad, by_mu, k), 1e-12);
    ck_assert_double_le(oracle_error(grad + k, by_rho, k), 1e-12);
    mem_free(params);
    mem_free(grad);
    vi_loss_release(&loss);
    resnet_release(&net);
    free(mu);
    free(rho);
    free(epsilon);
    free(x);
    free(y);
    free(by_mu);
    free(by_rho);
}

START_TEST(the_loss_agrees_with_quinn)
{
    json_t *document = oracle_load("vi.json");
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(document, "cases"), i, item)
    {
        check_case(item);
    }
    json_decref(document);
}
END_TEST

/* ---- gradients ---- */

static void check_gradient(enum noise_kind noise, double pi)
{
    struct solver_toy toy;
    struct err err = ERR_INIT;
    struct arch arch = solver_toy_arch(noise);
    struct vi_prior prior = {.pi = pi, .sigma1 = 1.0, .sigma2 = 0.1};
    struct vi_loss vi;
    struct rng rng;
    solver_toy_init(&toy, SOLVER_VI, noise, &arch);
    struct objective objective = {.kind = OBJECTIVE_NLL,
                                  .noise = noise,
                                  .noise_sigmas = toy.problem.beliefs.noise_sigmas,
                                  .n_total = 40};
    ck_assert_int_eq(vi_loss_init(&vi, &objective, &toy.net, &prior, 3, &err), ERR_OK);
    struct loss loss = vi_loss_as_loss(&vi);
    size_t n = (size_t)loss.n_params;
    double *params = mem_alloc_array(n, sizeof *params);
    rng_init(&rng, 5, RNG_TEST, 0);
    for (size_t k = 0; k < n; k++) {
        params[k] = 0.4 * rng_normal(&rng) - (k >= (size_t)toy.net.n_params ? 1.5 : 0.0);
    }
    solver_toy_check_gradient(&loss, &toy.problem.train, params);
    mem_free(params);
    vi_loss_release(&vi);
    solver_toy_release(&toy);
}

START_TEST(gradients_match_central_differences)
{
    for (int noise = NOISE_GIVEN; noise <= NOISE_PREDICTED; noise++) {
        check_gradient((enum noise_kind)noise, 0.0);
        check_gradient((enum noise_kind)noise, 0.3);
        check_gradient((enum noise_kind)noise, 1.0);
    }
}
END_TEST

/* ---- the optimum ---- */

/* Gradient of the exact negative log posterior at a member's mean, [K]; 0 at the exact mean. */
static void slope_at_mean(const struct solver_toy *toy, const struct gauss *g, double *grad)
{
    struct err err = ERR_INIT;
    struct objective_loss loss;
    struct objective objective = {.kind = OBJECTIVE_NLP,
                                  .noise = NOISE_GIVEN,
                                  .noise_sigmas = toy->sigmas,
                                  .prior_sigma = 1.0,
                                  .n_total = toy->problem.train.n};
    ck_assert_int_eq(objective_loss_init(&loss, &objective, &toy->net, &err), ERR_OK);
    objective_loss_eval(&loss, &toy->problem.train, g->mean, grad);
    objective_loss_release(&loss);
}

/*
 * y_j = x_j + W_j x + b_j with noise s_j and prior N(0, 1): the posterior is Gaussian with
 * precision A' A / s_j^2 + I, and the best independent Gaussian has its mean, and as variances the
 * inverses of the precision's diagonal.
 */
START_TEST(a_linear_network_gets_the_best_independent_gaussian)
{
    struct solver_toy toy;
    struct err err = ERR_INIT;
    struct solver_result result;
    struct arch arch = solver_toy_linear_arch();
    solver_toy_init(&toy, SOLVER_VI, NOISE_GIVEN, &arch);
    toy.problem.validation.n = 0;
    toy.problem.train.n = TOY_ROWS;
    toy.settings.members = 4;
    toy.settings.epochs = 3000;
    toy.settings.batch_size = 0;
    toy.settings.vi_samples = 8;
    toy.settings.prior_pi = 1.0;
    toy.settings.log_sigma_start = -2.0;
    toy.settings.optim.learning_rate = 0.02;
    ck_assert_int_eq(solver_toy_run(&toy, &result, &err), ERR_OK);
    double grad[8];
    ck_assert_int_le(toy.net.n_params, 8);
    slope_at_mean(&toy, &result.gaussian.members[0], grad);
    for (int j = 0; j < TOY_OUT; j++) {
        double weight = 1.0 / (toy.sigmas[j] * toy.sigmas[j]);
        for (int c = 0; c <= TOY_INPUTS; c++) {
            double precision = 1.0;
            int place = c < TOY_INPUTS ? toy.net.off.ww + j * TOY_INPUTS + c : toy.net.off.bb + j;
            for (int i = 0; i < TOY_ROWS; i++) {
                double a = c < TOY_INPUTS ? toy.x[i * TOY_INPUTS + c] : 1.0;
                precision += weight * a * a;
            }
            double mean = 0.0;
            for (int m = 0; m < 4; m++) {
                mean += result.gaussian.members[m].std[place] / 4.0;
            }
            ck_assert_double_eq_tol(mean * sqrt(precision), 1.0, 0.05);
            /* In units of the posterior's width. */
            ck_assert_double_le(fabs(grad[place]) / sqrt(precision), 0.1);
        }
    }
    solver_result_release(&result);
    solver_toy_release(&toy);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("solver_vi");
    TCase *tc = tcase_create("solver_vi");
    gemm_use_one_thread();
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, the_loss_agrees_with_quinn);
    tcase_add_test(tc, gradients_match_central_differences);
    tcase_add_test(tc, a_linear_network_gets_the_best_independent_gaussian);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
