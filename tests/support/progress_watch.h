/* SPDX-License-Identifier: Apache-2.0 */
/* A receiver of progress that checks its order, and cancels the work after a number of reports. */
#ifndef PROGRESS_WATCH_H
#define PROGRESS_WATCH_H

#include <check.h>

#include "base/cancel.h"

struct progress_watch {
    struct cancel cancel;
    int stop_at; /* reports until the cancel; 0: never */
    int calls;
    int n_members; /* that each report must have; 0: any */
    double last;   /* the last fraction */
};

/* A progress_fn, for work on one thread; ctx: the watch. */
static inline void progress_watch_report(void *ctx, const struct progress *progress)
{
    struct progress_watch *watch = ctx;
    ck_assert_double_ge(progress->fraction, watch->last);
    ck_assert_double_le(progress->fraction, 1.0);
    if (watch->n_members > 0) {
        ck_assert_int_eq(progress->n_members, watch->n_members);
    }
    watch->last = progress->fraction;
    if (++watch->calls == watch->stop_at) {
        cancel_request(&watch->cancel);
    }
}

#endif
