/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One result of a prediction in blocks, for answers that are too large to be held. A result is a
 * sequence of numbers, [outer x rows x width] in the order of its array: outer axes are levels,
 * samples, the two parts of a Jacobian, the ends of intervals. A block is a contiguous part of that
 * sequence: some rows of one outer index, or all rows of several. Its numbers have the same bits as
 * those of the whole result, because a row's answer does not depend on the rows beside it.
 *
 * The covariance between rows is no sequence of independent rows and has no blocks.
 */
#ifndef PREDICT_BLOCK_H
#define PREDICT_BLOCK_H

#include "predict/predict.h"

struct predict_block {
    enum predict_index index;       /* the result .. */
    size_t first;                   /* .. and its number at which the block begins: that of a row */
    struct predict_request request; /* what to compute */
    size_t count;                   /* numbers of the block .. */
    size_t offset;                  /* .. and where they begin in the array that is computed */
};

/* Can every result that is wanted be had in blocks? */
bool predict_block_is_possible(const struct predict_request *whole);

/* Numbers of the whole result. */
size_t predict_block_total(const struct model *model, const struct predict_request *whole,
                           enum predict_index index);

/*
 * Finds the block at block->first of result block->index: as much as can be computed in about
 * max_bytes, but at least one row. `whole` has been checked; the block borrows its arrays.
 */
void predict_block_find(const struct model *model, const struct predict_request *whole,
                        size_t max_bytes, struct predict_block *block);

/* Memory that the largest block of any wanted result takes. */
size_t predict_block_bytes(const struct model *model, const struct predict_request *whole,
                           size_t max_bytes);

#endif
