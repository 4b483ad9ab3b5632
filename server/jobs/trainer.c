/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One worker thread: claim a job from the store, work without any lock, report, again. The lock
 * guards what other threads ask about the running job and the wake-up flag; nothing is computed
 * and no SQL runs while it is held.
 *
 * A cancelled job has two causes, told apart by `stopping`: the daemon stops, and the job goes
 * back to the queue; or somebody asked, and the job is cancelled.
 */
#include "trainer.h"

#include "codec.h"
#include "mem.h"
#include "rows.h"
#include "threads.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#define RETRY_S 2 /* pause after the store failed */

struct trainer {
    struct trainer_settings settings;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool notified;         /* guarded by lock */
    bool stopping;         /* guarded by lock */
    int64_t running;       /* guarded by lock: id of the job at work, 0: none */
    bool has_progress;     /* guarded by lock */
    struct progress last;  /* guarded by lock */
    struct timespec start; /* guarded by lock: when the fit began */
    struct cancel cancel;  /* of the running job */
};

static double seconds_since(const struct timespec *start)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - start->tv_sec) + 1e-9 * (double)(now.tv_nsec - start->tv_nsec);
}

static void on_progress(void *ctx, const struct progress *progress)
{
    struct trainer *trainer = ctx;
    pthread_mutex_lock(&trainer->lock);
    trainer->last = *progress;
    trainer->has_progress = true;
    pthread_mutex_unlock(&trainer->lock);
}

bool trainer_get_progress(struct trainer *trainer, int64_t id, struct trainer_progress *out)
{
    if (trainer == NULL) {
        return false;
    }
    pthread_mutex_lock(&trainer->lock);
    bool running = trainer->running == id && trainer->has_progress;
    if (running) {
        out->last = trainer->last;
        double elapsed = seconds_since(&trainer->start);
        double done = trainer->last.fraction;
        out->eta_s = done > 0.0 ? elapsed * (1.0 - done) / done : -1.0;
    }
    pthread_mutex_unlock(&trainer->lock);
    return running;
}

/* ---- one job ---- */

struct job {
    struct job_row row;
    void *request;
    size_t n_request;
    struct train_spec spec;
    struct rows rows;
    struct model *model;
    unsigned char *bytes;
    size_t n_bytes;
    struct put_result put;
};

static void job_release(struct job *job)
{
    mem_free(job->request);
    train_spec_release(&job->spec);
    rows_release(&job->rows);
    model_unref(job->model);
    mem_free(job->bytes);
}

/* The rows of the attempt before, so that it ends as that one would have, or all that are there. */
static enum err_code load_rows(struct trainer *trainer, struct job *job, struct err *err)
{
    static const struct training_data any = {.n_rows = 0};
    struct db *db = trainer->settings.db;
    enum err_code code = rows_load(db, job->row.model, &job->row.data, &job->rows, err);
    if (code == ERR_CONFLICT) {
        err_clear(err);
        code = rows_load(db, job->row.model, &any, &job->rows, err);
    }
    return code == ERR_OK ? job_store_set_data(db, job->row.id, &job->rows.origin, err) : code;
}

static enum err_code train(struct trainer *trainer, struct job *job, struct err *err)
{
    const struct trainer_settings *s = &trainer->settings;
    if (s->parse(job->request, job->n_request, &job->spec, err) != ERR_OK ||
        load_rows(trainer, job, err) != ERR_OK ||
        train_resolve(&job->spec, job->rows.data.d, job->rows.data.o, err) != ERR_OK) {
        return err->code;
    }
    char *text = mem_strndup(job->request, job->n_request);
    if (text == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the job's settings");
    }
    struct train_run run = {
        .spec = &job->spec,
        .data = job->rows.data,
        .n_threads = s->n_threads,
        .settings_text = text,
        .cancel = &trainer->cancel,
        .progress = on_progress,
        .progress_ctx = trainer,
    };
    pthread_mutex_lock(&trainer->lock);
    clock_gettime(CLOCK_MONOTONIC, &trainer->start);
    pthread_mutex_unlock(&trainer->lock);
    if (train_run(&run, &job->model, err) == ERR_OK) {
        err_kept(codec_encode(job->model, &job->bytes, &job->n_bytes, err));
    }
    mem_free(text);
    return err->code;
}

static enum err_code publish(struct trainer *trainer, struct job *job, struct err *err)
{
    struct put_request put = {
        .model = job->row.model, .bytes = job->bytes, .n_bytes = job->n_bytes, .promote = true};
    return job_store_publish(trainer->settings.db, job->row.id, &put, "", &job->put, err);
}

static void count_end(struct trainer *trainer, atomic_llong *result)
{
    metrics_add(result, 1);
    metrics_job_ended(trainer->settings.metrics, seconds_since(&trainer->start));
}

/* Ends a job that did not publish. */
static void conclude(struct trainer *trainer, const struct job *job, const struct err *why)
{
    struct err err = ERR_INIT;
    enum err_code code;
    pthread_mutex_lock(&trainer->lock);
    bool stopping = trainer->stopping;
    pthread_mutex_unlock(&trainer->lock);
    if (why->code == ERR_CANCELLED && stopping) {
        code = job_store_requeue(trainer->settings.db, job->row.id, &err);
    } else {
        bool cancelled = why->code == ERR_CANCELLED;
        code = job_store_finish(trainer->settings.db, job->row.id,
                                cancelled ? JOB_CANCELLED : JOB_FAILED, 0,
                                cancelled ? "" : err_msg(why), &err);
        count_end(trainer, cancelled ? &trainer->settings.metrics->jobs_cancelled
                                     : &trainer->settings.metrics->jobs_failed);
    }
    if (code != ERR_OK) {
        log_error(trainer->settings.log, "job not concluded", "job", LOG_INT(job->row.id), "reason",
                  err_msg(&err), NULL);
    }
}

static void announce(struct trainer *trainer, const struct job *job, bool running)
{
    pthread_mutex_lock(&trainer->lock);
    trainer->running = running ? job->row.id : 0;
    trainer->has_progress = false;
    clock_gettime(CLOCK_MONOTONIC, &trainer->start);
    if (!trainer->stopping) {
        atomic_store_explicit(&trainer->cancel.stop, false, memory_order_relaxed);
    }
    pthread_mutex_unlock(&trainer->lock);
}

static void run_job(struct trainer *trainer, struct job *job)
{
    struct err err = ERR_INIT;
    struct job_row row;
    announce(trainer, job, true);
    metrics_set(&trainer->settings.metrics->job_running, 1);
    log_info(trainer->settings.log, "job started", "job", LOG_INT(job->row.id), "model",
             job->row.model, NULL);
    /* A cancel that came between the claim and the announcement found no running job. */
    if (job_store_get(trainer->settings.db, job->row.id, &row, &err) == ERR_OK &&
        row.cancel_requested) {
        cancel_request(&trainer->cancel);
    }
    if (err.code == ERR_OK && train(trainer, job, &err) == ERR_OK &&
        publish(trainer, job, &err) == ERR_OK) {
        count_end(trainer, &trainer->settings.metrics->jobs_succeeded);
        if (registry_refresh(trainer->settings.registry, job->row.model, job->model, &job->put,
                             &err) != ERR_OK) {
            log_warn(trainer->settings.log, "version published but not loaded yet", "job",
                     LOG_INT(job->row.id), "reason", err_msg(&err), NULL);
        }
    } else {
        conclude(trainer, job, &err);
    }
    log_info(trainer->settings.log, "job ended", "job", LOG_INT(job->row.id), "model",
             job->row.model, "result", err.code == ERR_OK ? "succeeded" : err_msg(&err), NULL);
    metrics_set(&trainer->settings.metrics->job_running, 0);
    announce(trainer, job, false);
}

/* ---- the worker ---- */

/* Waits for a notice, at most `seconds` (0: for ever). False: the daemon stops. */
static bool wait_for_work(struct trainer *trainer, int seconds)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += seconds;
    pthread_mutex_lock(&trainer->lock);
    int status = 0;
    while (!trainer->stopping && !trainer->notified && status != ETIMEDOUT) {
        status = seconds > 0 ? pthread_cond_timedwait(&trainer->wake, &trainer->lock, &until)
                             : pthread_cond_wait(&trainer->wake, &trainer->lock);
    }
    trainer->notified = false;
    bool go_on = !trainer->stopping;
    pthread_mutex_unlock(&trainer->lock);
    return go_on;
}

static bool is_stopping(struct trainer *trainer)
{
    pthread_mutex_lock(&trainer->lock);
    bool stopping = trainer->stopping;
    pthread_mutex_unlock(&trainer->lock);
    return stopping;
}

static void *work(void *arg)
{
    struct trainer *trainer = arg;
    bool go_on = true;
    struct err priority = ERR_INIT;
    if (threads_set_nice(trainer->settings.nice, &priority) != ERR_OK) {
        log_warn(trainer->settings.log, "trainer runs at usual priority", "reason",
                 err_msg(&priority), NULL);
    }
    while (go_on && !is_stopping(trainer)) {
        struct job job = {.request = NULL};
        struct err err = ERR_INIT;
        enum err_code code =
            job_store_claim(trainer->settings.db, &job.row, &job.request, &job.n_request, &err);
        if (code == ERR_OK) {
            run_job(trainer, &job);
        } else if (code == ERR_NOT_FOUND) {
            go_on = wait_for_work(trainer, 0);
        } else {
            log_error(trainer->settings.log, "no job claimed", "reason", err_msg(&err), NULL);
            go_on = wait_for_work(trainer, RETRY_S);
        }
        job_release(&job);
    }
    return NULL;
}

enum err_code trainer_start(const struct trainer_settings *settings, struct trainer **out,
                            struct err *err)
{
    int n_requeued = 0;
    int n_failed = 0;
    if (job_store_recover(settings->db, &n_requeued, &n_failed, err) != ERR_OK) {
        return err->code;
    }
    struct trainer *trainer = mem_zalloc(sizeof *trainer);
    if (trainer == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the trainer");
    }
    trainer->settings = *settings;
    pthread_mutex_init(&trainer->lock, NULL);
    pthread_cond_init(&trainer->wake, NULL);
    atomic_init(&trainer->cancel.stop, false);
    if (n_requeued + n_failed > 0) {
        log_info(settings->log, "jobs that were interrupted", "queued_again", LOG_INT(n_requeued),
                 "failed", LOG_INT(n_failed), NULL);
    }
    if (threads_start(&trainer->thread, "trainer", work, trainer, err) != ERR_OK) {
        pthread_cond_destroy(&trainer->wake);
        pthread_mutex_destroy(&trainer->lock);
        mem_free(trainer);
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
    pthread_mutex_lock(&trainer->lock);
    trainer->stopping = true;
    cancel_request(&trainer->cancel);
    pthread_cond_broadcast(&trainer->wake);
    pthread_mutex_unlock(&trainer->lock);
    pthread_join(trainer->thread, NULL);
    pthread_cond_destroy(&trainer->wake);
    pthread_mutex_destroy(&trainer->lock);
    mem_free(trainer);
}

void trainer_notify(struct trainer *trainer)
{
    if (trainer == NULL) {
        return;
    }
    pthread_mutex_lock(&trainer->lock);
    trainer->notified = true;
    pthread_cond_signal(&trainer->wake);
    pthread_mutex_unlock(&trainer->lock);
}

enum err_code trainer_cancel(struct trainer *trainer, int64_t id, struct job_row *row,
                             struct err *err)
{
    if (trainer == NULL) {
        return err_set(err, ERR_READ_ONLY,
                       "this server is a read-only replica; cancel the job at the primary");
    }
    if (job_store_cancel(trainer->settings.db, id, row, err) != ERR_OK) {
        return err->code;
    }
    pthread_mutex_lock(&trainer->lock);
    if (trainer->running == id) {
        cancel_request(&trainer->cancel);
    }
    pthread_mutex_unlock(&trainer->lock);
    return ERR_OK;
}
