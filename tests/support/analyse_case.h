/* SPDX-License-Identifier: Apache-2.0 */
/* Functions with known answers, in place of a model, and what an analysis of them needs. */
#ifndef ANALYSE_CASE_H
#define ANALYSE_CASE_H

#include "analyse/analyse.h"

#define CASE_MAX_INPUTS  8
#define CASE_MAX_OUTPUTS 3

/* y [o] <- f(x [d]) of a draw; jac [o x d] unless NULL. */
typedef void case_fn(int draw, const double *x, double *y, double *jac);

struct analyse_case {
    struct field field;
    case_fn *fn;
    struct space_input inputs[CASE_MAX_INPUTS];
    struct law laws[CASE_MAX_INPUTS];
    struct analyse_spec spec;
    struct analyse_run run;
    struct arena arena;
    struct analyse_result result;
};

/* A case of d inputs that are uniform between 0 and 1, o outputs and m draws. It must not move. */
void analyse_case_init(struct analyse_case *self, case_fn *fn, int d, int o, int m);
void analyse_case_release(struct analyse_case *self);

/* How an input is distributed. */
void analyse_case_set(struct analyse_case *self, int input, enum space_distribution_kind kind,
                      const double *p);

/* Runs the case's spec, which must succeed. */
void analyse_case_run(struct analyse_case *self);

/* A table of the result by name; the first of that name. */
const struct analyse_table *analyse_case_table(const struct analyse_case *self, const char *name);
/* Number i of a table: where it is among the result's numbers. */
size_t analyse_case_at(const struct analyse_case *self, const char *name, size_t i);

/* Ishigami's function with a = 7, b = 0.1, of three inputs in [-pi, pi]. */
void analyse_case_ishigami(struct analyse_case *self, int m);

#endif
