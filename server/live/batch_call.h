/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to one model on their way through one prediction. Knows no threads and no queue. */
#ifndef BATCH_CALL_H
#define BATCH_CALL_H

#include "predict/predict.h"

#include <stdint.h>

/* One request. The caller's, who keeps it and all it points to until it is done. */
struct batch_item {
    const struct model *model;
    const struct predict_request *request;
    struct predict_result *result;
    struct arena *arena; /* of the result */
    int64_t deadline_ns; /* by clock_ns; 0: none */
    /* Both may be called on any thread. */
    bool (*gone)(const void *ctx); /* nobody waits for the answer any more; NULL: someone does */
    void (*done)(void *ctx);       /* the batcher is done with the item */
    void *ctx;
    bool goes_on; /* the next block of work that was let in: the queue is not too full for it */

    struct err err; /* how it ended */

    struct batch_item *next; /* from here on the batcher's */
    double work;
};

/* Is there nobody left who needs the answer? Then err says why: ERR_DEADLINE, ERR_ABANDONED. */
bool batch_item_is_void(const struct batch_item *item, struct err *err);

/* The whole prediction of one item in the calling thread. */
void batch_item_compute(const struct batch_item *item, struct err *err);

struct batch_call {
    struct batch_item *items; /* a list; their requests can be joined */
    int n_items;
    struct predict_call predict; /* its tiles are the caller's to run */
    struct err err;              /* set when a tile failed */
    struct arena arena;          /* of the joint request and its result */
    struct predict_request joint;
    struct predict_result all;
};

/* Prepares the tiles; call->err keeps the error. A lone item is computed where it lies. */
enum err_code batch_call_begin(struct batch_call *call);

/*
 * After the last tile, or after an error: results and errors to their items. Where the error may be
 * one item's own, each is computed again alone.
 */
void batch_call_end(struct batch_call *call);

#endif
