/* SPDX-License-Identifier: Apache-2.0 */
/* Laplace's approximation against linear models. */
#include "gaussian_problem.h"
#include "run.h"

#include "math/laplace.h"

/* ---- laplace ---- */

static void converge(struct problem *p)
{
    p->settings.optim.kind = OPTIM_LBFGS;
    p->settings.epochs = 400;
    p->uq.validation.n = 0;
}

/* Takes values of the outputs away; output 1 misses more. */
static void punch_holes(struct problem *p)
{
    for (int i = 0; i < N; i++) {
        if (i % 4 == 1) {
            p->y[2 * i] = NAN;
        } else if (i % 5 < 2) {
            p->y[2 * i + 1] = NAN;
        }
    }
    data_find_holes(&p->uq.train);
}

/* y = W x + b with given noise: each output's parameters have the ridge regression's posterior,
 * over the rows that have the output. */
static void compare_laplace(int hessian, double scale, bool holes)
{
    struct err err = ERR_INIT;
    struct problem p;
    struct solver_result result;
    struct arch arch = linear(2);
    double evidence = 0.0;
    problem_init(&p, &arch, SOLVER_LAPLACE);
    give_noise(&p);
    converge(&p);
    if (holes) {
        punch_holes(&p);
    }
    p.settings.hessian = hessian;
    p.settings.covariance_scale = scale;
    ck_assert_int_eq(p.net.n_params, 6); /* W [2 x 2], b [2] */
    ck_assert_int_eq(solver_run(SOLVER_LAPLACE, &p.uq, &p.settings, &result, &err), ERR_OK);
    const struct gauss *g = &result.gaussian.members[0];
    for (int j = 0; j < 2; j++) {
        double a[9];
        double b[3] = {0.0};
        double x[3 * N];
        double y[N];
        double prior[3];
        double beta = 1.0 / (p.sigmas[j] * p.sigmas[j]);
        const int at[3] = {2 * j, 2 * j + 1, 4 + j};
        int n = 0;
        for (int i = 0; i < N; i++) {
            x[3 * n] = p.x[2 * i];
            x[3 * n + 1] = p.x[2 * i + 1];
            x[3 * n + 2] = 1.0;
            y[n] = p.y[2 * i + j];
            n += !isnan(y[n]);
        }
        ck_assert_int_eq(n < N, holes);
        for (int s = 0; s < 3; s++) {
            prior[s] = p.prior[at[s]];
            for (int t = 0; t < 3; t++) {
                a[3 * s + t] = s == t ? 1.0 / (prior[s] * prior[s]) : 0.0;
                for (int i = 0; i < n; i++) {
                    a[3 * s + t] += beta * x[3 * i + s] * x[3 * i + t];
                }
            }
            for (int i = 0; i < n; i++) {
                b[s] += beta * x[3 * i + s] * y[i];
            }
        }
        invert(3, a);
        for (int s = 0; s < 3; s++) {
            double mean = a[3 * s] * b[0] + a[3 * s + 1] * b[1] + a[3 * s + 2] * b[2];
            ck_assert_double_eq_tol(g->mean[at[s]], mean, 1e-6);
            for (int t = 0; t < 3; t++) {
                ck_assert_double_eq_tol(covariance(g, at[s], at[t]), a[3 * s + t] / scale,
                                        1e-10 * fabs(a[0]));
            }
            ck_assert_double_eq_tol(covariance(g, at[s], (at[s] + 1 + j) % 2 + 2 * (1 - j)), 0.0,
                                    1e-10 * fabs(a[0]));
        }
        evidence += log_marginal((struct design){n, 3, x}, y, p.sigmas[j], prior);
    }
    ck_assert_double_eq_tol(*reported(&result, "laplace.log_evidence", 1), evidence,
                            1e-8 * fabs(evidence));
    ck_assert_double_eq(result.noise_sigma[1], p.sigmas[1]);
    ck_assert_int_eq(result.report.n_warnings, 0);
    ck_assert(result.gaussian.linearised);
    solver_result_release(&result);
    resnet_release(&p.net);
}

START_TEST(laplace_is_exact_for_a_linear_model)
{
    compare_laplace(LAPLACE_GAUSS_NEWTON, 1.0, false);
    compare_laplace(LAPLACE_FULL, 1.0, false);
    compare_laplace(LAPLACE_GAUSS_NEWTON, 3.0, false);
    compare_laplace(LAPLACE_FULL, 0.25, false);
}
END_TEST

START_TEST(laplace_is_exact_where_rows_miss_outputs)
{
    compare_laplace(LAPLACE_GAUSS_NEWTON, 1.0, true);
    compare_laplace(LAPLACE_FULL, 1.0, true);
}
END_TEST

/* y = w x + b: the evidence by a sum over a grid of w and b. */
START_TEST(the_evidence_of_laplace_is_the_integral)
{
    struct err err = ERR_INIT;
    struct problem p;
    struct solver_result result;
    struct arch arch = linear(1);
    problem_init(&p, &arch, SOLVER_LAPLACE);
    give_noise(&p);
    converge(&p);
    p.uq.train.n = 8;
    ck_assert_int_eq(solver_run(SOLVER_LAPLACE, &p.uq, &p.settings, &result, &err), ERR_OK);
    const struct gauss *g = &result.gaussian.members[0];
    double wide[2] = {sqrt(covariance(g, 0, 0)), sqrt(covariance(g, 1, 1))};
    double max = -INFINITY;
    double sum = 0.0;
    const double log_two_pi = log(2.0 * acos(-1.0));
    for (int pass = 0; pass < 2; pass++) {
        for (int i = -80; i <= 80; i++) {
            for (int j = -80; j <= 80; j++) {
                double w = g->mean[0] + 0.1 * i * wide[0];
                double b = g->mean[1] + 0.1 * j * wide[1];
                double value = -5.0 * log_two_pi - 8.0 * log(p.sigmas[0]) - log(p.prior[0]) -
                               log(p.prior[1]) - 0.5 * w * w / (p.prior[0] * p.prior[0]) -
                               0.5 * b * b / (p.prior[1] * p.prior[1]);
                for (int k = 0; k < 8; k++) {
                    double residual = (p.y[k] - w * p.x[k] - b) / p.sigmas[0];
                    value -= 0.5 * residual * residual;
                }
                max = pass == 0 ? fmax(max, value) : max;
                sum += pass == 0 ? 0.0 : exp(value - max);
            }
        }
    }
    double integral = max + log(sum * 0.01 * wide[0] * wide[1]);
    ck_assert_double_eq_tol(*reported(&result, "laplace.log_evidence", 1), integral, 1e-8);
    solver_result_release(&result);
    resnet_release(&p.net);
}
END_TEST

START_TEST(laplace_of_the_diagonal_is_the_empirical_fisher)
{
    struct err err = ERR_INIT;
    struct problem p;
    struct solver_result result;
    struct arch arch = linear(1);
    problem_init(&p, &arch, SOLVER_LAPLACE);
    give_noise(&p);
    p.settings.epochs = 3;
    p.settings.hessian = LAPLACE_DIAGONAL;
    ck_assert_int_eq(solver_run(SOLVER_LAPLACE, &p.uq, &p.settings, &result, &err), ERR_OK);
    const struct gauss *g = &result.gaussian.members[0];
    ck_assert_ptr_null(g->factor);
    for (int k = 0; k < 2; k++) {
        double precision = 1.0 / (p.prior[k] * p.prior[k]);
        for (int i = 0; i < N; i++) {
            double residual = g->mean[0] * p.x[i] + g->mean[1] - p.y[i];
            double grad = residual * (k == 0 ? p.x[i] : 1.0) / (p.sigmas[0] * p.sigmas[0]);
            precision += grad * grad;
        }
        ck_assert_double_eq_tol(g->std[k], 1.0 / sqrt(precision), 1e-12 / sqrt(precision));
    }
    solver_result_release(&result);
    resnet_release(&p.net);
}
END_TEST

START_TEST(laplace_learns_the_noise)
{
    struct err err = ERR_INIT;
    struct problem p;
    struct solver_result result;
    struct arch arch = two_by_two();
    problem_init(&p, &arch, SOLVER_LAPLACE);
    p.settings.members = 2;
    p.settings.optim.kind = OPTIM_LBFGS;
    p.settings.epochs = 200;
    ck_assert_int_eq(solver_run(SOLVER_LAPLACE, &p.uq, &p.settings, &result, &err), ERR_OK);
    /* Standard error of a standard deviation from 60 rows: 9 %; the learned one has fewer. */
    ck_assert_double_eq_tol(result.noise_sigma[0], 0.1, 0.05);
    ck_assert_double_eq_tol(result.noise_sigma[1], 0.05, 0.025);
    ck_assert_int_eq(result.m, 200);
    ck_assert(isfinite(reported(&result, "laplace.log_evidence", 2)[1]));
    solver_result_release(&result);
    resnet_release(&p.net);
}
END_TEST

/* On a linear model the chosen prior and noise have no better neighbours, by the exact evidence. */
START_TEST(marginal_likelihood_chooses_the_best_prior_and_noise)
{
    struct err err = ERR_INIT;
    struct problem p;
    struct solver_result result;
    struct arch arch = linear(1);
    double x[2 * N];
    problem_init(&p, &arch, SOLVER_LAPLACE);
    converge(&p);
    p.settings.marginal_likelihood = true;
    ck_assert_int_eq(solver_run(SOLVER_LAPLACE, &p.uq, &p.settings, &result, &err), ERR_OK);
    double factor = *reported(&result, "laplace.prior_precision_factor", 1);
    double noise = result.noise_sigma[0];
    double best = *reported(&result, "laplace.log_evidence", 1);
    for (int i = 0; i < N; i++) {
        x[2 * i] = p.x[i];
        x[2 * i + 1] = 1.0;
    }
    for (int s = -1; s <= 1; s++) {
        for (int t = -1; t <= 1; t++) {
            double by = sqrt(factor * (1.0 + 0.02 * s));
            double prior[2] = {p.prior[0] / by, p.prior[1] / by};
            double value =
                log_marginal((struct design){N, 2, x}, p.y, noise * (1.0 + 0.02 * t), prior);
            if (s == 0 && t == 0) {
                ck_assert_double_eq_tol(value, best, 1e-6);
            } else {
                ck_assert_double_lt(value, best);
            }
        }
    }
    ck_assert_double_gt(fabs(factor - 1.0), 0.05);
    solver_result_release(&result);
    resnet_release(&p.net);
}
END_TEST

START_TEST(laplace_needs_a_prior_where_rows_are_few)
{
    struct problem p;
    struct solver_result result;
    struct arch arch = two_by_two();
    for (int hessian = LAPLACE_GAUSS_NEWTON; hessian <= LAPLACE_FULL; hessian++) {
        struct err err = ERR_INIT;
        problem_init(&p, &arch, SOLVER_LAPLACE);
        p.settings.hessian = hessian;
        p.settings.epochs = 5;
        p.uq.beliefs.flat = true;
        p.uq.train.n = 4;
        ck_assert_int_eq(solver_run(SOLVER_LAPLACE, &p.uq, &p.settings, &result, &err),
                         ERR_NUMERIC);
        ck_assert_ptr_nonnull(strstr(err.msg, "prior"));
        resnet_release(&p.net);
    }
    struct err err = ERR_INIT;
    problem_init(&p, &arch, SOLVER_LAPLACE);
    p.settings.marginal_likelihood = true;
    p.uq.beliefs.flat = true;
    ck_assert_int_eq(solver_run(SOLVER_LAPLACE, &p.uq, &p.settings, &result, &err), ERR_INVALID);
    resnet_release(&p.net);
}
END_TEST

START_TEST(laplace_without_a_prior_is_least_squares)
{
    struct err err = ERR_INIT;
    struct problem p;
    struct solver_result result;
    struct arch arch = linear(1);
    problem_init(&p, &arch, SOLVER_LAPLACE);
    give_noise(&p);
    converge(&p);
    p.uq.beliefs.flat = true;
    p.settings.hessian = LAPLACE_FULL;
    ck_assert_int_eq(solver_run(SOLVER_LAPLACE, &p.uq, &p.settings, &result, &err), ERR_OK);
    double a[4] = {0.0, 0.0, 0.0, N};
    for (int i = 0; i < N; i++) {
        a[0] += p.x[i] * p.x[i];
        a[1] += p.x[i];
        a[2] += p.x[i];
    }
    invert(2, a);
    for (int k = 0; k < 4; k++) {
        ck_assert_double_eq_tol(covariance(&result.gaussian.members[0], k / 2, k % 2), 0.01 * a[k],
                                1e-12);
    }
    ck_assert(isnan(*reported(&result, "laplace.log_evidence", 1)));
    solver_result_release(&result);
    resnet_release(&p.net);
}
END_TEST

/* Eigenvalues -3, 0.5 and 8 in the coordinates of the prior: the first two become 1. */
START_TEST(eigenvalues_below_the_priors_are_raised_to_it)
{
    struct err err = ERR_INIT;
    const double prior[3] = {0.5, 2.0, 1.0};
    const double e[3] = {-3.0, 0.5, 8.0};
    const double raised[3] = {1.0, 1.0, 8.0};
    /* Orthonormal rows. */
    const double u[9] = {2.0 / 3.0, 2.0 / 3.0, 1.0 / 3.0,  -2.0 / 3.0, 1.0 / 3.0,
                         2.0 / 3.0, 1.0 / 3.0, -2.0 / 3.0, 2.0 / 3.0};
    const struct laplace_eigen how = {.scale = 2.0, .prior = prior};
    double h[9];
    double logdet;
    int n_raised;
    for (int i = 0; i < 9; i++) {
        h[i] = 0.0;
        for (int k = 0; k < 3; k++) {
            h[i] += u[3 * k + i / 3] * e[k] * u[3 * k + i % 3] / (prior[i / 3] * prior[i % 3]);
        }
    }
    ck_assert_int_eq(laplace_eigen(3, &how, h, &logdet, &n_raised, &err), ERR_OK);
    ck_assert_int_eq(n_raised, 2);
    ck_assert_double_eq_tol(logdet, log(8.0), 1e-12); /* the prior's product is 1 */
    for (int i = 0; i < 9; i++) {
        double exact = 0.0;
        double found = 0.0;
        for (int k = 0; k < 3; k++) {
            exact += u[3 * k + i / 3] / raised[k] * u[3 * k + i % 3] * prior[i / 3] * prior[i % 3];
            found += h[3 * (i / 3) + k] * h[3 * (i % 3) + k];
        }
        ck_assert_double_eq_tol(found, 0.5 * exact, 1e-13);
    }
    ck_assert_int_eq(laplace_diagonal(1, 1.0, &(double){0.0}, h, &logdet, &err), ERR_NUMERIC);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("laplace");
    TCase *tc = tcase_create("laplace");
    gemm_use_one_thread();
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, laplace_is_exact_for_a_linear_model);
    tcase_add_test(tc, laplace_is_exact_where_rows_miss_outputs);
    tcase_add_test(tc, the_evidence_of_laplace_is_the_integral);
    tcase_add_test(tc, laplace_of_the_diagonal_is_the_empirical_fisher);
    tcase_add_test(tc, laplace_learns_the_noise);
    tcase_add_test(tc, marginal_likelihood_chooses_the_best_prior_and_noise);
    tcase_add_test(tc, laplace_needs_a_prior_where_rows_are_few);
    tcase_add_test(tc, laplace_without_a_prior_is_least_squares);
    tcase_add_test(tc, eigenvalues_below_the_priors_are_raised_to_it);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
