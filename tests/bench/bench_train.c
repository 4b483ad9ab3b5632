/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One training step (forward, loss, backward, Adam) on one core beside this machine's ceiling,
 * measured in the same run: the multiply-adds of both passes at the peak of OpenBLAS's GEMM, plus
 * the tanh of the forward pass at the speed of the fastest vector tanh. Then one Hamiltonian step
 * of three leapfrog steps on a tiny network. Prints medians of several rounds and asserts nothing.
 *
 * usage: bench_train [rounds]
 *        bench_train seconds    prints lines "name seconds", for run.py
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "math/gemm.h"
#include "math/kernels.h"
#include "solve/logpost.h"
#include "machine.h"
#include "base/mem.h"
#include "base/rng.h"
#include "fit/optim.h"
#include "sample/sampler.h"
#include "timing.h"

#define MAX_ROUNDS 1001

static const struct workload {
    const char *name;
    int d, o, r, layers;
    enum wpfn_basis basis;
    int batch;
} workloads[] = {
    {"T1", 8, 1, 16, 4, WPFN_LINEAR, 100},
    {"T2", 10, 10, 64, 8, WPFN_QUADRATIC, 200},
};
static const struct workload tiny = {"HMC", 1, 1, 3, 3, WPFN_CONSTANT, 13};

static void check(enum err_code code, const struct err *err)
{
    if (code != ERR_OK) {
        fprintf(stderr, "%s\n", err_msg(err));
        exit(1);
    }
}

/* A network with random parameters and rows. */
struct problem {
    struct resnet net;
    struct data rows;
    double *params, *grad, *x, *y;
};

static void problem_init(struct problem *p, const struct workload *w)
{
    struct err err = ERR_INIT;
    struct arch arch = arch_default(w->d, w->o);
    struct rng rng;
    arch.width = w->r;
    arch.layers = w->layers;
    arch.basis = w->basis;
    check(resnet_init(&p->net, &arch, &err), &err);
    size_t n = (size_t)w->batch;
    p->params = mem_alloc_array((size_t)p->net.n_params, sizeof *p->params);
    p->grad = mem_alloc_array((size_t)p->net.n_params, sizeof *p->grad);
    p->x = mem_alloc_array(n * (size_t)w->d, sizeof *p->x);
    p->y = mem_alloc_array(n * (size_t)w->o, sizeof *p->y);
    if (p->params == NULL || p->grad == NULL || p->x == NULL || p->y == NULL) {
        fprintf(stderr, "no memory\n");
        exit(1);
    }
    rng_init(&rng, 1, RNG_TEST, 0);
    for (int k = 0; k < p->net.n_params; k++) {
        p->params[k] = 0.1 * rng_normal(&rng);
    }
    for (size_t k = 0; k < n * (size_t)w->d; k++) {
        p->x[k] = 2.0 * rng_uniform(&rng) - 1.0;
    }
    for (size_t k = 0; k < n * (size_t)w->o; k++) {
        p->y[k] = rng_normal(&rng);
    }
    p->rows = (struct data){.n = w->batch, .d = w->d, .o = w->o, .x = p->x, .y = p->y};
}

static void problem_release(struct problem *p)
{
    resnet_release(&p->net);
    mem_free(p->params);
    mem_free(p->grad);
    mem_free(p->x);
    mem_free(p->y);
}

/* The median seconds of a step. */
static double step_seconds(const struct workload *w, int rounds)
{
    struct err err = ERR_INIT;
    struct problem p;
    struct objective_loss loss;
    struct optim optim;
    struct objective objective = {.kind = OBJECTIVE_MSE};
    struct optim_settings settings = optim_defaults();
    double seconds[MAX_ROUNDS];
    problem_init(&p, w);
    check(objective_loss_init(&loss, &objective, &p.net, &err), &err);
    check(optim_init(&optim, &settings, p.net.n_params, &err), &err);
    for (int round = -10; round < rounds; round++) {
        double start = now();
        objective_loss_eval(&loss, &p.rows, p.params, p.grad);
        optim_step(&optim, 1e-3, p.grad, p.params);
        seconds[round < 0 ? 0 : round] = now() - start;
    }
    optim_release(&optim);
    objective_loss_release(&loss);
    problem_release(&p);
    return median(seconds, rounds);
}

static double ceiling_seconds(const struct workload *w, double flops, double tanh_s)
{
    double n = w->batch;
    double r = w->r;
    double blocks = w->layers + 1;
    double forward = r * w->d + blocks * r * r + r * w->o;
    /* Backward: a product for the weights' gradient and, behind the first layer, one for z. */
    double madds = 3.0 * forward - r * w->d;
    return n * (2.0 * madds / flops + r * (blocks + 1.0) * tanh_s);
}

/* The median seconds of a Hamiltonian step with three leapfrog steps. */
static double hmc_seconds(int rounds)
{
    struct err err = ERR_INIT;
    struct problem p;
    struct logpost logpost;
    struct sampler sampler = {.n = 0};
    struct sampler_info info;
    struct rng rng;
    struct objective objective = {
        .kind = OBJECTIVE_NLP, .noise_sigma = 0.3, .prior_sigma = 1.0, .n_total = tiny.batch};
    const struct sampler_settings settings = {
        .kind = SAMPLER_HMC, .epsilon = 0.01, .leapfrog_steps = 3, .jitter = 0.2};
    double seconds[MAX_ROUNDS];
    const int repeats = 100;
    problem_init(&p, &tiny);
    rng_init(&rng, 2, RNG_TEST, 0);
    check(logpost_init(&logpost, &objective, &p.net, &p.rows, &err), &err);
    struct target target = logpost_target(&logpost);
    check(sampler_init(&sampler, &settings, &target, p.params, &rng, &err), &err);
    for (int round = -1; round < rounds; round++) {
        double start = now();
        for (int k = 0; k < repeats; k++) {
            sampler_step(&sampler, &target, &rng, &info);
        }
        seconds[round < 0 ? 0 : round] = (now() - start) / repeats;
    }
    sampler_release(&sampler);
    logpost_release(&logpost);
    problem_release(&p);
    return median(seconds, rounds);
}

int main(int argc, char **argv)
{
    bool plain = argc > 1 && strcmp(argv[1], "seconds") == 0;
    int rounds = argc > 1 && !plain ? atoi(argv[1]) : 201;
    rounds = rounds < 1 ? 1 : (rounds > MAX_ROUNDS ? MAX_ROUNDS : rounds);
    gemm_use_one_thread();
    double flops = machine_gemm_flops(false);
    double tanh_s = machine_tanh_seconds(false);
    if (!plain) {
        printf("kernels %s, GEMM %.1f GFLOP/s, tanh %.2f ns, one core, medians of %d\n",
               kernels_get()->isa, 1e-9 * flops, 1e9 * tanh_s, rounds);
        printf("%-4s %6s %12s %12s %9s\n", "", "rows", "ceiling us", "step us", "ratio");
    }
    for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++) {
        const struct workload *w = &workloads[i];
        double ceiling = ceiling_seconds(w, flops, tanh_s);
        double found = step_seconds(w, rounds);
        if (plain) {
            printf("%s %.9g %.9g\n", w->name, found, ceiling);
        } else {
            printf("%-4s %6d %12.1f %12.1f %8.0f%%\n", w->name, w->batch, 1e6 * ceiling,
                   1e6 * found, 100.0 * ceiling / found);
        }
    }
    double hmc = hmc_seconds(rounds);
    if (plain) {
        printf("%s %.9g\n", tiny.name, hmc);
    } else {
        printf("HMC step of 3 leapfrog steps, %d rows, 22 parameters: %.2f us\n", tiny.batch,
               1e6 * hmc);
    }
    return 0;
}
