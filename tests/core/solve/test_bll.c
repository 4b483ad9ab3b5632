/* SPDX-License-Identifier: Apache-2.0 */
/* The Bayesian last layer, and the evidence that chooses its prior and noise. */
#include "gaussian_problem.h"
#include "plain_forward.h"
#include "run.h"

#include "solve/evidence.h"

/* ---- evidence ---- */

/* A ridge regression by hand in the eigenvectors' coordinates: the Gram matrix is diagonal. */
static void diagonal_model(double *x, double *y, double *eigenvalues, double *c, double *s0,
                           double rho0)
{
    const double scale[3] = {2.0, 1.0, 0.2};
    double residual[6] = {0.05, -0.1, 0.02, 0.3, -0.2, 0.1};
    double w[3] = {1.5, -0.7, 0.4};
    *s0 = 0.0;
    memset(x, 0, 18 * sizeof *x);
    for (int i = 0; i < 6; i++) {
        y[i] = residual[i];
        if (i < 3) {
            x[i * 3 + i] = scale[i];
            y[i] += scale[i] * w[i];
            eigenvalues[i] = scale[i] * scale[i];
            c[i] = scale[i] * y[i];
            *s0 += y[i] * y[i] * rho0 / (eigenvalues[i] + rho0);
        } else {
            *s0 += y[i] * y[i];
        }
    }
}

START_TEST(the_evidence_is_the_marginal_likelihood)
{
    double x[18];
    double y[6];
    double l[3];
    double c[3];
    struct evidence e = {.n_params = 3, .eigenvalues = l, .n_rows = 6, .c = c, .rho0 = 1e-6};
    diagonal_model(x, y, l, c, &e.s0, e.rho0);
    for (double rho = 1e-4; rho < 1e3; rho *= 7.0) {
        for (double beta = 0.1; beta < 1e3; beta *= 9.0) {
            double prior[3];
            prior[0] = prior[1] = prior[2] = 1.0 / sqrt(rho * beta);
            e.precision = beta;
            double exact = log_marginal((struct design){6, 3, x}, y, 1.0 / sqrt(beta), prior);
            ck_assert_double_eq_tol(evidence_at(&e, rho).log_evidence, exact,
                                    1e-10 * fmax(1.0, fabs(exact)));
        }
    }
}
END_TEST

START_TEST(the_best_evidence_has_no_better_neighbour)
{
    double x[18];
    double y[6];
    double l[3];
    double c[3];
    struct evidence e = {
        .n_params = 3, .eigenvalues = l, .n_rows = 6, .c = c, .rho0 = 1e-6, .max_precision = 1e8};
    diagonal_model(x, y, l, c, &e.s0, e.rho0);
    struct evidence_point best = evidence_maximise(&e);
    double rho = best.alpha / best.beta;
    ck_assert(!best.at_bound);
    ck_assert_double_gt(best.gamma, 1.0);
    for (int i = -1; i <= 1; i++) {
        for (int j = -1; j <= 1; j++) {
            double beta = best.beta * (1.0 + 1e-3 * j);
            double prior[3];
            prior[0] = prior[1] = prior[2] = 1.0 / sqrt(rho * (1.0 + 1e-3 * i) * beta);
            double value = log_marginal((struct design){6, 3, x}, y, 1.0 / sqrt(beta), prior);
            if (i == 0 && j == 0) {
                ck_assert_double_eq_tol(value, best.log_evidence, 1e-10);
            } else {
                ck_assert_double_lt(value, best.log_evidence - 1e-8);
            }
        }
    }
}
END_TEST

START_TEST(an_evidence_without_a_maximum_says_so)
{
    double l[2] = {1.0, 2.0};
    double c[2] = {0.0, 0.0}; /* the features have nothing to do with the targets */
    struct evidence e = {.n_params = 2,
                         .eigenvalues = l,
                         .n_rows = 9,
                         .s0 = 4.0,
                         .c = c,
                         .rho0 = 1e-12,
                         .max_precision = 1e8};
    struct evidence_point best = evidence_maximise(&e);
    ck_assert(best.at_bound);
    ck_assert_double_eq_tol(best.beta, 9.0 / 4.0, 1e-12);
    ck_assert_double_le(best.gamma, 1e-9);
}
END_TEST

/* ---- bll ---- */

/* phi at all rows, [N x (r + 1)], by the forward pass row by row through unit post layers. */
static void features(const struct problem *p, const double *params, double *phi)
{
    int r = p->net.arch.width;
    struct arch arch = p->net.arch;
    struct err err = ERR_INIT;
    struct resnet bare;
    arch.outputs = r;
    arch.layer_post = false;
    ck_assert_int_eq(resnet_init(&bare, &arch, &err), ERR_OK);
    double *own = mem_alloc_array((size_t)bare.n_params, sizeof *own);
    /* The same parameters without those of the post layer. */
    int before = p->net.off.weight_post;
    int after = p->net.off.bias_post + p->net.arch.outputs;
    memcpy(own, params, (size_t)before * sizeof *own);
    memcpy(own + before, params + after, (size_t)(p->net.n_params - after) * sizeof *own);
    for (int i = 0; i < N; i++) {
        plain_forward(&bare, own, 1, p->x + i * arch.inputs, phi + i * (r + 1));
        phi[i * (r + 1) + r] = 1.0;
    }
    mem_free(own);
    resnet_release(&bare);
}

/* Takes values away: of output 0 in some rows, or of both in the same rows. */
static void punch_holes(struct problem *p, bool alike)
{
    for (int i = 0; i < N; i++) {
        if (i % 4 == 1) {
            p->y[2 * i] = NAN;
            p->y[2 * i + 1] = alike ? NAN : p->y[2 * i + 1];
        }
    }
    data_find_holes(&p->uq.train);
}

/* The rows of phi that have output j, and their targets. */
static int rows_of_output(const struct problem *p, const double *phi, int j, double *of_phi,
                          double *y)
{
    size_t width = (size_t)p->net.arch.width + 1;
    int o = p->net.arch.outputs;
    int n = 0;
    for (int i = 0; i < N; i++) {
        if (!isnan(p->y[i * o + j])) {
            memcpy(of_phi + (size_t)n * width, phi + (size_t)i * width, width * sizeof *phi);
            y[n++] = p->y[i * o + j];
        }
    }
    return n;
}

/*
 * Mean and covariance of output j against A = alpha I + beta Phi'Phi: the covariance is its
 * inverse, by Gauss-Jordan, and the mean solves A mean = beta Phi'y, whose terms cancel where A is
 * nearly singular. So the residual is looked at, not the difference to another solution.
 */
static void compare_output(const struct problem *p, const struct gauss *g, const double *all, int j,
                           double alpha, double beta)
{
    int r = p->net.arch.width;
    int n = r + 1;
    int o = p->net.arch.outputs;
    double phi[N * 6];
    double y[N];
    int rows = rows_of_output(p, all, j, phi, y);
    double a[36] = {0.0};
    double whole[36];
    double b[6] = {0.0};
    ck_assert_int_le(n, 6);
    for (int s = 0; s < n; s++) {
        for (int t = 0; t < n; t++) {
            a[s * n + t] = s == t ? alpha : 0.0;
            for (int i = 0; i < rows; i++) {
                a[s * n + t] += beta * phi[i * n + s] * phi[i * n + t];
            }
        }
        for (int i = 0; i < rows; i++) {
            b[s] += beta * phi[i * n + s] * y[i];
        }
    }
    memcpy(whole, a, sizeof whole);
    invert(n, a);
    double max = 0.0;
    for (int s = 0; s < n * n; s++) {
        max = fmax(max, fabs(a[s]));
    }
    for (int s = 0; s < n; s++) {
        int at = s < r ? j * r + s : o * r + j;
        double left = -b[s];
        double size = fabs(b[s]);
        for (int t = 0; t < n; t++) {
            int to = t < r ? j * r + t : o * r + j;
            double term = whole[s * n + t] * g->mean[g->first + to];
            left += term;
            size += fabs(term);
            ck_assert_double_eq_tol(covariance(g, at, to), a[s * n + t], 1e-10 * max);
            /* Outputs are independent. */
            int other = t < r ? (1 - j) * r + t : o * r + 1 - j;
            ck_assert_double_eq(covariance(g, at, other), 0.0);
        }
        ck_assert_double_le(fabs(left), 1e-13 * size);
    }
}

enum holes { NO_HOLES, HOLES_OF_ONE, HOLES_ALIKE };

static void compare_bll(bool given, enum holes holes)
{
    struct err err = ERR_INIT;
    struct problem p;
    struct solver_result result;
    struct arch arch = two_by_two();
    double phi[N * 6];
    problem_init(&p, &arch, SOLVER_BLL);
    p.settings.epochs = 60;
    if (given) {
        give_noise(&p);
    }
    if (holes != NO_HOLES) {
        punch_holes(&p, holes == HOLES_ALIKE);
    }
    ck_assert_int_eq(solver_run(SOLVER_BLL, &p.uq, &p.settings, &result, &err), ERR_OK);
    const struct gauss *g = &result.gaussian.members[0];
    const double *alpha = reported(&result, "bll.alpha", 2);
    const double *beta = reported(&result, "bll.beta", 2);
    const double *gamma = reported(&result, "bll.gamma", 2);
    const double *evidence = reported(&result, "bll.log_evidence", 2);
    ck_assert_int_eq(g->first, p.net.off.weight_post);
    ck_assert_int_eq(g->n, 12);
    ck_assert(result.gaussian.linearised);
    features(&p, g->mean, phi);
    for (int j = 0; j < 2; j++) {
        double y[N];
        double own[N * 6];
        double prior[6];
        int n = rows_of_output(&p, phi, j, own, y);
        ck_assert_int_eq(n < N, holes == HOLES_ALIKE || (holes == HOLES_OF_ONE && j == 0));
        for (int k = 0; k < 6; k++) {
            prior[k] = 1.0 / sqrt(alpha[j]);
        }
        compare_output(&p, g, phi, j, alpha[j], beta[j]);
        double exact = log_marginal((struct design){n, 6, own}, y, 1.0 / sqrt(beta[j]), prior);
        ck_assert_double_eq_tol(evidence[j], exact, 1e-8 * fabs(exact));
        ck_assert_double_eq_tol(result.noise_sigma[j], 1.0 / sqrt(beta[j]), 1e-12);
        ck_assert_double_le(gamma[j], 6.0);
        if (given) {
            ck_assert_double_eq_tol(result.noise_sigma[j], p.sigmas[j], 1e-12);
        }
        /* The prior's scale is the best one. */
        for (int step = -1; step <= 1; step += 2) {
            for (int k = 0; k < 6; k++) {
                prior[k] = 1.0 / sqrt(alpha[j] * (1.0 + 1e-2 * step));
            }
            ck_assert_double_lt(
                log_marginal((struct design){n, 6, own}, y, 1.0 / sqrt(beta[j]), prior), exact);
        }
    }
    solver_result_release(&result);
    resnet_release(&p.net);
}

START_TEST(bll_is_the_linear_models_posterior)
{
    compare_bll(false, NO_HOLES);
}
END_TEST

START_TEST(bll_keeps_a_given_noise)
{
    compare_bll(true, NO_HOLES);
}
END_TEST

START_TEST(bll_infers_an_output_from_the_rows_that_have_it)
{
    compare_bll(false, HOLES_OF_ONE);
    compare_bll(false, HOLES_ALIKE);
    compare_bll(true, HOLES_OF_ONE);
}
END_TEST

/* The same rows again and again are rows of a larger precision. More of them than one product. */
START_TEST(bll_takes_many_rows_in_parts)
{
    enum { TIMES = 1200 };
    struct err err = ERR_INIT;
    struct problem p;
    struct solver_result result;
    struct arch arch = two_by_two();
    double phi[N * 6];
    problem_init(&p, &arch, SOLVER_BLL);
    p.settings.epochs = 2;
    double *x = mem_alloc_array((size_t)TIMES * N * 2, sizeof *x);
    double *y = mem_alloc_array((size_t)TIMES * N * 2, sizeof *y);
    ck_assert(x != NULL && y != NULL);
    for (size_t i = 0; i < TIMES; i++) {
        memcpy(x + i * N * 2, p.x, N * 2 * sizeof *x);
        memcpy(y + i * N * 2, p.y, N * 2 * sizeof *y);
    }
    p.uq.train.n = TIMES * N;
    p.uq.train.x = x;
    p.uq.train.y = y;
    ck_assert_int_eq(solver_run(SOLVER_BLL, &p.uq, &p.settings, &result, &err), ERR_OK);
    const struct gauss *g = &result.gaussian.members[0];
    const double *alpha = reported(&result, "bll.alpha", 2);
    const double *beta = reported(&result, "bll.beta", 2);
    features(&p, g->mean, phi);
    for (int j = 0; j < 2; j++) {
        compare_output(&p, g, phi, j, alpha[j], TIMES * beta[j]);
    }
    solver_result_release(&result);
    resnet_release(&p.net);
    mem_free(x);
    mem_free(y);
}
END_TEST

/* Phi'Phi is singular. */
START_TEST(bll_takes_fewer_rows_than_features)
{
    struct err err = ERR_INIT;
    struct problem p;
    struct solver_result result;
    struct arch arch = two_by_two();
    problem_init(&p, &arch, SOLVER_BLL);
    p.settings.epochs = 5;
    p.uq.train.n = 3;
    p.uq.validation.n = 0;
    ck_assert_int_eq(solver_run(SOLVER_BLL, &p.uq, &p.settings, &result, &err), ERR_OK);
    ck_assert_int_eq(gauss_mixture_check(&result.gaussian, p.net.n_params, &err), ERR_OK);
    ck_assert_double_le(reported(&result, "bll.gamma", 2)[0], 3.0);
    solver_result_release(&result);
    resnet_release(&p.net);
}
END_TEST

/* No residual at all: the noise ends at its floor. */
START_TEST(bll_survives_constant_targets)
{
    struct err err = ERR_INIT;
    struct problem p;
    struct solver_result result;
    struct arch arch = two_by_two();
    problem_init(&p, &arch, SOLVER_BLL);
    p.settings.epochs = 5;
    memset(p.y, 0, sizeof p.y);
    ck_assert_int_eq(solver_run(SOLVER_BLL, &p.uq, &p.settings, &result, &err), ERR_OK);
    ck_assert_int_eq(gauss_mixture_check(&result.gaussian, p.net.n_params, &err), ERR_OK);
    ck_assert_double_eq_tol(result.noise_sigma[0], EVIDENCE_MIN_SIGMA, 1e-12);
    ck_assert_int_eq(result.report.n_warnings, 1);
    solver_result_release(&result);
    resnet_release(&p.net);
}
END_TEST

START_TEST(bll_refuses_networks_without_a_last_layer)
{
    struct err err = ERR_INIT;
    struct problem p;
    struct solver_result result;
    struct arch arch = linear(2);
    problem_init(&p, &arch, SOLVER_BLL);
    ck_assert_int_eq(solver_run(SOLVER_BLL, &p.uq, &p.settings, &result, &err), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "layer_post"));
    resnet_release(&p.net);
    err_clear(&err);
    arch = two_by_two();
    arch.final = FINAL_EXP;
    problem_init(&p, &arch, SOLVER_BLL);
    ck_assert_int_eq(solver_run(SOLVER_BLL, &p.uq, &p.settings, &result, &err), ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.msg, "final"));
    resnet_release(&p.net);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bll");
    TCase *tc = tcase_create("bll");
    gemm_use_one_thread();
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, the_evidence_is_the_marginal_likelihood);
    tcase_add_test(tc, the_best_evidence_has_no_better_neighbour);
    tcase_add_test(tc, an_evidence_without_a_maximum_says_so);
    tcase_add_test(tc, bll_is_the_linear_models_posterior);
    tcase_add_test(tc, bll_keeps_a_given_noise);
    tcase_add_test(tc, bll_infers_an_output_from_the_rows_that_have_it);
    tcase_add_test(tc, bll_takes_many_rows_in_parts);
    tcase_add_test(tc, bll_takes_fewer_rows_than_features);
    tcase_add_test(tc, bll_survives_constant_targets);
    tcase_add_test(tc, bll_refuses_networks_without_a_last_layer);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
