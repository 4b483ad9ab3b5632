/* SPDX-License-Identifier: Apache-2.0 */
#include "api/offload.h"

#include "api/request_times.h"
#include "base/mem.h"
#include "base/mem_budget.h"
#include "base/threads.h"

#include <pthread.h>

/* One request; lives in its arena, which nobody else uses meanwhile. */
struct task {
    offload_fn *fn;
    void *ctx;
    struct request *req;
    struct response res;
    struct err err;
    int64_t submitted_ns;
    void (*run)(void *ctx); /* instead of fn: part of an answer, which ends even while stopping */
    struct task *next;
};

struct offload_part {
    struct task task;
};

struct offload {
    struct offload_settings settings;
    pthread_t *threads;
    int n_threads; /* started */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct task *first; /* guarded by lock: the queue */
    struct task *last;  /* guarded by lock */
    int n_waiting;      /* guarded by lock */
    bool stopping;      /* guarded by lock */
};

/* ---- the threads ---- */

/* Waits for a task; NULL: the thread must end. *late: the server is stopping and the task must not
 * begin. */
static struct task *wait_for_task(struct offload *offload, bool *late)
{
    pthread_mutex_lock(&offload->lock);
    while (offload->first == NULL && !offload->stopping) {
        pthread_cond_wait(&offload->wake, &offload->lock);
    }
    struct task *task = offload->first;
    if (task != NULL) {
        offload->first = task->next;
        offload->last = offload->first != NULL ? offload->last : NULL;
        offload->n_waiting--;
    }
    *late = offload->stopping;
    pthread_mutex_unlock(&offload->lock);
    return task;
}

static void *serve_tasks(void *arg)
{
    struct offload *offload = arg;
    struct task *task;
    bool late = false;
    struct err priority = ERR_INIT;
    mem_kind_use(MEM_REQUESTS);
    if (threads_set_nice(OFFLOAD_NICE, &priority) != ERR_OK) {
        log_warn(offload->settings.log, "writing threads run at normal priority", "reason",
                 err_msg(&priority), NULL);
    }
    while ((task = wait_for_task(offload, &late)) != NULL) {
        struct request *req = task->req;
        if (task->run != NULL) {
            task->run(task->ctx);
            req->ops->resume(req->exchange);
            continue;
        }
        request_times_waited(req, clock_ns() - task->submitted_ns);
        if (late) {
            err_set(&task->err, ERR_DRAINING, "the server is stopping");
        } else {
            err_kept(task->fn(task->ctx, req, &task->res, &task->err));
        }
        req->ops->resume(req->exchange);
    }
    return NULL;
}

/* ---- requests ---- */

/* Does what the handler has left for the connection's thread. */
static enum err_code run_rest(struct response *res, struct err *err)
{
    struct later left = res->later;
    res->later = (struct later){.run = NULL};
    return err->code == ERR_OK && left.run != NULL ? left.run(left.ctx, res, err) : err->code;
}

/* On the connection's thread, after the task. */
static enum err_code finish_task(void *ctx, struct response *res, struct err *err)
{
    const struct task *task = ctx;
    *res = task->res;
    *err = task->err;
    return run_rest(res, err);
}

enum err_code offload_run_here(offload_fn *fn, void *ctx, struct request *req, struct response *res,
                               struct err *err)
{
    err_kept(fn(ctx, req, res, err));
    return run_rest(res, err);
}

/* The client has gone. */
static void drop_task(void *ctx)
{
    const struct task *task = ctx;
    if (task->res.source.release != NULL) {
        task->res.source.release(task->res.source.ctx);
    }
    if (task->res.later.run != NULL) {
        task->res.later.drop(task->res.later.ctx);
    }
}

/* False: the threads are ending. */
static bool enqueue(struct offload *offload, struct task *task)
{
    pthread_mutex_lock(&offload->lock);
    bool taken = !offload->stopping;
    if (taken && offload->last != NULL) {
        offload->last->next = task;
    } else if (taken) {
        offload->first = task;
    }
    offload->last = taken ? task : offload->last;
    offload->n_waiting += taken;
    pthread_cond_signal(&offload->wake);
    pthread_mutex_unlock(&offload->lock);
    return taken;
}

bool offload_submit(struct offload *offload, offload_fn *fn, void *ctx, struct request *req,
                    struct response *res)
{
    struct task *task = NULL;
    if (offload == NULL || req->ops == NULL) {
        return false;
    }
    task = arena_zalloc_array(req->arena, 1, sizeof *task);
    if (task == NULL) {
        return false;
    }
    task->fn = fn;
    task->ctx = ctx;
    task->req = req;
    task->submitted_ns = clock_ns();
    res->later = (struct later){.run = finish_task, .drop = drop_task, .ctx = task};
    /* In this order: it may be resumed before this returns. */
    req->ops->suspend(req->exchange);
    if (!enqueue(offload, task)) {
        err_set(&task->err, ERR_DRAINING, "the server is stopping");
        req->ops->resume(req->exchange);
    }
    return true;
}

struct offload_part *offload_part_new(struct offload *offload, void (*run)(void *ctx), void *ctx,
                                      struct request *req)
{
    bool possible = offload != NULL && req->ops != NULL;
    struct offload_part *part = possible ? arena_zalloc_array(req->arena, 1, sizeof *part) : NULL;
    if (part != NULL) {
        part->task = (struct task){.run = run, .ctx = ctx, .req = req};
    }
    return part;
}

bool offload_part_submit(struct offload *offload, struct offload_part *part)
{
    struct request *req = part->task.req;
    part->task.next = NULL;
    pthread_mutex_lock(&offload->lock);
    bool ending = offload->stopping;
    pthread_mutex_unlock(&offload->lock);
    if (ending) {
        return false;
    }
    req->ops->suspend(req->exchange);
    if (!enqueue(offload, &part->task)) {
        part->task.run(part->task.ctx);
        req->ops->resume(req->exchange);
    }
    return true;
}

int offload_waiting(struct offload *offload)
{
    pthread_mutex_lock(&offload->lock);
    int n = offload->n_waiting;
    pthread_mutex_unlock(&offload->lock);
    return n;
}

/* ---- start and stop ---- */

enum err_code offload_start(const struct offload_settings *settings, struct offload **out,
                            struct err *err)
{
    struct offload *offload = mem_zalloc(sizeof *offload);
    pthread_t *threads = mem_alloc_array((size_t)settings->n_threads, sizeof *threads);
    if (offload == NULL || threads == NULL) {
        mem_free(offload);
        mem_free(threads);
        return err_set(err, ERR_NOMEM, "no memory for the writing threads");
    }
    offload->settings = *settings;
    offload->threads = threads;
    pthread_mutex_init(&offload->lock, NULL);
    pthread_cond_init(&offload->wake, NULL);
    while (offload->n_threads < settings->n_threads && err->code == ERR_OK) {
        if (threads_start(&threads[offload->n_threads], "writer", serve_tasks, offload, err) ==
            ERR_OK) {
            offload->n_threads++;
        }
    }
    if (err->code != ERR_OK) {
        offload_stop(offload);
        offload_free(offload);
        return err->code;
    }
    *out = offload;
    return ERR_OK;
}

void offload_stop(struct offload *offload)
{
    if (offload == NULL) {
        return;
    }
    pthread_mutex_lock(&offload->lock);
    offload->stopping = true;
    pthread_cond_broadcast(&offload->wake);
    pthread_mutex_unlock(&offload->lock);
    for (int i = 0; i < offload->n_threads; i++) {
        pthread_join(offload->threads[i], NULL);
    }
    offload->n_threads = 0;
}

void offload_free(struct offload *offload)
{
    if (offload != NULL) {
        pthread_cond_destroy(&offload->wake);
        pthread_mutex_destroy(&offload->lock);
        mem_free(offload->threads);
        mem_free(offload);
    }
}
