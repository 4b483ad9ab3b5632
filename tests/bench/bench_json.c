/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nanoseconds for a number of a JSON tensor, read with all checks and written in its shortest form,
 * beside jansson's for the same. Prints medians and asserts nothing.
 */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "formats/json_stream.h"
#include "formats/json_tensor.h"
#include "timing.h"

#define ROWS    2000
#define COLUMNS 50
#define COUNT   (ROWS * COLUMNS)
#define ROUNDS  11

static double median_ns(double *seconds)
{
    return 1e9 * median(seconds, ROUNDS) / COUNT;
}

/* {"inputs":[[..],..]}; *len: the length of the text. */
static char *write_tensor(const double *values, struct arena *arena, size_t *len)
{
    static const size_t shape[] = {ROWS, COLUMNS};
    struct json_stream *stream = arena_alloc_array(arena, 1, sizeof *stream);
    struct err err = ERR_INIT;
    json_stream_init(stream, arena);
    json_write_object(&stream->json, NULL);
    json_stream_value(stream, "inputs", values, 2, shape);
    json_write_object_end(&stream->json);
    if (json_stream_end(stream, &err) != ERR_OK) {
        fprintf(stderr, "%s\n", err_msg(&err));
        exit(1);
    }
    size_t bound = json_stream_bound(stream);
    char *text = arena_alloc(arena, bound);
    *len = json_stream_read(stream, text, bound);
    return text;
}

/* A name of NULL warms up and prints nothing. */
static void measure(const char *name, const double *values)
{
    struct arena arena = ARENA_INIT; /* cleared between rounds, as a connection clears its own */
    double wrote[ROUNDS];
    double read[ROUNDS];
    double dumped[ROUNDS];
    double loaded[ROUNDS];
    size_t len = 0;
    for (int k = 0; k < ROUNDS; k++) {
        struct err err = ERR_INIT;
        json_t *document = NULL;
        struct json_tensor tensor = {
            .key = "inputs", .max_rows = ROWS, .max_columns = JSON_TENSOR_COLUMNS};
        double start = now();
        char *text = write_tensor(values, &arena, &len);
        double middle = now();
        if (json_tensor_parse(text, len, (struct json_tensors){&tensor, 1, 0}, &arena, &document,
                              &err) != ERR_OK ||
            memcmp(tensor.values, values, COUNT * sizeof *values) != 0) {
            fprintf(stderr, "what was written does not read back: %s\n", err_msg(&err));
            exit(1);
        }
        double end = now();
        wrote[k] = middle - start;
        read[k] = end - middle;
        start = now();
        json_t *whole = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
        middle = now();
        char *dump = json_dumps(whole, JSON_COMPACT | JSON_REAL_PRECISION(17));
        loaded[k] = middle - start;
        dumped[k] = now() - middle;
        json_decref(whole);
        free(dump);
        arena_clear(&arena);
    }
    arena_release(&arena);
    if (name != NULL) {
        printf("%-22s %10.1f %10.1f %14.0f %14.0f %12.1f\n", name, median_ns(read),
               median_ns(wrote), median_ns(loaded), median_ns(dumped), (double)len / COUNT);
    }
}

int main(void)
{
    double *values = mem_alloc_array(COUNT, sizeof *values);
    struct rng rng;
    rng_init(&rng, 1, RNG_TEST, 0);
    printf("%-22s %10s %10s %14s %14s %12s\n", "ns a number", "read", "written", "jansson reads",
           "jansson writes", "bytes each");
    for (int i = 0; i < COUNT; i++) {
        values[i] = rng_normal(&rng);
    }
    measure(NULL, values);
    measure("normal, 17 digits", values);
    for (int i = 0; i < COUNT; i++) {
        values[i] = exp(60.0 * rng_normal(&rng));
    }
    measure("of any exponent", values);
    for (int i = 0; i < COUNT; i++) {
        values[i] = round(1000.0 * rng_normal(&rng)) / 1000.0;
    }
    measure("three decimals", values);
    for (int i = 0; i < COUNT; i++) {
        values[i] = (double)i;
    }
    measure("integers", values);
    mem_free(values);
    return 0;
}
