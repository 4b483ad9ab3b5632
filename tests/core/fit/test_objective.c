/* SPDX-License-Identifier: Apache-2.0 */
/* Objectives of every noise kind: values against the formulas, gradients against differences. */
#include "plain_forward.h"
#include "run.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "fit/loss.h"
#include "math/gemm.h"

#define ROWS    7
#define TARGETS 2
#define INPUTS  3

enum prior { PRIOR_COMMON, PRIOR_EACH, N_PRIORS };

/* A small network with its rows, and one objective over it. */
struct scene {
    struct resnet net;
    struct objective objective;
    double x[ROWS * INPUTS];
    double y[ROWS * TARGETS];
    double sigmas[TARGETS];
    double *params; /* [n_params] */
    double *priors; /* [K], some 0 */
    double *anchor; /* [K] */
    int n_params;
};

static void scene_init(struct scene *s, enum objective_kind kind, enum noise_kind noise,
                       enum prior prior, bool anchored)
{
    struct err err = ERR_INIT;
    struct rng rng;
    bool heads = noise == NOISE_PREDICTED && kind != OBJECTIVE_MSE;
    struct arch arch = arch_default(INPUTS, heads ? 2 * TARGETS : TARGETS);
    memset(s, 0, sizeof *s);
    arch.width = 4;
    arch.layers = 2;
    ck_assert_int_eq(resnet_init(&s->net, &arch, &err), ERR_OK);
    rng_init(&rng, 5, RNG_TEST, 0);
    for (int i = 0; i < ROWS * INPUTS; i++) {
        s->x[i] = rng_normal(&rng);
    }
    for (int i = 0; i < ROWS * TARGETS; i++) {
        s->y[i] = rng_normal(&rng);
    }
    for (int j = 0; j < TARGETS; j++) {
        s->sigmas[j] = 0.3 + 0.4 * j;
    }
    size_t k = (size_t)s->net.n_params;
    s->priors = mem_alloc_array(k, sizeof *s->priors);
    s->anchor = mem_alloc_array(k, sizeof *s->anchor);
    s->params = mem_alloc_array(k + TARGETS, sizeof *s->params);
    for (size_t i = 0; i < k; i++) {
        s->priors[i] = i % 3 == 0 ? 0.0 : 0.5 + rng_uniform(&rng);
        s->anchor[i] = rng_normal(&rng);
    }
    for (size_t i = 0; i < k + TARGETS; i++) {
        s->params[i] = 0.5 * rng_normal(&rng);
    }
    s->objective = (struct objective){
        .kind = kind,
        .noise = noise,
        .noise_sigmas = noise == NOISE_GIVEN || noise == NOISE_ESTIMATED ? s->sigmas : NULL,
        .prior_sigma = 0.7,
        .prior_sigmas = prior == PRIOR_EACH ? s->priors : NULL,
        .anchor = anchored ? s->anchor : NULL,
        .n_total = 20,
    };
    s->n_params = objective_n_params(&s->objective, &s->net);
}

static void scene_release(struct scene *s)
{
    mem_free(s->priors);
    mem_free(s->anchor);
    mem_free(s->params);
    resnet_release(&s->net);
}

/* The objective, in tiles of at most `tile` rows. grad: [n_params] or NULL. */
static double evaluate(const struct scene *s, int tile, double *grad)
{
    struct err err = ERR_INIT;
    struct objective_loss loss;
    const struct data rows = {.n = ROWS, .d = INPUTS, .o = TARGETS, .x = s->x, .y = s->y};
    ck_assert_int_eq(objective_loss_init(&loss, &s->objective, &s->net, &err), ERR_OK);
    loss.tile = tile;
    double value = objective_loss_eval(&loss, &rows, s->params, grad);
    objective_loss_release(&loss);
    return value;
}

static double normal_nll(double dev, double sigma)
{
    return 0.5 * log(2.0 * M_PI) + log(sigma) + dev * dev / (2.0 * sigma * sigma);
}

/* The formulas of objective.h, term by term. */
static double by_formula(const struct scene *s)
{
    const struct objective *obj = &s->objective;
    size_t n_out = (size_t)s->net.n_out;
    double f[ROWS * 2 * TARGETS];
    double value = 0.0;
    plain_forward(&s->net, s->params, ROWS, s->x, f);
    for (size_t i = 0; i < ROWS; i++) {
        for (size_t j = 0; j < TARGETS; j++) {
            double dev = f[i * n_out + j] - s->y[i * TARGETS + j];
            double sigma = s->sigmas[j];
            if (obj->kind == OBJECTIVE_MSE) {
                value += dev * dev / (ROWS * TARGETS);
                continue;
            }
            if (obj->noise == NOISE_LEARNED) {
                sigma = exp(s->params[(size_t)s->net.n_params + j]);
            } else if (obj->noise == NOISE_PREDICTED) {
                sigma = sqrt(exp(f[i * n_out + TARGETS + j]) + OBJECTIVE_VAR_FLOOR);
            }
            value += normal_nll(dev, sigma);
        }
    }
    for (int k = 0; obj->kind == OBJECTIVE_NLP && k < s->n_params; k++) {
        bool weight = k < s->net.n_params;
        double center = weight ? (obj->anchor != NULL ? s->anchor[k] : 0.0) : log(0.1);
        double sigma = !weight ? 1.5 : obj->prior_sigmas != NULL ? s->priors[k] : 0.7;
        value += sigma > 0.0 ? ROWS / 20.0 * normal_nll(s->params[k] - center, sigma) : 0.0;
    }
    return value;
}

/* The largest difference to central differences, relative to the gradient's largest value. */
static double gradient_error(struct scene *s, const double *grad)
{
    double max = 0.0;
    double error = 0.0;
    for (int k = 0; k < s->n_params; k++) {
        double at = s->params[k];
        s->params[k] = at + 1e-5;
        double above = evaluate(s, ROWS, NULL);
        s->params[k] = at - 1e-5;
        double below = evaluate(s, ROWS, NULL);
        s->params[k] = at;
        error = fmax(error, fabs((above - below) / 2e-5 - grad[k]));
        max = fmax(max, fabs(grad[k]));
    }
    return error / max;
}

static void check(enum objective_kind kind, enum noise_kind noise, enum prior prior, bool anchored)
{
    struct scene s;
    static const int tiles[] = {1, 3, ROWS, 64};
    scene_init(&s, kind, noise, prior, anchored);
    double value = by_formula(&s);
    double *grad = mem_alloc_array((size_t)s.n_params, sizeof *grad);
    for (size_t t = 0; t < sizeof tiles / sizeof *tiles; t++) {
        ck_assert_double_eq_tol(evaluate(&s, tiles[t], NULL), value, 1e-12 * fabs(value));
        ck_assert_double_eq_tol(evaluate(&s, tiles[t], grad), value, 1e-12 * fabs(value));
        ck_assert_double_le(gradient_error(&s, grad), 1e-7);
    }
    mem_free(grad);
    scene_release(&s);
}

START_TEST(values_and_gradients_are_those_of_the_formulas)
{
    for (int kind = OBJECTIVE_MSE; kind <= OBJECTIVE_NLP; kind++) {
        for (int noise = NOISE_GIVEN; noise <= NOISE_PREDICTED; noise++) {
            for (int prior = 0; prior < N_PRIORS; prior++) {
                check((enum objective_kind)kind, (enum noise_kind)noise, (enum prior)prior, false);
                check((enum objective_kind)kind, (enum noise_kind)noise, (enum prior)prior, true);
            }
        }
    }
}
END_TEST

/* QUiNN's constant counts rows and not rows times outputs. */
START_TEST(one_given_sigma_has_the_constant_of_quinn)
{
    struct scene s;
    scene_init(&s, OBJECTIVE_NLL, NOISE_GIVEN, PRIOR_COMMON, false);
    s.objective.noise_sigmas = NULL;
    s.objective.noise_sigma = 0.4;
    s.sigmas[0] = s.sigmas[1] = 0.4;
    double both = by_formula(&s);
    double constant = ROWS * (0.5 * log(2.0 * M_PI) + log(0.4));
    ck_assert_double_eq_tol(evaluate(&s, 4, NULL), both - constant, 1e-12 * fabs(both));
    scene_release(&s);
}
END_TEST

/* Beyond OBJECTIVE_MAX_LOG the variance no longer grows, and nothing overflows. */
START_TEST(a_predicted_variance_has_a_floor_and_a_ceiling)
{
    ck_assert_double_eq_tol(objective_variance(-1000.0), 1e-6, 1e-20);
    ck_assert_double_eq(objective_variance(1000.0), objective_variance(OBJECTIVE_MAX_LOG));
    struct scene s;
    scene_init(&s, OBJECTIVE_NLL, NOISE_PREDICTED, PRIOR_COMMON, false);
    double *grad = mem_alloc_array((size_t)s.n_params, sizeof *grad);
    for (int sign = -1; sign <= 1; sign += 2) {
        for (int j = TARGETS; j < 2 * TARGETS; j++) {
            s.params[s.net.off.bias_post + j] = 800.0 * sign;
        }
        ck_assert(isfinite(evaluate(&s, ROWS, grad)));
        for (int k = 0; k < s.n_params; k++) {
            ck_assert(isfinite(grad[k]));
        }
        ck_assert_double_le(fabs(grad[s.net.off.bias_post + TARGETS]), 1e-100);
    }
    mem_free(grad);
    scene_release(&s);
}
END_TEST

/* objective_prior is the difference between posterior and likelihood, and adds its gradient. */
START_TEST(the_prior_stands_alone)
{
    struct scene s;
    scene_init(&s, OBJECTIVE_NLP, NOISE_LEARNED, PRIOR_EACH, true);
    double *whole = mem_alloc_array((size_t)s.n_params, sizeof *whole);
    double *likelihood = mem_alloc_array((size_t)s.n_params, sizeof *likelihood);
    double posterior = evaluate(&s, ROWS, whole);
    s.objective.kind = OBJECTIVE_NLL;
    double value = evaluate(&s, ROWS, likelihood);
    s.objective.kind = OBJECTIVE_NLP;
    value += objective_prior(&s.objective, &s.net, ROWS, s.params, likelihood);
    ck_assert_double_eq_tol(value, posterior, 1e-13 * fabs(posterior));
    for (int k = 0; k < s.n_params; k++) {
        ck_assert_double_eq_tol(likelihood[k], whole[k], 1e-12 * (1.0 + fabs(whole[k])));
    }
    mem_free(whole);
    mem_free(likelihood);
    scene_release(&s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("objective");
    TCase *tc = tcase_create("objective");
    gemm_use_one_thread();
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, values_and_gradients_are_those_of_the_formulas);
    tcase_add_test(tc, one_given_sigma_has_the_constant_of_quinn);
    tcase_add_test(tc, a_predicted_variance_has_a_floor_and_a_ceiling);
    tcase_add_test(tc, the_prior_stands_alone);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
