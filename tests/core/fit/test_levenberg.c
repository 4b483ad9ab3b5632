/* SPDX-License-Identifier: Apache-2.0 */
/* Steps of Levenberg-Marquardt, and the Gaussian at their end, against dense algebra. */
#include "gaussian_problem.h"
#include "run.h"

#include "fit/levenberg.h"

#define MAX_K 128

struct steps {
    struct problem p;
    struct levenberg_problem problem;
    struct levenberg lm;
};

/* So many rows that their values are more than the parameters of two_by_two, and so few that they
 * are fewer: each form of the algebra. */
static const int n_rows[] = {N, 20};

/* Two inputs and outputs; some rows miss an output. */
static void steps_init(struct steps *s, const struct arch *arch, int n_threads, int n)
{
    struct err err = ERR_INIT;
    struct rng rng;
    problem_init(&s->p, arch, SOLVER_LAPLACE);
    for (int i = 0; i < N; i += 7) {
        s->p.y[2 * i + i % 2] = NAN;
    }
    s->p.uq.train.n = n;
    data_find_holes(&s->p.uq.train);
    s->problem =
        (struct levenberg_problem){.net = &s->p.net, .rows = s->p.uq.train, .n_threads = n_threads};
    ck_assert_int_le(s->p.net.n_params, MAX_K);
    ck_assert_int_eq(levenberg_init(&s->lm, &s->problem, &err), ERR_OK);
    rng_init(&rng, 5, RNG_TEST, 0);
    for (int k = 0; k < s->p.net.n_params; k++) {
        s->lm.params[k] = 0.4 * rng_normal(&rng);
        s->lm.precision[k] = 0.5 + 0.1 * (k % 4);
    }
    memcpy(s->lm.sigmas, s->p.sigmas, sizeof s->p.sigmas);
}

static void steps_release(struct steps *s)
{
    levenberg_release(&s->lm);
    resnet_release(&s->p.net);
}

/* y - f of every output at some parameters, 0 where it is missing: [N x 2]. */
static void residuals_at(const struct steps *s, const double *params, double *e)
{
    struct resnet_tape *tape = resnet_tape_new(&s->p.net, N);
    resnet_set_params(tape, params);
    resnet_forward(tape, N, s->p.x, e);
    resnet_tape_free(tape);
    for (int c = 0; c < 2 * N; c++) {
        e[c] = isnan(s->p.y[c]) || c >= 2 * s->p.uq.train.n ? 0.0 : e[c] - s->p.y[c];
    }
}

/* jac [2 N x K] by central differences. */
static void numeric_jacobian(const struct steps *s, double *jac)
{
    double above[2 * N], below[2 * N], params[MAX_K];
    int k_all = s->p.net.n_params;
    memcpy(params, s->lm.params, (size_t)k_all * sizeof *params);
    for (int k = 0; k < k_all; k++) {
        params[k] = s->lm.params[k] + 1e-5;
        residuals_at(s, params, above);
        params[k] = s->lm.params[k] - 1e-5;
        residuals_at(s, params, below);
        params[k] = s->lm.params[k];
        for (int c = 0; c < 2 * N; c++) {
            jac[c * k_all + k] = (above[c] - below[c]) / 2e-5;
        }
    }
}

static double weight_of(const struct steps *s, int c)
{
    double sigma = s->lm.sigmas[c % 2];
    return 1.0 / (sigma * sigma);
}

/* h [K x K] <- J' L J, of outputs of which `of` is one or -1. */
static void dense_sums(const struct steps *s, const double *jac, int of, double *h)
{
    int k_all = s->p.net.n_params;
    for (int i = 0; i < k_all; i++) {
        for (int j = 0; j < k_all; j++) {
            double sum = 0.0;
            for (int c = 0; c < 2 * N; c++) {
                sum += of < 0 || c % 2 == of
                           ? jac[c * k_all + i] * jac[c * k_all + j] * weight_of(s, c)
                           : 0.0;
            }
            h[i * k_all + j] = sum;
        }
    }
}

START_TEST(derivatives_match_central_differences)
{
    struct err err = ERR_INIT;
    struct steps s;
    struct arch arch = two_by_two();
    static double jac[2 * N * MAX_K], h[MAX_K * MAX_K];
    double e[2 * N];
    double max = 0.0;
    double max_gradient = 0.0;
    steps_init(&s, &arch, 1, n_rows[_i]);
    int k_all = s.p.net.n_params;
    ck_assert_int_eq(levenberg_linearise(&s.lm, &err), ERR_OK);
    numeric_jacobian(&s, jac);
    dense_sums(&s, jac, -1, h);
    residuals_at(&s, s.lm.params, e);
    for (int i = 0; i < k_all * k_all; i++) {
        max = fmax(max, fabs(h[i]));
    }
    for (int i = 0; i < k_all; i++) {
        max_gradient = fmax(max_gradient, fabs(s.lm.gradient[i]));
    }
    for (int i = 0; i < k_all; i++) {
        double gradient = 0.0;
        for (int c = 0; c < 2 * N; c++) {
            gradient += jac[c * k_all + i] * e[c] * weight_of(&s, c);
        }
        ck_assert_double_eq_tol(s.lm.gradient[i], gradient, 1e-7 * max_gradient);
        for (int j = 0; !s.lm.few && j <= i; j++) {
            ck_assert_double_eq_tol(s.lm.sums[i * k_all + j], h[i * k_all + j], 1e-7 * max);
        }
    }
    for (int j = 0; j < 2; j++) {
        double squares = 0.0;
        for (int c = j; c < 2 * N; c += 2) {
            squares += e[c] * e[c];
        }
        ck_assert_double_eq_tol(s.lm.squares[j], squares, 1e-12 * squares);
    }
    steps_release(&s);
}
END_TEST

START_TEST(the_posterior_is_that_of_dense_algebra)
{
    struct err err = ERR_INIT;
    struct steps s;
    struct arch arch = two_by_two();
    static double jac[2 * N * MAX_K], h[MAX_K * MAX_K], factor[MAX_K * MAX_K], of[MAX_K * MAX_K];
    double determined[MAX_K], by_output[2];
    double found = 0.0;
    steps_init(&s, &arch, 1, n_rows[_i]);
    int k_all = s.p.net.n_params;
    ck_assert_int_eq(levenberg_linearise(&s.lm, &err), ERR_OK);
    ck_assert(s.lm.few == (_i == 1));
    ck_assert_int_eq(levenberg_posterior(&s.lm, &found, determined, &err), ERR_OK);
    ck_assert_int_eq(levenberg_covariance(&s.lm, factor, &err), ERR_OK);
    ck_assert_int_eq(levenberg_by_output(&s.lm, by_output, &err), ERR_OK);
    numeric_jacobian(&s, jac);
    dense_sums(&s, jac, -1, h);
    for (int k = 0; k < k_all; k++) {
        h[k * k_all + k] += s.lm.precision[k];
    }
    double logdet = invert(k_all, h);
    ck_assert_double_eq_tol(found, logdet, 1e-6 * fabs(logdet));
    for (int i = 0; i < k_all; i++) {
        ck_assert_double_eq_tol(determined[i], 1.0 - s.lm.precision[i] * h[i * k_all + i], 1e-6);
        for (int j = 0; j < k_all; j++) {
            double sum = 0.0;
            for (int c = 0; c < k_all; c++) {
                sum += factor[i * k_all + c] * factor[j * k_all + c];
            }
            ck_assert_double_eq_tol(sum, h[i * k_all + j], 1e-6 * fabs(h[0]));
        }
    }
    for (int j = 0; j < 2; j++) {
        double trace = 0.0;
        dense_sums(&s, jac, j, of);
        for (int i = 0; i < k_all * k_all; i++) {
            trace += h[i] * of[i];
        }
        ck_assert_double_eq_tol(by_output[j], trace, 1e-6 * trace);
    }
    steps_release(&s);
}
END_TEST

/* Each value left out in turn: its variance by the posterior of all others, from a matrix that is
 * inverted anew without it. */
START_TEST(variances_of_values_left_out_are_those_without_them)
{
    struct err err = ERR_INIT;
    struct steps s;
    struct arch arch = two_by_two();
    static double jac[2 * N * MAX_K], all[MAX_K * MAX_K], h[MAX_K * MAX_K];
    double determined[MAX_K], logdet, found[2];
    double expected[2] = {0.0, 0.0};
    steps_init(&s, &arch, 1, n_rows[_i]);
    int k_all = s.p.net.n_params;
    ck_assert_int_eq(levenberg_linearise(&s.lm, &err), ERR_OK);
    ck_assert_int_eq(levenberg_posterior(&s.lm, &logdet, determined, &err), ERR_OK);
    ck_assert_int_eq(levenberg_left_out(&s.lm, found, &err), ERR_OK);
    numeric_jacobian(&s, jac);
    dense_sums(&s, jac, -1, all);
    for (int c = 0; c < 2 * s.p.uq.train.n; c++) {
        const double *row = jac + c * k_all;
        double sigma = s.lm.sigmas[c % 2];
        if (isnan(s.p.y[c])) {
            continue;
        }
        for (int i = 0; i < k_all; i++) {
            for (int j = 0; j < k_all; j++) {
                h[i * k_all + j] = all[i * k_all + j] - row[i] * row[j] / (sigma * sigma) +
                                   (i == j ? s.lm.precision[i] : 0.0);
            }
        }
        invert(k_all, h);
        double variance = sigma * sigma;
        for (int i = 0; i < k_all * k_all; i++) {
            variance += row[i / k_all] * h[i] * row[i % k_all];
        }
        expected[c % 2] += variance;
    }
    for (int j = 0; j < 2; j++) {
        ck_assert_double_eq_tol(found[j], expected[j], 1e-5 * expected[j]);
    }
    steps_release(&s);
}
END_TEST

START_TEST(steps_lower_the_loss_to_where_its_gradient_is_0)
{
    struct err err = ERR_INIT;
    struct steps s;
    struct arch arch = two_by_two();
    bool moved = true;
    int n = 0;
    steps_init(&s, &arch, 1, n_rows[_i]);
    ck_assert_int_eq(levenberg_linearise(&s.lm, &err), ERR_OK);
    double first = levenberg_loss(&s.lm, s.lm.params, s.lm.squares);
    double before = first;
    for (; moved && n < 5000; n++) {
        ck_assert_int_eq(levenberg_linearise(&s.lm, &err), ERR_OK);
        ck_assert_int_eq(levenberg_step(&s.lm, &moved, &err), ERR_OK);
        double after = levenberg_loss(&s.lm, s.lm.params, s.lm.squares);
        ck_assert(moved ? after < before : after == before);
        before = after;
    }
    ck_assert_int_lt(n, 5000);
    ck_assert_double_lt(before, 0.1 * first);
    for (int k = 0; k < s.p.net.n_params; k++) {
        double gradient = s.lm.gradient[k] + s.lm.precision[k] * s.lm.params[k];
        ck_assert_double_eq_tol(gradient, 0.0, 1e-3);
    }
    steps_release(&s);
}
END_TEST

/*
 * theta <- theta - d - a / 2 with d and a of dense algebra, where f'' along d is a difference of
 * another length than the program's: the two agree to the difference's own error, which is of the
 * second order.
 */
START_TEST(steps_are_bent_by_the_second_derivative_along_them)
{
    struct err err = ERR_INIT;
    struct steps s;
    struct arch arch = two_by_two();
    static double jac[2 * N * MAX_K], h[MAX_K * MAX_K];
    double e[2 * N], above[2 * N], below[2 * N];
    double d[MAX_K] = {0.0}, a[MAX_K] = {0.0}, pull[MAX_K] = {0.0}, start[MAX_K], at[MAX_K];
    double longest = 0.0, bend = 0.0;
    bool moved;
    steps_init(&s, &arch, 1, n_rows[_i]);
    int k_all = s.p.net.n_params;
    memcpy(start, s.lm.params, sizeof *start * (size_t)k_all);
    residuals_at(&s, start, e);
    numeric_jacobian(&s, jac);
    dense_sums(&s, jac, -1, h);
    s.lm.damping = 1000.0;
    for (int k = 0; k < k_all; k++) {
        h[k * k_all + k] += s.lm.precision[k] + s.lm.damping;
        pull[k] = s.lm.precision[k] * start[k];
        for (int c = 0; c < 2 * N; c++) {
            pull[k] += jac[c * k_all + k] * e[c] * weight_of(&s, c);
        }
    }
    invert(k_all, h);
    for (int k = 0; k < k_all * k_all; k++) {
        d[k / k_all] += h[k] * pull[k % k_all];
    }
    for (int side = -1; side <= 1; side += 2) {
        for (int k = 0; k < k_all; k++) {
            at[k] = start[k] + 0.02 * side * d[k];
        }
        residuals_at(&s, at, side < 0 ? below : above);
    }
    for (int k = 0; k < k_all; k++) {
        pull[k] = 0.0;
        for (int c = 0; c < 2 * N; c++) {
            double second = (above[c] - 2.0 * e[c] + below[c]) / (0.02 * 0.02);
            pull[k] += jac[c * k_all + k] * second * weight_of(&s, c);
        }
    }
    for (int k = 0; k < k_all * k_all; k++) {
        a[k / k_all] += h[k] * pull[k % k_all];
    }
    ck_assert_int_eq(levenberg_linearise(&s.lm, &err), ERR_OK);
    ck_assert_int_eq(levenberg_step(&s.lm, &moved, &err), ERR_OK);
    ck_assert(moved);
    ck_assert_double_eq_tol(s.lm.damping, 1000.0 / 6.0, 1e-9); /* the first try */
    for (int k = 0; k < k_all; k++) {
        longest = fmax(longest, fabs(d[k]));
        bend = fmax(bend, fabs(a[k]) / 2.0);
    }
    ck_assert_double_gt(bend, 1e-3 * longest);
    for (int k = 0; k < k_all; k++) {
        ck_assert_double_eq_tol(s.lm.params[k], start[k] - d[k] - 0.5 * a[k], 0.02 * bend);
    }
    steps_release(&s);
}
END_TEST

START_TEST(a_linear_network_needs_one_undamped_step)
{
    struct err err = ERR_INIT;
    struct steps s;
    struct arch arch = linear(2);
    bool moved;
    steps_init(&s, &arch, 1, n_rows[_i]);
    s.lm.damping = 0.0;
    ck_assert_int_eq(levenberg_linearise(&s.lm, &err), ERR_OK);
    ck_assert_int_eq(levenberg_step(&s.lm, &moved, &err), ERR_OK);
    ck_assert(moved);
    ck_assert_int_eq(levenberg_linearise(&s.lm, &err), ERR_OK);
    for (int k = 0; k < s.p.net.n_params; k++) {
        double gradient = s.lm.gradient[k] + s.lm.precision[k] * s.lm.params[k];
        ck_assert_double_eq_tol(gradient, 0.0, 1e-8);
    }
    steps_release(&s);
}
END_TEST

START_TEST(threads_do_not_change_a_bit)
{
    struct steps one, other;
    struct arch arch = two_by_two();
    struct err err = ERR_INIT;
    bool moved;
    for (int threads = 1; threads <= 4; threads *= 2) {
        struct steps *s = threads == 1 ? &one : &other;
        steps_init(s, &arch, threads, n_rows[_i]);
        for (int i = 0; i < 5; i++) {
            ck_assert_int_eq(levenberg_linearise(&s->lm, &err), ERR_OK);
            ck_assert_int_eq(levenberg_step(&s->lm, &moved, &err), ERR_OK);
        }
        if (threads > 1) {
            ck_assert_int_eq(
                memcmp(one.lm.params, other.lm.params, (size_t)one.p.net.n_params * sizeof(double)),
                0);
            steps_release(&other);
        }
    }
    steps_release(&one);
}
END_TEST

/* Rows that determine one direction only, with hardly any prior: H has a condition of 1e26. */
START_TEST(a_matrix_that_is_singular_to_rounding_is_survived)
{
    struct err err = ERR_INIT;
    struct steps s;
    struct arch arch = linear(2);
    double determined[MAX_K];
    double logdet = NAN;
    bool moved;
    steps_init(&s, &arch, 1, n_rows[_i]);
    for (int i = 0; i < N; i++) {
        s.p.x[2 * i + 1] = s.p.x[2 * i];
    }
    for (int k = 0; k < s.p.net.n_params; k++) {
        s.lm.precision[k] = 1e-14;
    }
    s.lm.sigmas[0] = s.lm.sigmas[1] = 1e-6;
    ck_assert_int_eq(levenberg_linearise(&s.lm, &err), ERR_OK);
    ck_assert_int_eq(levenberg_posterior(&s.lm, &logdet, determined, &err), ERR_OK);
    ck_assert(isfinite(logdet));
    ck_assert_int_eq(levenberg_step(&s.lm, &moved, &err), ERR_OK);
    ck_assert(moved);
    steps_release(&s);
}
END_TEST

START_TEST(what_is_not_finite_and_what_is_cancelled_is_an_error)
{
    struct err err = ERR_INIT;
    struct steps s;
    struct arch arch = two_by_two();
    struct cancel cancel = {true};
    steps_init(&s, &arch, 1, n_rows[_i]);
    s.lm.params[0] = NAN;
    ck_assert_int_eq(levenberg_linearise(&s.lm, &err), ERR_NUMERIC);
    err_clear(&err);
    s.problem.cancel = &cancel;
    ck_assert_int_eq(levenberg_linearise(&s.lm, &err), ERR_CANCELLED);
    steps_release(&s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("levenberg");
    TCase *tc = tcase_create("levenberg");
    gemm_use_one_thread();
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, derivatives_match_central_differences, 0, 2);
    tcase_add_loop_test(tc, the_posterior_is_that_of_dense_algebra, 0, 2);
    tcase_add_loop_test(tc, variances_of_values_left_out_are_those_without_them, 0, 2);
    tcase_add_loop_test(tc, steps_lower_the_loss_to_where_its_gradient_is_0, 0, 2);
    tcase_add_loop_test(tc, steps_are_bent_by_the_second_derivative_along_them, 0, 2);
    tcase_add_test(tc, a_linear_network_needs_one_undamped_step);
    tcase_add_loop_test(tc, threads_do_not_change_a_bit, 0, 2);
    tcase_add_test(tc, a_matrix_that_is_singular_to_rounding_is_survived);
    tcase_add_test(tc, what_is_not_finite_and_what_is_cancelled_is_an_error);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
