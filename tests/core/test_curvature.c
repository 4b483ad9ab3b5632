/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tangent passes against their adjoints, and second derivatives against reference cases (PyTorch),
 * central differences of gradients and sums over single rows, for networks of every kind and every
 * objective.
 */
#include "oracle.h"
#include "run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "curvature.h"
#include "gemm.h"
#include "mem.h"
#include "resnet_tangent.h"

/* ---- problems ---- */

#define ROWS 37

struct fixture {
    struct resnet net;
    struct objective objective;
    struct curvature_problem problem;
    double *params, *x, *y, *prior_sigmas, *anchor;
    double sigmas[8];
};

static const struct kind {
    const char *name;
    int d, o, r, layers;
    enum wpfn_basis basis;
    int order;
    enum arch_activation activation;
    enum arch_final final;
    bool mlp, no_bias, no_pre, no_post;
} kinds[] = {
    {"linear", 2, 2, 5, 2, WPFN_LINEAR, 0, ACT_TANH, FINAL_NONE, false, false, false, false},
    {"wide, cubic", 3, 2, 8, 3, WPFN_CUBIC, 0, ACT_TANH, FINAL_NONE, false, false, false, false},
    {"perceptron", 2, 2, 4, 2, WPFN_NONPARAMETRIC, 0, ACT_TANH, FINAL_NONE, true, false, false,
     false},
    {"constant", 1, 2, 3, 3, WPFN_CONSTANT, 0, ACT_TANH, FINAL_NONE, false, false, false, false},
    {"no pre layer", 4, 2, 4, 2, WPFN_LEGENDRE, 2, ACT_TANH, FINAL_NONE, false, false, true, false},
    {"no post layer", 3, 4, 4, 1, WPFN_FOURIER, 1, ACT_TANH, FINAL_NONE, false, false, false, true},
    {"neither", 4, 4, 4, 2, WPFN_QUADRATIC, 0, ACT_TANH, FINAL_NONE, true, true, true, true},
    {"no bias", 2, 2, 3, 2, WPFN_LINEAR, 0, ACT_TANH, FINAL_NONE, false, true, false, false},
    {"identity", 2, 2, 3, 2, WPFN_LINEAR, 0, ACT_IDENTITY, FINAL_NONE, false, false, false, false},
    {"identity perceptron", 2, 2, 3, 2, WPFN_CONSTANT, 0, ACT_IDENTITY, FINAL_NONE, true, false,
     false, false},
    {"exp", 2, 2, 4, 2, WPFN_LINEAR, 0, ACT_TANH, FINAL_EXP, false, false, false, false},
    {"log", 2, 2, 4, 2, WPFN_LINEAR, 0, ACT_TANH, FINAL_LOGABS, false, false, false, false},
    {"sum", 2, 3, 4, 2, WPFN_LINEAR, 0, ACT_TANH, FINAL_SUM, false, false, false, false},
};
#define N_KINDS (sizeof kinds / sizeof *kinds)

enum wish { WISH_MSE, WISH_NLL, WISH_EACH, WISH_NLP, WISH_LEARNED, WISH_PREDICTED, N_WISHES };
static const char *const wish_names[] = {"mse",           "nll",           "noise of each",
                                         "nlp, priors",   "learned noise", "predicted noise"};

static struct objective objective_for(struct fixture *f, enum wish wish)
{
    struct objective objective = {.kind = OBJECTIVE_NLL,
                                  .noise_sigma = 0.4,
                                  .prior_sigma = 0.8,
                                  .anchor = f->anchor,
                                  .n_total = 2 * ROWS};
    switch (wish) {
    case WISH_MSE:
        objective.kind = OBJECTIVE_MSE;
        break;
    case WISH_EACH:
        objective.noise_sigmas = f->sigmas;
        break;
    case WISH_NLP:
        objective.kind = OBJECTIVE_NLP;
        objective.prior_sigmas = f->prior_sigmas;
        break;
    case WISH_LEARNED:
        objective.kind = OBJECTIVE_NLP;
        objective.noise = NOISE_LEARNED;
        break;
    case WISH_PREDICTED:
        objective.kind = OBJECTIVE_NLP;
        objective.noise = NOISE_PREDICTED;
        break;
    case WISH_NLL:
    case N_WISHES:
        break;
    }
    return objective;
}

/* n rows; false when the network cannot have that objective. */
static bool fixture_init(struct fixture *f, const struct kind *kind, enum wish wish, int n)
{
    struct err err = ERR_INIT;
    struct rng rng;
    struct arch arch = arch_default(kind->d, kind->o);
    arch.width = kind->r;
    arch.layers = kind->layers;
    arch.basis = kind->basis;
    arch.order = kind->order;
    arch.activation = kind->activation;
    arch.final = kind->final;
    arch.residual = !kind->mlp;
    arch.bias = !kind->no_bias;
    arch.layer_pre = !kind->no_pre;
    arch.layer_post = !kind->no_post;
    *f = (struct fixture){.net = {.phi = NULL}};
    ck_assert_msg(resnet_init(&f->net, &arch, &err) == ERR_OK, "%s", err_msg(&err));
    if (wish == WISH_PREDICTED && f->net.n_out % 2 != 0) {
        resnet_release(&f->net);
        return false;
    }
    size_t all = (size_t)f->net.n_params + (size_t)f->net.n_out;
    f->params = calloc(all, sizeof *f->params);
    f->prior_sigmas = calloc(all, sizeof *f->params);
    f->anchor = calloc(all, sizeof *f->params);
    f->x = calloc((size_t)(n * kind->d), sizeof *f->x);
    f->y = calloc((size_t)(n * f->net.n_out), sizeof *f->y);
    rng_init(&rng, 3, RNG_TEST, (uint32_t)(kind - kinds));
    for (size_t k = 0; k < all; k++) {
        f->params[k] = 0.5 * rng_normal(&rng);
        f->prior_sigmas[k] = k % 5 == 0 ? 0.0 : 0.3 + rng_uniform(&rng);
        f->anchor[k] = rng_normal(&rng);
    }
    /* Away from the pole of log|y|, where differences are no measure. */
    for (int j = 0; kind->final == FINAL_LOGABS && j < kind->o; j++) {
        f->params[f->net.off.bias_post + j] = j % 2 == 0 ? 6.0 : -6.0;
    }
    for (int k = 0; k < n * kind->d; k++) {
        f->x[k] = rng_normal(&rng);
    }
    for (int k = 0; k < n * f->net.n_out; k++) {
        f->y[k] = rng_normal(&rng);
    }
    for (int j = 0; j < 8; j++) {
        f->sigmas[j] = 0.2 + 0.1 * j;
    }
    f->objective = objective_for(f, wish);
    f->problem = (struct curvature_problem){
        .objective = &f->objective,
        .net = &f->net,
        .rows = {.n = n,
                 .d = kind->d,
                 .o = objective_n_targets(&f->objective, &f->net),
                 .x = f->x,
                 .y = f->y},
        .params = f->params,
        .n_threads = 1,
    };
    return true;
}

static void fixture_release(struct fixture *f)
{
    resnet_release(&f->net);
    free(f->params);
    free(f->prior_sigmas);
    free(f->anchor);
    free(f->x);
    free(f->y);
}

static int n_params(const struct fixture *f)
{
    return objective_n_params(&f->objective, &f->net);
}

static void normals(struct rng *rng, size_t n, double *v)
{
    for (size_t k = 0; k < n; k++) {
        v[k] = rng_normal(rng);
    }
}

static double dot(size_t n, const double *a, const double *b)
{
    double sum = 0.0;
    for (size_t k = 0; k < n; k++) {
        sum += a[k] * b[k];
    }
    return sum;
}

/* ---- tangents ---- */

START_TEST(tangents_are_adjoint_to_gradients)
{
    for (size_t i = 0; i < N_KINDS; i++) {
        struct fixture f;
        struct rng rng;
        ck_assert(fixture_init(&f, &kinds[i], WISH_NLL, ROWS));
        size_t k = (size_t)f.net.n_params;
        size_t d = (size_t)(ROWS * f.net.arch.inputs);
        size_t o = (size_t)(ROWS * f.net.n_out);
        double *v = calloc(2 * k + 2 * d + 3 * o, sizeof *v);
        double *grad = v + k;
        double *u = grad + k;
        double *dx = u + d;
        double *w = dx + d;
        double *y = w + o;
        double *dy = y + o;
        struct resnet_tape *tape = resnet_tape_new(&f.net, ROWS + 2);
        struct resnet_tangent *tangent = resnet_tangent_new(&f.net, ROWS + 5);
        rng_init(&rng, 4, RNG_TEST, (uint32_t)i);
        normals(&rng, k, v);
        normals(&rng, d, u);
        normals(&rng, o, w);
        resnet_set_params(tape, f.params);
        resnet_forward(tape, ROWS, f.x, y);
        resnet_backward(tape, w, grad, dx);
        for (int which = 1; which < 4; which++) {
            resnet_tangent_forward(tangent, tape, which & 1 ? v : NULL, which & 2 ? u : NULL, dy);
            double forward = dot(o, w, dy);
            double back = (which & 1 ? dot(k, grad, v) : 0.0) + (which & 2 ? dot(d, dx, u) : 0.0);
            double scale = 0.0;
            for (size_t c = 0; c < o; c++) {
                scale += fabs(w[c] * dy[c]);
            }
            ck_assert_msg(fabs(forward - back) <= 1e-13 * scale, "%s, %d: %.17g, %.17g",
                          kinds[i].name, which, forward, back);
        }
        resnet_tangent_free(tangent);
        resnet_tape_free(tape);
        fixture_release(&f);
        free(v);
    }
}
END_TEST

/* The gradients by params and inputs at a point moved by t along (v, u), weights w + t dw. */
static void gradients_at(struct fixture *f, struct resnet_tape *tape, const double *const at[4],
                         double t, double *grad, double *dx)
{
    size_t k = (size_t)f->net.n_params;
    size_t d = (size_t)(ROWS * f->net.arch.inputs);
    size_t o = (size_t)(ROWS * f->net.n_out);
    double *params = calloc(k + d + 2 * o, sizeof *params);
    double *x = params + k;
    double *w = x + d;
    for (size_t i = 0; i < k; i++) {
        params[i] = f->params[i] + t * at[0][i];
    }
    for (size_t i = 0; i < d; i++) {
        x[i] = f->x[i] + t * at[1][i];
    }
    for (size_t i = 0; i < o; i++) {
        w[i] = at[2][i] + t * at[3][i];
    }
    resnet_set_params(tape, params);
    resnet_forward(tape, ROWS, x, w + o);
    resnet_backward(tape, w, grad, dx);
    free(params);
}

START_TEST(tangents_of_gradients_match_central_differences)
{
    for (size_t i = 0; i < N_KINDS; i++) {
        struct fixture f;
        struct rng rng;
        const double step = 1e-5;
        ck_assert(fixture_init(&f, &kinds[i], WISH_NLL, ROWS));
        size_t k = (size_t)f.net.n_params;
        size_t d = (size_t)(ROWS * f.net.arch.inputs);
        size_t o = (size_t)(ROWS * f.net.n_out);
        size_t all = k + d;
        double *v = calloc(4 * all + 4 * o, sizeof *v);
        double *w = v + all;
        double *dw = w + o;
        double *up = dw + o;
        double *down = up + all;
        double *found = down + all;
        double *y = found + all;
        const double *const at[4] = {v, v + k, w, dw};
        struct resnet_tape *tape = resnet_tape_new(&f.net, ROWS);
        struct resnet_tangent *tangent = resnet_tangent_new(&f.net, ROWS);
        rng_init(&rng, 5, RNG_TEST, (uint32_t)i);
        normals(&rng, all + 2 * o, v);
        gradients_at(&f, tape, at, step, up, up + k);
        gradients_at(&f, tape, at, -step, down, down + k);
        resnet_set_params(tape, f.params);
        resnet_forward(tape, ROWS, f.x, y);
        resnet_tangent_adjoint(tape, w);
        resnet_tangent_forward(tangent, tape, v, v + k, y + o);
        resnet_tangent_backward(tangent, dw, found, found + k);
        double scale = 1.0;
        for (size_t c = 0; c < all; c++) {
            scale = fmax(scale, fabs(found[c]));
        }
        for (size_t c = 0; c < all; c++) {
            double expected = (up[c] - down[c]) / (2.0 * step);
            ck_assert_msg(fabs(found[c] - expected) <= 1e-7 * scale, "%s, %zu of %zu: %g, not %g",
                          kinds[i].name, c, k, found[c], expected);
        }
        resnet_tangent_free(tangent);
        resnet_tape_free(tape);
        fixture_release(&f);
        free(v);
    }
}
END_TEST

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
static void moved_gradient(struct fixture *f, struct resnet_tape *tape, double *scratch, int k,
                           double t, double *grad)
{
    double keep = f->params[k];
    f->params[k] = keep + t;
    objective_eval(&f->objective, &f->net, tape, ROWS, f->problem.rows.n, f->x, f->y, f->params,
                   grad, scratch);
    f->params[k] = keep;
}

static void check_hessian(struct fixture *f, const char *kind, const char *wish)
{
    struct err err = ERR_INIT;
    const double step = 1e-5;
    int n = n_params(f);
    double *h = calloc((size_t)(n * n), sizeof *h);
    double *up = calloc(2 * (size_t)n, sizeof *up);
    double *down = up + n;
    double *scratch = calloc(objective_scratch(&f->net, ROWS), sizeof *scratch);
    struct resnet_tape *tape = resnet_tape_new(&f->net, ROWS);
    double scale = 0.0;
    ck_assert_msg(curvature_hessian(&f->problem, h, &err) == ERR_OK, "%s", err_msg(&err));
    for (int c = 0; c < n * n; c++) {
        scale = fmax(scale, fabs(h[c]));
    }
    for (int k = 0; k < n; k++) {
        moved_gradient(f, tape, scratch, k, step, up);
        moved_gradient(f, tape, scratch, k, -step, down);
        for (int i = 0; i < n; i++) {
            double expected = (up[i] - down[i]) / (2.0 * step);
            ck_assert_msg(fabs(h[k * n + i] - expected) <= 1e-7 * scale,
                          "%s, %s: [%d][%d] of %d is %g, not %g", kind, wish, k, i, n,
                          h[k * n + i], expected);
            ck_assert_double_eq(h[k * n + i], h[i * n + k]);
        }
    }
    resnet_tape_free(tape);
    free(h);
    free(up);
    free(scratch);
}

START_TEST(hessians_match_central_differences_of_gradients)
{
    for (size_t i = 0; i < N_KINDS; i++) {
        for (int wish = 0; wish < N_WISHES; wish++) {
            struct fixture f;
            if (fixture_init(&f, &kinds[i], (enum wish)wish, ROWS)) {
                check_hessian(&f, kinds[i].name, wish_names[wish]);
                fixture_release(&f);
            }
        }
    }
}
END_TEST

START_TEST(a_predicted_variance_at_its_ceiling_is_constant)
{
    struct fixture f;
    ck_assert(fixture_init(&f, &kinds[0], WISH_PREDICTED, ROWS));
    f.params[f.net.off.bias_post + 1] = OBJECTIVE_MOST_LOG + 9.0;
    check_hessian(&f, kinds[0].name, "ceiling");
    fixture_release(&f);
}
END_TEST

/* ---- Gauss-Newton and Fisher ---- */

/* Prior's second derivative by parameter k. */
static double prior_of(const struct fixture *f, int k)
{
    const struct objective *obj = &f->objective;
    double sigma = obj->prior_sigmas != NULL && k < f->net.n_params ? obj->prior_sigmas[k]
                                                                     : obj->prior_sigma;
    sigma = k < f->net.n_params ? sigma : OBJECTIVE_LOG_S_SD;
    return obj->kind == OBJECTIVE_NLP && sigma > 0.0
               ? (double)f->problem.rows.n / obj->n_total / (sigma * sigma)
               : 0.0;
}

/* Second derivative by output a at a row, its expectation over y. */
static double output_weight(const struct fixture *f, const double *row, int a)
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

/* By the definition, a row and an output at a time, gradients by the ordinary reverse pass. */
static void newton_by_rows(const struct fixture *f, double *h)
{
    int n = n_params(f);
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
    for (size_t i = 0; i < N_KINDS; i++) {
        for (int wish = 0; wish < N_WISHES; wish++) {
            struct fixture f;
            struct err err = ERR_INIT;
            if (!fixture_init(&f, &kinds[i], (enum wish)wish, ROWS)) {
                continue;
            }
            int n = n_params(&f);
            double *found = calloc(2 * (size_t)(n * n), sizeof *found);
            double *expected = found + n * n;
            ck_assert_int_eq(curvature_gauss_newton(&f.problem, found, &err), ERR_OK);
            newton_by_rows(&f, expected);
            double error = oracle_error(found, expected, n * n);
            ck_assert_msg(error <= 1e-12, "%s, %s: error %g", kinds[i].name, wish_names[wish],
                          error);
            free(found);
            fixture_release(&f);
        }
    }
}
END_TEST

START_TEST(the_fisher_diagonal_is_its_sum_over_rows)
{
    for (size_t i = 0; i < N_KINDS; i++) {
        for (int wish = 0; wish < N_WISHES; wish++) {
            struct fixture f;
            struct err err = ERR_INIT;
            if (!fixture_init(&f, &kinds[i], (enum wish)wish, ROWS)) {
                continue;
            }
            size_t n = (size_t)n_params(&f);
            double *found = calloc(3 * n, sizeof *found);
            double *expected = found + n;
            double *grad = expected + n;
            double *scratch = calloc(objective_scratch(&f.net, 1), sizeof *scratch);
            struct resnet_tape *tape = resnet_tape_new(&f.net, 1);
            struct objective alone = f.objective;
            /* A row's own part: no prior, and for mse its share of the mean. */
            alone.kind = alone.kind == OBJECTIVE_NLP ? OBJECTIVE_NLL : alone.kind;
            double share = alone.kind == OBJECTIVE_MSE ? 1.0 / ROWS : 1.0;
            ck_assert_int_eq(curvature_fisher_diagonal(&f.problem, found, &err), ERR_OK);
            for (int row = 0; row < ROWS; row++) {
                objective_eval(&alone, &f.net, tape, 1, 1, f.x + row * f.problem.rows.d,
                               f.y + row * f.problem.rows.o, f.params, grad, scratch);
                for (size_t k = 0; k < n; k++) {
                    expected[k] += share * share * grad[k] * grad[k];
                }
            }
            for (size_t k = 0; k < n; k++) {
                expected[k] += prior_of(&f, (int)k);
            }
            double error = oracle_error(found, expected, (int)n);
            ck_assert_msg(error <= 1e-12, "%s, %s: error %g", kinds[i].name, wish_names[wish],
                          error);
            resnet_tape_free(tape);
            free(found);
            free(scratch);
            fixture_release(&f);
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
        for (int wish = WISH_LEARNED; wish < N_WISHES; wish++) {
            struct fixture f;
            struct err err = ERR_INIT;
            ck_assert(fixture_init(&f, &kinds[1], (enum wish)wish, MANY));
            size_t cells = (size_t)n_params(&f) * (size_t)n_params(&f);
            double *one = calloc(2 * cells, sizeof *one);
            double *more = one + cells;
            ck_assert_int_eq(functions[i](&f.problem, one, &err), ERR_OK);
            for (int threads = 2; threads <= 7; threads += 5) {
                f.problem.n_threads = threads;
                ck_assert_int_eq(functions[i](&f.problem, more, &err), ERR_OK);
                ck_assert_int_eq(memcmp(one, more, cells * sizeof *one), 0);
            }
            free(one);
            fixture_release(&f);
        }
    }
}
END_TEST

START_TEST(tiles_add_up)
{
    struct fixture f;
    struct err err = ERR_INIT;
    ck_assert(fixture_init(&f, &kinds[1], WISH_NLP, MANY));
    f.objective.n_total = MANY;
    int n = n_params(&f);
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
    fixture_release(&f);
}
END_TEST

START_TEST(every_failing_allocation_is_an_error)
{
    for (size_t i = 0; i < N_FUNCTIONS; i++) {
        struct fixture f;
        ck_assert(fixture_init(&f, &kinds[0], WISH_LEARNED, ROWS));
        double *out = calloc((size_t)(n_params(&f) * n_params(&f)), sizeof *out);
        long live = mem_live();
        long n = 1;
        enum err_code code = ERR_NOMEM;
        for (; code != ERR_OK; n++) {
            struct err err = ERR_INIT;
            mem_fail_after(n, false);
            code = functions[i](&f.problem, out, &err);
            mem_fail_after(0, false);
            ck_assert(code == ERR_OK || code == ERR_NOMEM);
            ck_assert_int_eq(mem_live(), live);
        }
        ck_assert_int_gt(n, 4);
        free(out);
        fixture_release(&f);
    }
}
END_TEST

START_TEST(cancelled_work_stops_and_what_is_not_finite_is_an_error)
{
    for (size_t i = 0; i < N_FUNCTIONS; i++) {
        struct fixture f;
        struct err err = ERR_INIT;
        struct cancel cancel = {false};
        ck_assert(fixture_init(&f, &kinds[0], WISH_NLP, ROWS));
        double *out = calloc((size_t)(n_params(&f) * n_params(&f)), sizeof *out);
        f.problem.cancel = &cancel;
        f.problem.n_threads = 2;
        ck_assert_int_eq(functions[i](&f.problem, out, &err), ERR_OK);
        cancel_request(&cancel);
        ck_assert_int_eq(functions[i](&f.problem, out, &err), ERR_CANCELLED);
        f.problem.cancel = NULL;
        f.params[f.net.off.bias_post] = INFINITY;
        err = (struct err)ERR_INIT;
        ck_assert_int_eq(functions[i](&f.problem, out, &err),
                         i == 1 ? ERR_OK : ERR_NUMERIC); /* J does not see that bias */
        f.params[f.net.off.ww] = NAN;
        err = (struct err)ERR_INIT;
        ck_assert_int_eq(functions[i](&f.problem, out, &err), ERR_NUMERIC);
        free(out);
        fixture_release(&f);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("curvature");
    TCase *tc = tcase_create("curvature");
    gemm_use_one_thread();
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, tangents_are_adjoint_to_gradients);
    tcase_add_test(tc, tangents_of_gradients_match_central_differences);
    tcase_add_test(tc, second_derivatives_agree_with_pytorch);
    tcase_add_test(tc, hessians_match_central_differences_of_gradients);
    tcase_add_test(tc, a_predicted_variance_at_its_ceiling_is_constant);
    tcase_add_test(tc, gauss_newton_is_its_sum_over_rows);
    tcase_add_test(tc, the_fisher_diagonal_is_its_sum_over_rows);
    tcase_add_test(tc, results_do_not_depend_on_the_number_of_threads);
    tcase_add_test(tc, tiles_add_up);
    tcase_add_test(tc, every_failing_allocation_is_an_error);
    tcase_add_test(tc, cancelled_work_stops_and_what_is_not_finite_is_an_error);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
