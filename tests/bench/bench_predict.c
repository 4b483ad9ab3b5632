/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The prediction path (compute threads over core/predict/predict) beside this machine's ceiling,
 * measured in the same run: the network's multiply-adds at the peak of OpenBLAS's GEMM, plus its
 * tanh at the speed of the fastest vector tanh within 4 ulp (double) or 2 ulp (float). Prints
 * medians of several rounds and asserts nothing.
 *
 * Then one row in both ways that weights are stored, with the error of the one in 32 bits, and a
 * gradient beside its value, in processor time, of which it prints the least.
 *
 * usage: bench_predict [rounds [max rows]]
 *        bench_predict one                 one row alone
 *        bench_predict activations         the activations over tanh
 *        bench_predict scaling [rounds]    how the cost grows, as CSV
 */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "live/batcher.h"
#include "math/gemm.h"
#include "math/kernels.h"
#include "machine.h"
#include "base/mem.h"
#include "base/rng.h"
#include "predict/derivative.h"
#include "predict/precision.h"
#include "predict/predict.h"
#include "timing.h"

#define MAX_ROUNDS 101

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

static struct model *make_model(const struct workload *w, enum precision precision)
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
    model->precision = precision;
    if (precision_publish(model, &err) != ERR_OK) {
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

#define MAX_AT_ONCE 4

/* Predictions through the compute threads, as in the server. */
struct client {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int left;
};

static void on_done(void *ctx)
{
    struct client *client = ctx;
    pthread_mutex_lock(&client->lock);
    client->left--;
    pthread_cond_signal(&client->changed);
    pthread_mutex_unlock(&client->lock);
}

static void predict(struct batcher *batcher, struct batch_item *items, int n)
{
    struct client *client = items[0].ctx;
    client->left = n;
    for (int i = 0; i < n; i++) {
        if (n == 1 && batcher_run(batcher, &items[i])) {
            client->left--;
        } else {
            batcher_submit(batcher, &items[i]);
        }
    }
    pthread_mutex_lock(&client->lock);
    while (client->left > 0) {
        pthread_cond_wait(&client->changed, &client->lock);
    }
    pthread_mutex_unlock(&client->lock);
    for (int i = 0; i < n; i++) {
        if (items[i].err.code != ERR_OK) {
            fprintf(stderr, "%s\n", err_msg(&items[i].err));
            exit(1);
        }
    }
}

static struct batcher *start_batcher(int threads)
{
    static struct metrics metrics;
    struct err err = ERR_INIT;
    struct batcher *batcher = NULL;
    struct batcher_settings settings = {.n_threads = threads,
                                        .max_items = MAX_AT_ONCE,
                                        .max_rows = 1 << 30,
                                        .batch_rows = PLAN_TILE_ROWS,
                                        .metrics = &metrics};
    if (batcher_start(&settings, &batcher, &err) != ERR_OK) {
        fprintf(stderr, "%s\n", err_msg(&err));
        exit(1);
    }
    return batcher;
}

static double predict_seconds(const struct model *model, int n, int threads, int at_once,
                              int rounds)
{
    double seconds[MAX_ROUNDS];
    double *x = mem_alloc_array((size_t)n * (size_t)model->d, sizeof *x);
    struct batcher *batcher = start_batcher(threads);
    struct client client = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    struct rng rng;
    rng_init(&rng, 2, RNG_TEST, 0);
    for (size_t k = 0; k < (size_t)n * (size_t)model->d; k++) {
        x[k] = 2.0 * rng_uniform(&rng) - 1.0;
    }
    struct predict_request req = {.n = n, .x = x, .want = PREDICT_MEAN | PREDICT_VARIANCE};
    for (int round = -1; round < rounds; round++) {
        struct arena arenas[MAX_AT_ONCE] = {ARENA_INIT};
        struct predict_result results[MAX_AT_ONCE];
        struct batch_item items[MAX_AT_ONCE];
        for (int i = 0; i < at_once; i++) {
            items[i] = (struct batch_item){.model = model,
                                           .request = &req,
                                           .result = &results[i],
                                           .arena = &arenas[i],
                                           .done = on_done,
                                           .ctx = &client,
                                           .err = ERR_INIT};
        }
        double start = now();
        predict(batcher, items, at_once);
        seconds[round < 0 ? 0 : round] = (now() - start) / at_once;
        for (int i = 0; i < at_once; i++) {
            arena_release(&arenas[i]);
        }
    }
    batcher_free(batcher);
    mem_free(x);
    return median(seconds, rounds);
}

/* Fewer rounds when one takes long. */
static int rounds_for(double seconds, int rounds)
{
    double max = seconds > 0.0 ? 3.0 / seconds : rounds;
    if (seconds < 1e-3) {
        return MAX_ROUNDS;
    }
    return max < 1.0 ? 1 : (max < rounds ? (int)max : rounds);
}

/* The activations over tanh, as a block ends: z <- z + h act(a). */
static void compare_activations(void)
{
    static const char *const names[] = {
#define ACTIVATION(code, name) name,
#include "math/activation.def"
#undef ACTIVATION
    };
    printf("\n%-8s %10s %9s %10s %9s\n", "block end", "float64 ns", "over tanh", "float32 ns",
           "over tanh");
    for (int act = 0; act < ACT_COUNT; act++) {
        double seconds[2];
        double ratio[2];
        for (int single = 0; act != ACT_IDENTITY && single < 2; single++) {
            double reference = machine_step_seconds(ACT_TANH, single == 1);
            seconds[single] = machine_step_seconds((enum activation)act, single == 1);
            ratio[single] = seconds[single] / reference;
        }
        if (act != ACT_IDENTITY) {
            printf("%-8s %11.2f %9.2f %10.2f %9.2f\n", names[act], 1e9 * seconds[0], ratio[0],
                   1e9 * seconds[1], ratio[1]);
        }
    }
}

static void compare_with_ceiling(int rounds, int max_rows)
{
    static const struct {
        int rows, threads, at_once;
    } cases[] = {{1, 1, 1}, {16, 1, 1}, {1000, 1, 1}, {1000, 2, 1}, {1000, 2, 4}, {100000, 2, 1}};
    static const char *const names[] = {"float64", "float32", "mixed"};
    for (enum precision precision = PRECISION_FLOAT64; precision <= PRECISION_MIXED; precision++) {
        double flops = machine_gemm_flops(precision == PRECISION_FLOAT32);
        double tanh_s = machine_tanh_seconds(precision == PRECISION_FLOAT32);
        printf("\n%s: GEMM %.1f GFLOP/s, tanh %.2f ns, one core\n", names[precision], 1e-9 * flops,
               1e9 * tanh_s);
        printf("%-4s %6s %8s %8s %12s %12s %9s\n", "", "rows", "threads", "at once", "ceiling us",
               "measured us", "ratio");
        for (size_t w = 0; w < sizeof workloads / sizeof *workloads; w++) {
            struct model *model = make_model(&workloads[w], precision);
            for (size_t c = 0; c < sizeof cases / sizeof *cases && cases[c].rows <= max_rows; c++) {
                double ceiling =
                    ceiling_seconds(&workloads[w], cases[c].rows, flops, tanh_s) / cases[c].threads;
                double found = predict_seconds(model, cases[c].rows, cases[c].threads,
                                               cases[c].at_once, rounds_for(ceiling, rounds));
                printf("%-4s %6d %8d %8d %12.1f %12.1f %8.0f%%\n", workloads[w].name, cases[c].rows,
                       cases[c].threads, cases[c].at_once, 1e6 * ceiling, 1e6 * found,
                       100.0 * ceiling / found);
            }
            model_unref(model);
        }
    }
}

/* ---- one row: values and gradients in processor time ---- */

static double processor_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The least of about a second's runs. */
static double least_seconds(const struct model *model, const struct predict_request *req)
{
    double least = INFINITY;
    double spent = 0.0;
    struct arena arena = ARENA_INIT;
    struct predict_result result;
    for (int run = 0; run < 5 || spent < 1.0; run++) {
        struct err err = ERR_INIT;
        double start = processor_now();
        if (predict_run(model, req, &arena, &result, &err) != ERR_OK) {
            fprintf(stderr, "%s\n", err_msg(&err));
            exit(1);
        }
        double seconds = processor_now() - start;
        least = fmin(least, seconds);
        spent += seconds;
        arena_clear(&arena);
    }
    arena_release(&arena);
    return least;
}

static void compare_one_row(void)
{
    static const char *const names[] = {"float64", "float32", "mixed"};
    double x[16];
    double sens[16];
    double out[16];
    for (int i = 0; i < 16; i++) {
        x[i] = 0.1 * i - 0.7;
        sens[i] = 1.0;
    }
    const struct derivative gradient = {
        .kind = DERIVATIVE_GRADIENT, .of = DERIVATIVE_OF_MEAN, .sens = sens, .out = out};
    const struct predict_request value = {
        .n = 1, .x = x, .want = PREDICT_MEAN | PREDICT_VARIANCE, .n_threads = 1};
    const struct predict_request slope = {
        .n = 1, .x = x, .want = PREDICT_MEAN, .n_threads = 1, .derivative = &gradient};
    printf("\none row, least processor time of one thread\n");
    printf("%-4s %-8s %9s %9s %11s %17s   error of mean, of std\n", "", "", "value us", "float64/",
           "gradient us", "(both)/value");
    for (size_t w = 1; w < sizeof workloads / sizeof *workloads; w++) {
        double first = 0.0;
        for (enum precision p = PRECISION_FLOAT64; p <= PRECISION_MIXED; p++) {
            struct model *model = make_model(&workloads[w], p);
            double seconds = least_seconds(model, &value);
            double more = least_seconds(model, &slope);
            first = p == PRECISION_FLOAT64 ? seconds : first;
            printf("%-4s %-8s %9.1f %9.2f %11.1f %17.2f   %.1e %.1e\n", workloads[w].name, names[p],
                   1e6 * seconds, first / seconds, 1e6 * more, (seconds + more) / seconds,
                   model->float32_error.mean, model->float32_error.std);
            model_unref(model);
        }
    }
}

/* How the cost grows when one quantity of a medium workload varies. */
static void scale(int rounds)
{
    static const struct workload base = {"", 8, 4, 32, 6, WPFN_LINEAR, 100};
    static const struct {
        const char *name;
        int values[7]; /* ended by 0 */
    } axes[] = {{"rows", {1, 4, 16, 64, 256, 1024, 4096}},
                {"draws", {1, 4, 16, 64, 256, 1024, 0}},
                {"width", {4, 8, 16, 32, 64, 128, 0}},
                {"layers", {1, 2, 4, 8, 16, 32, 64}},
                {"threads", {1, 2, 4, 0}}};
    printf("axis,value,precision,seconds\n");
    for (size_t a = 0; a < sizeof axes / sizeof *axes; a++) {
        for (int k = 0; k < 7 && axes[a].values[k] > 0; k++) {
            int v = axes[a].values[k];
            struct workload w = base;
            w.m = a == 1 ? v : w.m;
            w.r = a == 2 ? v : w.r;
            w.layers = a == 3 ? v : w.layers;
            for (int single = 0; single < 2; single++) {
                struct model *model =
                    make_model(&w, single ? PRECISION_FLOAT32 : PRECISION_FLOAT64);
                double s = predict_seconds(model, a == 0 ? v : 1024, a == 4 ? v : 1, 1, rounds);
                printf("%s,%d,float%d,%.9g\n", axes[a].name, v, single ? 32 : 64, s);
                model_unref(model);
            }
        }
    }
}

int main(int argc, char **argv)
{
    bool scaling = argc > 1 && strcmp(argv[1], "scaling") == 0;
    int rounds = argc > 1 + scaling ? atoi(argv[1 + scaling]) : 7;
    int max_rows = argc > 2 + scaling ? atoi(argv[2 + scaling]) : 1000;
    rounds = rounds < 1 ? 1 : (rounds > MAX_ROUNDS ? MAX_ROUNDS : rounds);
    gemm_use_one_thread();
    if (scaling) {
        scale(rounds);
        return 0;
    }
    if (argc > 1 && strcmp(argv[1], "one") == 0) {
        compare_one_row();
        return 0;
    }
    if (argc > 1 && strcmp(argv[1], "activations") == 0) {
        compare_activations();
        return 0;
    }
    printf("kernels %s, medians of %d\n", kernels_get()->isa, rounds);
    compare_activations();
    compare_with_ceiling(rounds, max_rows);
    compare_one_row();
    return 0;
}
