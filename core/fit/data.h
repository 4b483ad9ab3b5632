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
    /* What rows may carry beside their values; NULL: nothing. */
    const double *weights;     /* [n] how much each counts, at least 0; 2 is the same row twice */
    const double *sigmas;      /* [n x o] standard deviations of the noise of their outputs */
    const double *jacobian;    /* [n x o x d] derivatives of outputs by inputs; NaN: not known */
    const unsigned char *kept; /* [n] 1: the user's own validation rows, which do not train */
    double mean_weight; /* of all the rows that these were taken from; 0: they have no weights */
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

/* What a row counts on average: 1 without weights. */
static inline double data_mean_weight(const struct data *rows)
{
    return rows->weights != NULL ? rows->mean_weight : 1.0;
}

/* Rows first .. first + n - 1, with all they carry. */
struct data data_part(const struct data *rows, int first, int n);

/* Sets `present` from what y misses; the rows are then a whole set of their own. */
void data_find_holes(struct data *rows);

/* Sets mean_weight from the weights, in the same sense. */
void data_find_weight(struct data *rows);

/* counts [o] <- how many rows have each output. Returns how many have at least one. */
int data_count(const struct data *rows, int *counts);

/* ERR_NONFINITE, naming the row (counted from first_row) and column of the first such value. */
enum err_code data_check_finite(const double *v, size_t n, int k, size_t first_row,
                                struct err *err) MUST_CHECK;

/* The same for outputs that may be missing: NaN passes, infinity does not. */
enum err_code data_check_outputs(const double *v, size_t n, int k, size_t first_row,
                                 struct err *err) MUST_CHECK;

/*
 * ERR_INVALID, with err->row, when what rows carry beside their values makes no sense: a weight
 * below 0 or none above it among those that train, a standard deviation that is not above 0 where
 * the row has the output.
 */
enum err_code data_check_extras(const struct data *rows, struct err *err) MUST_CHECK;

/* Room for copies of rows, with all that they carry. A zeroed one may be released. */
struct data_room {
    double *x, *y, *weights, *sigmas, *jacobian; /* mem */
    unsigned char *kept;                         /* mem */
};

/* For n rows that are like these. ERR_NOMEM. */
enum err_code data_room_init(struct data_room *room, const struct data *like, int n,
                             struct err *err) MUST_CHECK;
void data_room_release(struct data_room *room);

/* Copies of rows index[0 .. n-1] in the room; the view says the same of the whole set as `from`. */
struct data data_room_take(const struct data_room *room, const struct data *from, const int *index,
                           int n);

/* to[i] <- from[index[i]] for n_index rows of k columns. */
void data_gather(const double *from, int k, const int *index, int n_index, double *to);

#endif
