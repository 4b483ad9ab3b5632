/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of inputs under a space: members of categories, integers, and what the network sees. */
#ifndef SPACE_ROWS_H
#define SPACE_ROWS_H

#include "model/space.h"

#include <stddef.h>

/* Inputs in rows that may have more columns behind them. */
struct space_rows {
    size_t n;
    size_t stride; /* numbers in a row */
    double *v;     /* [n x stride]; NaN: missing */
};

/* The place of a member of a category; -1: it is none. */
int space_member(const struct space_input *input, const char *text, size_t len);

/* The member that a number means, such as 2 for "2" and "2.0"; -1: there is none. */
int space_member_of_number(const struct space_input *input, double value);

struct space_fault {
    size_t row;
    int column;
    double value;
};

/*
 * Replaces numbers that mean members of categories by the members' places. *found: where a number
 * means none.
 */
bool space_place_numbers(const struct space *space, const struct space_rows *rows,
                         struct space_fault *found);

/* Finds the first value that is no integer where one is needed, or no place of a member. */
bool space_find_fault(const struct space *space, const struct space_rows *rows,
                      struct space_fault *found);

#define SPACE_WANTED_CHARS 100
/* an integer is needed; one of "a", "b" is needed */
void space_describe_wanted(const struct space_input *input, char out[SPACE_WANTED_CHARS]);

/* Is a value outside of the input's bounds or the limits of its distribution? */
static inline bool space_is_outside(const double limits[2], double value)
{
    return value < limits[0] || value > limits[1];
}

/* Is one of the inputs a category? Which is the first; -1: none. */
int space_first_category(const struct space *space);

/* How many inputs the network has. */
int space_width(const struct space *space);

/* out [n x width] <- z [n x d], in which numbers are scaled and categories are places. */
void space_expand(const struct space *space, size_t n, const double *z, double *out);

/* Are the categories of both, and their values, the same? */
bool space_same_categories(const struct space *a, const struct space *b);

#endif
