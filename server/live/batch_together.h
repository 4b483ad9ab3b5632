/* SPDX-License-Identifier: Apache-2.0 */
/* Several small requests that run in one thread, one call after the other. */
#ifndef BATCH_TOGETHER_H
#define BATCH_TOGETHER_H

#include "base/metrics.h"
#include "live/batch_call.h"

#define BATCH_TOGETHER_MAX 32 /* items */

/* What their calls need. */
struct batch_together {
    struct batch_call *call; /* for one after the other: its arena alone counts; NULL: there is no
                                memory for one, and each item is computed alone */
    struct arena *scratch;
    int max_rows; /* of a joint call */
    struct metrics *metrics;
};

/* Runs n items, those that can be joined as one call; item->err says how each ended, `done` and
 * `gone` are not called. */
void batch_together_run(const struct batch_together *together, struct batch_item *const *items,
                        int n);

#endif
