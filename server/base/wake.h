/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a thread sleeps on, and what ends its sleep: a notice, a time, or the stop.
 *
 * Times are of clock_ns, the clock that never jumps. A notice that is given while nobody sleeps is
 * kept for the next sleep; several count as one. A stop is for good. The owner may guard fields of
 * its own with the lock: the functions ending in _locked are called with it held.
 */
#ifndef WAKE_H
#define WAKE_H

#include "base/compiler.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define WAKE_NEVER INT64_MAX /* a sleep without end of its own */

struct wake {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool notified; /* guarded by lock */
    bool stopping; /* guarded by lock */
};

void wake_init(struct wake *wake);
/* Nobody may use it any more. */
void wake_release(struct wake *wake);

static inline void wake_lock(struct wake *wake)
{
    pthread_mutex_lock(&wake->lock);
}

static inline void wake_unlock(struct wake *wake)
{
    pthread_mutex_unlock(&wake->lock);
}

/* Ends the sleep of one thread, the present or the next one. */
void wake_notify(struct wake *wake);
void wake_notify_locked(struct wake *wake);

/* Ends every sleep, now and later. */
void wake_stop(struct wake *wake);
bool wake_is_stopping(struct wake *wake);

/* Sleeps until there is a notice, which it takes, or until the time has come. False: the stop. */
bool wake_wait(struct wake *wake, int64_t until_ns) MUST_CHECK;
/* The same; the lock is free during the sleep. */
bool wake_wait_locked(struct wake *wake, int64_t until_ns) MUST_CHECK;

#endif
