/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/predict against this machine's ceiling, side by side in one run: the network's multiply-adds
 * at the measured peak of OpenBLAS's GEMM plus its tanh at the measured speed of the fastest vector
 * tanh within 4 ulp (double) or 2 ulp (float). Prints medians of several rounds; asserts nothing.
 *
 * usage: bench_predict [rounds]
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cblas.h>

#include "gemm.h"
#include "kernels.h"
#include "mem.h"
#include "predict.h"
#include "rng.h"

#define MOST_ROUNDS 101

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v, int n)
{
    qsort(v, (size_t)n, sizeof *v, compare);
    return v[n / 2];
}

/* ---- the machine ---- */

static double gemm_flops(bool single)
{
    const int n = 1024;
    size_t count = (size_t)n * (size_t)n;
    double *a = mem_zalloc(3 * count * sizeof *a);
    float *f = (float *)a;
    double seconds[5];
    for (int k = 0; k < 6; k++) {
        double start = now();
        if (single) {
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1, f, n, f + count, n,
                        0, f + 2 * count, n);
        } else {
            cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1, a, n, a + count, n,
                        0, a + 2 * count, n);
        }
        seconds[k > 0 ? k - 1 : 0] = now() - start;
    }
    mem_free(a);
    return 2.0 * pow(n, 3) / median(seconds, 5);
}

/* Seconds of one tanh in an array that stays in the first-level cache. */
static double tanh_seconds(bool single)
{
    static double x[2048];
    static float xf[2048];
    const struct kernels *k = kernels_get();
    double seconds[5];
    for (int i = 0; i < 2048; i++) {
        xf[i] = (float)(x[i] = 4.0 * i / 2048.0 - 2.0);
    }
    for (int round = 0; round < 5; round++) {
        double start = now();
        for (int i = 0; i < 500; i++) {
            if (single) {
                k->tanh_f32(xf, 2048);
            } else {
                k->tanh_f64(x, 2048);
            }
        }
        seconds[round] = (now() - start) / (500.0 * 2048.0);
    }
    return median(seconds, 5);
}

/* ---- workloads ---- */

static const struct workload {
    const char *name;
    int d, o, r, layers;
    enum wpfn_basis basis;
    int m;
} workloads[] = {
    {"W0", 1, 1, 3, 3, WPFN_CONSTANT, 100},
    {"W1", 8, 1, 16, 4, WPFN_LINEAR, 100},
    {"W2", 10, 10, 64, 8, WPFN_QUADRATIC, 50},
    {"W3", 15, 10, 32, 6, WPFN_CUBIC, 1000},
};

static struct model *make_model(const struct workload *w, bool single)
{
    struct err err = ERR_INIT;
    struct model *model = NULL;
    struct arch arch = arch_default(w->d, w->o);
    struct rng rng;
    arch.width = w->r;
    arch.layers = w->layers;
    arch.basis = w->basis;
    if (model_new(&arch, w->m, &model, &err) != ERR_OK) {
        fprintf(stderr, "%s\n", err_msg(&err));
        exit(1);
    }
    rng_init(&rng, 1, RNG_TEST, 0);
    for (size_t k = 0; k < (size_t)w->m * (size_t)model->net.n_params; k++) {
        model->draws[k] = 0.3 * rng_normal(&rng);
    }
    model->single = single;
    if (model_publish(model, &err) != ERR_OK) {
        fprintf(stderr, "%s\n", err_msg(&err));
        exit(1);
    }
    return model;
}

static double ceiling_seconds(const struct workload *w, double n, double flops, double tanh_s)
{
    double r = w->r;
    double blocks = w->layers + 1;
    double madds = r * w->d + blocks * r * r + r * w->o;
    double tanhs = r * (blocks + 1.0);
    return n * w->m * (2.0 * madds / flops + tanhs * tanh_s);
}

static double predict_seconds(const struct model *model, int n, int threads, int rounds)
{
    double seconds[MOST_ROUNDS];
    double *x = mem_alloc_array((size_t)n * (size_t)model->d, sizeof *x);
    struct rng rng;
    rng_init(&rng, 2, RNG_TEST, 0);
    for (size_t k = 0; k < (size_t)n * (size_t)model->d; k++) {
        x[k] = 2.0 * rng_uniform(&rng) - 1.0;
    }
    struct predict_request req = {
        .n = n, .x = x, .want = PREDICT_MEAN | PREDICT_VARIANCE, .n_threads = threads};
    for (int round = -1; round < rounds; round++) {
        struct err err = ERR_INIT;
        struct arena arena = ARENA_INIT;
        struct predict_result result;
        double start = now();
        if (predict_run(model, &req, &arena, &result, &err) != ERR_OK) {
            fprintf(stderr, "%s\n", err_msg(&err));
            exit(1);
        }
        seconds[round < 0 ? 0 : round] = now() - start;
        arena_release(&arena);
    }
    mem_free(x);
    return median(seconds, rounds);
}

int main(int argc, char **argv)
{
    static const int counts[] = {1, 16, 1000};
    int rounds = argc > 1 ? atoi(argv[1]) : 7;
    rounds = rounds < 1 ? 1 : (rounds > MOST_ROUNDS ? MOST_ROUNDS : rounds);
    gemm_use_one_thread();
    printf("kernels %s, medians of %d\n", kernels_get()->isa, rounds);
    for (int single = 0; single < 2; single++) {
        double flops = gemm_flops(single);
        double tanh_s = tanh_seconds(single);
        printf("\nfloat%d: GEMM %.1f GFLOP/s, tanh %.2f ns, one core\n", single ? 32 : 64,
               1e-9 * flops, 1e9 * tanh_s);
        printf("%-4s %6s %8s %12s %12s %9s\n", "", "rows", "threads", "ceiling us", "measured us",
               "ratio");
        for (size_t w = 0; w < sizeof workloads / sizeof *workloads; w++) {
            struct model *model = make_model(&workloads[w], single);
            for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
                for (int threads = 1; threads <= (counts[c] >= 1000 ? 2 : 1); threads++) {
                    double ceiling =
                        ceiling_seconds(&workloads[w], counts[c], flops, tanh_s) / threads;
                    double found = predict_seconds(model, counts[c], threads,
                                                   counts[c] < 100 ? MOST_ROUNDS : rounds);
                    printf("%-4s %6d %8d %12.1f %12.1f %8.0f%%\n", workloads[w].name, counts[c],
                           threads, 1e6 * ceiling, 1e6 * found, 100.0 * ceiling / found);
                }
            }
            model_unref(model);
        }
    }
    return 0;
}
