/* SPDX-License-Identifier: Apache-2.0 */
/* Rows for training, their check, and the choice of some of them. */
#ifndef DATA_H
#define DATA_H

#include "base/compiler.h"
#include "base/err.h"
#include "base/rng.h"

#include <stddef.h>

/* n rows of d inputs and o outputs; borrowed. */
struct data {
    int n;
    int d;
    int o;
    const double *x; /* [n x d] */
    const double *y; /* [n x o] */
};

/* ERR_NONFINITE, naming the row (counted from first_row) and column of the first such value. */
enum err_code data_check_finite(const double *v, size_t n, int k, size_t first_row,
                                struct err *err) MUST_CHECK;

/* to[i] <- from[index[i]] for n_index rows of k columns. */
void data_gather(const double *from, int k, const int *index, int n_index, double *to);

#endif
