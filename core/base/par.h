/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fork-join over independent tasks. Which thread runs a task is not fixed, what a task computes
 * is: results depend on the task's number alone, never on the number of threads.
 */
#ifndef PAR_H
#define PAR_H

#include "base/compiler.h"
#include "base/err.h"

#define PAR_MAX_THREADS 256

/* worker: 0 .. n_threads-1, one thread at a time, for scratch. */
typedef enum err_code par_fn(void *ctx, int worker, int task, struct err *err);

/*
 * Runs fn for task 0 .. n_tasks-1 on at most n_threads threads, the caller's among them. After a
 * failure no new task begins; the error returned is that of the lowest task that failed. When a
 * thread cannot be started the others do its share.
 */
enum err_code par_run(int n_threads, int n_tasks, par_fn *fn, void *ctx,
                      struct err *err) MUST_CHECK;

#endif
