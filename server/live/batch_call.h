/* SPDX-License-Identifier: Apache-2.0 */
/* One call: requests to one model that are predicted together. It knows no threads and no queue. */
#ifndef BATCH_CALL_H
#define BATCH_CALL_H

#include "base/metrics.h"
#include "predict/predict.h"

#include <stdint.h>

/* One request. The caller keeps it, and all it points to, until it is done. */
struct batch_item {
    const struct model *model;
    const struct predict_request *request;
    struct predict_result *result;
    struct arena *arena; /* of the result */
    int64_t deadline_ns; /* by clock_ns; 0: none */
    /* Both may be called on any thread. */
    bool (*gone)(
        const void *ctx);    /* nobody waits for the answer any more; NULL: somebody always does */
    void (*done)(void *ctx); /* the batcher is done with the item */
    void *ctx;
    bool goes_on; /* a further block of work that was admitted before: the queue always has room for
                     it */

    bool counts_calls; /* the first such item of a call leads it */
    bool leads;        /* out: it does */

    int64_t begun_ns; /* out: when its computation began in a compute thread; 0: it did not */

    struct err err; /* out */

    struct batch_item *next; /* from here on for the batcher */
    double work;
};

/* Does nobody need the answer any more? Then err says why: ERR_DEADLINE, ERR_ABANDONED. */
bool batch_item_is_void(const struct batch_item *item, struct err *err);

/* Predicts one item whole, in the calling thread. */
void batch_item_compute(const struct batch_item *item, struct err *err);

struct batch_call {
    struct batch_item *items; /* a list; their requests can be joined */
    int n_items;
    struct predict_call predict; /* the caller runs its tiles */
    struct err err;              /* set when a tile failed */
    struct arena arena;          /* of the joint request and its result */
    struct predict_request joint;
    struct predict_result all;
};

/* Prepares the tiles; an error stays in call->err. The rows of a lone item are not copied. */
enum err_code batch_call_begin(struct batch_call *call);

/*
 * After the last tile, or after an error: gives results and errors to the items. When one of
 * several items may have caused the error, each is predicted again alone.
 */
void batch_call_end(struct batch_call *call);

/* Counts a call that has ended, with its requests and rows; its items may not have gone yet. */
void batch_call_count(const struct batch_call *call, struct metrics *metrics);

#endif
