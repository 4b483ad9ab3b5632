/* SPDX-License-Identifier: Apache-2.0 */
#include "base/par.h"

#include "base/mem_account.h"
#include "base/mem_budget.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct par {
    par_fn *fn;
    void *ctx;
    int n_tasks;
    struct mem_account *account; /* of the calling thread */
    enum mem_kind kind;          /* of what it allocates */
    atomic_int n_workers;        /* started so far */
    atomic_int next;
    atomic_bool failed;
    pthread_mutex_t lock;
    int failed_task; /* guarded by lock; the lowest so far, -1: none */
    struct err err;  /* guarded by lock */
};

static void *par_worker(void *arg)
{
    struct par *par = arg;
    mem_account_use(par->account);
    mem_kind_use(par->kind);
    int worker = atomic_fetch_add_explicit(&par->n_workers, 1, memory_order_relaxed);
    while (!atomic_load_explicit(&par->failed, memory_order_relaxed)) {
        int task = atomic_fetch_add_explicit(&par->next, 1, memory_order_relaxed);
        if (task >= par->n_tasks) {
            break;
        }
        struct err err = ERR_INIT;
        if (par->fn(par->ctx, worker, task, &err) != ERR_OK) {
            atomic_store_explicit(&par->failed, true, memory_order_relaxed);
            pthread_mutex_lock(&par->lock);
            if (par->failed_task < 0 || task < par->failed_task) {
                par->failed_task = task;
                par->err = err;
            }
            pthread_mutex_unlock(&par->lock);
        }
    }
    return NULL;
}

enum err_code par_run(int n_threads, int n_tasks, par_fn *fn, void *ctx, struct err *err)
{
    struct par par = {.fn = fn,
                      .ctx = ctx,
                      .n_tasks = n_tasks,
                      .account = mem_account_get(),
                      .kind = mem_kind_get(),
                      .failed_task = -1,
                      .err = ERR_INIT};
    pthread_t threads[PAR_MAX_THREADS];
    int started = 0;
    if (n_threads > n_tasks) {
        n_threads = n_tasks;
    }
    if (n_threads > PAR_MAX_THREADS) {
        n_threads = PAR_MAX_THREADS;
    }
    if (pthread_mutex_init(&par.lock, NULL) != 0) {
        return err_set(err, ERR_NOMEM, "no lock for parallel work");
    }
    while (started < n_threads - 1 &&
           pthread_create(&threads[started], NULL, par_worker, &par) == 0) {
        started++;
    }
    par_worker(&par);
    for (int i = 0; i < started; i++) {
        pthread_join(threads[i], NULL);
    }
    pthread_mutex_destroy(&par.lock);
    if (par.failed_task >= 0) {
        *err = err->code == ERR_OK ? par.err : *err;
        return err->code;
    }
    return ERR_OK;
}
