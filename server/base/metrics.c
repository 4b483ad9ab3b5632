/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Most of this is metrics as text, in Prometheus's format 0.0.4 or as OpenMetrics 1.0. Series that
 * can only come with a route, an outcome or a solver are left out until there is something to
 * count, so that their number is that of what happens and not that of what could.
 */
#include "base/metrics.h"

#include "base/mem_budget.h"
#include "solve/solver.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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
        metrics->requests.labels[i] = labels[i];
    }
}

void metrics_job_ended(struct metrics *metrics, int solver, int state, double seconds)
{
    int row = solver >= 0 && solver < METRICS_MAX_SOLVERS ? solver : METRICS_MAX_SOLVERS;
    histogram_observe_ns(&metrics->job_times[row][state], HISTOGRAM_JOBS, (int64_t)(seconds * 1e9));
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

/* ---- writing ---- */

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

/* Labels in a row, as route="predict",code="200". */
struct labels {
    char text[160];
};

static struct labels labels_of(const char *label, const char *value)
{
    struct labels labels;
    snprintf(labels.text, sizeof labels.text, "%s=\"%s\"", label, value);
    return labels;
}

static struct labels labels_and(const struct labels *first, const char *label, const char *value)
{
    struct labels labels;
    int len = snprintf(labels.text, sizeof labels.text, "%s,", first->text);
    snprintf(labels.text + len, sizeof labels.text - (size_t)len, "%s=\"%s\"", label, value);
    return labels;
}

/* OpenMetrics wants numbers that look like real ones. */
static void write_bound(const struct writer *w, double bound)
{
    char text[32];
    snprintf(text, sizeof text, "%g", bound);
    bool whole = w->openmetrics && strpbrk(text, ".e") == NULL;
    textbuf_printf(w->text, ",le=\"%s%s\"} ", text, whole ? ".0" : "");
}

static void write_histogram(const struct writer *w, const char *name, enum histogram_scale scale,
                            const struct labels *labels, const struct histogram_reading *reading)
{
    long long count = 0;
    for (int b = 0; b < HISTOGRAM_BUCKETS; b++) {
        count += reading->buckets[b];
        textbuf_printf(w->text, "%s_bucket{%s", name, labels->text);
        write_bound(w, histogram_bound(scale, b));
        textbuf_printf(w->text, "%lld\n", count);
    }
    textbuf_printf(w->text, "%s_bucket{%s,le=\"+Inf\"} %lld\n%s_sum{%s} %.6f\n%s_count{%s} %lld\n",
                   name, labels->text, reading->count, name, labels->text, reading->sum, name,
                   labels->text, reading->count);
}

static void write_statuses(const struct writer *w, const struct metrics_requests *requests)
{
    write_head(w, "surrogated_requests_total", "counter",
               "Requests answered, by route and status.");
    for (int r = 0; r < METRICS_MAX_ROUTES && requests->labels[r] != NULL; r++) {
        for (int i = 0; i < METRICS_N_STATUSES; i++) {
            char code[16] = "other";
            long long n = metrics_requests_count(requests, r, i);
            if (metrics_status(i) != 0) {
                snprintf(code, sizeof code, "%d", metrics_status(i));
            }
            if (n > 0) {
                textbuf_printf(w->text,
                               "surrogated_requests_total{route=\"%s\",code=\"%s\"} %lld\n",
                               requests->labels[r], code, n);
            }
        }
    }
}

static void write_times(const struct writer *w, const struct metrics_requests *requests)
{
    const char *name = "surrogated_request_duration_seconds";
    write_head(w, name, "histogram", "Time from the last byte of a request to its answer.");
    for (int r = 0; r < METRICS_MAX_ROUTES && requests->labels[r] != NULL; r++) {
        struct labels route = labels_of("route", requests->labels[r]);
        for (int o = 0; o < METRICS_N_OUTCOMES; o++) {
            enum metrics_outcome outcome = (enum metrics_outcome)o;
            struct histogram_reading reading = {.count = 0};
            struct labels both = labels_and(&route, "outcome", metrics_outcome_name(outcome));
            metrics_requests_read_times(requests, r, outcome, &reading);
            if (reading.count > 0) {
                write_histogram(w, name, HISTOGRAM_TIMES, &both, &reading);
            }
        }
    }
}

/* The phases of one route and outcome. */
static void write_route_phases(const struct writer *w, const struct metrics_requests *requests,
                               int route, enum metrics_outcome outcome)
{
    struct labels first = labels_of("route", requests->labels[route]);
    struct labels both = labels_and(&first, "outcome", metrics_outcome_name(outcome));
    for (int p = 0; p < METRICS_N_PHASES; p++) {
        enum metrics_phase phase = (enum metrics_phase)p;
        struct histogram_reading reading = {.count = 0};
        struct labels all = labels_and(&both, "phase", metrics_phase_name(phase));
        metrics_requests_read_phase(requests, route, outcome, phase, &reading);
        if (reading.count > 0) {
            write_histogram(w, "surrogated_request_phase_seconds", HISTOGRAM_TIMES, &all, &reading);
        }
    }
}

static void write_phases(const struct writer *w, const struct metrics_requests *requests)
{
    write_head(w, "surrogated_request_phase_seconds", "histogram",
               "Times of the phases of requests, by route and outcome.");
    for (int r = 0; r < METRICS_MAX_ROUTES && requests->labels[r] != NULL; r++) {
        for (int o = 0; o < METRICS_N_OUTCOMES; o++) {
            write_route_phases(w, requests, r, (enum metrics_outcome)o);
        }
    }
}

static bool is_prediction(const char *label)
{
    static const char ending[] = "_predict";
    size_t len = strlen(label);
    size_t n = sizeof ending - 1;
    return strcmp(label, "predict") == 0 || (len > n && strcmp(label + len - n, ending) == 0);
}

static void write_predict_phases(const struct writer *w, const struct metrics_requests *requests)
{
    const char *name = "surrogated_predict_phase_seconds";
    write_head(w, name, "histogram", "Times of the phases of predictions, of all routes.");
    for (int p = 0; p < METRICS_N_PHASES; p++) {
        enum metrics_phase phase = (enum metrics_phase)p;
        struct histogram_reading reading = {.count = 0};
        struct labels labels = labels_of("phase", metrics_phase_name(phase));
        for (int r = 0; r < METRICS_MAX_ROUTES && requests->labels[r] != NULL; r++) {
            if (is_prediction(requests->labels[r])) {
                metrics_requests_read_phase(requests, r, METRICS_OK, phase, &reading);
            }
        }
        write_histogram(w, name, HISTOGRAM_TIMES, &labels, &reading);
    }
}

static void write_jobs(const struct writer *w, const struct metrics *metrics)
{
    static const char *const states[] = {"succeeded", "failed", "cancelled"};
    const char *name = "surrogated_job_duration_seconds";
    const struct names solvers = solver_known();
    write_head(w, name, "histogram",
               "Durations of the last attempts at jobs that ended, by solver and state.");
    for (int row = 0; row <= METRICS_MAX_SOLVERS; row++) {
        struct labels solver = labels_of("solver", row < solvers.n ? solvers.list[row] : "unknown");
        for (int state = 0; state < METRICS_N_JOB_STATES; state++) {
            struct histogram_reading reading = {.count = 0};
            struct labels both = labels_and(&solver, "state", states[state]);
            histogram_read(&metrics->job_times[row][state], HISTOGRAM_JOBS, &reading);
            if (reading.count > 0) {
                write_histogram(w, name, HISTOGRAM_JOBS, &both, &reading);
            }
        }
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

static double nll_of(const struct metrics_model *model)
{
    return model->nll;
}

static double coverage_of(const struct metrics_model *model)
{
    return model->coverage90;
}

static double version_of(const struct metrics_model *model)
{
    return (double)model->version;
}

static double baseline_of(const struct metrics_model *model)
{
    return model->drift_baseline;
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
        {"surrogated_model_nll", "gauge",
         "Mean negative log likelihood on the same rows, mean over outputs.", nll_of},
        {"surrogated_model_coverage", "gauge",
         "Share of the same values within intervals of 90 %, mean over outputs.", coverage_of},
        {"surrogated_model_version", "gauge", "Number of the default version of a model.",
         version_of},
        {"surrogated_model_drift_baseline", "gauge", "What the drift score is compared with.",
         baseline_of},
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

static void write_memory(const struct writer *w, const struct metrics_about *about)
{
    write_head(w, "surrogated_memory_bytes", "gauge", "Memory of the program's blocks, by kind.");
    for (int kind = 0; kind < MEM_N_KINDS; kind++) {
        textbuf_printf(w->text, "surrogated_memory_bytes{kind=\"%s\"} %zu\n",
                       mem_kind_name((enum mem_kind)kind), mem_budget_used_by((enum mem_kind)kind));
    }
    write_head(w, "surrogated_memory_limit_bytes", "gauge",
               "What a kind of memory may use, where it has a limit of its own.");
    for (int kind = 0; kind < MEM_N_KINDS; kind++) {
        if (about->memory_limits[kind] > 0) {
            textbuf_printf(w->text, "surrogated_memory_limit_bytes{kind=\"%s\"} %zu\n",
                           mem_kind_name((enum mem_kind)kind), about->memory_limits[kind]);
        }
    }
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
#define METRIC_HISTOGRAM(field, scale, name, help, label, ...)                                     \
    write_head(w, name, "histogram", help);                                                        \
    for (size_t i = 0; i < METRICS_N_VALUES(__VA_ARGS__); i++) {                                   \
        struct histogram_reading reading = {.count = 0};                                           \
        struct labels labels = labels_of(label, ((const char *[]){__VA_ARGS__})[i]);               \
        histogram_read(&metrics->field[i], scale, &reading);                                       \
        write_histogram(w, name, scale, &labels, &reading);                                        \
    }
#include "base/metrics.def"
#undef METRIC_COUNTER
#undef METRIC_GAUGE
#undef METRIC_TIME
#undef METRIC_LABELLED
#undef METRIC_HISTOGRAM
}

/* How far replicas are: of those that tell, and what of the file is not served yet. */
static void write_replicas(const struct writer *w, const struct metrics_about *about)
{
    write_head(w, "surrogated_registry_version", "gauge",
               "Version of the registry that is served.");
    textbuf_printf(w->text, "surrogated_registry_version %lld\n",
                   (long long)about->registry_version);
    write_head(w, "surrogated_registry_file_version", "gauge",
               "Version of the registry in its file, which a replica may not serve yet.");
    textbuf_printf(w->text, "surrogated_registry_file_version %lld\n",
                   (long long)about->file_version);
    write_head(w, "surrogated_replica_version", "gauge",
               "Version of the registry that a replica serves, which has told of itself.");
    for (size_t i = 0; i < about->n_replicas; i++) {
        textbuf_printf(w->text, "surrogated_replica_version{replica=\"%s\"} %lld\n",
                       about->replicas[i].name, (long long)about->replicas[i].version);
    }
    write_head(w, "surrogated_replica_silent_seconds", "gauge", "Time since it told.");
    for (size_t i = 0; i < about->n_replicas; i++) {
        textbuf_printf(w->text, "surrogated_replica_silent_seconds{replica=\"%s\"} %.3f\n",
                       about->replicas[i].name, about->replicas[i].silent_s);
    }
}

void metrics_write(const struct metrics *metrics, const struct metrics_about *about,
                   struct textbuf *text)
{
    const struct writer w = {.text = text, .openmetrics = about->openmetrics};
    write_head(&w, "surrogated_build_info", "gauge", "Versions of the program and of SQLite.");
    textbuf_printf(text, "surrogated_build_info{version=\"%s\",sqlite=\"%s\",kernels=\"%s\"} 1\n",
                   about->version, about->sqlite, about->kernels);
    write_list(&w, metrics);
    write_jobs(&w, metrics);
    write_statuses(&w, &metrics->requests);
    write_times(&w, &metrics->requests);
    write_phases(&w, &metrics->requests);
    write_predict_phases(&w, &metrics->requests);
    write_errors(&w, metrics);
    write_models(&w, about);
    write_replicas(&w, about);
    write_memory(&w, about);
    write_head(&w, "process_resident_memory_bytes", "gauge", "Resident memory.");
    textbuf_printf(text, "process_resident_memory_bytes %lld\n", metrics_resident_bytes());
    write_head(&w, "process_start_time_seconds", "gauge", "Start of the process, since 1970.");
    textbuf_printf(text, "process_start_time_seconds %.3f\n", 1e-3 * (double)metrics->started_ms);
    if (about->openmetrics) {
        textbuf_puts(text, "# EOF\n");
    }
}
