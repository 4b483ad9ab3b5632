/* SPDX-License-Identifier: Apache-2.0 */
/* Fits at the maximum of the evidence: against linear models, whose evidence is known. */
#include "gaussian_problem.h"
#include "run.h"

/* ---- linear models ---- */

/* Output j of y = W x + b: the rows that have it, with the features x and 1. */
struct ridge {
    int n;
    double x[3 * N], y[N];
};

static void ridge_of(const struct problem *p, int j, struct ridge *ridge)
{
    ridge->n = 0;
    for (int i = 0; i < N; i++) {
        if (!isnan(p->y[2 * i + j])) {
            double *x = ridge->x + 3 * ridge->n;
            x[0] = p->x[2 * i];
            x[1] = p->x[2 * i + 1];
            x[2] = 1.0;
            ridge->y[ridge->n++] = p->y[2 * i + j];
        }
    }
}

/* The evidence in closed form, of precisions {weights, biases} and both noises. */
static double closed_form(const struct problem *p, const double *alpha, const double *sigmas)
{
    double value = 0.0;
    for (int j = 0; j < 2; j++) {
        struct ridge ridge;
        const double prior[3] = {1.0 / sqrt(alpha[0]), 1.0 / sqrt(alpha[0]), 1.0 / sqrt(alpha[1])};
        ridge_of(p, j, &ridge);
        value += log_marginal((struct design){ridge.n, 3, ridge.x}, ridge.y, sigmas[j], prior);
    }
    return value;
}

static void linear_init(struct problem *p, bool holes)
{
    struct arch arch = linear(2);
    problem_init(p, &arch, SOLVER_EVIDENCE);
    ck_assert_int_eq(p->net.n_params, 6); /* W [2 x 2], b [2] */
    for (int i = 0; holes && i < N; i++) {
        if (i % 4 == 1) {
            p->y[2 * i] = NAN;
        } else if (i % 5 < 2) {
            p->y[2 * i + 1] = NAN;
        }
    }
    data_find_holes(&p->uq.train);
    p->settings.members = 2;
    p->settings.keep = 1;
    p->settings.epochs = 400;
    p->settings.patience = 0;
}

static void compare_linear(bool holes, bool given)
{
    struct err err = ERR_INIT;
    struct problem p;
    struct solver_result result;
    linear_init(&p, holes);
    if (given) {
        give_noise(&p);
    }
    ck_assert_int_eq(solver_run(SOLVER_EVIDENCE, &p.uq, &p.settings, &result, &err), ERR_OK);
    ck_assert_int_eq(result.gaussian.n_members, 1);
    ck_assert(result.gaussian.linearised);
    ck_assert_int_eq(result.report.n_warnings, 0);
    double alpha[2] = {*reported(&result, "evidence.prior_precision.blocks", 1),
                       *reported(&result, "evidence.prior_precision.block_biases", 1)};
    double sigmas[2] = {result.noise_sigma[0], result.noise_sigma[1]};
    const double *evidence = reported(&result, "evidence.log_evidence", 2);
    double wanted = closed_form(&p, alpha, sigmas);
    ck_assert_double_eq_tol(fmax(evidence[0], evidence[1]), wanted, 1e-9 * fabs(wanted));

    /* At a maximum the closed form has no slope. */
    double *const places[] = {&alpha[0], &alpha[1], &sigmas[0], &sigmas[1]};
    for (int i = 0; i < (given ? 2 : 4); i++) {
        double at = *places[i];
        *places[i] = at * exp(1e-4);
        double above = closed_form(&p, alpha, sigmas);
        *places[i] = at * exp(-1e-4);
        double below = closed_form(&p, alpha, sigmas);
        *places[i] = at;
        ck_assert_double_eq_tol((above - below) / 2e-4, 0.0, 1e-5);
        ck_assert_double_lt(above, wanted);
        ck_assert_double_lt(below, wanted);
    }
    for (int j = 0; given && j < 2; j++) {
        ck_assert_double_eq(result.noise_sigma[j], p.sigmas[j]);
    }
    solver_result_release(&result);
    resnet_release(&p.net);
}

START_TEST(the_evidence_of_a_linear_model_is_the_closed_form_at_its_maximum)
{
    compare_linear(false, false);
    compare_linear(true, false);
    compare_linear(false, true);
    compare_linear(true, true);
}
END_TEST

/* The formulas themselves, with a dense inverse. */
START_TEST(precisions_and_noise_are_the_fixed_point)
{
    struct err err = ERR_INIT;
    struct problem p;
    struct solver_result result;
    double gamma[2] = {0.0};
    double norms[2] = {0.0};
    linear_init(&p, false);
    ck_assert_int_eq(solver_run(SOLVER_EVIDENCE, &p.uq, &p.settings, &result, &err), ERR_OK);
    const double alpha[2] = {*reported(&result, "evidence.prior_precision.blocks", 1),
                             *reported(&result, "evidence.prior_precision.block_biases", 1)};
    const double *mean = result.gaussian.members[0].mean;
    for (int j = 0; j < 2; j++) {
        struct ridge ridge;
        double h[9];
        double squares = 0.0;
        double determined = 0.0;
        double beta = 1.0 / (result.noise_sigma[j] * result.noise_sigma[j]);
        const int at[3] = {2 * j, 2 * j + 1, 4 + j};
        ridge_of(&p, j, &ridge);
        for (int s = 0; s < 9; s++) {
            h[s] = s % 4 == 0 ? alpha[s == 8] : 0.0;
            for (int i = 0; i < ridge.n; i++) {
                h[s] += beta * ridge.x[3 * i + s / 3] * ridge.x[3 * i + s % 3];
            }
        }
        invert(3, h);
        for (int i = 0; i < ridge.n; i++) {
            double e = ridge.y[i];
            for (int s = 0; s < 3; s++) {
                e -= ridge.x[3 * i + s] * mean[at[s]];
            }
            squares += e * e;
        }
        for (int s = 0; s < 3; s++) {
            double part = 1.0 - alpha[s == 2] * h[4 * s];
            gamma[s == 2] += part;
            determined += part;
            norms[s == 2] += mean[at[s]] * mean[at[s]];
        }
        ck_assert_double_eq_tol(beta, (ridge.n - determined) / squares, 1e-9 * beta);
    }
    for (int g = 0; g < 2; g++) {
        ck_assert_double_eq_tol(alpha[g], gamma[g] / norms[g], 1e-7 * alpha[g]);
    }
    ck_assert_double_eq_tol(*reported(&result, "evidence.effective_parameters.blocks", 1), gamma[0],
                            1e-8);
    solver_result_release(&result);
    resnet_release(&p.net);
}
END_TEST

/* ---- rows without noise ---- */

START_TEST(rows_without_noise_are_said_to_be_deterministic)
{
    struct err err = ERR_INIT;
    struct problem p;
    struct solver_result result;
    linear_init(&p, false);
    for (int i = 0; i < N; i++) {
        p.y[2 * i + 1] = 0.5 * p.x[2 * i] - 0.2 * p.x[2 * i + 1] + 0.1;
    }
    ck_assert_int_eq(solver_run(SOLVER_EVIDENCE, &p.uq, &p.settings, &result, &err), ERR_OK);
    ck_assert_int_eq(result.report.n_warnings, 1);
    ck_assert_str_eq(result.report.warnings[0].code, "deterministic");
    ck_assert_ptr_nonnull(strstr(result.report.warnings[0].text, "output 1 "));
    ck_assert_double_gt(result.noise_sigma[0], 0.01);
    ck_assert_double_lt(result.noise_sigma[1], 1e-6);
    ck_assert_double_gt(result.noise_sigma[1], 1e-8);
    solver_result_release(&result);
    resnet_release(&p.net);
}
END_TEST

/* ---- inputs that do nothing ---- */

#define WIDE 10
#define ROWS 120

/* One output of the first five of ten inputs. */
struct wide {
    struct resnet net;
    double x[ROWS * WIDE], y[ROWS], prior[512];
    struct solver_problem problem;
    struct solver_settings settings;
};

static void wide_init(struct wide *w)
{
    struct err err = ERR_INIT;
    struct rng rng;
    struct arch arch = arch_default(WIDE, 1);
    arch.width = 6;
    arch.layers = 1;
    arch.basis = WPFN_CONSTANT;
    memset(w, 0, sizeof *w);
    ck_assert_int_eq(resnet_init(&w->net, &arch, &err), ERR_OK);
    rng_init(&rng, 8, RNG_TEST, 0);
    for (int i = 0; i < ROWS; i++) {
        double *x = w->x + WIDE * i;
        for (int j = 0; j < WIDE; j++) {
            x[j] = 2.0 * rng_uniform(&rng) - 1.0;
        }
        w->y[i] = sin(2.0 * x[0]) + x[1] * x[2] - 0.8 * x[3] + x[4] * x[4];
    }
    for (int k = 0; k < w->net.n_params; k++) {
        w->prior[k] = 1.0;
    }
    w->problem = (struct solver_problem){
        .net = &w->net,
        .train = {.n = ROWS, .d = WIDE, .o = 1, .x = w->x, .y = w->y},
        .validation = {.d = WIDE, .o = 1},
        .beliefs = {.noise = NOISE_LEARNED, .prior_sigmas = w->prior},
        .seed = 4,
        .n_threads = 2,
    };
    w->settings = solver_defaults(SOLVER_EVIDENCE);
}

START_TEST(relevance_finds_the_inputs_that_do_nothing)
{
    struct err err = ERR_INIT;
    struct wide w;
    struct solver_result result;
    wide_init(&w);
    ck_assert_int_eq(solver_run(SOLVER_EVIDENCE, &w.problem, &w.settings, &result, &err), ERR_OK);
    const double *relevance = reported(&result, "evidence.relevance", WIDE);
    const double *effective = reported(&result, "evidence.effective_parameters.inputs", WIDE);
    double max = 0.0;
    double least_of_five = INFINITY;
    double greatest_of_others = 0.0;
    for (int j = 0; j < WIDE; j++) {
        if (j < 5) {
            least_of_five = fmin(least_of_five, relevance[j]);
        } else {
            greatest_of_others = fmax(greatest_of_others, relevance[j]);
        }
        ck_assert(j < 5 ? effective[j] > 4.0 : effective[j] < 4.0);
        max = fmax(max, relevance[j]);
    }
    ck_assert_msg(least_of_five > 20.0 * greatest_of_others, "%g and %g", least_of_five,
                  greatest_of_others);
    ck_assert_double_eq(max, 1.0);
    solver_result_release(&result);
    resnet_release(&w.net);
}
END_TEST

/* ---- which starts are kept ---- */

START_TEST(the_best_starts_within_the_gap_are_kept)
{
    static const struct {
        int keep;
        double gap;
    } cases[] = {{4, 1e9}, {8, 1e9}, {4, 0.0}, {8, 3.0}};
    struct err err = ERR_INIT;
    struct wide w;
    wide_init(&w);
    w.settings.epochs = 40;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct solver_result result;
        w.settings.keep = cases[c].keep;
        w.settings.evidence_gap = cases[c].gap;
        ck_assert_int_eq(solver_run(SOLVER_EVIDENCE, &w.problem, &w.settings, &result, &err),
                         ERR_OK);
        const double *evidence = reported(&result, "evidence.log_evidence", 8);
        const double *kept = reported(&result, "evidence.kept", 8);
        double best = -INFINITY;
        double worst_kept = INFINITY;
        double best_left = -INFINITY;
        int n_kept = 0;
        for (int i = 0; i < 8; i++) {
            best = fmax(best, evidence[i]);
            worst_kept = kept[i] == 1.0 ? fmin(worst_kept, evidence[i]) : worst_kept;
            best_left = kept[i] == 0.0 ? fmax(best_left, evidence[i]) : best_left;
            n_kept += kept[i] == 1.0;
        }
        ck_assert_int_eq(result.gaussian.n_members, n_kept);
        ck_assert_int_eq(result.m, n_kept * w.settings.draws);
        ck_assert_int_le(n_kept, cases[c].keep);
        ck_assert_double_ge(worst_kept, best_left);
        ck_assert_double_le(best - worst_kept, cases[c].gap);
        ck_assert(n_kept == cases[c].keep || n_kept == 8 || best - best_left > cases[c].gap);
        ck_assert(c != 2 || n_kept == 1);
        solver_result_release(&result);

        /* A part of a whole has as many Gaussians as every other part. */
        w.problem.all_members = true;
        ck_assert_int_eq(solver_run(SOLVER_EVIDENCE, &w.problem, &w.settings, &result, &err),
                         ERR_OK);
        ck_assert_int_eq(result.m, solver_n_draws(SOLVER_EVIDENCE, &w.settings));
        const struct gauss_mixture *mixture = &result.gaussian;
        ck_assert_int_eq(mixture->n_members, cases[c].keep);
        if (n_kept < cases[c].keep) {
            ck_assert_double_eq(mixture->members[n_kept].mean[3], mixture->members[0].mean[3]);
        }
        solver_result_release(&result);
        w.problem.all_members = false;
    }
    resnet_release(&w.net);
}
END_TEST

/* Starts that overflow are left out; when all do, that is the error. */
START_TEST(starts_that_diverge_are_left_out)
{
    struct err err = ERR_INIT;
    struct wide w;
    struct solver_result result;
    wide_init(&w);
    w.settings.members = 3;
    w.settings.epochs = 10;
    w.settings.init_factor = 100.0;
    struct arch arch = w.net.arch;
    resnet_release(&w.net);
    arch.final = FINAL_EXP;
    arch.horizon = 8.0; /* states of up to 9, and so outputs of up to exp(1000) */
    ck_assert_int_eq(resnet_init(&w.net, &arch, &err), ERR_OK);
    int n_failed = 0;
    int n_some = 0;
    for (w.problem.seed = 1; w.problem.seed < 12; w.problem.seed++) {
        err_clear(&err);
        if (solver_run(SOLVER_EVIDENCE, &w.problem, &w.settings, &result, &err) != ERR_OK) {
            ck_assert_int_eq(err.code, ERR_NUMERIC);
            ck_assert_ptr_nonnull(strstr(err.msg, "all 3 starts diverged"));
            n_failed++;
            continue;
        }
        const double *evidence = reported(&result, "evidence.log_evidence", 3);
        bool some = isnan(evidence[0]) || isnan(evidence[1]) || isnan(evidence[2]);
        bool warned = false;
        for (int i = 0; i < result.report.n_warnings; i++) {
            warned = warned || strcmp(result.report.warnings[i].code, "diverged") == 0;
        }
        ck_assert(some == warned);
        n_some += some;
        solver_result_release(&result);
    }
    ck_assert_int_gt(n_failed + n_some, 0);
    ck_assert_int_gt(n_some, 0);
    resnet_release(&w.net);
}
END_TEST

/* ---- what is refused ---- */

START_TEST(noise_of_other_kinds_is_refused_by_name)
{
    struct err err = ERR_INIT;
    ck_assert_int_eq(solver_check_noise(SOLVER_EVIDENCE, NOISE_PREDICTED, &err), ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.msg, "evidence does not support predicted noise"));
    err_clear(&err);
    ck_assert_int_eq(solver_check_noise(SOLVER_EVIDENCE, NOISE_ESTIMATED, &err), ERR_UNSUPPORTED);
}
END_TEST

/* One input and output, a constant basis without a bias: K = r^2 + 3 r + 1. */
START_TEST(a_network_that_is_too_large_is_refused_with_the_width_that_fits)
{
    struct err err = ERR_INIT;
    struct wide w;
    struct solver_result result;
    const int widths[] = {87, 88, 200};
    wide_init(&w);
    w.problem.train.d = w.problem.validation.d = 1;
    w.problem.train.n = 2;
    w.problem.beliefs.flat = true;
    w.settings.members = 1;
    w.settings.epochs = 1;
    for (int i = 0; i < 3; i++) {
        struct arch arch = arch_default(1, 1);
        arch.width = widths[i];
        arch.layers = 0;
        arch.basis = WPFN_CONSTANT;
        arch.bias = false;
        resnet_release(&w.net);
        ck_assert_int_eq(resnet_init(&w.net, &arch, &err), ERR_OK);
        ck_assert_int_eq(w.net.n_params, widths[i] * widths[i] + 3 * widths[i] + 1);
        struct cancel cancel = {true}; /* no time is lost with the one that fits */
        w.problem.cancel = &cancel;
        enum err_code code = solver_run(SOLVER_EVIDENCE, &w.problem, &w.settings, &result, &err);
        ck_assert_int_eq(code, i == 0 ? ERR_CANCELLED : ERR_LIMIT);
        ck_assert(i == 0 || strstr(err.msg, "width 87, which has 7831") != NULL);
        err_clear(&err);
    }
    resnet_release(&w.net);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("evidence");
    TCase *tc = tcase_create("evidence");
    gemm_use_one_thread();
    tcase_set_timeout(tc, 240);
    tcase_add_test(tc, the_evidence_of_a_linear_model_is_the_closed_form_at_its_maximum);
    tcase_add_test(tc, precisions_and_noise_are_the_fixed_point);
    tcase_add_test(tc, rows_without_noise_are_said_to_be_deterministic);
    tcase_add_test(tc, relevance_finds_the_inputs_that_do_nothing);
    tcase_add_test(tc, the_best_starts_within_the_gap_are_kept);
    tcase_add_test(tc, starts_that_diverge_are_left_out);
    tcase_add_test(tc, noise_of_other_kinds_is_refused_by_name);
    tcase_add_test(tc, a_network_that_is_too_large_is_refused_with_the_width_that_fits);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
