/* SPDX-License-Identifier: Apache-2.0 */
/* Where a prediction is computed. */
#ifndef RUN_PLACE_H
#define RUN_PLACE_H

#include "http/exchange.h"
#include "live/batcher.h"

enum run_place {
    RUN_DONE,     /* it has been, in the connection's thread */
    RUN_GATHERED, /* there too, with others that have come at the same time: put the request aside
                   */
    RUN_QUEUED    /* by a compute thread: put it aside, suspend it and submit the item */
};

/* Computes the item now, gathers it, or does nothing. */
enum run_place run_find_place(struct batcher *batcher, const struct request *req,
                              struct batch_item *item) MUST_CHECK;

#endif
