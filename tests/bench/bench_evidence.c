/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An iteration of a fit at the maximum of the evidence on one core, in its three parts, beside this
 * machine's ceiling, measured in the same run: the multiplications that each part cannot do without
 * at the speed of OpenBLAS's GEMM on matrices of K rows. With N values of outputs and K parameters
 * these are
 *
 *                   many values              few values (N < 2/3 K)
 *   derivatives     N K^2 (half of J'J)      none: lines of J alone
 *   evidence        2/3 K^3                  2 N^2 K + 2/3 N^3
 *   step            1/3 K^3                  N^2 K + 1/3 N^3
 *
 * in additions and multiplications. Then 1,000 predictions of one such network: the mean alone, and
 * mean and variance, whose n K^2 additions and multiplications stand beside the same ceiling, in
 * double and in float. Prints medians of processor time and asserts nothing.
 *
 * usage: bench_evidence [rounds]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "math/gemm.h"
#include "base/mem.h"
#include "base/rng.h"
#include "fit/levenberg.h"
#include "predict/precision.h"
#include "predict/predict.h"
#include "timing.h"

#define MAX_ROUNDS 101

static const struct workload {
    int d, r, layers, n;
} workloads[] = {
    {8, 16, 2, 50},   {8, 16, 2, 200},  {8, 16, 2, 1000},
    {8, 30, 2, 1000}, {8, 61, 2, 1000}, {8, 61, 2, 4000},
};

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void check(enum err_code code, const struct err *err)
{
    if (code != ERR_OK) {
        fprintf(stderr, "%s\n", err_msg(err));
        exit(1);
    }
}

static double *random_values(size_t n, uint32_t stream)
{
    double *v = mem_alloc_array(n, sizeof *v);
    struct rng rng;
    rng_init(&rng, 1, RNG_TEST, stream);
    for (size_t i = 0; i < n; i++) {
        v[i] = 2.0 * rng_uniform(&rng) - 1.0;
    }
    return v;
}

/* Additions and multiplications a second of a product of [k x k] matrices. */
static double gemm_speed(int k, int rounds)
{
    size_t size = (size_t)k * (size_t)k;
    double *a = random_values(size, 1);
    double *b = random_values(size, 2);
    double *c = mem_zalloc_array(size, sizeof *c);
    double times[MAX_ROUNDS];
    for (int i = 0; i < rounds; i++) {
        double start = cpu_seconds();
        gemm_nn(k, k, k, a, b, 0.0, c);
        times[i] = cpu_seconds() - start;
    }
    mem_free(a);
    mem_free(b);
    mem_free(c);
    return 2.0 * (double)k * (double)k * (double)k / median(times, rounds);
}

static void print_part(const char *name, double *times, int rounds, double work, double speed)
{
    double seconds = median(times, rounds);
    printf("  %-12s %9.3f ms", name, 1e3 * seconds);
    if (work > 0.0) {
        printf(", ceiling %9.3f ms: %3.0f %%", 1e3 * work / speed, 100.0 * work / speed / seconds);
    }
    printf("\n");
}

static void measure(const struct workload *w, int rounds)
{
    struct err err = ERR_INIT;
    struct resnet net;
    struct levenberg lm;
    struct arch arch = arch_default(w->d, 1);
    double times[3][MAX_ROUNDS];
    double logdet;
    bool moved;
    arch.width = w->r;
    arch.layers = w->layers;
    arch.basis = WPFN_CONSTANT;
    check(resnet_init(&net, &arch, &err), &err);
    double k = net.n_params;
    double n = w->n;
    double *x = random_values((size_t)w->n * (size_t)w->d, 3);
    double *y = random_values((size_t)w->n, 4);
    double *start = random_values((size_t)net.n_params, 5);
    double *determined = mem_alloc_array((size_t)net.n_params, sizeof *determined);
    const struct levenberg_problem problem = {
        .net = &net, .rows = {.n = w->n, .d = w->d, .o = 1, .x = x, .y = y}, .n_threads = 1};
    check(levenberg_init(&lm, &problem, &err), &err);
    double speed = gemm_speed(lm.size, rounds);
    for (int i = 0; i < net.n_params; i++) {
        lm.params[i] = 0.3 * start[i];
        lm.precision[i] = 1.0;
    }
    lm.sigmas[0] = 0.1;
    for (int i = 0; i < rounds; i++) {
        double begin = cpu_seconds();
        check(levenberg_linearise(&lm, &err), &err);
        times[0][i] = cpu_seconds() - begin;
        begin = cpu_seconds();
        check(levenberg_posterior(&lm, &logdet, determined, &err), &err);
        times[1][i] = cpu_seconds() - begin;
        lm.damping = 1e4; /* the first try is accepted */
        begin = cpu_seconds();
        check(levenberg_step(&lm, &moved, &err), &err);
        times[2][i] = cpu_seconds() - begin;
    }
    printf("%d rows, %.0f parameters (%s values), GEMM %.1f GFlop/s\n", w->n, k,
           lm.few ? "few" : "many", 1e-9 * speed);
    print_part("derivatives", times[0], rounds, lm.few ? 0.0 : n * k * k, speed);
    print_part("evidence", times[1], rounds,
               lm.few ? 2.0 * n * n * k + 2.0 / 3.0 * n * n * n : 2.0 / 3.0 * k * k * k, speed);
    print_part("step", times[2], rounds, lm.few ? n * n * k + n * n * n / 3.0 : k * k * k / 3.0,
               speed);
    levenberg_release(&lm);
    resnet_release(&net);
    mem_free(x);
    mem_free(y);
    mem_free(start);
    mem_free(determined);
}

/* ---- predictions ---- */

#define PREDICT_ROWS 1000

/* A network whose posterior has a Cholesky factor, of random numbers. */
static struct model *random_posterior(const struct workload *w, enum precision precision)
{
    struct err err = ERR_INIT;
    struct model *model = NULL;
    struct arch arch = arch_default(w->d, 1);
    arch.width = w->r;
    arch.layers = w->layers;
    arch.basis = WPFN_CONSTANT;
    check(model_new(&arch, 1, &model, &err), &err);
    size_t k = (size_t)model->net.n_params;
    const struct gauss_shape shape = {.n_params = (int)k, .n = (int)k, .rank = (int)k};
    check(gauss_mixture_new(&model->gaussian, 1, &shape, &err), &err);
    double *values = random_values(k + k * k, 6);
    memcpy(model->gaussian.members[0].mean, values, k * sizeof *values);
    for (size_t i = 0; i < k; i++) {
        for (size_t c = i; c < k; c++) {
            model->gaussian.members[0].factor[i * k + c] = 1e-3 * values[k + i * k + c];
        }
    }
    mem_free(values);
    model->gaussian.linearised = true;
    model->precision = precision;
    check(model_publish(model, &err), &err);
    return model;
}

static void time_predictions(const char *name, const struct model *model, unsigned want, int rounds,
                             double speed)
{
    struct err err = ERR_INIT;
    double times[MAX_ROUNDS];
    double k = model->net.n_params;
    double *x = random_values((size_t)PREDICT_ROWS * (size_t)model->d, 3);
    const struct predict_request req = {.n = PREDICT_ROWS, .x = x, .want = want, .n_threads = 1};
    for (int i = 0; i < rounds; i++) {
        struct arena arena = ARENA_INIT;
        struct predict_result result;
        double begin = cpu_seconds();
        check(predict_run(model, &req, &arena, &result, &err), &err);
        times[i] = cpu_seconds() - begin;
        arena_release(&arena);
    }
    print_part(name, times, rounds, speed > 0.0 ? PREDICT_ROWS * k * k : 0.0, speed);
    mem_free(x);
}

static void measure_predictions(const struct workload *w, int rounds)
{
    struct model *exact = random_posterior(w, PRECISION_FLOAT64);
    struct model *single = random_posterior(w, PRECISION_FLOAT32);
    double speed = gemm_speed(exact->net.n_params, rounds);
    printf("%d predictions, %d parameters, GEMM %.1f GFlop/s, twice as much in float\n",
           PREDICT_ROWS, exact->net.n_params, 1e-9 * speed);
    time_predictions("mean", exact, PREDICT_MEAN, rounds, 0.0);
    time_predictions("variance", exact, PREDICT_VARIANCE, rounds, speed);
    time_predictions("in float", single, PREDICT_VARIANCE, rounds, 2.0 * speed);
    model_unref(exact);
    model_unref(single);
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 11;
    rounds = rounds < 1 ? 1 : rounds > MAX_ROUNDS ? MAX_ROUNDS : rounds;
    gemm_use_one_thread();
    measure_predictions(&workloads[0], rounds);
    measure_predictions(&workloads[3], rounds);
    for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++) {
        measure(&workloads[i], rounds);
    }
    return 0;
}
