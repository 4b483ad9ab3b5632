/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sums of vectors whose parts are spread over ranks, in an order that does not depend on how many
 * ranks there are: ((part 0 + part 1) + part 2) + .. for each number. Each rank adds up a share of
 * the numbers and gives the others what it found, so that a rank sends and receives its own parts
 * and the sum, not the parts of all.
 */
#ifndef RANKS_SUM_H
#define RANKS_SUM_H

#include "base/ranks.h"

struct ranks_sum {
    const struct ranks *ranks; /* NULL: this process has all parts */
    int n_parts;
    int first, n_own; /* the parts of this rank */
    int columns;      /* numbers of a part that are sent at a time */
    double *sent;     /* [n_own x columns]; mem */
    double *received; /* [n_parts x share of columns]; mem */
    int *counts;      /* [4 x n ranks] what is sent and received, and where; mem */
};

/* For parts of up to `length` numbers. The ranks of the checkpoint take part where all of them do
 * the same at this moment; else the process has all parts. A zeroed one may be released.
 * ERR_NOMEM. */
enum err_code ranks_sum_init(struct ranks_sum *self, const struct checkpoint *checkpoint,
                             int n_parts, size_t length, struct err *err) MUST_CHECK;
void ranks_sum_release(struct ranks_sum *self);

/* total [length] <- the sum of the parts of all ranks; parts: [n_own x length] of this one. From
 * the main thread where there are several ranks. Does not allocate. Errors of the exchange. */
enum err_code ranks_sum_run(const struct ranks_sum *self, const double *parts, size_t length,
                            double *total, struct err *err) MUST_CHECK;

#endif
