/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Effective draws per second of the No-U-Turn solver on the posterior of a small WP-ResNet (with
 * given noise and the prior N(0, 1)).
 *
 *   bench_nuts run DATA CHAINS WARMUP DRAWS THREADS
 *       writes the rows to the file DATA for another sampler, samples, and prints
 *       seconds, smallest and median effective size, gradients, R-hat
 *   bench_nuts ess VALUES CHAINS DRAWS K
 *       prints the smallest and median effective size and R-hat of another sampler's predictions,
 *       so that one estimator judges both; VALUES holds doubles [CHAINS x DRAWS x K]
 *
 * Effective sizes are bulk sizes of predictions at training rows; gradients are leapfrog steps
 * after the warm-up.
 */
#include "timing.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "math/gemm.h"
#include "sample/chain.h"
#include "solve/solver.h"

#define ROWS   100
#define INPUTS 2
#define SIGMA  0.2
#define WIDTH  5
#define LAYERS 3
#define MAX_K  512

struct rows {
    double x[ROWS * INPUTS];
    double y[ROWS];
};

static void make_rows(struct rows *rows)
{
    struct rng rng;
    rng_init(&rng, 1, RNG_TEST, 0);
    for (int i = 0; i < ROWS; i++) {
        double *x = rows->x + i * INPUTS;
        x[0] = 2.0 * rng_uniform(&rng) - 1.0;
        x[1] = 2.0 * rng_uniform(&rng) - 1.0;
        rows->y[i] = sin(2.0 * x[0]) * cos(x[1]) + SIGMA * rng_normal(&rng);
    }
}

/* Architecture and noise in the first line, then one row in each line. */
static int write_rows(const char *path, const struct rows *rows)
{
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        perror(path);
        return 1;
    }
    fprintf(file, "%d %d %d %.17g\n", INPUTS, WIDTH, LAYERS, SIGMA);
    for (int i = 0; i < ROWS; i++) {
        fprintf(file, "%.17g %.17g %.17g\n", rows->x[2 * i], rows->x[2 * i + 1], rows->y[i]);
    }
    return fclose(file) == 0 ? 0 : 1;
}

static double number(const struct report *report, const char *name)
{
    const struct report_item *item = report_find(report, name);
    return item != NULL ? item->values[0] : NAN;
}

static int sample(int argc, char **argv)
{
    static struct rows rows;
    static double prior[4096];
    double sigma = SIGMA;
    struct err err = ERR_INIT;
    struct resnet net;
    struct solver_result result;
    struct arch arch = arch_default(INPUTS, 1);
    struct solver_settings settings = solver_defaults(SOLVER_NUTS);
    if (argc != 7) {
        fprintf(stderr, "usage: bench_nuts run DATA CHAINS WARMUP DRAWS THREADS\n");
        return 2;
    }
    arch.width = WIDTH;
    arch.layers = LAYERS;
    settings.chains = atoi(argv[3]);
    settings.warmup = atoi(argv[4]);
    settings.draws = atoi(argv[5]);
    settings.epochs = 0;
    make_rows(&rows);
    if (write_rows(argv[2], &rows) != 0 || resnet_init(&net, &arch, &err) != ERR_OK) {
        return 1;
    }
    for (int k = 0; k < net.n_params; k++) {
        prior[k] = 1.0;
    }
    struct solver_problem problem = {
        .net = &net,
        .train = {.n = ROWS, .d = INPUTS, .o = 1, .x = rows.x, .y = rows.y},
        .validation = {.d = INPUTS, .o = 1},
        .beliefs = {.noise = NOISE_GIVEN, .noise_sigmas = &sigma, .prior_sigmas = prior},
        .seed = 1,
        .n_threads = atoi(argv[6]),
    };
    double start = now();
    if (solver_run(SOLVER_NUTS, &problem, &settings, &result, &err) != ERR_OK) {
        fprintf(stderr, "%s\n", err_msg(&err));
        resnet_release(&net);
        return 1;
    }
    double seconds = now() - start;
    double gradients = 0.0;
    const struct report_item *leapfrogs = report_find(&result.report, "chains.leapfrogs");
    for (int c = 0; leapfrogs != NULL && c < leapfrogs->n; c++) {
        gradients += leapfrogs->values[c];
    }
    printf("%g %g %g %.0f %g\n", seconds, number(&result.report, "predictions.ess_bulk_min"),
           number(&result.report, "predictions.ess_bulk_median"), gradients,
           number(&result.report, "predictions.rhat_max"));
    solver_result_release(&result);
    resnet_release(&net);
    return 0;
}

static int judge(const double *values, int c, int n, int k)
{
    struct err err = ERR_INIT;
    double ess[MAX_K];
    double rhat = 0.0;
    size_t m = (size_t)c * (size_t)n;
    double *column = mem_alloc_array(m, sizeof *column);
    for (int j = 0; column != NULL && j < k; j++) {
        struct chain_summary summary;
        for (size_t i = 0; i < m; i++) {
            column[i] = values[i * (size_t)k + (size_t)j];
        }
        if (chain_summarise(c, n, column, &summary, &err) != ERR_OK) {
            break;
        }
        ess[j] = summary.ess_bulk;
        rhat = fmax(rhat, summary.rhat);
    }
    if (column == NULL || err.code != ERR_OK) {
        fprintf(stderr, "no memory\n");
        mem_free(column);
        return 1;
    }
    double middle = median(ess, k); /* and sorts ess */
    printf("%g %g %g\n", ess[0], middle, rhat);
    mem_free(column);
    return 0;
}

static int judge_file(int argc, char **argv)
{
    if (argc != 6) {
        fprintf(stderr, "usage: bench_nuts ess VALUES CHAINS DRAWS K\n");
        return 2;
    }
    int c = atoi(argv[3]);
    int n = atoi(argv[4]);
    int k = atoi(argv[5]);
    if (c < 1 || n < CHAIN_MIN_DRAWS || k < 1 || k > MAX_K) {
        fprintf(stderr, "%d chains of %d draws of %d values cannot be judged\n", c, n, k);
        return 2;
    }
    size_t size = (size_t)c * (size_t)n * (size_t)k;
    double *values = mem_alloc_array(size, sizeof *values);
    FILE *file = fopen(argv[2], "rb");
    int status = 1;
    if (values != NULL && file != NULL && fread(values, sizeof *values, size, file) == size) {
        status = judge(values, c, n, k);
    } else {
        fprintf(stderr, "%s: %zu values are needed\n", argv[2], size);
    }
    if (file != NULL) {
        fclose(file);
    }
    mem_free(values);
    return status;
}

int main(int argc, char **argv)
{
    gemm_use_one_thread();
    if (argc > 1 && strcmp(argv[1], "ess") == 0) {
        return judge_file(argc, argv);
    }
    return sample(argc, argv);
}
