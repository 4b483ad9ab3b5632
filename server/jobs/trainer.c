/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One worker thread for each lane of jobs: it claims a job from the store, works without a lock,
 * stores the end, and claims the next one. What other threads ask about the running job is in
 * jobs/running.
 *
 * A job is stopped for one of three reasons. When the daemon stops, the job goes back to the queue;
 * at its time limit, it has failed; when somebody asked for it, it is cancelled.
 */
#include "jobs/trainer.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/threads.h"
#include "base/wake.h"
#include "jobs/job_log.h"
#include "jobs/running.h"
#include "store/jobs/job_checkpoint_store.h"
#include "store/jobs/job_store.h"

#include <string.h>

#define RETRY_S 2 /* pause after a failure of the store */

/* Seconds until the next try after a fault: 2, 8, 32, 128, 300. */
#define BACKOFF_S     2
#define BACKOFF_MAX_S (JOB_MAX_WAIT_MS / 1000)

struct worker {
    struct trainer_settings settings;
    enum job_lane lane;
    pthread_t thread;
    struct wake wake; /* a notice: there may be a job to claim */
    struct running running;
    atomic_bool ended; /* the thread has */
};

struct trainer {
    struct worker workers[JOB_N_LANES];
    struct launch_settings launch;
};

int64_t trainer_running_job(struct trainer *trainer)
{
    return trainer != NULL ? running_job(&trainer->workers[JOB_LANE_TRAIN].running) : 0;
}

bool trainer_get_progress(struct trainer *trainer, int64_t id, struct trainer_progress *out)
{
    bool found = false;
    for (int lane = 0; trainer != NULL && !found && lane < JOB_N_LANES; lane++) {
        struct running *running = &trainer->workers[lane].running;
        found = running_get_progress(running, id, &out->last, &out->eta_s);
    }
    return found;
}

bool trainer_get_curves(struct trainer *trainer, int64_t id, struct curves *out)
{
    return trainer != NULL &&
           running_get_curves(&trainer->workers[JOB_LANE_TRAIN].running, id, out);
}

bool trainer_get_table(struct trainer *trainer, int64_t id, struct choice_table *out)
{
    return trainer != NULL && running_get_table(&trainer->workers[JOB_LANE_TRAIN].running, id, out);
}

/* ---- one attempt ---- */

static void take_progress(void *ctx, const struct progress *progress)
{
    struct worker *worker = ctx;
    int64_t job = 0;
    double eta_s = -1.0;
    running_note(&worker->running, progress, &job, &eta_s);
    events_publish_progress(worker->settings.events, job, progress, eta_s);
}

static void take_table(void *ctx, const struct auto_table *table)
{
    struct worker *worker = ctx;
    running_note_table(&worker->running, table);
}

static void write_curves(void *ctx, struct bytes_writer *writer)
{
    struct worker *worker = ctx;
    running_write_curves(&worker->running, writer);
}

/* From here on other threads can ask about the job and cancel it. */
static void announce_job(struct worker *worker, const struct attempt *attempt)
{
    struct db *db = worker->settings.attempt.db;
    struct err err = ERR_INIT; /* a job can go on without its earlier losses */
    void *bytes = NULL;
    size_t n_bytes = 0;
    err_kept(job_store_curves(db, attempt->row.id, &bytes, &n_bytes, &err));
    struct bytes_reader left = {.data = bytes, .left = n_bytes};
    running_begin(&worker->running, attempt->row.id, attempt->limits.seconds,
                  n_bytes > 0 ? &left : NULL);
    mem_free(bytes);
    if (worker->lane == JOB_LANE_TRAIN) {
        metrics_set(&worker->settings.attempt.metrics->job_running, 1);
        metrics_set(&worker->settings.attempt.metrics->job_started_ms, db_now_ms());
    }
}

static void retire_job(struct worker *worker)
{
    running_end(&worker->running);
    if (worker->lane == JOB_LANE_TRAIN) {
        metrics_set(&worker->settings.attempt.metrics->job_running, 0);
        metrics_set(&worker->settings.attempt.metrics->job_started_ms, 0);
    }
}

static enum err_code run_attempt(struct worker *worker, struct attempt *attempt, struct err *err)
{
    struct job_row row;
    /* A request to cancel between the claim and the announcement found no running job. */
    if (job_store_get(worker->settings.attempt.db, attempt->row.id, &row, err) != ERR_OK) {
        return err->code;
    }
    if (row.cancel_requested) {
        return err_set(err, ERR_CANCELLED, "cancelled before it began");
    }
    if (attempt_run(attempt, err) == ERR_CANCELLED && running_timed_out(&worker->running)) {
        err_clear(err);
        return err_set(err, ERR_LIMIT, "stopped at its limit of %lld s",
                       (long long)attempt->limits.seconds);
    }
    return err->code;
}

/* ---- its end ---- */

/* Waits for a notice, at most ms milliseconds (0: forever). False: the daemon stops. */
static bool wait_for_work(struct worker *worker, int64_t ms)
{
    return wake_wait(&worker->wake, ms > 0 ? clock_ns() + ms * CLOCK_MS : WAKE_NEVER);
}

static bool is_transient(enum err_code code)
{
    return code == ERR_NOMEM || code == ERR_IO || code == ERR_FULL || code == ERR_BUSY;
}

static int64_t backoff_ms(int faults)
{
    int64_t s = BACKOFF_S;
    for (int i = 0; i < faults && s < BACKOFF_MAX_S; i++) {
        s *= 4;
    }
    return 1000 * (s < BACKOFF_MAX_S ? s : BACKOFF_MAX_S);
}

static enum err_code write_end(struct worker *worker, const struct attempt *attempt,
                               const struct err *why, struct err *err)
{
    struct db *db = worker->settings.attempt.db;
    int64_t id = attempt->row.id;
    struct job_row row; /* its present state: it may have been cancelled */
    if (job_store_get(db, id, &row, err) != ERR_OK) {
        return err->code;
    }
    if (row.cancel_requested) {
        return job_store_finish(db, id, JOB_CANCELLED, "", err);
    }
    if (why->code == ERR_CANCELLED && wake_is_stopping(&worker->wake)) {
        return job_store_requeue(db, id, err);
    }
    if (is_transient(why->code) && row.faults < JOB_MAX_FAULTS) {
        int64_t at = db_now_ms() + backoff_ms(row.faults);
        if (job_store_retry(db, id, at, err_msg(why), err) != ERR_CONFLICT) {
            return err->code;
        }
        err_clear(err); /* it was cancelled a moment ago */
        return job_store_finish(db, id, JOB_CANCELLED, "", err);
    }
    return job_store_finish(db, id, JOB_FAILED, err_msg(why), err);
}

/* Stores the end of an attempt that did not publish; tries until the daemon stops. */
static void conclude_attempt(struct worker *worker, const struct attempt *attempt,
                             const struct err *why)
{
    bool go_on = true;
    struct err storing = ERR_INIT; /* losses that cannot be stored are given up */
    err_kept(attempt_store_curves(attempt, &storing));
    while (go_on) {
        struct err err = ERR_INIT;
        enum err_code code = write_end(worker, attempt, why, &err);
        if (code == ERR_OK || code == ERR_NOT_FOUND || code == ERR_CONFLICT) {
            go_on = false; /* stored, or the job is gone or does not run any more */
        } else {
            log_error(worker->settings.attempt.log, "end of job not stored", JOB_LOG(&attempt->row),
                      "reason", err_msg(&err), NULL);
            go_on = wait_for_work(worker, 1000 * RETRY_S);
        }
    }
}

/* solver: an enum solver_kind, -1: not known. */
static void count_end(struct worker *worker, const struct job_row *row, int solver)
{
    struct metrics *metrics = worker->settings.attempt.metrics;
    switch (row->state) {
    case JOB_SUCCEEDED:
        metrics_add(&metrics->jobs_succeeded, 1);
        metrics_add(&metrics->jobs_refused, row->message[0] != '\0');
        break;
    case JOB_FAILED:
        metrics_add(&metrics->jobs_failed, 1);
        break;
    case JOB_CANCELLED:
        metrics_add(&metrics->jobs_cancelled, 1);
        break;
    case JOB_QUEUED:
    case JOB_RUNNING:
        metrics_add(&metrics->jobs_retried, row->not_before_ms > 0);
        return;
    }
    metrics_job_ended(metrics, solver, (int)(row->state - JOB_SUCCEEDED),
                      running_seconds(&worker->running));
}

static bool is_to_go_on(const struct job_row *row)
{
    return row->state == JOB_QUEUED || row->state == JOB_RUNNING;
}

/* Logs and counts the job's present state. */
static void report_end(struct worker *worker, const struct attempt *attempt, const struct err *why)
{
    struct log *log = worker->settings.attempt.log;
    struct job_row row;
    struct err err = ERR_INIT;
    if (job_store_get(worker->settings.attempt.db, attempt->row.id, &row, &err) != ERR_OK) {
        log_warn(log, "job ended", JOB_LOG(&attempt->row), "reason", err_msg(&err), NULL);
        return;
    }
    if (attempt->is_launched && worker->settings.attempt.launch != NULL) {
        launch_clean(worker->settings.attempt.launch, row.id, is_to_go_on(&row));
    }
    bool trains = attempt->is_read && row.kind == JOB_TRAIN;
    count_end(worker, &row, trains ? (int)attempt->spec.train.solver : -1);
    log_info(log, "job ended", JOB_LOG(&row), "state", job_state_name(row.state), "reason",
             why->code != ERR_OK ? err_msg(why) : row.message, NULL);
}

static void run_job(struct worker *worker, struct attempt *attempt)
{
    struct err err = ERR_INIT;
    const struct attempt_settings *s = &worker->settings.attempt;
    attempt->settings = s;
    attempt->cancel = &worker->running.cancel;
    attempt->progress = take_progress;
    attempt->progress_ctx = worker;
    attempt->curves = write_curves;
    attempt->show = take_table;
    log_info(s->log, "job started", JOB_LOG(&attempt->row), "attempt",
             LOG_INT(attempt->row.attempts), NULL);
    enum err_code code = attempt_read(attempt, &err);
    announce_job(worker, attempt);
    events_publish_state(worker->settings.events, attempt->row.id);
    if (code != ERR_OK || run_attempt(worker, attempt, &err) != ERR_OK) {
        conclude_attempt(worker, attempt, &err);
    }
    report_end(worker, attempt, &err);
    retire_job(worker);
    events_publish_state(worker->settings.events, attempt->row.id);
}

/* ---- what launched trainings leave ---- */

static void clean_job(void *ctx, int64_t job)
{
    struct worker *worker = ctx;
    struct job_row row;
    struct err err = ERR_INIT;
    enum err_code code = job_store_get(worker->settings.attempt.db, job, &row, &err);
    if (code == ERR_OK || code == ERR_NOT_FOUND) {
        launch_clean(worker->settings.attempt.launch, job, code == ERR_OK && is_to_go_on(&row));
    }
}

/* Of jobs that a server left behind which was killed, and of those that were cancelled while they
 * were queued. No training runs now. */
static void clean_jobs(struct worker *worker)
{
    const struct launch_settings *launch = worker->settings.attempt.launch;
    struct err err = ERR_INIT;
    if (worker->lane == JOB_LANE_TRAIN && launch != NULL &&
        launch_folder_list(launch->root, clean_job, worker, &err) != ERR_OK) {
        log_warn(worker->settings.attempt.log, "folders of jobs not read", "reason", err_msg(&err),
                 NULL);
    }
}

/* ---- the worker ---- */

/* Waits until there may be a job to claim. False: the daemon stops. */
static bool wait_for_job(struct worker *worker)
{
    struct err err = ERR_INIT;
    int64_t at = 0;
    if (job_store_next(worker->settings.attempt.db, worker->lane, &at, &err) != ERR_OK) {
        return wait_for_work(worker, 1000 * RETRY_S);
    }
    int64_t ms = at - db_now_ms();
    return wait_for_work(worker, at == 0 ? 0 : ms > 0 ? ms : 1);
}

static void *work_on_jobs(void *arg)
{
    struct worker *worker = arg;
    struct log *log = worker->settings.attempt.log;
    bool go_on = true;
    struct err priority = ERR_INIT;
    if (threads_set_nice(worker->settings.nice, &priority) != ERR_OK) {
        log_warn(log, "trainer runs at usual priority", "reason", err_msg(&priority), NULL);
    }
    clean_jobs(worker);
    while (go_on && !wake_is_stopping(&worker->wake)) {
        struct attempt attempt = {.request = NULL};
        struct err err = ERR_INIT;
        void *request = NULL;
        enum err_code code = job_store_claim(worker->settings.attempt.db, worker->lane,
                                             &attempt.row, &request, &attempt.n_request, &err);
        attempt.request = request;
        if (code == ERR_OK) {
            run_job(worker, &attempt);
        } else if (code == ERR_NOT_FOUND) {
            clean_jobs(worker);
            go_on = wait_for_job(worker);
        } else {
            log_error(log, "no job claimed", "reason", err_msg(&err), NULL);
            go_on = wait_for_work(worker, 1000 * RETRY_S);
        }
        attempt_release(&attempt);
    }
    atomic_store_explicit(&worker->ended, true, memory_order_relaxed);
    return NULL;
}

static void worker_stop(struct worker *worker)
{
    wake_stop(&worker->wake);
    running_close(&worker->running);
    pthread_join(worker->thread, NULL);
    running_release(&worker->running);
    wake_release(&worker->wake);
}

static enum err_code worker_start(struct worker *worker, enum job_lane lane,
                                  const struct trainer_settings *settings, struct err *err)
{
    static const char *const names[JOB_N_LANES] = {"trainer", "analyst"};
    worker->settings = *settings;
    worker->lane = lane;
    if (running_init(&worker->running, err) != ERR_OK) {
        return err->code;
    }
    wake_init(&worker->wake);
    if (threads_start(&worker->thread, names[lane], work_on_jobs, worker, err) != ERR_OK) {
        running_release(&worker->running);
        wake_release(&worker->wake);
    }
    return err->code;
}

enum err_code trainer_start(const struct trainer_settings *settings, struct trainer **out,
                            struct err *err)
{
    int n_requeued = 0;
    int n_failed = 0;
    if (settings->launch != NULL && launch_check(settings->launch, err) != ERR_OK) {
        return err->code;
    }
    if (job_store_recover(settings->attempt.db, &n_requeued, &n_failed, err) != ERR_OK) {
        return err->code;
    }
    struct trainer *trainer = mem_zalloc(sizeof *trainer);
    if (trainer == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the trainer");
    }
    if (n_requeued + n_failed > 0) {
        log_info(settings->attempt.log, "interrupted jobs", "queued_again", LOG_INT(n_requeued),
                 "failed", LOG_INT(n_failed), NULL);
    }
    struct trainer_settings own = *settings;
    if (settings->launch != NULL) {
        trainer->launch = *settings->launch;
        own.attempt.launch = &trainer->launch;
    }
    for (int lane = 0; lane < JOB_N_LANES; lane++) {
        if (worker_start(&trainer->workers[lane], (enum job_lane)lane, &own, err) != ERR_OK) {
            while (lane-- > 0) {
                worker_stop(&trainer->workers[lane]);
            }
            mem_free(trainer);
            return err->code;
        }
    }
    *out = trainer;
    return ERR_OK;
}

void trainer_stop(struct trainer *trainer)
{
    for (int lane = 0; trainer != NULL && lane < JOB_N_LANES; lane++) {
        worker_stop(&trainer->workers[lane]);
    }
    mem_free(trainer);
}

bool trainer_is_alive(const struct trainer *trainer)
{
    bool alive = true;
    for (int lane = 0; lane < JOB_N_LANES; lane++) {
        alive = alive && !atomic_load_explicit(&trainer->workers[lane].ended, memory_order_relaxed);
    }
    return alive;
}

void trainer_notify(struct trainer *trainer)
{
    for (int lane = 0; trainer != NULL && lane < JOB_N_LANES; lane++) {
        wake_notify(&trainer->workers[lane].wake);
    }
}

enum err_code trainer_cancel(struct trainer *trainer, int64_t id, struct job_row *row,
                             struct err *err)
{
    if (trainer == NULL) {
        return err_set(err, ERR_READ_ONLY,
                       "this server is a read-only replica; cancel the job at the primary");
    }
    if (job_store_cancel(trainer->workers[0].settings.attempt.db, id, row, err) != ERR_OK) {
        return err->code;
    }
    for (int lane = 0; lane < JOB_N_LANES; lane++) {
        running_cancel(&trainer->workers[lane].running, id);
    }
    return ERR_OK;
}
