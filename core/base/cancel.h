/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How another thread watches and stops work that takes long. Core has no clock: at a deadline it is
 * the caller who sets the flag, and the caller turns fractions into times.
 */
#ifndef CANCEL_H
#define CANCEL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct cancel {
    atomic_bool stop;
};

static inline void cancel_request(struct cancel *cancel)
{
    atomic_store_explicit(&cancel->stop, true, memory_order_relaxed);
}

/* NULL means that nobody can cancel. */
static inline bool cancel_is_requested(const struct cancel *cancel)
{
    return cancel != NULL && atomic_load_explicit(&cancel->stop, memory_order_relaxed);
}

/* One report of progress: `member` of `n_members` has done `step` of `n_steps` epochs. */
struct progress {
    int member;
    int n_members;
    int step;
    int n_steps;
    double loss;            /* training loss of this step, in scaled units */
    double validation_loss; /* NaN without validation rows */
    double fraction;        /* of the whole run, 0 to 1 */
};

/* Called from several worker threads at once; must not block. */
typedef void progress_fn(void *ctx, const struct progress *progress);

#endif
