/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers for Prometheus: counters and gauges from metrics.def, and for each route a count by
 * status class and a histogram of durations. Each number is atomic by itself; a reading of all of
 * them is not a snapshot.
 */
#ifndef METRICS_H
#define METRICS_H

#include "base/err.h"
#include "base/textbuf.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define METRICS_MAX_ROUTES 64
#define METRICS_N_BUCKETS  16 /* without +Inf */
#define METRICS_N_SIZES    11 /* 1, 2, 4 .. 1024 */
#define METRICS_N_STATUSES 26 /* told apart, and one for all others */
#define METRICS_SAMPLE     16 /* one prediction in so many is measured phase by phase */

struct metrics_histogram {
    atomic_llong buckets[METRICS_N_BUCKETS + 1]; /* not cumulative; the last is +Inf */
    atomic_llong sum;                            /* us, or a plain sum of sizes */
};

#define METRICS_N_VALUES(...) (sizeof((const char *[]){__VA_ARGS__}) / sizeof(const char *))

struct metrics_route {
    const char *label; /* constant; NULL ends the list */
    atomic_llong by_status[METRICS_N_STATUSES];
    struct metrics_histogram times;
};

struct metrics {
#define METRIC_COUNTER(field, name, help) atomic_llong field;
#define METRIC_GAUGE(field, name, help)   atomic_llong field;
#define METRIC_TIME(field, name, help)    atomic_llong field;
#define METRIC_LABELLED(field, type, name, help, label, ...)                                       \
    atomic_llong field[METRICS_N_VALUES(__VA_ARGS__)];
#define METRIC_HISTOGRAM(field, n, scale, name, help, label, ...)                                  \
    struct metrics_histogram field[METRICS_N_VALUES(__VA_ARGS__)];
#include "base/metrics.def"
#undef METRIC_COUNTER
#undef METRIC_GAUGE
#undef METRIC_TIME
#undef METRIC_LABELLED
#undef METRIC_HISTOGRAM
    atomic_llong errors[ERR_INTERNAL + 1]; /* answers with an error, by its code */
    atomic_llong job_sum_ms;               /* durations of ended jobs, added up */
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

/* Is this one of the predictions whose phases are measured? `ns`: when it arrived. */
static inline bool metrics_samples(int64_t ns)
{
    return (uint64_t)ns * UINT64_C(0x9e3779b97f4a7c15) >> 60 == 0;
}

/* The phases of a prediction, in the order of metrics.def. */
enum metrics_phase { METRICS_PARSE, METRICS_QUEUE, METRICS_COMPUTE, METRICS_WRITE };

void metrics_observe_ns(struct metrics_histogram *histogram, int64_t ns);
void metrics_observe_size(struct metrics_histogram *histogram, long size);

/* Of this process; 0 where the system does not tell. */
long long metrics_resident_bytes(void);

void metrics_job_ended(struct metrics *metrics, double seconds);

/* Lines of a metric of each served model, which the caller gathers. */
struct metrics_model {
    const char *name;
    long long version;
    long long n_rows, n_outside; /* predicted since the version is in memory */
    double trained_s;            /* when the version was made, since 1970 */
    double relative_error;       /* NaN: there are no scores */
    double drift_score;          /* NaN: not measured */
};

struct metrics_about {
    const char *version; /* of the program */
    const char *sqlite;
    const char *kernels;
    const struct metrics_model *models;
    size_t n_models;
    bool openmetrics; /* OpenMetrics 1.0; else Prometheus text format 0.0.4 */
};

void metrics_write(const struct metrics *metrics, const struct metrics_about *about,
                   struct textbuf *text);

#endif
