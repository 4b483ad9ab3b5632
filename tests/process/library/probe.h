/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands of library_probe share. */
#ifndef PROBE_H
#define PROBE_H

#include "library/surrogated.h"

#include <stdbool.h>
#include <stddef.h>

#define PROBE_RESULTS 5 /* mean, std, variance, jacobian, jacobian_std */

/* Rows from standard input: "n d o", n x d numbers, and for uploads n x o more. */
struct probe_rows {
    int n, d, o;
    double *x;
    double *y; /* NULL: none */
    bool no_derivatives;
};

/* Ends the program with a message when a condition does not hold. */
void probe_demand(bool holds, const char *what);
/* The same for a code, with the handle's message. */
void probe_demand_ok(int code, struct surr *s, const char *what);

void probe_read_rows(struct probe_rows *rows, bool outputs);
void probe_release_rows(struct probe_rows *rows);

/* A prediction with memory of its own. */
struct probe_answer {
    enum surr_type type;
    enum surr_order order;
    size_t n_bytes[PROBE_RESULTS];
    unsigned char *values[PROBE_RESULTS];
    int64_t version;
    int64_t n_extrapolated;
};

/* Predicts everything in a type and an order. What the call does not fill is 0xff. */
int probe_predict(struct surr *s, const struct probe_rows *rows, struct probe_answer *out);
void probe_release_answer(struct probe_answer *answer);
/* Number `at` of a result, [n x o x b] in C's order. */
double probe_number(const struct probe_answer *answer, const struct probe_rows *rows, int result,
                    const size_t at[3]);

/* Commands. */
int probe_compare(int argc, char **argv);
int probe_threads(int argc, char **argv);
int probe_faults(int argc, char **argv);
int probe_call(int argc, char **argv);

#endif
