/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of a matrix that hold a value that is missing or not finite. */
#ifndef NONFINITE_H
#define NONFINITE_H

#include <stdbool.h>

#define NONFINITE_LISTED 100 /* how many rows are told one by one */

struct nonfinite {
    int n;                      /* such rows */
    int rows[NONFINITE_LISTED]; /* the first of them, in order */
    int column;                 /* of the first such value in the first such row */
    double value;               /* that value: NaN or an infinity */
};

/* values: [n x k]. */
void nonfinite_find(const double *values, int n, int k, struct nonfinite *out);

/*
 * Moves the finite rows to the beginning and returns how many they are. origin: [n], gets the
 * former place of each row that is kept.
 */
int nonfinite_remove(double *values, int n, int k, int *origin);

#endif
