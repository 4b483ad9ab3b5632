/* SPDX-License-Identifier: Apache-2.0 */
#include "predict/predict_block.h"

#include "network/plan.h"

/* The axes of a result, taken together. */
struct extent {
    size_t outer, rows, width;
};

static struct extent extent_of(const struct model *model, const struct predict_request *whole,
                               enum predict_index index)
{
    struct predict_dims dims = predict_result_dims(index, model, whole);
    struct extent extent = {.outer = 1, .rows = dims.size[dims.rows], .width = 1};
    for (int k = 0; k < dims.rows; k++) {
        extent.outer *= dims.size[k];
    }
    for (int k = dims.rows + 1; k < dims.rank; k++) {
        extent.width *= dims.size[k];
    }
    return extent;
}

bool predict_block_is_possible(const struct predict_request *whole)
{
    return !(whole->want & PREDICT_COVARIANCE_ROWS);
}

size_t predict_block_total(const struct model *model, const struct predict_request *whole,
                           enum predict_index index)
{
    struct extent extent = extent_of(model, whole, index);
    return extent.outer * extent.rows * extent.width;
}

/*
 * Restricts the request to outer indices [first, first + n) of the result; returns how many of
 * those that it computes come before `first`.
 */
static size_t choose_outer(struct predict_request *request, enum predict_index index, size_t first,
                           size_t n)
{
    switch (predict_kinds[index].shape) {
    case PREDICT_SHAPE_LEVELS_N_O:
        request->levels += first;
        request->n_levels = (int)n;
        return 0;
    case PREDICT_SHAPE_TOTAL_LEVELS_N_O:
        request->total_levels += first;
        request->n_total_levels = (int)n;
        return 0;
    case PREDICT_SHAPE_SAMPLES_N_O:
        request->first_sample += (int)first;
        request->n_samples = (int)n;
        return 0;
    case PREDICT_SHAPE_ENDS_N_O: /* two ends of each interval */
        request->intervals += first / 2;
        request->n_intervals = (int)((first + n + 1) / 2 - first / 2);
        return first % 2;
    case PREDICT_SHAPE_PAIR_N:
    case PREDICT_SHAPE_PAIR_N_O_D: /* both parts are computed in any case */
        return first;
    case PREDICT_SHAPE_N_O:
    case PREDICT_SHAPE_N_O_O:
    case PREDICT_SHAPE_O_N_N:
        break;
    }
    return 0;
}

/*
 * The result alone. Variances have other bits when they come from the covariance between outputs,
 * so what the whole request asks for there is asked for here too.
 */
static struct predict_request request_for(const struct predict_request *whole,
                                          enum predict_index index)
{
    struct predict_request request = *whole;
    request.samples_alone = index == PREDICT_INDEX_SAMPLES;
    request.want = 1U << index;
    if (!request.samples_alone) {
        request.want |= whole->want & PREDICT_COVARIANCE_OUTPUTS;
    }
    return request;
}

/* The largest number up to max of which `n_bytes` each take at most max_bytes; at least 1. */
static size_t largest(size_t max, size_t n_bytes, size_t max_bytes)
{
    size_t n = n_bytes > 0 ? max_bytes / n_bytes : max;
    n = n < max ? n : max;
    return n > 0 ? n : 1;
}

/* Rows of a block of one outer index; whole tiles, where there are several. */
static size_t rows_that_fit(const struct model *model, const struct predict_request *request,
                            size_t n_rows, size_t max_bytes)
{
    struct predict_request one = *request;
    one.n = 1;
    size_t rows = largest(n_rows, predict_bytes(model, &one), max_bytes);
    return rows < n_rows && rows > PLAN_TILE_ROWS ? rows - rows % PLAN_TILE_ROWS : rows;
}

void predict_block_find(const struct model *model, const struct predict_request *whole,
                        size_t max_bytes, struct predict_block *block)
{
    const enum predict_index index = block->index;
    const size_t first = block->first;
    struct extent extent = extent_of(model, whole, index);
    size_t outer = first / (extent.rows * extent.width);
    size_t row = first / extent.width % extent.rows;
    struct predict_request request = request_for(whole, index);
    struct predict_request one = request;
    (void)choose_outer(&one, index, outer, 1);
    size_t fit = rows_that_fit(model, &one, extent.rows, max_bytes);
    size_t n_rows = extent.rows - row < fit ? extent.rows - row : fit;
    size_t n_outer = 1;
    if (n_rows == extent.rows) {
        n_outer = largest(extent.outer - outer, predict_bytes(model, &one), max_bytes);
    }
    size_t skipped = choose_outer(&request, index, outer, n_outer);
    request.n = (int)n_rows;
    request.x += row * (size_t)model->d;
    request.first_row += (int)row;
    block->request = request;
    block->count = n_outer * n_rows * extent.width;
    block->offset = skipped * n_rows * extent.width;
}

size_t predict_block_bytes(const struct model *model, const struct predict_request *whole,
                           size_t max_bytes)
{
    size_t max = 0;
    for (int i = 0; i < PREDICT_N_RESULTS; i++) {
        if (whole->want & (1U << i)) {
            struct predict_block block = {.index = (enum predict_index)i};
            predict_block_find(model, whole, max_bytes, &block);
            size_t bytes = predict_bytes(model, &block.request);
            max = bytes > max ? bytes : max;
        }
    }
    return max;
}
