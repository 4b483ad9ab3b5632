/* SPDX-License-Identifier: Apache-2.0 */
/* Probes and metrics for operators. */
#include "api/handlers.h"

#include "api/native/job_doc.h"
#include "api/readiness.h"
#include "access/replicas.h"
#include "api/reply.h"
#include "base/clock.h"
#include "base/log_writer.h"
#include "base/mem_budget.h"
#include "base/version.h"
#include "math/vtanh.h"
#include "store/jobs/job_read.h"
#include "store/sqlite/db.h"
#include "store/sqlite/db_version.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_MODELS  2000 /* with metrics of their own, the first by name */
#define INTERVAL_90 1    /* of scores_intervals */
#define MEGABYTE    ((size_t)1000000)

/* Alive: the process can answer. */
enum err_code handle_healthz(struct app *app, const struct request *req, struct response *res,
                             struct err *err)
{
    struct textbuf text = textbuf_in(req->arena);
    struct json_write json = json_write_to(&text);
    json_write_object(&json, NULL);
    json_write_text(&json, "status", "ok");
    json_write_text(&json, "version", SURROGATED_VERSION);
    json_write_object_end(&json);
    return reply_json(res, 200, &json, err);
}

static enum err_code reply_not_ready(const struct request *req, struct response *res,
                                     const struct readiness *readiness, struct err *err)
{
    struct textbuf text = textbuf_in(req->arena);
    struct json_write json = json_write_to(&text);
    json_write_object(&json, NULL);
    json_write_text(&json, "type", "about:blank");
    json_write_text(&json, "title", "not ready");
    json_write_int(&json, "status", 503);
    json_write_text(&json, "detail", readiness->reasons[0].text);
    json_write_array(&json, "reasons");
    for (int i = 0; i < readiness->n_reasons; i++) {
        const struct readiness_reason *reason = &readiness->reasons[i];
        json_write_object(&json, NULL);
        json_write_text(&json, "part", health_part_name((enum health_part)reason->part));
        json_write_text(&json, "reason", reason->text);
        json_write_object_end(&json);
    }
    json_write_array_end(&json);
    json_write_object_end(&json);
    if (reply_json(res, 503, &json, err) == ERR_OK) {
        res->content_type = "application/problem+json";
        response_header(res, "Retry-After", "1");
    }
    return err->code;
}

enum err_code handle_readyz(struct app *app, const struct request *req, struct response *res,
                            struct err *err)
{
    struct textbuf text = textbuf_in(req->arena);
    struct json_write json = json_write_to(&text);
    struct readiness readiness;
    if (readiness_check(app, &readiness, err) != ERR_OK) {
        return err->code;
    }
    if (readiness.n_reasons > 0) {
        return reply_not_ready(req, res, &readiness, err);
    }
    json_write_object(&json, NULL);
    json_write_text(&json, "status", "ready");
    json_write_object_end(&json);
    return reply_json(res, 200, &json, err);
}

/* 0 while no job runs. */
static int64_t checkpoint_age_s(const struct metrics *metrics)
{
    int64_t begun_ms = atomic_load_explicit(&metrics->job_started_ms, memory_order_relaxed);
    int64_t stored_ms = atomic_load_explicit(&metrics->checkpoint_ms, memory_order_relaxed);
    int64_t safe_ms = stored_ms > begun_ms ? stored_ms : begun_ms;
    int64_t age_ms = begun_ms > 0 ? db_now_ms() - safe_ms : 0;
    return age_ms > 0 ? age_ms / 1000 : 0; /* the clock may have been set back */
}

static void update_gauges(const struct app *app)
{
    struct metrics *metrics = app->metrics;
    int64_t jobs[JOB_CANCELLED + 1];
    struct err ignored = ERR_INIT;
    const struct models_totals models = models_totals(app->models);
    metrics_set(&metrics->models_loaded, models.n_models);
    metrics_set(&metrics->model_bytes, (long long)models.n_bytes);
    metrics_set(&metrics->models_read, (long long)models.n_reads);
    metrics_set(&metrics->models_evicted, (long long)models.n_evicted);
    metrics_set(&metrics->answer_bytes, (long long)atomic_load(&app->answer_bytes));
    metrics_set(&metrics->memory_budget, (long long)mem_budget_get());
    metrics_set(&metrics->memory_refusals, mem_budget_refusals());
    metrics_set(&metrics->write_queue, app->offload != NULL ? offload_waiting(app->offload) : 0);
    metrics_set(&metrics->checkpoint_age_s, checkpoint_age_s(metrics));
    if (app->log->writer != NULL) {
        struct log_counts lines = log_writer_counts(app->log->writer);
        metrics_set(&metrics->log_dropped, lines.dropped);
        metrics_set(&metrics->log_left_out, lines.left_out);
    }
    if (job_store_count(app->db, jobs, &ignored) == ERR_OK) {
        for (int state = 0; state <= JOB_CANCELLED; state++) {
            metrics_set(&metrics->jobs[state], jobs[state]);
        }
    }
}

/* The mean of one column of [o x width]; NaN: there is none. */
static double mean_over_outputs(const double *values, int o, int width, int column)
{
    double sum = 0.0;
    for (int j = 0; values != NULL && j < o; j++) {
        sum += values[j * width + column];
    }
    return values != NULL ? sum / o : NAN;
}

static void describe_model(const struct app *app, const struct served *served,
                           struct metrics_model *out)
{
    const struct scores *scores = &served->model->scores;
    struct keeper_status policy = {.drift_score = NAN};
    if (app->keeper == NULL || !keeper_get_status(app->keeper, served->name, &policy)) {
        policy.drift_score = NAN;
        policy.drift_baseline = NAN;
    }
    *out = (struct metrics_model){
        .name = served->name,
        .version = served->version,
        .n_rows = atomic_load_explicit(&served->n_rows, memory_order_relaxed),
        .n_outside = atomic_load_explicit(&served->n_outside, memory_order_relaxed),
        .trained_s = 1e-3 * (double)served->created_ms,
        .relative_error = scores->n_rows > 0 ? scores->relative_error : NAN,
        .nll = mean_over_outputs(scores->nll, served->model->o, 1, 0),
        .coverage90 =
            mean_over_outputs(scores->coverage, served->model->o, SCORES_INTERVALS, INTERVAL_90),
        .drift_score = policy.drift_score,
        .drift_baseline = policy.drift_baseline};
}

static size_t megabytes(int mb)
{
    return (size_t)mb * MEGABYTE;
}

/* False: no memory. */
static bool list_replicas(const struct app *app, struct arena *arena, struct metrics_replica **out,
                          size_t *n)
{
    int64_t now_ns = clock_ns();
    struct replica *known = arena_alloc_array(arena, REPLICAS_MAX, sizeof *known);
    *out = arena_alloc_array(arena, REPLICAS_MAX, sizeof **out);
    if (known == NULL || *out == NULL) {
        return false;
    }
    *n = replicas_list(app->replicas, now_ns, known);
    for (size_t i = 0; i < *n; i++) {
        (*out)[i] =
            (struct metrics_replica){.name = known[i].name,
                                     .version = known[i].version,
                                     .silent_s = 1e-9 * (double)(now_ns - known[i].heard_ns)};
    }
    return true;
}

/* What is in memory after an error, which others see. */
static int64_t version_in_file(struct db *db)
{
    struct err ignored = ERR_INIT;
    int64_t version = db_version(db);
    return !db_is_read_only(db) || db_version_in_file(db, &version, &ignored) == ERR_OK
               ? version
               : db_version(db);
}

static enum err_code write_metrics(const struct app *app, struct arena *arena, bool openmetrics,
                                   struct textbuf *text, struct err *err)
{
    const struct config *config = app->config;
    struct served **served = arena_alloc_array(arena, MAX_MODELS, sizeof(struct served *));
    struct metrics_model *models = arena_alloc_array(arena, MAX_MODELS, sizeof *models);
    struct metrics_replica *replicas = NULL;
    size_t n_replicas = 0;
    if (served == NULL || models == NULL || !list_replicas(app, arena, &replicas, &n_replicas)) {
        return err_set(err, ERR_NOMEM, "no memory for the answer");
    }
    size_t n = models_served(app->models, served, MAX_MODELS);
    n = n < MAX_MODELS ? n : MAX_MODELS;
    for (size_t i = 0; i < n; i++) {
        describe_model(app, served[i], &models[i]);
    }
    const struct metrics_about about = {
        .version = SURROGATED_VERSION,
        .sqlite = db_library_version(),
        .kernels = vtanh_isa(),
        .models = models,
        .n_models = n,
        .replicas = replicas,
        .n_replicas = n_replicas,
        .registry_version = db_version(app->db),
        .file_version = version_in_file(app->db),
        .memory_limits = {[MEM_ANSWERS] = megabytes(config->answers_mb),
                          [MEM_MODELS] = megabytes(config->models_mb),
                          [MEM_TRAINING] = megabytes(config->train_memory_mb)},
        .openmetrics = openmetrics};
    metrics_write(app->metrics, &about, text);
    for (size_t i = 0; i < n; i++) {
        served_unref(served[i]);
    }
    return ERR_OK;
}

enum err_code handle_metrics(struct app *app, const struct request *req, struct response *res,
                             struct err *err)
{
    struct textbuf text = textbuf_in(req->arena);
    const char *accept = request_header(req, "Accept");
    bool openmetrics = accept != NULL && strstr(accept, "application/openmetrics-text") != NULL;
    update_gauges(app);
    if (write_metrics(app, req->arena, openmetrics, &text, err) != ERR_OK) {
        return err->code;
    }
    return reply_text(res,
                      openmetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                  : "text/plain; version=0.0.4; charset=utf-8",
                      &text, err);
}

/* ---- for people ---- */

static void write_reasons(struct app *app, struct json_write *json)
{
    char reason[HEALTH_REASON_CHARS];
    bool ready = models_is_loaded(app->models);
    json_write_array(json, "not_ready");
    for (int part = 0; part < HEALTH_N_PARTS; part++) {
        if (readiness_find_reason(app, part, reason)) {
            json_write_text(json, NULL, reason);
            ready = false;
        }
    }
    json_write_array_end(json);
    json_write_bool(json, "ready", ready);
}

static void write_errors(const struct app *app, struct json_write *json)
{
    char line[LOG_ERROR_CHARS];
    json_write_array(json, "last_errors");
    for (int i = 0; app->log->writer != NULL && log_writer_get_error(app->log->writer, i, line);
         i++) {
        json_write_text(json, NULL, line);
    }
    json_write_array_end(json);
}

static void write_numbers(const struct metrics *metrics, struct json_write *json)
{
    static const char *const states[] = {"idle", "head", "body", "work", "answer", "stream"};
    json_write_object(json, "models");
    json_write_int(json, "loaded", metrics->models_loaded);
    json_write_int(json, "bytes", metrics->model_bytes);
    json_write_object_end(json);
    json_write_object(json, "jobs");
    for (int state = 0; state <= JOB_CANCELLED; state++) {
        json_write_int(json, job_state_name((enum job_state)state), metrics->jobs[state]);
    }
    json_write_object_end(json);
    json_write_object(json, "connections");
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        json_write_int(json, states[i], metrics->connections[i]);
    }
    json_write_object_end(json);
    json_write_int(json, "event_streams", metrics->event_streams);
    json_write_object(json, "queue");
    json_write_int(json, "requests", metrics->queue_requests);
    json_write_int(json, "rows", metrics->queue_rows);
    json_write_int(json, "writes", metrics->write_queue);
    json_write_object_end(json);
    json_write_object(json, "bytes");
    json_write_int(json, "memory", metrics_resident_bytes());
    json_write_int(json, "registry", metrics->registry_bytes);
    json_write_int(json, "log", metrics->wal_bytes);
    json_write_int(json, "disk_free", metrics->disk_free_bytes);
    json_write_object_end(json);
    json_write_int(json, "log_lines_lost", metrics->log_dropped + metrics->log_left_out);
}

/* What the memory of the program's blocks is used for, of memory_mb. */
static void write_memory_use(struct json_write *json)
{
    json_write_object(json, "memory");
    for (int kind = 0; kind < MEM_N_KINDS; kind++) {
        json_write_int(json, mem_kind_name((enum mem_kind)kind),
                       (int64_t)mem_budget_used_by((enum mem_kind)kind));
    }
    json_write_int(json, "budget", (int64_t)mem_budget_get());
    json_write_object_end(json);
}

/* null: none runs. */
static void write_running_job(struct app *app, struct json_write *json)
{
    struct trainer_progress progress;
    int64_t id = trainer_running_job(app->trainer);
    if (id == 0) {
        json_write_null(json, "running_job");
        return;
    }
    json_write_object(json, "running_job");
    json_write_int(json, "id", id);
    reply_write_time(json, "started", app->metrics->job_started_ms);
    json_write_int(json, "checkpoint_age_s", app->metrics->checkpoint_age_s);
    if (trainer_get_progress(app->trainer, id, &progress)) {
        job_doc_write_progress(json, "progress", &progress, NULL);
    } else {
        json_write_null(json, "progress");
    }
    json_write_object_end(json);
}

enum err_code handle_status(struct app *app, const struct request *req, struct response *res,
                            struct err *err)
{
    struct textbuf text = textbuf_in(req->arena);
    struct json_write json = json_write_to(&text);
    update_gauges(app);
    json_write_object(&json, NULL);
    json_write_text(&json, "version", SURROGATED_VERSION);
    json_write_text(&json, "sqlite", db_library_version());
    json_write_text(&json, "kernels", vtanh_isa());
    json_write_bool(&json, "read_only", db_is_read_only(app->db));
    reply_write_time(&json, "started", app->metrics->started_ms);
    json_write_int(&json, "uptime_s", (db_now_ms() - app->metrics->started_ms) / 1000);
    write_reasons(app, &json);
    write_numbers(app->metrics, &json);
    write_memory_use(&json);
    write_running_job(app, &json);
    write_errors(app, &json);
    json_write_object_end(&json);
    return reply_json(res, 200, &json, err);
}

/* ---- replicas ---- */

/* {"name": "host:port", "registry_version": 7} */
static enum err_code read_note(const struct request *req, const char **name, int64_t *version,
                               struct err *err)
{
    static const char *const keys[] = {"name", "registry_version", NULL};
    json_t *body = NULL;
    if (json_read_parse(req->body, req->n_body, req->arena, &body, err) != ERR_OK ||
        json_read_check_keys(body, "body", keys, err) != ERR_OK) {
        return err->code;
    }
    const struct json_members members = {body, "body", err};
    json_read_require(members, "name");
    json_read_text(members, "name", REPLICA_NAME_CHARS, name);
    json_read_require(members, "registry_version");
    json_read_int(members, "registry_version", 0, INT64_MAX, version);
    return err->code;
}

enum err_code handle_replica_note(struct app *app, const struct request *req, struct response *res,
                                  struct err *err)
{
    const char *name = "";
    int64_t version = 0;
    struct textbuf text = textbuf_in(req->arena);
    struct json_write json = json_write_to(&text);
    if (read_note(req, &name, &version, err) != ERR_OK ||
        (app->replicas != NULL &&
         replicas_note(app->replicas, name, version, clock_ns(), err) != ERR_OK)) {
        return err->code;
    }
    json_write_object(&json, NULL);
    json_write_int(&json, "registry_version", db_version(app->db));
    json_write_object_end(&json);
    return reply_json(res, 200, &json, err);
}
