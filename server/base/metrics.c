/* SPDX-License-Identifier: Apache-2.0 */
#include "base/metrics.h"

#include "base/mem_budget.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Upper bounds in seconds, about three to a decade: from a prediction of one row to a large upload.
 */
static const double bounds[METRICS_N_BUCKETS] = {
    5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1, 2.5, 10};

static const char *const class_labels[] = {"0xx", "1xx", "2xx", "3xx", "4xx", "5xx"};

void metrics_init(struct metrics *metrics, const char *const *labels, int n_routes,
                  int64_t started_ms)
{
    memset(metrics, 0, sizeof *metrics);
    metrics->started_ms = started_ms;
    for (int i = 0; i < n_routes && i < METRICS_MAX_ROUTES; i++) {
        metrics->routes[i].label = labels[i];
    }
}

void metrics_request(struct metrics *metrics, int route, int status, double seconds)
{
    if (route < 0 || route >= METRICS_MAX_ROUTES || metrics->routes[route].label == NULL) {
        return;
    }
    struct metrics_route *r = &metrics->routes[route];
    int bucket = 0;
    while (bucket < METRICS_N_BUCKETS && seconds > bounds[bucket]) {
        bucket++;
    }
    int class = status / 100;
    metrics_add(&r->by_class[class >= 0 && class < 6 ? class : 0], 1);
    metrics_add(&r->buckets[bucket], 1);
    metrics_add(&r->sum_us, (long long)(seconds * 1e6));
}

void metrics_job_ended(struct metrics *metrics, double seconds)
{
    metrics_add(&metrics->job_sum_ms, (long long)(seconds * 1e3));
    metrics_add(&metrics->job_count, 1);
}

static void write_head(struct textbuf *text, const char *name, const char *type, const char *help)
{
    textbuf_printf(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static long long load(const atomic_llong *metric)
{
    return atomic_load_explicit(metric, memory_order_relaxed);
}

static void write_requests(const struct metrics *metrics, struct textbuf *text)
{
    write_head(text, "surrogated_requests_total", "counter",
               "Requests answered, by route and class of status.");
    for (const struct metrics_route *r = metrics->routes;
         r < metrics->routes + METRICS_MAX_ROUTES && r->label != NULL; r++) {
        for (int class = 2; class < 6; class ++) {
            textbuf_printf(text, "surrogated_requests_total{route=\"%s\",code=\"%s\"} %lld\n",
                           r->label, class_labels[class], load(&r->by_class[class]));
        }
    }
    write_head(text, "surrogated_request_duration_seconds", "histogram",
               "Time from the last byte of a request to its answer.");
    for (const struct metrics_route *r = metrics->routes;
         r < metrics->routes + METRICS_MAX_ROUTES && r->label != NULL; r++) {
        long long count = 0;
        for (int b = 0; b < METRICS_N_BUCKETS; b++) {
            count += load(&r->buckets[b]);
            textbuf_printf(
                text, "surrogated_request_duration_seconds_bucket{route=\"%s\",le=\"%g\"} %lld\n",
                r->label, bounds[b], count);
        }
        count += load(&r->buckets[METRICS_N_BUCKETS]);
        textbuf_printf(text,
                       "surrogated_request_duration_seconds_bucket{route=\"%s\",le=\"+Inf\"} %lld\n"
                       "surrogated_request_duration_seconds_sum{route=\"%s\"} %.6f\n"
                       "surrogated_request_duration_seconds_count{route=\"%s\"} %lld\n",
                       r->label, count, r->label, 1e-6 * (double)load(&r->sum_us), r->label, count);
    }
}

static void write_memory(struct textbuf *text)
{
    write_head(text, "surrogated_memory_bytes", "gauge",
               "Memory of the program's blocks, by kind.");
    for (int kind = 0; kind < MEM_N_KINDS; kind++) {
        textbuf_printf(text, "surrogated_memory_bytes{kind=\"%s\"} %zu\n",
                       mem_kind_name((enum mem_kind)kind), mem_budget_used_by((enum mem_kind)kind));
    }
}

/* Resident bytes from /proc; 0 where /proc does not tell. */
static long long resident_bytes(void)
{
    long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file != NULL) {
        if (fscanf(file, "%*s %lld", &pages) != 1) {
            pages = 0;
        }
        fclose(file);
    }
    return pages * sysconf(_SC_PAGESIZE);
}

void metrics_write(const struct metrics *metrics, const char *version, struct textbuf *text)
{
    write_head(text, "surrogated_build_info", "gauge", "Version of the program.");
    textbuf_printf(text, "surrogated_build_info{version=\"%s\"} 1\n", version);
#define METRIC_COUNTER(field, name, help)                                                          \
    write_head(text, name, "counter", help);                                                       \
    textbuf_printf(text, "%s %lld\n", name, load(&metrics->field));
#define METRIC_GAUGE(field, name, help)                                                            \
    write_head(text, name, "gauge", help);                                                         \
    textbuf_printf(text, "%s %lld\n", name, load(&metrics->field));
#include "base/metrics.def"
#undef METRIC_COUNTER
#undef METRIC_GAUGE
    write_head(text, "surrogated_job_duration_seconds", "summary",
               "Durations of training jobs that ended.");
    textbuf_printf(text,
                   "surrogated_job_duration_seconds_sum %.3f\n"
                   "surrogated_job_duration_seconds_count %lld\n",
                   1e-3 * (double)load(&metrics->job_sum_ms), load(&metrics->job_count));
    write_requests(metrics, text);
    write_memory(text);
    write_head(text, "process_resident_memory_bytes", "gauge", "Resident memory.");
    textbuf_printf(text, "process_resident_memory_bytes %lld\n", resident_bytes());
    write_head(text, "process_start_time_seconds", "gauge", "Start of the process, since 1970.");
    textbuf_printf(text, "process_start_time_seconds %.3f\n", 1e-3 * (double)metrics->started_ms);
}
