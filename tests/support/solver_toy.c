/* SPDX-License-Identifier: Apache-2.0 */
#include "solver_toy.h"

#include <check.h>
#include <math.h>

#include "base/mem.h"

static void small(struct solver_settings *s)
{
    s->members = 3;
    s->draws = 5;
    s->epochs = 4;
    s->batch_size = 5;
    s->swag_epochs = 3;
    s->swag_every = 2;
    s->swag_rank = 4;
    s->chains = 2;
    s->warmup = 6;
    s->max_depth = 4;
    s->vi_samples = 2;
    s->dropout = 0.25;
    s->evidence_gap = 1e9; /* all starts are kept */
}

static void make_rows(struct solver_toy *toy)
{
    struct rng rng;
    rng_init(&rng, 21, RNG_TEST, 0);
    for (int i = 0; i < TOY_ROWS + TOY_KEPT; i++) {
        double a = toy->x[TOY_INPUTS * i] = 2.0 * rng_uniform(&rng) - 1.0;
        double b = toy->x[TOY_INPUTS * i + 1] = 2.0 * rng_uniform(&rng) - 1.0;
        toy->y[TOY_OUT * i] = 0.5 + 0.4 * sin(2.0 * a) + 0.05 * rng_normal(&rng);
        toy->y[TOY_OUT * i + 1] = 0.3 * a * b + 0.1 * rng_normal(&rng);
    }
    toy->sigmas[0] = 0.1;
    toy->sigmas[1] = 0.2;
}

struct arch solver_toy_arch(enum noise_kind noise)
{
    struct arch arch = arch_default(TOY_INPUTS, noise == NOISE_PREDICTED ? 2 * TOY_OUT : TOY_OUT);
    arch.width = 3;
    arch.layers = 1;
    return arch;
}

struct arch solver_toy_linear_arch(void)
{
    struct arch arch = arch_default(TOY_INPUTS, TOY_OUT);
    arch.width = TOY_INPUTS;
    arch.layers = 0;
    arch.basis = WPFN_CONSTANT;
    arch.activation = ACT_IDENTITY;
    arch.layer_pre = false;
    arch.layer_post = false;
    return arch;
}

void solver_toy_init(struct solver_toy *toy, enum solver_kind kind, enum noise_kind noise,
                     const struct arch *arch)
{
    struct err err = ERR_INIT;
    bool known = noise == NOISE_GIVEN || (noise == NOISE_ESTIMATED && solver_needs_sigma(kind));
    *toy = (struct solver_toy){.kind = kind, .settings = solver_defaults(kind)};
    ck_assert_int_eq(resnet_init(&toy->net, arch, &err), ERR_OK);
    make_rows(toy);
    small(&toy->settings);
    if (kind == SOLVER_EVIDENCE) {
        toy->settings.epochs = 9; /* the precisions change after a few */
    }
    toy->priors = mem_alloc_array((size_t)toy->net.n_params, sizeof *toy->priors);
    for (int k = 0; k < toy->net.n_params; k++) {
        toy->priors[k] = 1.0 + 0.01 * k;
    }
    toy->problem = (struct solver_problem){
        .net = &toy->net,
        .train = {.n = TOY_ROWS, .d = TOY_INPUTS, .o = TOY_OUT, .x = toy->x, .y = toy->y},
        .validation = {.n = TOY_KEPT,
                       .d = TOY_INPUTS,
                       .o = TOY_OUT,
                       .x = toy->x + TOY_ROWS * TOY_INPUTS,
                       .y = toy->y + TOY_ROWS * TOY_OUT},
        .beliefs = {.noise = noise,
                    .noise_sigmas = known ? toy->sigmas : NULL,
                    .prior_sigmas = toy->priors},
        .seed = 3,
        .n_threads = 1,
    };
}

void solver_toy_release(struct solver_toy *toy)
{
    mem_free(toy->priors);
    resnet_release(&toy->net);
}

void solver_toy_punch(struct solver_toy *toy)
{
    for (int i = 0; i < TOY_ROWS + TOY_KEPT; i++) {
        if (i % 3 != 0) {
            toy->y[TOY_OUT * i + i % 2] = NAN;
        }
    }
    data_find_holes(&toy->problem.train);
    data_find_holes(&toy->problem.validation);
}

enum err_code solver_toy_run(const struct solver_toy *toy, struct solver_result *result,
                             struct err *err)
{
    return solver_run(toy->kind, &toy->problem, &toy->settings, result, err);
}

static double train_at(const struct loss *loss, const struct data *rows, const double *params,
                       double *grad)
{
    struct rng rng;
    rng_init(&rng, 4, RNG_TEST, 0);
    return loss->train(loss->ctx, rows, params, grad, &rng);
}

void solver_toy_check_gradient(const struct loss *loss, const struct data *rows, double *params)
{
    size_t n = (size_t)loss->n_params;
    double *grad = mem_alloc_array(n, sizeof *grad);
    double max = 0.0;
    double error = 0.0;
    train_at(loss, rows, params, grad);
    for (size_t k = 0; k < n; k++) {
        double at = params[k];
        params[k] = at + 1e-5;
        double above = train_at(loss, rows, params, NULL);
        params[k] = at - 1e-5;
        double below = train_at(loss, rows, params, NULL);
        params[k] = at;
        error = fmax(error, fabs((above - below) / 2e-5 - grad[k]));
        max = fmax(max, fabs(grad[k]));
    }
    mem_free(grad);
    ck_assert_double_le(error, 1e-7 * max);
}
