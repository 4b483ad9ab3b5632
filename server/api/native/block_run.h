/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many rows predicted block by block, for handlers that add up scores of the predictions. Each
 * block takes its turn among the predictions of other requests (live/batcher); the compute thread
 * that has finished one hands in the next. So no HTTP thread waits, and beyond the rows only one
 * block is in memory.
 */
#ifndef BLOCK_RUN_H
#define BLOCK_RUN_H

#include "api/app.h"
#include "fit/data.h"

/* In the request's arena; zeroed it is empty. */
struct block_run {
    /* given */
    struct app *app;
    const struct request *req;
    int64_t deadline_ns; /* by clock_ns; 0: none */
    /*
     * Takes the outcome of the present block: the error in `item`, or else `result`. True: predict
     * another block, which block_run_next or block_run_begin has prepared.
     */
    bool (*add)(void *ctx);
    void *ctx;

    /* the present block: rows [row, row + block.n) */
    int row;
    struct predict_request block;
    struct predict_result result;
    struct batch_item item;

    const struct data *rows;
    int max_rows;       /* of a block */
    struct arena arena; /* of the result */
};

/* Prepares the first block; block: what to predict, at most its n rows at a time. ERR_INVALID. */
enum err_code block_run_begin(struct block_run *run, const struct model *model,
                              const struct data *rows, const struct predict_request *block,
                              struct err *err) MUST_CHECK;

/* Prepares the block after the present one; false: there is none. Frees the result. */
bool block_run_next(struct block_run *run);

/* Predicts the only block at once, when there is but one and room for it. False: it did not. */
bool block_run_at_once(struct block_run *run) MUST_CHECK;

/*
 * Predicts and adds every block. With a connection that can be put aside this is done by other
 * threads, and *later.run is called in the end; *waits is then true. ERR_QUEUE_FULL.
 */
enum err_code block_run_all(struct block_run *run, struct response *res, const struct later *later,
                            bool *waits, struct err *err) MUST_CHECK;

void block_run_release(struct block_run *run);

#endif
