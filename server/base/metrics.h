/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers for Prometheus: counters, gauges and histograms from metrics.def, requests by route
 * (metrics_requests.h), durations of jobs by solver. Each number is atomic by itself; a reading of
 * all of them is not a snapshot.
 */
#ifndef METRICS_H
#define METRICS_H

#include "base/err.h"
#include "base/mem_budget.h"
#include "base/textbuf.h"
#include "metrics/histogram.h"
#include "metrics/metrics_requests.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define METRICS_MAX_SOLVERS   32
#define METRICS_N_JOB_STATES  3 /* succeeded, failed, cancelled */
#define METRICS_N_VALUES(...) (sizeof((const char *[]){__VA_ARGS__}) / sizeof(const char *))

struct metrics {
#define METRIC_COUNTER(field, name, help) atomic_llong field;
#define METRIC_GAUGE(field, name, help)   atomic_llong field;
#define METRIC_TIME(field, name, help)    atomic_llong field;
#define METRIC_LABELLED(field, type, name, help, label, ...)                                       \
    atomic_llong field[METRICS_N_VALUES(__VA_ARGS__)];
#define METRIC_HISTOGRAM(field, scale, name, help, label, ...)                                     \
    struct histogram field[METRICS_N_VALUES(__VA_ARGS__)];
#include "base/metrics.def"
#undef METRIC_COUNTER
#undef METRIC_GAUGE
#undef METRIC_TIME
#undef METRIC_LABELLED
#undef METRIC_HISTOGRAM
    atomic_llong errors[ERR_INTERNAL + 1]; /* answers with an error, by its code */
    /* The last solver is an unknown one. */
    struct histogram job_times[METRICS_MAX_SOLVERS + 1][METRICS_N_JOB_STATES];
    int64_t started_ms; /* UTC */
    struct metrics_requests requests;
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

/* Of this process; 0 where the system does not tell. */
long long metrics_resident_bytes(void);

/* An attempt has ended a job. solver: an enum solver_kind, -1: not known; state: from 0 in the
 * order above. */
void metrics_job_ended(struct metrics *metrics, int solver, int state, double seconds);

/* Lines of a metric of each served model, which the caller gathers. */
struct metrics_model {
    const char *name;
    long long version;
    long long n_rows, n_outside; /* predicted since the version is in memory */
    double trained_s;            /* when the version was made, since 1970 */
    double relative_error;       /* NaN: there are no scores */
    double nll;                  /* mean over outputs; NaN: there are no scores */
    double coverage90;           /* of intervals of 90 %, mean over outputs; NaN: not known */
    double drift_score;          /* NaN: not measured */
    double drift_baseline;       /* NaN: not measured */
};

struct metrics_replica {
    const char *name; /* without quotes and backslashes */
    int64_t version;  /* of the registry */
    double silent_s;  /* since it told */
};

struct metrics_about {
    const char *version; /* of the program */
    const char *sqlite;
    const char *kernels;
    const struct metrics_model *models;
    size_t n_models;
    const struct metrics_replica *replicas; /* that have told of themselves */
    size_t n_replicas;
    int64_t registry_version,
        file_version;                  /* that is served; that of the file: ahead on a replica */
    size_t memory_limits[MEM_N_KINDS]; /* 0: none of its own */
    bool openmetrics;                  /* OpenMetrics 1.0; else Prometheus text format 0.0.4 */
};

void metrics_write(const struct metrics *metrics, const struct metrics_about *about,
                   struct textbuf *text);

#endif
