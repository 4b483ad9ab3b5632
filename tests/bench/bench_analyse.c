/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an analysis costs beside plain predictions of as many rows: workload W1, with 100 draws, in
 * one thread, by processor time and turn by turn in one process. Prints medians and asserts
 * nothing.
 *
 * usage: bench_analyse [rounds [rows]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "analyse/analyse.h"
#include "base/mem.h"
#include "predict/predict.h"
#include "timing.h"

#define INPUTS     8
#define DRAWS      100
#define MAX_ROUNDS 101
#define BLOCK      1000 /* rows of a plain prediction */

static void stop(const struct err *err)
{
    fprintf(stderr, "%s\n", err_msg(err));
    exit(1);
}

static double processor_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static struct model *make_model(void)
{
    struct err err = ERR_INIT;
    struct model *model = NULL;
    struct arch arch = arch_default(INPUTS, 1);
    struct rng rng;
    arch.width = 16;
    arch.layers = 4;
    arch.basis = WPFN_LINEAR;
    if (model_new(&arch, DRAWS, &model, &err) != ERR_OK) {
        stop(&err);
    }
    rng_init(&rng, 1, RNG_TEST, 0);
    for (size_t k = 0; k < DRAWS * (size_t)model->net.n_params; k++) {
        model->draws[k] = 0.3 * rng_normal(&rng);
    }
    if (model_publish(model, &err) != ERR_OK) {
        stop(&err);
    }
    return model;
}

static double predict_seconds(const struct model *model, int rows)
{
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    struct predict_result result;
    struct rng rng;
    double *x = mem_alloc_array(BLOCK * INPUTS, sizeof *x);
    rng_init(&rng, 2, RNG_TEST, 0);
    for (int i = 0; i < BLOCK * INPUTS; i++) {
        x[i] = rng_uniform(&rng);
    }
    const struct predict_request request = {
        .n = BLOCK, .x = x, .want = PREDICT_MEAN | PREDICT_VARIANCE, .n_threads = 1};
    double begin = processor_seconds();
    for (int done = 0; done < rows; done += BLOCK) {
        if (predict_run(model, &request, &arena, &result, &err) != ERR_OK) {
            stop(&err);
        }
        arena_clear(&arena);
    }
    double seconds = processor_seconds() - begin;
    arena_release(&arena);
    mem_free(x);
    return seconds * rows / ((rows + BLOCK - 1) / BLOCK * BLOCK);
}

/* Sets the rows that were evaluated. */
static double analyse_seconds(const struct model *model, const struct analyse_spec *spec,
                              double *rows)
{
    static const int outputs[] = {0};
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    struct analyse_result result;
    struct field field;
    struct field_model of = {.model = model, .outputs = outputs, .seed = 1};
    struct space_input input = {.name = "x", .has_bounds = true, .bounds = {0.0, 1.0}};
    struct law laws[INPUTS];
    for (int b = 0; b < INPUTS; b++) {
        if (law_of_input(&input, &laws[b], &err) != ERR_OK) {
            stop(&err);
        }
    }
    if (field_of_model(&of, 1, DRAWS, &arena, &field, &err) != ERR_OK) {
        stop(&err);
    }
    const struct analyse_run run = {
        .spec = spec, .field = &field, .laws = laws, .terms.n_threads = 1};
    double begin = processor_seconds();
    if (analyse_run(&run, &arena, &result, &err) != ERR_OK) {
        stop(&err);
    }
    double seconds = processor_seconds() - begin;
    *rows = result.runs / DRAWS;
    arena_release(&arena);
    return seconds;
}

int main(int argc, char **argv)
{
    static const char *const names[INPUTS] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    static const double levels[] = {0.05, 0.5, 0.95};
    static const enum analyse_kind kinds[] = {ANALYSE_SOBOL, ANALYSE_PROPAGATE, ANALYSE_MORRIS,
                                              ANALYSE_SHAPLEY, ANALYSE_SLICES};
    int rounds = argc > 1 ? atoi(argv[1]) : 5;
    int wanted = argc > 2 ? atoi(argv[2]) : 100000;
    struct model *model = make_model();
    rounds = rounds < 1 ? 1 : rounds > MAX_ROUNDS ? MAX_ROUNDS : rounds;
    printf(
        "W1, 1 thread, processor time: seconds for a million rows, and over plain predictions\n");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        double per_point[] = {[ANALYSE_SOBOL] = INPUTS + 2,
                              [ANALYSE_PROPAGATE] = 1.0,
                              [ANALYSE_MORRIS] = INPUTS + 1,
                              [ANALYSE_SHAPLEY] = 3.0 * INPUTS,
                              [ANALYSE_SLICES] = 51.0 * INPUTS};
        struct analyse_spec spec = {.kind = kinds[i],
                                    .seed = 1,
                                    .replicates = 16,
                                    .n = (int)(wanted / 16 / per_point[kinds[i]]) + 1,
                                    .n_levels = 3,
                                    .levels = levels,
                                    .bins = 50,
                                    .grid = 51,
                                    .input_names = names,
                                    .output_names = names};
        double plain[MAX_ROUNDS];
        double analysed[MAX_ROUNDS];
        double ratio[MAX_ROUNDS];
        for (int r = 0; r < rounds; r++) {
            double rows = 0.0;
            analysed[r] = analyse_seconds(model, &spec, &rows) / rows;
            plain[r] = predict_seconds(model, wanted) / wanted;
            ratio[r] = analysed[r] / plain[r];
        }
        printf("%-10s %8.2f s, plain %8.2f s, ratio %.2f\n", analyse_kind_name(kinds[i]),
               1e6 * median(analysed, rounds), 1e6 * median(plain, rounds), median(ratio, rounds));
    }
    model_unref(model);
    return 0;
}
