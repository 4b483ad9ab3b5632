/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Losses with terms, and of rows with weights and noise of their own: QUiNN's values and gradients
 * (tests/data/make_losses.py), central differences, and what weights and noise mean.
 */
#include "../../data/loss_reference.h"
#include "run.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "fit/loss.h"
#include "losses/gradient_check.h"

#define MAX_PARAMS 200

/* ---- QUiNN ---- */

enum { LAMBDA, SHIFT, SIGMA, PRIOR, LOW, HIGH };

struct reference {
    int o;
    const double *params, *y, *f;
    int n_params;
};

static void reference_net(const struct reference *r, struct resnet *net)
{
    struct err err = ERR_INIT;
    struct arch arch = arch_default(LOSS_INPUTS, r->o);
    arch.width = LOSS_WIDTH;
    arch.layers = LOSS_LAYERS;
    arch.basis = WPFN_LINEAR;
    ck_assert_int_eq(resnet_init(net, &arch, &err), ERR_OK);
    ck_assert_int_eq(net->n_params, r->n_params);
}

/* Value and gradient to 1e-12 of the gradient's largest number. */
static void expect_loss(const struct reference *r, const struct objective *objective,
                        const double *jacobian, double value, const double *grad)
{
    struct err err = ERR_INIT;
    struct resnet net;
    struct objective_loss loss;
    double found[MAX_PARAMS];
    double size = 0.0;
    reference_net(r, &net);
    const struct data rows = {
        .n = LOSS_ROWS, .d = LOSS_INPUTS, .o = r->o, .x = loss_x, .y = r->y, .jacobian = jacobian};
    ck_assert_int_eq(objective_loss_init(&loss, objective, &net, &err), ERR_OK);
    double at = objective_loss_eval(&loss, &rows, r->params, found);
    ck_assert_double_eq_tol(at, value, 1e-12 * fmax(1.0, fabs(value)));
    ck_assert_double_eq_tol(objective_loss_eval(&loss, &rows, r->params, NULL), at,
                            1e-13 * fabs(at));
    for (int k = 0; k < net.n_params; k++) {
        size = fmax(size, fabs(grad[k]));
    }
    for (int k = 0; k < net.n_params; k++) {
        ck_assert_double_eq_tol(found[k], grad[k], 1e-12 * fmax(1.0, size));
    }
    objective_loss_release(&loss);
    resnet_release(&net);
}

#define REFERENCE(o_)                                                                              \
    {                                                                                              \
        .o = (o_), .params = loss_params_##o_, .y = loss_y_##o_, .f = loss_f_##o_,                 \
        .n_params = (int)(sizeof loss_params_##o_ / sizeof(double))                                \
    }
static const struct reference one = REFERENCE(1);
static const struct reference two = REFERENCE(2);

START_TEST(networks_are_those_of_quinn)
{
    const struct reference *all[] = {&one, &two};
    for (int i = 0; i < 2; i++) {
        struct resnet net;
        double f[2 * LOSS_ROWS];
        reference_net(all[i], &net);
        struct resnet_tape *tape = resnet_tape_new(&net, LOSS_ROWS);
        ck_assert_ptr_nonnull(tape);
        resnet_set_params(tape, all[i]->params);
        resnet_forward(tape, LOSS_ROWS, loss_x, f);
        for (int c = 0; c < LOSS_ROWS * all[i]->o; c++) {
            ck_assert_double_eq_tol(f[c], all[i]->f[c], 1e-12);
        }
        resnet_tape_free(tape);
        resnet_release(&net);
    }
}
END_TEST

START_TEST(periodic_losses_are_those_of_quinn)
{
    const double edges[] = {NAN, NAN, loss_numbers[LOW], loss_numbers[HIGH], NAN, NAN};
    const struct loss_terms terms = {
        .d = LOSS_INPUTS, .o = 1, .periodic = loss_numbers[LAMBDA], .edges = edges};
    struct loss_terms of_two = terms;
    of_two.o = 2;
    struct objective objective = {.kind = OBJECTIVE_MSE, .terms = &terms};
    expect_loss(&one, &objective, NULL, loss_periodic_1[0], loss_periodic_1_grad);
    objective.terms = &of_two;
    expect_loss(&two, &objective, NULL, loss_periodic_2[0], loss_periodic_2_grad);
}
END_TEST

START_TEST(logarithmic_losses_are_those_of_quinn)
{
    const double shifts[] = {loss_numbers[SHIFT], loss_numbers[SHIFT]};
    const double ends[] = {0.01, 0.01};
    const struct loss_terms terms = {
        .d = LOSS_INPUTS, .o = 2, .log_shifts = shifts, .log_ends = ends};
    struct loss_terms of_one = terms;
    of_one.o = 1;
    struct objective objective = {.kind = OBJECTIVE_MSE, .terms = &of_one};
    expect_loss(&one, &objective, NULL, loss_log_1[0], loss_log_1_grad);
    objective.terms = &terms;
    expect_loss(&two, &objective, NULL, loss_log_2[0], loss_log_2_grad);
}
END_TEST

START_TEST(losses_with_derivatives_are_those_of_quinn)
{
    const struct loss_terms terms = {.d = LOSS_INPUTS, .o = 1, .derivatives = loss_numbers[LAMBDA]};
    const struct objective objective = {.kind = OBJECTIVE_MSE, .terms = &terms};
    expect_loss(&one, &objective, loss_g, loss_grad_1[0], loss_grad_1_grad);
}
END_TEST

/* QUiNN's value is that of an epoch's minibatch: the share of the prior is rows / all rows. */
START_TEST(log_posteriors_are_those_of_quinn)
{
    struct objective objective = {.kind = OBJECTIVE_NLP,
                                  .noise = NOISE_GIVEN,
                                  .noise_sigma = loss_numbers[SIGMA],
                                  .prior_sigma = loss_numbers[PRIOR],
                                  .anchor = loss_anchor_1,
                                  .n_total = LOSS_ALL};
    expect_loss(&one, &objective, NULL, loss_post_1[0], loss_post_1_grad);
    objective.anchor = loss_anchor_2;
    expect_loss(&two, &objective, NULL, loss_post_2[0], loss_post_2_grad);
}
END_TEST

/* ---- a scene with everything ---- */

#define ROWS 9
#define D    3
#define O    2

struct scene {
    struct resnet net;
    struct objective objective;
    struct loss_terms terms;
    double x[ROWS * D], y[ROWS * O], g[ROWS * O * D], sigmas[ROWS * O], weights[ROWS];
    double params[MAX_PARAMS], noise[O], floors[O], edges[2 * D], shifts[O], ends[O];
    signed char signs[O * D];
    struct data rows;
    int n_params;
    int tile;
};

static void scene_init(struct scene *s, enum objective_kind kind, enum noise_kind noise)
{
    struct err err = ERR_INIT;
    struct rng rng;
    bool heads = noise == NOISE_PREDICTED && kind != OBJECTIVE_MSE;
    struct arch arch = arch_default(D, heads ? 2 * O : O);
    memset(s, 0, sizeof *s);
    arch.width = 4;
    arch.layers = 2;
    ck_assert_int_eq(resnet_init(&s->net, &arch, &err), ERR_OK);
    rng_init(&rng, 11, RNG_TEST, 0);
    for (int i = 0; i < ROWS; i++) {
        s->weights[i] = i == 4 ? 0.0 : 0.5 + rng_uniform(&rng);
        for (int k = 0; k < D; k++) {
            s->x[i * D + k] = rng_normal(&rng);
        }
        for (int j = 0; j < O; j++) {
            s->y[i * O + j] = rng_normal(&rng);
            s->sigmas[i * O + j] = 0.2 + rng_uniform(&rng);
        }
    }
    for (int c = 0; c < ROWS * O * D; c++) {
        s->g[c] = c % 5 == 2 ? (double)NAN : rng_normal(&rng);
    }
    for (int j = 0; j < O; j++) {
        s->noise[j] = 0.3 + 0.4 * j;
        s->floors[j] = j == 0 ? 0.1 : (double)NAN;
        s->shifts[j] = -1.0; /* some predictions and rows are below it */
        s->ends[j] = 0.5;
    }
    memcpy(s->signs, (const signed char[]){1, 0, -1, 0, 1, 0}, sizeof s->signs);
    memcpy(s->edges, (const double[]){NAN, NAN, -0.5, 1.5, -1.0, 1.0}, sizeof s->edges);
    s->objective = (struct objective){
        .kind = kind, .noise = noise, .noise_sigmas = s->noise, .prior_sigma = 0.7, .n_total = 20};
    s->terms = (struct loss_terms){.d = D, .o = O};
    s->n_params = objective_n_params(&s->objective, &s->net);
    ck_assert_int_le(s->n_params, MAX_PARAMS);
    for (int k = 0; k < s->n_params; k++) {
        s->params[k] = 0.5 * rng_normal(&rng);
    }
    s->rows = (struct data){.n = ROWS, .d = D, .o = O, .x = s->x, .y = s->y};
    s->tile = 4;
}

static double evaluate(const struct scene *s, const double *params, double *grad)
{
    struct err err = ERR_INIT;
    struct objective_loss loss;
    ck_assert_int_eq(objective_loss_init(&loss, &s->objective, &s->net, &err), ERR_OK);
    loss.tile = s->tile;
    double value = objective_loss_eval(&loss, &s->rows, params, grad);
    objective_loss_release(&loss);
    ck_assert(isfinite(value));
    return value;
}

static void expect_differences(const struct scene *s)
{
    double grad[MAX_PARAMS];
    double moved[MAX_PARAMS];
    evaluate(s, s->params, grad);
    for (int k = 0; k < s->n_params; k++) {
        const double h = 1e-5;
        memcpy(moved, s->params, sizeof moved);
        moved[k] += h;
        double up = evaluate(s, moved, NULL);
        moved[k] -= 2.0 * h;
        double slope = (up - evaluate(s, moved, NULL)) / (2.0 * h);
        ck_assert_double_eq_tol(grad[k], slope, 1e-6 * fmax(1.0, fabs(slope)));
    }
}

static const struct {
    enum objective_kind kind;
    enum noise_kind noise;
} kinds[] = {{OBJECTIVE_MSE, NOISE_ESTIMATED},
             {OBJECTIVE_NLL, NOISE_GIVEN},
             {OBJECTIVE_NLP, NOISE_LEARNED},
             {OBJECTIVE_NLP, NOISE_PREDICTED}};
#define N_KINDS (int)(sizeof kinds / sizeof *kinds)

enum { DERIVATIVES, MONOTONE, POSITIVE, PERIODIC, LOGS, N_TERMS };

static void ask(struct scene *s, int term)
{
    s->objective.terms = &s->terms;
    switch (term) {
    case DERIVATIVES:
        s->terms.derivatives = 0.8;
        s->rows.jacobian = s->g;
        break;
    case MONOTONE:
        s->terms.monotone = 2.0;
        s->terms.signs = s->signs;
        break;
    case POSITIVE:
        s->terms.positive = 3.0;
        s->terms.floors = s->floors;
        break;
    case PERIODIC:
        s->terms.periodic = 0.6;
        s->terms.edges = s->edges;
        break;
    case LOGS:
        s->terms.log_shifts = s->shifts;
        s->terms.log_ends = s->ends;
        break;
    default:
        break;
    }
}

/* Each term by itself: it has a value, and its gradient is that of differences. */
START_TEST(terms_have_gradients)
{
    for (int i = 0; i < N_KINDS; i++) {
        for (int term = 0; term < (i == 0 ? N_TERMS : LOGS); term++) {
            struct scene s;
            scene_init(&s, kinds[i].kind, kinds[i].noise);
            double plain = evaluate(&s, s.params, NULL);
            ask(&s, term);
            double with = evaluate(&s, s.params, NULL);
            ck_assert_msg(term == LOGS ? with != plain : with > plain, "kind %d term %d", i, term);
            expect_differences(&s);
            resnet_release(&s.net);
        }
    }
}
END_TEST

/* All of them, for rows that miss outputs, have weights and, with given noise, their own. */
START_TEST(terms_and_weights_have_gradients)
{
    for (int i = 0; i < N_KINDS; i++) {
        struct scene s;
        scene_init(&s, kinds[i].kind, kinds[i].noise);
        for (int term = 0; term < LOGS; term++) {
            ask(&s, term);
        }
        s.y[3] = s.y[8] = s.y[9] = NAN;
        s.rows.weights = s.weights;
        s.rows.sigmas = kinds[i].noise == NOISE_GIVEN ? s.sigmas : NULL;
        data_find_holes(&s.rows);
        data_find_weight(&s.rows);
        expect_differences(&s);
        resnet_release(&s.net);
    }
}
END_TEST

/* Sums of tiles of any size are the same but for rounding. */
START_TEST(tiles_do_not_matter)
{
    for (int i = 0; i < N_KINDS; i++) {
        struct scene s;
        double few[MAX_PARAMS];
        double many[MAX_PARAMS];
        scene_init(&s, kinds[i].kind, kinds[i].noise);
        for (int term = 0; term < LOGS; term++) {
            ask(&s, term);
        }
        double a = evaluate(&s, s.params, few);
        s.tile = 1;
        ck_assert_double_eq_tol(evaluate(&s, s.params, many), a, 1e-12 * fabs(a));
        for (int k = 0; k < s.n_params; k++) {
            ck_assert_double_eq_tol(few[k], many[k], 1e-11 * fmax(1.0, fabs(few[k])));
        }
        resnet_release(&s.net);
    }
}
END_TEST

/* ---- what weights and noise mean ---- */

static void expect_same(const struct scene *a, const struct scene *b)
{
    double of_a[MAX_PARAMS];
    double of_b[MAX_PARAMS];
    double value = evaluate(a, a->params, of_a);
    ck_assert_double_eq_tol(evaluate(b, b->params, of_b), value, 1e-12 * fmax(1.0, fabs(value)));
    for (int k = 0; k < a->n_params; k++) {
        ck_assert_double_eq_tol(of_a[k], of_b[k], 1e-12 * fmax(1.0, fabs(of_a[k])));
    }
}

/* Row 0 of weight 2 is row 0 twice, row 1 of weight 0 is none; the prior counts rows. */
START_TEST(a_weight_is_a_number_of_rows)
{
    for (int i = 0; i < N_KINDS; i++) {
        struct scene weighted;
        struct scene twice;
        scene_init(&weighted, kinds[i].kind, kinds[i].noise);
        scene_init(&twice, kinds[i].kind, kinds[i].noise);
        for (int term = 0; term < LOGS; term++) {
            ask(&weighted, term);
            ask(&twice, term);
        }
        for (int k = 0; k < ROWS; k++) {
            weighted.weights[k] = k == 0 ? 2.0 : k == 1 ? 0.0 : 1.0;
        }
        weighted.rows.weights = weighted.weights;
        data_find_weight(&weighted.rows);
        memcpy(twice.x + D, twice.x, D * sizeof *twice.x);
        memcpy(twice.y + O, twice.y, O * sizeof *twice.y);
        memcpy(twice.g + O * D, twice.g, O * D * sizeof *twice.g);
        expect_same(&weighted, &twice);
        resnet_release(&weighted.net);
        resnet_release(&twice.net);
    }
}
END_TEST

START_TEST(equal_noise_of_rows_is_given_noise)
{
    struct scene given;
    struct scene own;
    scene_init(&given, OBJECTIVE_NLP, NOISE_GIVEN);
    scene_init(&own, OBJECTIVE_NLP, NOISE_GIVEN);
    given.y[5] = own.y[5] = NAN;
    data_find_holes(&given.rows);
    data_find_holes(&own.rows);
    for (int c = 0; c < ROWS * O; c++) {
        own.sigmas[c] = c == 5 ? (double)NAN : own.noise[c % O];
    }
    own.rows.sigmas = own.sigmas;
    expect_same(&given, &own);
    resnet_release(&given.net);
    resnet_release(&own.net);
}
END_TEST

/* Given noise is twice as large in row 0: a quarter of the weight but for the constant. */
START_TEST(noise_of_a_row_is_its_likelihood)
{
    struct scene s;
    double f[ROWS * O];
    scene_init(&s, OBJECTIVE_NLL, NOISE_GIVEN);
    s.rows.sigmas = s.sigmas;
    struct resnet_tape *tape = resnet_tape_new(&s.net, ROWS);
    ck_assert_ptr_nonnull(tape);
    resnet_set_params(tape, s.params);
    resnet_forward(tape, ROWS, s.x, f);
    double expected = 0.0;
    for (int c = 0; c < ROWS * O; c++) {
        double z = (f[c] - s.y[c]) / s.sigmas[c];
        expected += 0.5 * z * z + log(s.sigmas[c]) + 0.5 * log(2.0 * M_PI);
    }
    ck_assert_double_eq_tol(evaluate(&s, s.params, NULL), expected, 1e-12 * fabs(expected));
    resnet_tape_free(tape);
    resnet_release(&s.net);
}
END_TEST

START_TEST(rows_that_make_no_sense_are_refused)
{
    struct scene s;
    struct err err = ERR_INIT;
    unsigned char kept[ROWS] = {0};
    scene_init(&s, OBJECTIVE_NLL, NOISE_GIVEN);
    s.rows.weights = s.weights;
    s.rows.sigmas = s.sigmas;
    s.rows.kept = kept;
    ck_assert_int_eq(data_check_extras(&s.rows, &err), ERR_OK);
    s.weights[2] = -1.0;
    ck_assert_int_eq(data_check_extras(&s.rows, &err), ERR_INVALID);
    ck_assert_int_eq(err.row, 2);
    err_clear(&err);
    memset(s.weights, 0, sizeof s.weights);
    s.weights[1] = 1.0;
    kept[1] = 1;
    ck_assert_int_eq(data_check_extras(&s.rows, &err), ERR_INVALID);
    err_clear(&err);
    kept[1] = 0;
    s.sigmas[7] = 0.0;
    ck_assert_int_eq(data_check_extras(&s.rows, &err), ERR_INVALID);
    ck_assert_int_eq(err.row, 3);
    err_clear(&err);
    s.y[7] = NAN; /* of an output that is not there nothing need be known */
    ck_assert_int_eq(data_check_extras(&s.rows, &err), ERR_OK);
    resnet_release(&s.net);
}
END_TEST

/* ---- logarithms ---- */

START_TEST(logarithms_go_on_as_their_tangent)
{
    const double shift = 1.0;
    const double end = 0.25;
    const struct loss_terms terms = {.d = 1, .o = 1, .log_shifts = &shift, .log_ends = &end};
    double above, below, slope;
    ck_assert_double_eq_tol(loss_terms_log(&terms, 0, 3.0, 2.0, &slope), log(2.0), 1e-15);
    ck_assert_double_eq(slope, 0.5);
    above = loss_terms_log(&terms, 0, 1.25, 2.0, &slope);
    below = loss_terms_log(&terms, 0, nextafter(1.25, 0.0), 2.0, &slope);
    ck_assert_double_eq_tol(above, below, 1e-14);
    ck_assert_double_eq(slope, 4.0);
    ck_assert_double_eq_tol(loss_terms_log(&terms, 0, 0.0, 2.0, &slope), log(0.25) - 5.0, 1e-14);
}
END_TEST

/* ---- the check of gradients ---- */

/* A sum of cosines, whose gradient is wrong by `wrong` of one number. */
static double cosines(void *ctx, const double *w, double *grad)
{
    const double *wrong = ctx;
    double sum = 0.0;
    for (int k = 0; k < 6; k++) {
        sum += (k + 1) * cos(w[k]);
        if (grad != NULL) {
            grad[k] = -(k + 1) * sin(w[k]) * (k == 2 ? 1.0 + *wrong : 1.0);
        }
    }
    return sum;
}

START_TEST(wrong_gradients_are_found)
{
    const double w[] = {0.3, -1.2, 0.8, 2.0, 1.0, -0.4};
    for (int wrong = 0; wrong < 2; wrong++) {
        struct err err = ERR_INIT;
        struct rng rng;
        double share = wrong ? 0.01 : 0.0;
        double error = NAN;
        rng_init(&rng, 3, RNG_CHECK, 0);
        const struct gradient_check check = {cosines, &share, 6, w};
        ck_assert_int_eq(gradient_check_run(&check, &rng, &error, &err), ERR_OK);
        ck_assert(wrong ? error > 1e-3 : error < 1e-8);
    }
}
END_TEST

/* ---- memory ---- */

START_TEST(failed_allocations_are_errors)
{
    struct scene s;
    struct err err = ERR_INIT;
    int at = 1;
    scene_init(&s, OBJECTIVE_NLP, NOISE_GIVEN);
    ask(&s, DERIVATIVES);
    for (;; at++) {
        struct objective_loss loss;
        mem_fail_after(at, false);
        enum err_code code = objective_loss_init(&loss, &s.objective, &s.net, &err);
        mem_fail_after(0, false);
        if (code == ERR_OK) {
            objective_loss_release(&loss);
            break;
        }
        ck_assert_int_eq(code, ERR_NOMEM);
        err_clear(&err);
    }
    ck_assert_int_gt(at, 3);
    resnet_release(&s.net);
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = suite_create("losses");
    TCase *tcase = tcase_create("terms");
    tcase_add_test(tcase, networks_are_those_of_quinn);
    tcase_add_test(tcase, periodic_losses_are_those_of_quinn);
    tcase_add_test(tcase, logarithmic_losses_are_those_of_quinn);
    tcase_add_test(tcase, losses_with_derivatives_are_those_of_quinn);
    tcase_add_test(tcase, log_posteriors_are_those_of_quinn);
    tcase_add_test(tcase, terms_have_gradients);
    tcase_add_test(tcase, terms_and_weights_have_gradients);
    tcase_add_test(tcase, tiles_do_not_matter);
    tcase_add_test(tcase, a_weight_is_a_number_of_rows);
    tcase_add_test(tcase, equal_noise_of_rows_is_given_noise);
    tcase_add_test(tcase, noise_of_a_row_is_its_likelihood);
    tcase_add_test(tcase, rows_that_make_no_sense_are_refused);
    tcase_add_test(tcase, logarithms_go_on_as_their_tangent);
    tcase_add_test(tcase, wrong_gradients_are_found);
    tcase_add_test(tcase, failed_allocations_are_errors);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return run_suite(suite());
}
