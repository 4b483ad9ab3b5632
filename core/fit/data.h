/* SPDX-License-Identifier: Apache-2.0 */
/* Rows for training, the outputs that they miss, their check, and the choice of some of them. */
#ifndef DATA_H
#define DATA_H

#include "base/compiler.h"
#include "base/err.h"
#include "base/rng.h"

#include <stdbool.h>
#include <stddef.h>

/* n rows of d inputs and o outputs; borrowed. */
struct data {
    int n;
    int d;
    int o;
    const double *x; /* [n x d] */
    const double *y; /* [n x o]; NaN: the row misses this output */
    /* How many outputs a row has on average, over all the rows that these were taken from, so that
     * minibatches of one set of rows are weighed alike. 0: no output is missing. */
    double present;
};

static inline bool data_has_holes(const struct data *rows)
{
    return rows->present > 0.0;
}

/* Outputs of a row, on average: o where none is missing. */
static inline double data_outputs(const struct data *rows)
{
    return data_has_holes(rows) ? rows->present : (double)rows->o;
}

/* Sets `present` from what y misses; the rows are then a whole set of their own. */
void data_find_holes(struct data *rows);

/* counts [o] <- how many rows have each output. Returns how many have at least one. */
int data_count(const struct data *rows, int *counts);

/* ERR_NONFINITE, naming the row (counted from first_row) and column of the first such value. */
enum err_code data_check_finite(const double *v, size_t n, int k, size_t first_row,
                                struct err *err) MUST_CHECK;

/* The same for outputs that may be missing: NaN passes, infinity does not. */
enum err_code data_check_outputs(const double *v, size_t n, int k, size_t first_row,
                                 struct err *err) MUST_CHECK;

/* to[i] <- from[index[i]] for n_index rows of k columns. */
void data_gather(const double *from, int k, const int *index, int n_index, double *to);

#endif
