/* SPDX-License-Identifier: Apache-2.0 */
/* Randomised MAP sampling against the exact posterior of a network linear in its parameters. */
#include "run.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "math/gemm.h"
#include "solver_toy.h"

#define P       3 /* coefficients of an output: x_1, x_2, 1 */
#define MEMBERS 2000

/* Place of coefficient k of output j in the parameters. */
static int place(const struct resnet *net, int j, int k)
{
    return k < TOY_INPUTS ? net->off.ww + j * TOY_INPUTS + k : net->off.bb + j;
}

/* inverse of a symmetric positive [P x P] matrix by Gauss-Jordan; independent of core/math/linalg.
 */
static void invert(double a[P][P], double inverse[P][P])
{
    for (int i = 0; i < P; i++) {
        for (int j = 0; j < P; j++) {
            inverse[i][j] = i == j ? 1.0 : 0.0;
        }
    }
    for (int c = 0; c < P; c++) {
        double pivot = a[c][c];
        for (int j = 0; j < P; j++) {
            a[c][j] /= pivot;
            inverse[c][j] /= pivot;
        }
        for (int i = 0; i < P; i++) {
            double factor = a[i][c];
            for (int j = 0; i != c && j < P; j++) {
                a[i][j] -= factor * a[c][j];
                inverse[i][j] -= factor * inverse[c][j];
            }
        }
    }
}

/* Mean and covariance of output j's coefficients in the exact posterior. */
static void exact(const struct solver_toy *toy, int j, double mean[P], double covariance[P][P])
{
    double precision[P][P] = {{0.0}};
    double right[P] = {0.0};
    double weight = 1.0 / (toy->sigmas[j] * toy->sigmas[j]);
    for (int i = 0; i < toy->problem.train.n; i++) {
        double row[P] = {toy->x[TOY_INPUTS * i], toy->x[TOY_INPUTS * i + 1], 1.0};
        double target = toy->y[TOY_OUT * i + j] - row[j];
        for (int a = 0; a < P; a++) {
            right[a] += weight * row[a] * target;
            for (int b = 0; b < P; b++) {
                precision[a][b] += weight * row[a] * row[b];
            }
        }
    }
    for (int a = 0; a < P; a++) {
        double sigma = toy->priors[place(&toy->net, j, a)];
        precision[a][a] += 1.0 / (sigma * sigma);
    }
    invert(precision, covariance);
    for (int a = 0; a < P; a++) {
        mean[a] = 0.0;
        for (int b = 0; b < P; b++) {
            mean[a] += covariance[a][b] * right[b];
        }
    }
}

/* C diag(1 / s_p^2) C: what anchors alone give. */
static void from_anchors(const struct solver_toy *toy, int j, double c[P][P])
{
    double out[P][P] = {{0.0}};
    for (int a = 0; a < P; a++) {
        for (int b = 0; b < P; b++) {
            for (int k = 0; k < P; k++) {
                double sigma = toy->priors[place(&toy->net, j, k)];
                out[a][b] += c[a][k] * c[k][b] / (sigma * sigma);
            }
        }
    }
    memcpy(c, out, sizeof out);
}

/* Sample mean and covariance lie within six standard errors of what they should be. */
static void compare(const struct solver_toy *toy, const struct solver_result *result, int j,
                    const double mean[P], double c[P][P])
{
    double found[P] = {0.0};
    double n = (double)result->m;
    int k = toy->net.n_params;
    for (int m = 0; m < result->m; m++) {
        for (int a = 0; a < P; a++) {
            found[a] += result->draws[m * k + place(&toy->net, j, a)] / n;
        }
    }
    for (int a = 0; a < P; a++) {
        ck_assert_double_le(fabs(found[a] - mean[a]), 6.0 * sqrt(c[a][a] / n));
        for (int b = 0; b < P; b++) {
            double sum = 0.0;
            for (int m = 0; m < result->m; m++) {
                sum += (result->draws[m * k + place(&toy->net, j, a)] - found[a]) *
                       (result->draws[m * k + place(&toy->net, j, b)] - found[b]);
            }
            double error = sqrt((c[a][a] * c[b][b] + c[a][b] * c[a][b]) / (n - 1.0));
            ck_assert_double_le(fabs(sum / (n - 1.0) - c[a][b]), 6.0 * error);
        }
    }
}

static void sample_linear(struct solver_toy *toy, bool perturb, struct solver_result *result)
{
    struct err err = ERR_INIT;
    struct arch arch = solver_toy_linear_arch();
    solver_toy_init(toy, SOLVER_RMS, NOISE_GIVEN, &arch);
    /* Few rows with much noise, so that prior and rows both matter. */
    toy->problem.train.n = 6;
    toy->problem.validation.n = 0;
    toy->sigmas[0] = 0.4;
    toy->sigmas[1] = 1.0;
    for (int k = 0; k < toy->net.n_params; k++) {
        toy->priors[k] = 0.3 + 0.15 * k;
    }
    toy->settings.members = MEMBERS;
    toy->settings.perturb = perturb;
    toy->settings.optim.kind = OPTIM_LBFGS;
    toy->settings.epochs = 200;
    ck_assert_int_eq(solver_toy_run(toy, result, &err), ERR_OK);
    ck_assert_int_eq(result->m, MEMBERS);
}

START_TEST(members_of_a_linear_network_are_draws_of_the_exact_posterior)
{
    struct solver_toy toy;
    struct solver_result result;
    sample_linear(&toy, true, &result);
    for (int j = 0; j < TOY_OUT; j++) {
        double mean[P];
        double c[P][P];
        exact(&toy, j, mean, c);
        compare(&toy, &result, j, mean, c);
    }
    solver_result_release(&result);
    solver_toy_release(&toy);
}
END_TEST

START_TEST(anchors_alone_have_the_mean_but_less_spread)
{
    struct solver_toy toy;
    struct solver_result result;
    sample_linear(&toy, false, &result);
    for (int j = 0; j < TOY_OUT; j++) {
        double mean[P];
        double c[P][P];
        exact(&toy, j, mean, c);
        double whole = c[0][0];
        from_anchors(&toy, j, c);
        ck_assert_double_lt(c[0][0], whole);
        compare(&toy, &result, j, mean, c);
    }
    solver_result_release(&result);
    solver_toy_release(&toy);
}
END_TEST

START_TEST(a_flat_prior_has_no_anchors)
{
    struct solver_toy toy;
    struct err err = ERR_INIT;
    struct solver_result result;
    struct arch arch = solver_toy_arch(NOISE_LEARNED);
    solver_toy_init(&toy, SOLVER_RMS, NOISE_LEARNED, &arch);
    toy.problem.beliefs.flat = true;
    ck_assert_int_eq(solver_toy_run(&toy, &result, &err), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "prior"));
    solver_toy_release(&toy);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("solver_rms");
    TCase *tc = tcase_create("solver_rms");
    gemm_use_one_thread();
    tcase_set_timeout(tc, 240);
    tcase_add_test(tc, members_of_a_linear_network_are_draws_of_the_exact_posterior);
    tcase_add_test(tc, anchors_alone_have_the_mean_but_less_spread);
    tcase_add_test(tc, a_flat_prior_has_no_anchors);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
