/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small simulation farm: it runs the reaction-diffusion model at the points of a Latin hypercube,
 * in parallel, and writes the rows in a form that the server reads. It stands in for simulations
 * that take hours on a cluster.
 */
#include "reaction.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_RUNS    10000000
#define MAX_THREADS 64

enum format { FORMAT_JSON, FORMAT_CSV, FORMAT_INPUTS, FORMAT_OUTPUTS };

struct farm {
    int runs;
    int threads;
    uint64_t seed;
    enum format format;
    double (*x)[REACTION_PARAMS];
    double (*y)[REACTION_OUTPUTS];
    atomic_int next;
    atomic_int failed;
};

/* SplitMix64 (G. Steele, D. Lea, C. Flood, OOPSLA 2014): small, and random enough for points. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static double next_uniform(uint64_t *state)
{
    return (double)(next_random(state) >> 11) * 0x1p-53;
}

/* Every parameter has one point in each of `runs` strata, in an order of its own. */
static int make_points(struct farm *farm)
{
    uint64_t state = farm->seed;
    int *order = calloc((size_t)farm->runs, sizeof *order);
    if (order == NULL) {
        return -1;
    }
    for (int p = 0; p < REACTION_PARAMS; p++) {
        for (int i = 0; i < farm->runs; i++) {
            int j = (int)(next_random(&state) % (uint64_t)(i + 1));
            order[i] = order[j];
            order[j] = i;
        }
        double low = reaction_range[p][0];
        double width = reaction_range[p][1] - low;
        for (int i = 0; i < farm->runs; i++) {
            double u = ((double)order[i] + next_uniform(&state)) / (double)farm->runs;
            farm->x[i][p] = low + width * u;
        }
    }
    free(order);
    return 0;
}

static int run_point(const double *x, double *y)
{
    struct reaction param = {x[0], x[1], x[2], x[3]};
    struct reaction_grid grid = reaction_default_grid();
    struct reaction_result result;
    if (!reaction_run(&param, &grid, &result)) {
        return -1;
    }
    y[0] = result.mass;
    y[1] = result.middle;
    y[2] = result.mean_mass;
    return 0;
}

/* A thread: takes the next point until there are none left. */
static void *run_points(void *arg)
{
    struct farm *farm = arg;
    int i;
    while ((i = atomic_fetch_add(&farm->next, 1)) < farm->runs) {
        if (run_point(farm->x[i], farm->y[i]) != 0) {
            atomic_fetch_add(&farm->failed, 1);
        }
    }
    return NULL;
}

static void run_all(struct farm *farm)
{
    pthread_t threads[MAX_THREADS];
    int started = 0;
    while (started < farm->threads - 1 &&
           pthread_create(&threads[started], NULL, run_points, farm) == 0) {
        started++;
    }
    run_points(farm);
    for (int t = 0; t < started; t++) {
        pthread_join(threads[t], NULL);
    }
}

/* ---- output ---- */

static void print_numbers(const double *v, int n)
{
    for (int j = 0; j < n; j++) {
        printf("%s%.17g", j > 0 ? "," : "", v[j]);
    }
}

static void print_json_array(const double *v, int runs, int k)
{
    printf("[");
    for (int i = 0; i < runs; i++) {
        printf("%s[", i > 0 ? "," : "");
        print_numbers(v + i * k, k);
        printf("]");
    }
    printf("]");
}

static void print_names(const char *const *names, int n, int first)
{
    for (int j = 0; j < n; j++) {
        printf("%s%s", j > 0 || !first ? "," : "", names[j]);
    }
}

static void print_rows(const struct farm *farm)
{
    switch (farm->format) {
    case FORMAT_JSON:
        printf("{\"inputs\":");
        print_json_array(farm->x[0], farm->runs, REACTION_PARAMS);
        printf(",\"outputs\":");
        print_json_array(farm->y[0], farm->runs, REACTION_OUTPUTS);
        printf("}\n");
        break;
    case FORMAT_INPUTS:
        print_json_array(farm->x[0], farm->runs, REACTION_PARAMS);
        printf("\n");
        break;
    case FORMAT_CSV:
        print_names(reaction_param_names, REACTION_PARAMS, 1);
        print_names(reaction_output_names, REACTION_OUTPUTS, 0);
        printf("\n");
        for (int i = 0; i < farm->runs; i++) {
            print_numbers(farm->x[i], REACTION_PARAMS);
            printf(",");
            print_numbers(farm->y[i], REACTION_OUTPUTS);
            printf("\n");
        }
        break;
    case FORMAT_OUTPUTS:
        for (int i = 0; i < farm->runs; i++) {
            print_numbers(farm->y[i], REACTION_OUTPUTS);
            printf("\n");
        }
        break;
    }
}

/* When rows do not reach the file, as on a full disk, the program must fail. */
static int finish_output(void)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        perror("farm: the rows could not be written");
        return 1;
    }
    return 0;
}

/* ---- command line ---- */

static void print_help(void)
{
    printf("usage: farm [--runs N] [--seed S] [--threads T] [--format json|csv|inputs|outputs]\n"
           "       farm --at D,K,M,A\n\n"
           "Runs a reaction-diffusion simulation at the points of a Latin hypercube and writes\n"
           "  json     the body of POST /v1/models/{m}/data\n"
           "  csv      a header, and one line for each run: inputs, then outputs\n"
           "  inputs   the inputs alone, as the \"inputs\" of POST /predict\n"
           "  outputs  the outputs alone, one line for each run\n\nparameters:\n");
    for (int p = 0; p < REACTION_PARAMS; p++) {
        printf("  %-12s %g to %g\n", reaction_param_names[p], reaction_range[p][0],
               reaction_range[p][1]);
    }
    printf("outputs: ");
    print_names(reaction_output_names, REACTION_OUTPUTS, 1);
    printf("\n");
}

static int run_one(const char *text)
{
    double x[REACTION_PARAMS];
    double y[REACTION_OUTPUTS];
    char rest;
    if (sscanf(text, "%lf,%lf,%lf,%lf%c", &x[0], &x[1], &x[2], &x[3], &rest) != REACTION_PARAMS) {
        fprintf(stderr, "farm: --at needs four numbers, as in 0.01,6,1,0.5\n");
        return 2;
    }
    if (run_point(x, y) != 0) {
        fprintf(stderr, "farm: the run failed\n");
        return 1;
    }
    print_numbers(y, REACTION_OUTPUTS);
    printf("\n");
    return finish_output();
}

static int read_format(const char *text, enum format *format)
{
    static const char *const names[] = {"json", "csv", "inputs", "outputs"};
    for (int f = 0; f < 4; f++) {
        if (strcmp(names[f], text) == 0) {
            *format = (enum format)f;
            return 0;
        }
    }
    return -1;
}

/* A number between low and high, or -1. */
static long read_count(const char *text, long low, long high)
{
    char *end;
    long value = strtol(text, &end, 10);
    return *text != '\0' && *end == '\0' && value >= low && value <= high ? value : -1;
}

static int read_option(struct farm *farm, const char *name, const char *value)
{
    if (strcmp(name, "--runs") == 0) {
        farm->runs = (int)read_count(value, 1, MAX_RUNS);
        return farm->runs < 0 ? -1 : 0;
    }
    if (strcmp(name, "--threads") == 0) {
        farm->threads = (int)read_count(value, 1, MAX_THREADS);
        return farm->threads < 0 ? -1 : 0;
    }
    if (strcmp(name, "--seed") == 0) {
        long seed = read_count(value, 0, 1000000000);
        farm->seed = (uint64_t)seed;
        return seed < 0 ? -1 : 0;
    }
    return strcmp(name, "--format") == 0 ? read_format(value, &farm->format) : -1;
}

int main(int argc, char **argv)
{
    struct farm farm = {.runs = 400, .threads = 2, .seed = 1, .format = FORMAT_JSON};
    for (int i = 1; i < argc; i += 2) {
        if (strcmp(argv[i], "--help") == 0) {
            print_help();
            return 0;
        }
        if (i + 1 < argc && strcmp(argv[i], "--at") == 0) {
            return run_one(argv[i + 1]);
        }
        if (i + 1 >= argc || read_option(&farm, argv[i], argv[i + 1]) != 0) {
            fprintf(stderr, "farm: %s is unknown or has a bad value; see farm --help\n", argv[i]);
            return 2;
        }
    }
    farm.x = calloc((size_t)farm.runs, sizeof *farm.x);
    farm.y = calloc((size_t)farm.runs, sizeof *farm.y);
    if (farm.x == NULL || farm.y == NULL || make_points(&farm) != 0) {
        fprintf(stderr, "farm: out of memory\n");
        return 1;
    }
    run_all(&farm);
    int failed = atomic_load(&farm.failed);
    int status = failed > 0 ? 1 : 0;
    if (failed > 0) {
        fprintf(stderr, "farm: %d of %d runs failed\n", failed, farm.runs);
    } else {
        print_rows(&farm);
        status = finish_output();
    }
    free(farm.x);
    free(farm.y);
    return status;
}
