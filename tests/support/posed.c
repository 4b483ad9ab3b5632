/* SPDX-License-Identifier: Apache-2.0 */
#include "posed.h"

#include <check.h>
#include <stdlib.h>

const struct posed_kind posed_kinds[] = {
    {"linear", 2, 2, 5, 2, WPFN_LINEAR, 0, ACT_TANH, FINAL_NONE, false, false, false, false, false},
    {"wide, cubic", 3, 2, 8, 3, WPFN_CUBIC, 0, ACT_TANH, FINAL_NONE, false, false, false, false,
     false},
    {"perceptron", 2, 2, 4, 2, WPFN_NONPARAMETRIC, 0, ACT_TANH, FINAL_NONE, true, false, false,
     false, false},
    {"constant", 1, 2, 3, 3, WPFN_CONSTANT, 0, ACT_TANH, FINAL_NONE, false, false, false, false,
     false},
    {"no pre layer", 4, 2, 4, 2, WPFN_LEGENDRE, 2, ACT_TANH, FINAL_NONE, false, false, true, false,
     false},
    {"no post layer", 3, 4, 4, 1, WPFN_FOURIER, 1, ACT_TANH, FINAL_NONE, false, false, false, true,
     false},
    {"neither", 4, 4, 4, 2, WPFN_QUADRATIC, 0, ACT_TANH, FINAL_NONE, true, true, true, true, false},
    {"no bias", 2, 2, 3, 2, WPFN_LINEAR, 0, ACT_TANH, FINAL_NONE, false, true, false, false, false},
    {"identity", 2, 2, 3, 2, WPFN_LINEAR, 0, ACT_IDENTITY, FINAL_NONE, false, false, false, false,
     false},
    {"identity perceptron", 2, 2, 3, 2, WPFN_CONSTANT, 0, ACT_IDENTITY, FINAL_NONE, true, false,
     false, false, false},
    {"exp", 2, 2, 4, 2, WPFN_LINEAR, 0, ACT_TANH, FINAL_EXP, false, false, false, false, false},
    {"log", 2, 2, 4, 2, WPFN_LINEAR, 0, ACT_TANH, FINAL_LOGABS, false, false, false, false, false},
    {"sum", 2, 3, 4, 2, WPFN_LINEAR, 0, ACT_TANH, FINAL_SUM, false, false, false, false, false},
    {"qr", 2, 2, 3, 3, WPFN_QR, 2, ACT_TANH, FINAL_NONE, false, false, false, false, false},
    {"relu", 2, 2, 5, 2, WPFN_LINEAR, 0, ACT_RELU, FINAL_NONE, false, false, false, false, false},
    {"sin", 2, 2, 4, 2, WPFN_LINEAR, 0, ACT_SIN, FINAL_NONE, false, false, false, false, false},
    {"silu", 2, 2, 4, 2, WPFN_CONSTANT, 0, ACT_SILU, FINAL_EXP, false, true, false, false, false},
    {"gelu perceptron", 2, 2, 4, 2, WPFN_NONPARAMETRIC, 0, ACT_GELU, FINAL_NONE, true, false, false,
     false, false},
    {"gelu, neither", 4, 4, 4, 2, WPFN_LINEAR, 0, ACT_GELU, FINAL_NONE, false, false, true, true,
     false},
    {"no outer bias", 2, 2, 4, 2, WPFN_LINEAR, 0, ACT_TANH, FINAL_NONE, false, false, false, false,
     true},
    {"no bias at all", 2, 2, 4, 2, WPFN_NONPARAMETRIC, 0, ACT_SILU, FINAL_EXP, true, true, false,
     false, true},
};
const int posed_n_kinds = sizeof posed_kinds / sizeof *posed_kinds;

const char *const posed_objective_names[POSED_N_OBJECTIVES] = {
    "mse", "nll", "noise of each", "nlp, priors", "learned noise", "predicted noise"};

static struct objective make_objective(struct posed *f, enum posed_objective kind)
{
    struct objective objective = {.kind = OBJECTIVE_NLL,
                                  .noise_sigma = 0.4,
                                  .prior_sigma = 0.8,
                                  .anchor = f->anchor,
                                  .n_total = 2 * POSED_ROWS};
    switch (kind) {
    case POSED_MSE:
        objective.kind = OBJECTIVE_MSE;
        break;
    case POSED_EACH:
        objective.noise_sigmas = f->sigmas;
        break;
    case POSED_NLP:
        objective.kind = OBJECTIVE_NLP;
        objective.prior_sigmas = f->prior_sigmas;
        break;
    case POSED_LEARNED:
        objective.kind = OBJECTIVE_NLP;
        objective.noise = NOISE_LEARNED;
        break;
    case POSED_PREDICTED:
        objective.kind = OBJECTIVE_NLP;
        objective.noise = NOISE_PREDICTED;
        break;
    case POSED_NLL:
    case POSED_N_OBJECTIVES:
        break;
    }
    return objective;
}

static struct arch arch_of(const struct posed_kind *kind)
{
    struct arch arch = arch_default(kind->d, kind->o);
    arch.width = kind->r;
    arch.layers = kind->layers;
    arch.basis = kind->basis;
    arch.order = kind->order;
    arch.activation = kind->activation;
    arch.final = kind->final;
    arch.residual = !kind->mlp;
    arch.bias = !kind->no_bias;
    arch.outer_bias = !kind->no_outer_bias;
    arch.layer_pre = !kind->no_pre;
    arch.layer_post = !kind->no_post;
    return arch;
}

bool posed_init(struct posed *f, const struct posed_kind *kind, enum posed_objective objective,
                int n)
{
    struct err err = ERR_INIT;
    struct rng rng;
    struct arch arch = arch_of(kind);
    *f = (struct posed){.net = {.phi = NULL}};
    ck_assert_msg(resnet_init(&f->net, &arch, &err) == ERR_OK, "%s", err_msg(&err));
    if (objective == POSED_PREDICTED && f->net.n_out % 2 != 0) {
        resnet_release(&f->net);
        return false;
    }
    size_t all = (size_t)f->net.n_params + (size_t)f->net.n_out;
    f->params = calloc(all, sizeof *f->params);
    f->prior_sigmas = calloc(all, sizeof *f->params);
    f->anchor = calloc(all, sizeof *f->params);
    f->x = calloc((size_t)(n * kind->d), sizeof *f->x);
    f->y = calloc((size_t)(n * f->net.n_out), sizeof *f->y);
    rng_init(&rng, 3, RNG_TEST, (uint32_t)(kind - posed_kinds));
    for (size_t k = 0; k < all; k++) {
        f->params[k] = 0.5 * rng_normal(&rng);
        f->prior_sigmas[k] = k % 5 == 0 ? 0.0 : 0.3 + rng_uniform(&rng);
        f->anchor[k] = rng_normal(&rng);
    }
    /* Away from the pole of log|y|, where central differences are not accurate. */
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
    f->objective = make_objective(f, objective);
    f->problem = (struct curvature_problem){
        .objective = &f->objective,
        .net = &f->net,
        .rows = {.n = n,
                 .d = kind->d,
                 .o = objective == POSED_PREDICTED ? f->net.n_out / 2 : f->net.n_out,
                 .x = f->x,
                 .y = f->y},
        .params = f->params,
        .n_threads = 1,
    };
    return true;
}

void posed_release(struct posed *f)
{
    resnet_release(&f->net);
    free(f->params);
    free(f->prior_sigmas);
    free(f->anchor);
    free(f->x);
    free(f->y);
}

int posed_n_params(const struct posed *f)
{
    return objective_n_params(&f->objective, &f->net);
}
