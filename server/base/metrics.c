/* SPDX-License-Identifier: Apache-2.0 */
#include "base/metrics.h"

#include "base/mem_budget.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Upper bounds in seconds, about three to a decade: from a prediction of one row to a large upload.
 */
static const double bounds[METRICS_N_BUCKETS] = {
    5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1, 2.5, 10};

static const double sizes[METRICS_N_SIZES] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024};

/* Statuses that are told apart; the others share the last place. */
static const int statuses[METRICS_N_STATUSES - 1] = {200, 201, 202, 204, 206, 304, 400, 401, 403,
                                                     404, 405, 408, 409, 412, 413, 415, 421, 422,
                                                     429, 431, 499, 500, 503, 504, 507};

static const char *const error_names[] = {
#define ERR(code, text) #code,
#include "base/err.def"
#undef ERR
};

void metrics_init(struct metrics *metrics, const char *const *labels, int n_routes,
                  int64_t started_ms)
{
    memset(metrics, 0, sizeof *metrics);
    metrics->started_ms = started_ms;
    for (int i = 0; i < n_routes && i < METRICS_MAX_ROUTES; i++) {
        metrics->routes[i].label = labels[i];
    }
}

static void observe(struct metrics_histogram *histogram, double value, const double *limits, int n,
                    long long amount)
{
    int bucket = 0;
    while (bucket < n && value > limits[bucket]) {
        bucket++;
    }
    metrics_add(&histogram->buckets[bucket], 1);
    metrics_add(&histogram->sum, amount);
}

void metrics_observe_ns(struct metrics_histogram *histogram, int64_t ns)
{
    observe(histogram, 1e-9 * (double)ns, bounds, METRICS_N_BUCKETS, ns / 1000);
}

void metrics_observe_size(struct metrics_histogram *histogram, long size)
{
    observe(histogram, (double)size, sizes, METRICS_N_SIZES, size);
}

static int find_status(int status)
{
    int i = 0;
    while (i < METRICS_N_STATUSES - 1 && statuses[i] != status) {
        i++;
    }
    return i;
}

void metrics_request(struct metrics *metrics, int route, int status, double seconds)
{
    if (route < 0 || route >= METRICS_MAX_ROUTES || metrics->routes[route].label == NULL) {
        return;
    }
    struct metrics_route *r = &metrics->routes[route];
    metrics_add(&r->by_status[find_status(status)], 1);
    observe(&r->times, seconds, bounds, METRICS_N_BUCKETS, (long long)(seconds * 1e6));
}

void metrics_job_ended(struct metrics *metrics, double seconds)
{
    metrics_add(&metrics->job_sum_ms, (long long)(seconds * 1e3));
    metrics_add(&metrics->job_count, 1);
}

struct writer {
    struct textbuf *text;
    bool openmetrics;
};

/* OpenMetrics names the family of a counter without its ending. */
static void write_head(const struct writer *w, const char *name, const char *type, const char *help)
{
    int len = (int)strlen(name);
    if (w->openmetrics && strcmp(type, "counter") == 0 && len > 6) {
        len -= strcmp(name + len - 6, "_total") == 0 ? 6 : 0;
    }
    textbuf_printf(w->text, "# HELP %.*s %s\n# TYPE %.*s %s\n", len, name, help, len, name, type);
}

static long long load(const atomic_llong *metric)
{
    return atomic_load_explicit(metric, memory_order_relaxed);
}

/* The histograms of one name, which differ in the value of a label. */
struct histograms {
    const char *name;
    const char *label;
    int n;        /* buckets, but for +Inf */
    double scale; /* of the bounds, in seconds; 0: sizes, without a unit */
};

static void write_histogram(const struct writer *w, const struct histograms *f, const char *value,
                            const struct metrics_histogram *h)
{
    char pair[64];
    long long count = 0;
    snprintf(pair, sizeof pair, "%s=\"%s\"", f->label, value);
    for (int b = 0; b < f->n; b++) {
        count += load(&h->buckets[b]);
        textbuf_printf(w->text, "%s_bucket{%s,le=\"%g\"} %lld\n", f->name, pair,
                       f->scale > 0.0 ? bounds[b] * f->scale : sizes[b], count);
    }
    count += load(&h->buckets[f->n]);
    double sum = (double)load(&h->sum) * (f->scale > 0.0 ? 1e-6 : 1.0);
    textbuf_printf(w->text, "%s_bucket{%s,le=\"+Inf\"} %lld\n%s_sum{%s} %.6f\n%s_count{%s} %lld\n",
                   f->name, pair, count, f->name, pair, sum, f->name, pair, count);
}

static void write_requests(const struct writer *w, const struct metrics *metrics)
{
    const struct metrics_route *end = metrics->routes + METRICS_MAX_ROUTES;
    write_head(w, "surrogated_requests_total", "counter",
               "Requests answered, by route and status.");
    for (const struct metrics_route *r = metrics->routes; r < end && r->label != NULL; r++) {
        for (int i = 0; i < METRICS_N_STATUSES; i++) {
            char code[16] = "other";
            if (i < METRICS_N_STATUSES - 1) {
                snprintf(code, sizeof code, "%d", statuses[i]);
            }
            if (load(&r->by_status[i]) > 0) {
                textbuf_printf(w->text,
                               "surrogated_requests_total{route=\"%s\",code=\"%s\"} %lld\n",
                               r->label, code, load(&r->by_status[i]));
            }
        }
    }
    write_head(w, "surrogated_request_duration_seconds", "histogram",
               "Time from the last byte of a request to its answer.");
    const struct histograms times = {"surrogated_request_duration_seconds", "route",
                                     METRICS_N_BUCKETS, 1.0};
    for (const struct metrics_route *r = metrics->routes; r < end && r->label != NULL; r++) {
        write_histogram(w, &times, r->label, &r->times);
    }
}

static void write_errors(const struct writer *w, const struct metrics *metrics)
{
    write_head(w, "surrogated_errors_total", "counter", "Requests that failed, by kind of error.");
    for (int i = 1; i <= ERR_INTERNAL; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s", error_names[i]);
        for (char *p = name; *p != '\0'; p++) {
            *p = (char)tolower((unsigned char)*p);
        }
        textbuf_printf(w->text, "surrogated_errors_total{error=\"%s\"} %lld\n", name,
                       load(&metrics->errors[i]));
    }
}

/* ---- of each model ---- */

struct family {
    const char *name, *type, *help;
    double (*value)(const struct metrics_model *model); /* NaN: no line */
};

static double rows_of(const struct metrics_model *model)
{
    return (double)model->n_rows;
}

static double outside_of(const struct metrics_model *model)
{
    return (double)model->n_outside;
}

static double trained_of(const struct metrics_model *model)
{
    return model->trained_s > 0.0 ? model->trained_s : NAN;
}

static double error_of(const struct metrics_model *model)
{
    return model->relative_error;
}

static double drift_of(const struct metrics_model *model)
{
    return model->drift_score;
}

static void write_models(const struct writer *w, const struct metrics_about *about)
{
    static const struct family families[] = {
        {"surrogated_model_predicted_rows_total", "counter",
         "Rows predicted by the default version of a model since it was loaded.", rows_of},
        {"surrogated_model_extrapolation_rows_total", "counter",
         "Of them, rows outside the training range.", outside_of},
        {"surrogated_model_created_timestamp_seconds", "gauge",
         "When the default version of a model was made, since 1970.", trained_of},
        {"surrogated_model_relative_error", "gauge",
         "Relative error of the default version on the rows of its evaluation.", error_of},
        {"surrogated_model_drift_score", "gauge",
         "Relative error on fresh rows, as a policy with drift measured it last.", drift_of},
    };
    for (size_t f = 0; f < sizeof families / sizeof *families; f++) {
        write_head(w, families[f].name, families[f].type, families[f].help);
        for (size_t i = 0; i < about->n_models; i++) {
            double value = families[f].value(&about->models[i]);
            if (isfinite(value)) {
                textbuf_printf(w->text, "%s{model=\"%s\"} %.15g\n", families[f].name,
                               about->models[i].name, value);
            }
        }
    }
}

static void write_memory(const struct writer *w)
{
    write_head(w, "surrogated_memory_bytes", "gauge", "Memory of the program's blocks, by kind.");
    for (int kind = 0; kind < MEM_N_KINDS; kind++) {
        textbuf_printf(w->text, "surrogated_memory_bytes{kind=\"%s\"} %zu\n",
                       mem_kind_name((enum mem_kind)kind), mem_budget_used_by((enum mem_kind)kind));
    }
}

long long metrics_resident_bytes(void)
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

static void write_list(const struct writer *w, const struct metrics *metrics)
{
#define METRIC_COUNTER(field, name, help)                                                          \
    write_head(w, name, "counter", help);                                                          \
    textbuf_printf(w->text, "%s %lld\n", name, load(&metrics->field));
#define METRIC_GAUGE(field, name, help)                                                            \
    write_head(w, name, "gauge", help);                                                            \
    textbuf_printf(w->text, "%s %lld\n", name, load(&metrics->field));
#define METRIC_TIME(field, name, help)                                                             \
    write_head(w, name, "gauge", help);                                                            \
    textbuf_printf(w->text, "%s %.3f\n", name, 1e-3 * (double)load(&metrics->field));
#define METRIC_LABELLED(field, type, name, help, label, ...)                                       \
    write_head(w, name, type, help);                                                               \
    for (size_t i = 0; i < METRICS_N_VALUES(__VA_ARGS__); i++) {                                   \
        textbuf_printf(w->text, "%s{%s=\"%s\"} %lld\n", name, label,                               \
                       ((const char *[]){__VA_ARGS__})[i], load(&metrics->field[i]));              \
    }
#define METRIC_HISTOGRAM(field, n, scale, name, help, label, ...)                                  \
    write_head(w, name, "histogram", help);                                                        \
    for (size_t i = 0; i < METRICS_N_VALUES(__VA_ARGS__); i++) {                                   \
        write_histogram(w, &(struct histograms){name, label, n, scale},                            \
                        ((const char *[]){__VA_ARGS__})[i], &metrics->field[i]);                   \
    }
#include "base/metrics.def"
#undef METRIC_COUNTER
#undef METRIC_GAUGE
#undef METRIC_TIME
#undef METRIC_LABELLED
#undef METRIC_HISTOGRAM
}

void metrics_write(const struct metrics *metrics, const struct metrics_about *about,
                   struct textbuf *text)
{
    const struct writer w = {.text = text, .openmetrics = about->openmetrics};
    write_head(&w, "surrogated_build_info", "gauge", "Versions of the program and of SQLite.");
    textbuf_printf(text, "surrogated_build_info{version=\"%s\",sqlite=\"%s\",kernels=\"%s\"} 1\n",
                   about->version, about->sqlite, about->kernels);
    write_list(&w, metrics);
    write_head(&w, "surrogated_job_duration_seconds", "summary",
               "Durations of training jobs that ended.");
    textbuf_printf(text,
                   "surrogated_job_duration_seconds_sum %.3f\n"
                   "surrogated_job_duration_seconds_count %lld\n",
                   1e-3 * (double)load(&metrics->job_sum_ms), load(&metrics->job_count));
    write_requests(&w, metrics);
    write_errors(&w, metrics);
    write_models(&w, about);
    write_memory(&w);
    write_head(&w, "process_resident_memory_bytes", "gauge", "Resident memory.");
    textbuf_printf(text, "process_resident_memory_bytes %lld\n", metrics_resident_bytes());
    write_head(&w, "process_start_time_seconds", "gauge", "Start of the process, since 1970.");
    textbuf_printf(text, "process_start_time_seconds %.3f\n", 1e-3 * (double)metrics->started_ms);
    if (about->openmetrics) {
        textbuf_puts(text, "# EOF\n");
    }
}
