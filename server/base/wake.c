/* SPDX-License-Identifier: Apache-2.0 */
#include "base/wake.h"

#include "base/clock.h"

#include <errno.h>
#include <time.h>

void wake_init(struct wake *wake)
{
    pthread_condattr_t monotonic;
    *wake = (struct wake){.notified = false};
    pthread_mutex_init(&wake->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&wake->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

void wake_release(struct wake *wake)
{
    pthread_cond_destroy(&wake->changed);
    pthread_mutex_destroy(&wake->lock);
}

void wake_notify_locked(struct wake *wake)
{
    wake->notified = true;
    pthread_cond_signal(&wake->changed);
}

void wake_notify(struct wake *wake)
{
    wake_lock(wake);
    wake_notify_locked(wake);
    wake_unlock(wake);
}

void wake_stop(struct wake *wake)
{
    wake_lock(wake);
    wake->stopping = true;
    pthread_cond_broadcast(&wake->changed);
    wake_unlock(wake);
}

bool wake_is_stopping(struct wake *wake)
{
    wake_lock(wake);
    bool stopping = wake->stopping;
    wake_unlock(wake);
    return stopping;
}

bool wake_wait_locked(struct wake *wake, int64_t until_ns)
{
    const struct timespec until = {.tv_sec = (time_t)(until_ns / CLOCK_S),
                                   .tv_nsec = (long)(until_ns % CLOCK_S)};
    int status = 0;
    while (!wake->stopping && !wake->notified && status != ETIMEDOUT) {
        status = until_ns == WAKE_NEVER
                     ? pthread_cond_wait(&wake->changed, &wake->lock)
                     : pthread_cond_timedwait(&wake->changed, &wake->lock, &until);
    }
    wake->notified = false;
    return !wake->stopping;
}

bool wake_wait(struct wake *wake, int64_t until_ns)
{
    wake_lock(wake);
    bool go_on = wake_wait_locked(wake, until_ns);
    wake_unlock(wake);
    return go_on;
}
