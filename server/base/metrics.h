/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers for Prometheus: counters and gauges from metrics.def, and for each route a count by
 * status class and a histogram of durations. Each number is atomic by itself; a reading of all of
 * them is not a snapshot.
 */
#ifndef METRICS_H
#define METRICS_H

#include "base/textbuf.h"

#include <stdatomic.h>
#include <stdint.h>

#define METRICS_MAX_ROUTES 64
#define METRICS_N_BUCKETS  16 /* without +Inf */

struct metrics_route {
    const char *label;                           /* constant; NULL ends the list */
    atomic_llong by_class[6];                    /* [status / 100] */
    atomic_llong buckets[METRICS_N_BUCKETS + 1]; /* not cumulative; the last is +Inf */
    atomic_llong sum_us;
};

struct metrics {
#define METRIC_COUNTER(field, name, help) atomic_llong field;
#define METRIC_GAUGE(field, name, help)   atomic_llong field;
#include "base/metrics.def"
#undef METRIC_COUNTER
#undef METRIC_GAUGE
    atomic_llong job_sum_ms; /* durations of ended jobs, added up */
    atomic_llong job_count;
    int64_t started_ms; /* UTC */
    struct metrics_route routes[METRICS_MAX_ROUTES];
};

/* All zero; labels: [n_routes], constants. */
void metrics_init(struct metrics *metrics, const char *const *labels, int n_routes,
                  int64_t started_ms);

static inline void metrics_add(atomic_llong *metric, long long value)
{
    atomic_fetch_add_explicit(metric, value, memory_order_relaxed);
}

static inline void metrics_set(atomic_llong *metric, long long value)
{
    atomic_store_explicit(metric, value, memory_order_relaxed);
}

/* A request has been answered. route: index into the labels; out of range is ignored. */
void metrics_request(struct metrics *metrics, int route, int status, double seconds);

void metrics_job_ended(struct metrics *metrics, double seconds);

/* Prometheus text format 0.0.4. version: of the program. */
void metrics_write(const struct metrics *metrics, const char *version, struct textbuf *text);

#endif
