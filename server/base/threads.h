/* SPDX-License-Identifier: Apache-2.0 */
/* Threads with a name and without signals, some at lower priority. */
#ifndef THREADS_H
#define THREADS_H

#include "base/compiler.h"
#include "base/err.h"

#include <pthread.h>

/* Starts a thread with every signal blocked, so that only the main thread handles them.
 * ERR_NOMEM. */
enum err_code threads_start(pthread_t *thread, const char *name, void *(*run)(void *), void *arg,
                            struct err *err) MUST_CHECK;

/*
 * Lowers the priority of the calling thread and of the threads that it starts later: Linux keeps a
 * nice value for each thread. ERR_IO: the system refuses.
 */
enum err_code threads_set_nice(int nice_value, struct err *err) MUST_CHECK;

/* The number of processors that this process may use, at least 1. */
int threads_n_cpus(void);

#endif
