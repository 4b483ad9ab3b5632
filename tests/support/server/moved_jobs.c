/* SPDX-License-Identifier: Apache-2.0 */
#include "moved_jobs.h"

#include <check.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/data/data_append.h"
#include "store/jobs/job_store.h"
#include "store/store.h"

void moved_jobs_restart_events(struct moved_jobs *m)
{
    struct err err = ERR_INIT;
    struct events_settings settings = {.db = m->db, .log = &m->log};
    events_free(m->events);
    /* A start within the same millisecond is none that a process can make. */
    for (int64_t now = db_now_ms(); db_now_ms() <= now + 1;) {
    }
    ck_assert_msg(events_start(&settings, &m->events, &err) == ERR_OK, "%s", err.msg);
}

void moved_jobs_init(struct moved_jobs *m)
{
    struct err err = ERR_INIT;
    const double row[] = {1, 2};
    struct data_append_result result;
    struct data_upload up = {.n = 1, .d = 1, .o = 1, .rows = row, .format = "npy"};
    *m = (struct moved_jobs){.db = NULL};
    m->log = (struct log){.fd = STDERR_FILENO, .level = LOG_ERROR + 1, .format = LOG_TEXT};
    tmpdb_init(&m->place);
    m->db = tmpdb_open(&m->place, 0);
    for (int i = 0; i < MOVED_MODELS; i++) {
        char model[8];
        snprintf(model, sizeof model, "m%d", i);
        ck_assert_int_eq(data_store_append(m->db, model, &up, &result, &err), ERR_OK);
    }
    moved_jobs_restart_events(m);
}

void moved_jobs_release(struct moved_jobs *m)
{
    events_free(m->events);
    db_close(m->db);
    tmpdb_release(&m->place);
}

int64_t moved_jobs_add(struct moved_jobs *m, int model)
{
    struct err err = ERR_INIT;
    int64_t id = 0;
    char name[8];
    snprintf(name, sizeof name, "m%d", model);
    struct job_new job = {.model = name, .request = "{}", .n_request = 2, .origin = "request"};
    ck_assert_msg(job_store_add(m->db, &job, &id, &err) == ERR_OK, "%s", err.msg);
    return id;
}

int64_t moved_jobs_claim(struct moved_jobs *m)
{
    struct err err = ERR_INIT;
    struct job_row row;
    void *request = NULL;
    size_t n = 0;
    ck_assert_msg(job_store_claim(m->db, JOB_LANE_TRAIN, &row, &request, &n, &err) == ERR_OK, "%s",
                  err.msg);
    mem_free(request);
    return row.id;
}

void moved_jobs_requeue(struct moved_jobs *m, int64_t id)
{
    struct err err = ERR_INIT;
    ck_assert_msg(job_store_requeue(m->db, id, &err) == ERR_OK, "%s", err.msg);
}

void moved_jobs_fail(struct moved_jobs *m, int64_t id)
{
    struct err err = ERR_INIT;
    ck_assert_msg(job_store_finish(m->db, id, JOB_FAILED, "no luck", &err) == ERR_OK, "%s",
                  err.msg);
}

void moved_jobs_cancel(struct moved_jobs *m, int64_t id)
{
    struct err err = ERR_INIT;
    struct job_row row;
    ck_assert_msg(job_store_cancel(m->db, id, &row, &err) == ERR_OK, "%s", err.msg);
}

struct job_row moved_jobs_get(struct moved_jobs *m, int64_t id)
{
    struct err err = ERR_INIT;
    struct job_row row;
    ck_assert_msg(job_store_get(m->db, id, &row, &err) == ERR_OK, "%s", err.msg);
    return row;
}

void moved_jobs_report(struct moved_jobs *m, int64_t job, double fraction)
{
    struct progress progress = {.n_members = 1, .n_steps = 1000, .fraction = fraction};
    progress.step = (int)(1000 * fraction);
    events_publish_progress(m->events, job, &progress, 1.5);
}

static void on_wake(void *ctx)
{
    struct follower *f = ctx;
    pthread_mutex_lock(&f->lock);
    f->calls++;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static bool on_gone(const void *ctx)
{
    return ((const struct follower *)ctx)->is_gone;
}

void follower_init(struct follower *f, struct events *events, int64_t job)
{
    *f = (struct follower){.waiter = {.job = job,
                                      .after = events_newest(events),
                                      .silent_ns = INT64_MAX,
                                      .gone = on_gone,
                                      .wake = on_wake,
                                      .ctx = f}};
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
}

void follower_release(struct follower *f)
{
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->lock);
}

int follower_calls(struct follower *f)
{
    pthread_mutex_lock(&f->lock);
    int n = f->calls;
    pthread_mutex_unlock(&f->lock);
    return n;
}

void follower_wait(struct follower *f, int n)
{
    pthread_mutex_lock(&f->lock);
    while (f->calls < n) {
        pthread_cond_wait(&f->changed, &f->lock);
    }
    pthread_mutex_unlock(&f->lock);
}
