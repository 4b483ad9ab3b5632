/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fork-join over independent tasks. Any thread may run any task, but what a task computes depends
 * on its number alone, so that results never depend on the number of threads.
 */
#ifndef PAR_H
#define PAR_H

#include "base/compiler.h"
#include "base/err.h"

#define PAR_MAX_THREADS 256

/* worker: 0 .. n_threads-1, the thread's own number, by which it finds its scratch. */
typedef enum err_code par_fn(void *ctx, int worker, int task, struct err *err);

/*
 * Runs fn for the tasks 0 .. n_tasks-1 on at most n_threads threads, of which the caller's is one.
 * After a failure no new task starts, and the error is that of the lowest task that failed. When a
 * thread cannot be started, the others do its share.
 */
enum err_code par_run(int n_threads, int n_tasks, par_fn *fn, void *ctx,
                      struct err *err) MUST_CHECK;

#endif
