/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kinds of analyses share. A kind says which tables it fills and how many statistics a
 * replicate leaves of each draw; a statistic is a mean over the replicate's points, so that those
 * of several replicates are joined by their mean. `finish` turns the statistics of a draw into the
 * numbers of the tables.
 */
#ifndef ANALYSE_PRIV_H
#define ANALYSE_PRIV_H

#include "analyse/analyse.h"
#include "analyse/points.h"

struct analysis;

struct analyse_ops {
    int points; /* default of spec->n */
    /* Checks what is the kind's own. */
    enum err_code (*check)(const struct analysis *a, struct err *err);
    /* Sets n_statistics and adds tables; may keep something in `own`. */
    enum err_code (*plan)(struct analysis *a, struct err *err);
    /* What replicates need beforehand; NULL: nothing. */
    enum err_code (*prepare)(struct analysis *a, struct err *err);
    /* out [n_functions x n_statistics] <- the statistics of a replicate. scratch: of the thread. */
    enum err_code (*replicate)(const struct analysis *a, int replicate, struct arena *scratch,
                               double *out, struct err *err);
    /* numbers [n of the tables] <- from the statistics of a draw; m: of the draws' mean. */
    enum err_code (*finish)(const struct analysis *a, int draw, const double *statistics,
                            double *numbers, struct err *err);
    /* Rows of a replicate, to count and to limit them. */
    double (*rows)(const struct analysis *a);
    /* Is one replicate enough, because nothing is random? NULL: no. */
    bool (*is_exact)(const struct analysis *a);
    /* Mends the joined result; NULL: nothing to mend. */
    void (*mend)(const struct analysis *a, struct analyse_result *result);
};

#define ANALYSIS(KIND, name, ops) extern const struct analyse_ops ops;
#include "analyse/analyse.def"
#undef ANALYSIS

struct analysis {
    const struct analyse_run *run;
    const struct analyse_spec *spec;
    const struct field *field;
    const struct analyse_ops *ops;
    struct arena *arena; /* of the result */
    int n_free;
    int *inputs;         /* [n_free] the inputs that are not fixed */
    const char **labels; /* [n_free] their names */
    int replicates;
    size_t n_statistics; /* of a draw */
    int n_functions;     /* m draws; m + 1 for a kind that also follows the mean of the draws */
    int n_tables, room;
    struct analyse_table *tables;
    size_t n_numbers;
    void *own;
};

/* The kind's arrays; *ok becomes false when memory is short. */
double *analysis_array(struct analysis *a, size_t n, bool *ok);

/* Appends a table; its axes are those of rank 1 .. ANALYSE_MAX_RANK. *ok: as above. */
struct analyse_table *analysis_add_table(struct analysis *a, const char *name, int rank,
                                         const struct analyse_axis *axes, bool *ok);
struct analyse_axis analysis_outputs(const struct analysis *a);
struct analyse_axis analysis_inputs(const struct analysis *a); /* the free ones */

/* The place of an input among the free ones; -1: it is fixed. */
int analysis_find_free(const struct analysis *a, int input);

/* x [n x d] <- rows from uniform numbers u [n x n_free]. */
void analysis_rows(const struct analysis *a, int n, const double *u, double *x);

/* y [m x n x o] <- values of all draws. ERR_CANCELLED, and the errors of field_ops. */
enum err_code analysis_values(const struct analysis *a, int n, const double *x,
                              struct arena *scratch, double *y, struct err *err) MUST_CHECK;

/* Rows that are evaluated together: at most max, so that the values of all draws stay small. */
int analysis_block(const struct analysis *a, int max, int rows_of_point);

#endif
