/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libsurrogated driven by test_library.py and test_replies.py:
 *
 *   library_probe compare SERVER FILE MODEL   both back ends, all types and orders; prints numbers
 *   library_probe threads SERVER FILE MODEL   handles that threads share
 *   library_probe faults WHERE MODEL JOB [WORD ..]   each allocation fails in turn
 *   library_probe call WHERE MODEL NAME=VALUE .. OPERATION ..   one call, its code and its message
 */
#include "probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void probe_demand(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "library_probe: %s\n", what);
        exit(1);
    }
}

void probe_demand_ok(int code, struct surr *s, const char *what)
{
    if (code != SURR_OK) {
        fprintf(stderr, "library_probe: %s: %d, %s\n", what, code, surr_error(s));
        exit(1);
    }
}

static double *read_numbers(size_t n)
{
    double *out = malloc((n + 1) * sizeof *out);
    probe_demand(out != NULL, "no memory");
    for (size_t i = 0; i < n; i++) {
        probe_demand(scanf("%lf", &out[i]) == 1, "a number is missing");
    }
    return out;
}

void probe_read_rows(struct probe_rows *rows, bool outputs)
{
    *rows = (struct probe_rows){.n = 0};
    probe_demand(scanf("%d %d %d", &rows->n, &rows->d, &rows->o) == 3, "no rows");
    rows->x = read_numbers((size_t)rows->n * (size_t)rows->d);
    rows->y = outputs ? read_numbers((size_t)rows->n * (size_t)rows->o) : NULL;
}

void probe_release_rows(struct probe_rows *rows)
{
    free(rows->x);
    free(rows->y);
}

/* ---- predictions ---- */

static size_t item_of(enum surr_type type)
{
    return type == SURR_REAL32 ? sizeof(float) : sizeof(double);
}

static void *encode_inputs(const struct probe_rows *rows, enum surr_type type,
                           enum surr_order order)
{
    size_t n = (size_t)rows->n;
    size_t d = (size_t)rows->d;
    unsigned char *out = malloc(n * d * item_of(type));
    probe_demand(out != NULL, "no memory");
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < d; j++) {
            size_t at = order == SURR_ROW_MAJOR ? i * d + j : j * n + i;
            float narrow = (float)rows->x[i * d + j];
            memcpy(out + at * item_of(type),
                   type == SURR_REAL32 ? (const void *)&narrow : &rows->x[i * d + j],
                   item_of(type));
        }
    }
    return out;
}

int probe_predict(struct surr *s, const struct probe_rows *rows, struct probe_answer *out)
{
    void *x = encode_inputs(rows, out->type, out->order);
    size_t n_values = (size_t)rows->n * (size_t)rows->o;
    for (int k = 0; k < PROBE_RESULTS; k++) {
        out->n_bytes[k] = n_values * item_of(out->type) * (k < 3 ? 1 : (size_t)rows->d);
        out->values[k] = malloc(out->n_bytes[k]);
        probe_demand(out->values[k] != NULL, "no memory");
        memset(out->values[k], 0xff, out->n_bytes[k]);
    }
    const struct surr_rows inputs = {.values = x,
                                     .n_rows = rows->n,
                                     .n_columns = rows->d,
                                     .type = out->type,
                                     .order = out->order};
    struct surr_prediction answer = {.n_outputs = rows->o,
                                     .mean = out->values[0],
                                     .std = out->values[1],
                                     .variance = out->values[2],
                                     .jacobian = rows->no_derivatives ? NULL : out->values[3],
                                     .jacobian_std = rows->no_derivatives ? NULL : out->values[4]};
    int code = surr_predict(s, &inputs, &answer);
    out->version = answer.version;
    out->n_extrapolated = answer.n_extrapolated;
    free(x);
    return code;
}

void probe_release_answer(struct probe_answer *answer)
{
    for (int k = 0; k < PROBE_RESULTS; k++) {
        free(answer->values[k]);
        answer->values[k] = NULL;
    }
}

double probe_number(const struct probe_answer *answer, const struct probe_rows *rows, int result,
                    const size_t at[3])
{
    size_t n = (size_t)rows->n;
    size_t o = (size_t)rows->o;
    size_t b = result < 3 ? 1 : (size_t)rows->d;
    size_t place = answer->order == SURR_ROW_MAJOR ? (at[0] * o + at[1]) * b + at[2]
                                                   : at[0] + n * (at[1] + o * at[2]);
    double wide;
    float narrow;
    if (answer->type == SURR_REAL32) {
        memcpy(&narrow, answer->values[result] + place * sizeof narrow, sizeof narrow);
        return (double)narrow;
    }
    memcpy(&wide, answer->values[result] + place * sizeof wide, sizeof wide);
    return wide;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } commands[] = {{"compare", probe_compare},
                    {"threads", probe_threads},
                    {"faults", probe_faults},
                    {"call", probe_call}};
    for (size_t i = 0; argc > 3 && i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            return commands[i].run(argc - 2, argv + 2);
        }
    }
    fprintf(stderr, "usage: library_probe compare|threads|faults|call WHERE ..\n");
    return 2;
}
