/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One worker thread: it claims a job from the store, works without a lock, stores the end, and
 * claims the next one. What other threads ask about the running job is in jobs/running.
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

struct trainer {
    struct trainer_settings settings;
    pthread_t thread;
    struct wake wake; /* a notice: there may be a job to claim */
    struct running running;
    atomic_bool ended; /* the thread has */
};

int64_t trainer_running_job(struct trainer *trainer)
{
    return trainer != NULL ? running_job(&trainer->running) : 0;
}

bool trainer_get_progress(struct trainer *trainer, int64_t id, struct trainer_progress *out)
{
    return trainer != NULL && running_get_progress(&trainer->running, id, &out->last, &out->eta_s);
}

bool trainer_get_curves(struct trainer *trainer, int64_t id, struct curves *out)
{
    return trainer != NULL && running_get_curves(&trainer->running, id, out);
}

bool trainer_get_table(struct trainer *trainer, int64_t id, struct choice_table *out)
{
    return trainer != NULL && running_get_table(&trainer->running, id, out);
}

/* ---- one attempt ---- */

static void take_progress(void *ctx, const struct progress *progress)
{
    struct trainer *trainer = ctx;
    int64_t job = 0;
    double eta_s = -1.0;
    running_note(&trainer->running, progress, &job, &eta_s);
    events_publish_progress(trainer->settings.events, job, progress, eta_s);
}

static void take_table(void *ctx, const struct auto_table *table)
{
    struct trainer *trainer = ctx;
    running_note_table(&trainer->running, table);
}

static void write_curves(void *ctx, struct bytes_writer *writer)
{
    struct trainer *trainer = ctx;
    running_write_curves(&trainer->running, writer);
}

/* From here on other threads can ask about the job and cancel it. */
static void announce_job(struct trainer *trainer, const struct attempt *attempt)
{
    struct db *db = trainer->settings.attempt.db;
    struct err err = ERR_INIT; /* a job can go on without its earlier losses */
    void *bytes = NULL;
    size_t n_bytes = 0;
    err_kept(job_store_curves(db, attempt->row.id, &bytes, &n_bytes, &err));
    struct bytes_reader left = {.data = bytes, .left = n_bytes};
    running_begin(&trainer->running, attempt->row.id, attempt->limits.seconds,
                  n_bytes > 0 ? &left : NULL);
    mem_free(bytes);
    metrics_set(&trainer->settings.attempt.metrics->job_running, 1);
    metrics_set(&trainer->settings.attempt.metrics->job_started_ms, db_now_ms());
}

static void retire_job(struct trainer *trainer)
{
    running_end(&trainer->running);
    metrics_set(&trainer->settings.attempt.metrics->job_running, 0);
    metrics_set(&trainer->settings.attempt.metrics->job_started_ms, 0);
}

static enum err_code run_attempt(struct trainer *trainer, struct attempt *attempt, struct err *err)
{
    struct job_row row;
    /* A request to cancel between the claim and the announcement found no running job. */
    if (job_store_get(trainer->settings.attempt.db, attempt->row.id, &row, err) != ERR_OK) {
        return err->code;
    }
    if (row.cancel_requested) {
        return err_set(err, ERR_CANCELLED, "cancelled before it began");
    }
    if (attempt_run(attempt, err) == ERR_CANCELLED && running_timed_out(&trainer->running)) {
        err_clear(err);
        return err_set(err, ERR_LIMIT, "stopped at its limit of %lld s",
                       (long long)attempt->limits.seconds);
    }
    return err->code;
}

/* ---- its end ---- */

/* Waits for a notice, at most ms milliseconds (0: forever). False: the daemon stops. */
static bool wait_for_work(struct trainer *trainer, int64_t ms)
{
    return wake_wait(&trainer->wake, ms > 0 ? clock_ns() + ms * CLOCK_MS : WAKE_NEVER);
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

static enum err_code write_end(struct trainer *trainer, const struct attempt *attempt,
                               const struct err *why, struct err *err)
{
    struct db *db = trainer->settings.attempt.db;
    int64_t id = attempt->row.id;
    struct job_row row; /* its present state: it may have been cancelled */
    if (job_store_get(db, id, &row, err) != ERR_OK) {
        return err->code;
    }
    if (row.cancel_requested) {
        return job_store_finish(db, id, JOB_CANCELLED, "", err);
    }
    if (why->code == ERR_CANCELLED && wake_is_stopping(&trainer->wake)) {
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
static void conclude_attempt(struct trainer *trainer, const struct attempt *attempt,
                             const struct err *why)
{
    bool go_on = true;
    struct err storing = ERR_INIT; /* losses that cannot be stored are given up */
    err_kept(attempt_store_curves(attempt, &storing));
    while (go_on) {
        struct err err = ERR_INIT;
        enum err_code code = write_end(trainer, attempt, why, &err);
        if (code == ERR_OK || code == ERR_NOT_FOUND || code == ERR_CONFLICT) {
            go_on = false; /* stored, or the job is gone or does not run any more */
        } else {
            log_error(trainer->settings.attempt.log, "end of job not stored",
                      JOB_LOG(&attempt->row), "reason", err_msg(&err), NULL);
            go_on = wait_for_work(trainer, 1000 * RETRY_S);
        }
    }
}

/* solver: an enum solver_kind, -1: not known. */
static void count_end(struct trainer *trainer, const struct job_row *row, int solver)
{
    struct metrics *metrics = trainer->settings.attempt.metrics;
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
                      running_seconds(&trainer->running));
}

/* Logs and counts the job's present state. */
static void report_end(struct trainer *trainer, const struct attempt *attempt,
                       const struct err *why)
{
    struct log *log = trainer->settings.attempt.log;
    struct job_row row;
    struct err err = ERR_INIT;
    if (job_store_get(trainer->settings.attempt.db, attempt->row.id, &row, &err) != ERR_OK) {
        log_warn(log, "job ended", JOB_LOG(&attempt->row), "reason", err_msg(&err), NULL);
        return;
    }
    count_end(trainer, &row, attempt->is_read ? (int)attempt->spec.train.solver : -1);
    log_info(log, "job ended", JOB_LOG(&row), "state", job_state_name(row.state), "reason",
             why->code != ERR_OK ? err_msg(why) : row.message, NULL);
}

static void run_job(struct trainer *trainer, struct attempt *attempt)
{
    struct err err = ERR_INIT;
    const struct attempt_settings *s = &trainer->settings.attempt;
    attempt->settings = s;
    attempt->cancel = &trainer->running.cancel;
    attempt->progress = take_progress;
    attempt->progress_ctx = trainer;
    attempt->curves = write_curves;
    attempt->show = take_table;
    log_info(s->log, "job started", JOB_LOG(&attempt->row), "attempt",
             LOG_INT(attempt->row.attempts), NULL);
    enum err_code code = attempt_read(attempt, &err);
    announce_job(trainer, attempt);
    events_publish_state(trainer->settings.events, attempt->row.id);
    if (code != ERR_OK || run_attempt(trainer, attempt, &err) != ERR_OK) {
        conclude_attempt(trainer, attempt, &err);
    }
    report_end(trainer, attempt, &err);
    retire_job(trainer);
    events_publish_state(trainer->settings.events, attempt->row.id);
}

/* ---- the worker ---- */

/* Waits until there may be a job to claim. False: the daemon stops. */
static bool wait_for_job(struct trainer *trainer)
{
    struct err err = ERR_INIT;
    int64_t at = 0;
    if (job_store_next(trainer->settings.attempt.db, &at, &err) != ERR_OK) {
        return wait_for_work(trainer, 1000 * RETRY_S);
    }
    int64_t ms = at - db_now_ms();
    return wait_for_work(trainer, at == 0 ? 0 : ms > 0 ? ms : 1);
}

static void *work_on_jobs(void *arg)
{
    struct trainer *trainer = arg;
    struct log *log = trainer->settings.attempt.log;
    bool go_on = true;
    struct err priority = ERR_INIT;
    if (threads_set_nice(trainer->settings.nice, &priority) != ERR_OK) {
        log_warn(log, "trainer runs at usual priority", "reason", err_msg(&priority), NULL);
    }
    while (go_on && !wake_is_stopping(&trainer->wake)) {
        struct attempt attempt = {.request = NULL};
        struct err err = ERR_INIT;
        void *request = NULL;
        enum err_code code = job_store_claim(trainer->settings.attempt.db, &attempt.row, &request,
                                             &attempt.n_request, &err);
        attempt.request = request;
        if (code == ERR_OK) {
            run_job(trainer, &attempt);
        } else if (code == ERR_NOT_FOUND) {
            go_on = wait_for_job(trainer);
        } else {
            log_error(log, "no job claimed", "reason", err_msg(&err), NULL);
            go_on = wait_for_work(trainer, 1000 * RETRY_S);
        }
        attempt_release(&attempt);
    }
    atomic_store_explicit(&trainer->ended, true, memory_order_relaxed);
    return NULL;
}

static void trainer_free(struct trainer *trainer)
{
    running_release(&trainer->running);
    wake_release(&trainer->wake);
    mem_free(trainer);
}

enum err_code trainer_start(const struct trainer_settings *settings, struct trainer **out,
                            struct err *err)
{
    int n_requeued = 0;
    int n_failed = 0;
    if (job_store_recover(settings->attempt.db, &n_requeued, &n_failed, err) != ERR_OK) {
        return err->code;
    }
    struct trainer *trainer = mem_zalloc(sizeof *trainer);
    if (trainer == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the trainer");
    }
    trainer->settings = *settings;
    if (running_init(&trainer->running, err) != ERR_OK) {
        mem_free(trainer);
        return err->code;
    }
    wake_init(&trainer->wake);
    if (n_requeued + n_failed > 0) {
        log_info(settings->attempt.log, "interrupted jobs", "queued_again", LOG_INT(n_requeued),
                 "failed", LOG_INT(n_failed), NULL);
    }
    if (threads_start(&trainer->thread, "trainer", work_on_jobs, trainer, err) != ERR_OK) {
        trainer_free(trainer);
        return err->code;
    }
    *out = trainer;
    return ERR_OK;
}

void trainer_stop(struct trainer *trainer)
{
    if (trainer == NULL) {
        return;
    }
    wake_stop(&trainer->wake);
    running_close(&trainer->running);
    pthread_join(trainer->thread, NULL);
    trainer_free(trainer);
}

bool trainer_is_alive(const struct trainer *trainer)
{
    return !atomic_load_explicit(&trainer->ended, memory_order_relaxed);
}

void trainer_notify(struct trainer *trainer)
{
    if (trainer != NULL) {
        wake_notify(&trainer->wake);
    }
}

enum err_code trainer_cancel(struct trainer *trainer, int64_t id, struct job_row *row,
                             struct err *err)
{
    if (trainer == NULL) {
        return err_set(err, ERR_READ_ONLY,
                       "this server is a read-only replica; cancel the job at the primary");
    }
    if (job_store_cancel(trainer->settings.attempt.db, id, row, err) != ERR_OK) {
        return err->code;
    }
    running_cancel(&trainer->running, id);
    return ERR_OK;
}
