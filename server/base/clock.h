/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>
#include <time.h>

#define CLOCK_MS INT64_C(1000000) /* in ns */
#define CLOCK_S  INT64_C(1000000000)

/* Time that never jumps: for durations and deadlines inside this process. */
static inline int64_t clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * CLOCK_S + t.tv_nsec;
}

/* The same clock as of the system's last tick, some milliseconds ago, for a quarter of the cost. */
static inline int64_t clock_tick_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return (int64_t)t.tv_sec * CLOCK_S + t.tv_nsec;
}

#endif
