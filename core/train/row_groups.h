/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows that must stay together when rows are kept out or fall into folds: those with the same
 * inputs. A row whose inputs trained a model says little of the model's error elsewhere, whether it
 * is the same row twice or another run of a random simulation; kept out, it would give scores that
 * are too good.
 *
 * Where there are fewer than ROW_GROUPS_MIN_INPUTS different inputs, only rows that are the same in
 * inputs and outputs stay together: of a few inputs with many runs each, as of a model of one
 * category, none can be spared from the training.
 *
 * Rows are compared by a hash of 64 bits. Rows that differ have the same with a probability of
 * n^2 / 2^65, 3e-6 for ten million rows, and would then stay together without need.
 */
#ifndef ROW_GROUPS_H
#define ROW_GROUPS_H

#include "fit/data.h"

#define ROW_GROUPS_MIN_INPUTS 10

struct row_groups {
    int n;   /* groups */
    int *of; /* [rows] the group of each row; groups are numbered by their first rows; mem */
};

/* 0.0 and -0.0 are the same, and so are all NaN. ERR_NOMEM. */
enum err_code row_groups_find(const struct data *rows, struct row_groups *out,
                              struct err *err) MUST_CHECK;

/* A zeroed one may be released. */
void row_groups_release(struct row_groups *groups);

/* values [n_rows] has one value for each group at its beginning; each row <- that of its group. */
void row_groups_spread(const struct row_groups *groups, int n_rows, unsigned char *values);

#endif
