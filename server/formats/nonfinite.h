/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of a matrix that hold a value that is missing or not finite. */
#ifndef NONFINITE_H
#define NONFINITE_H

#include <stdbool.h>

#define NONFINITE_LISTED 100 /* how many rows are told one by one */

/* Which values of rows of k numbers may be missing (NaN): those from column `first` on. */
struct nonfinite_rule {
    int k;
    int first;                   /* k: none */
    bool all;                    /* of all rows .. */
    const unsigned char *failed; /* .. or of these alone, [n]; NULL: of none */
};

struct nonfinite {
    int n;                      /* rows with a value that the rule does not allow */
    int rows[NONFINITE_LISTED]; /* the first of them, in order */
    int column;                 /* of the first such value in the first such row */
    double value;               /* that value: NaN or an infinity */
    bool holes;                 /* there are missing values that the rule allows */
};

/* No value may be missing. */
struct nonfinite_rule nonfinite_strict(int k);

/* values: [n x k]. */
void nonfinite_find(const double *values, int n, const struct nonfinite_rule *rule,
                    struct nonfinite *out);

/*
 * Moves the rows that the rule allows to the beginning and returns how many they are. origin: [n],
 * gets the former place of each row that is kept.
 */
int nonfinite_remove(double *values, int n, const struct nonfinite_rule *rule, int *origin);

#endif
