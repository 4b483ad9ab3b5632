/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* sched_getaffinity, pthread_setname_np */
#include "base/threads.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum err_code threads_start(pthread_t *thread, const char *name, void *(*run)(void *), void *arg,
                            struct err *err)
{
    sigset_t all;
    sigset_t old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int status = pthread_create(thread, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (status != 0) {
        return err_set(err, ERR_NOMEM, "thread %s cannot be started: %s", name, strerror(status));
    }
    pthread_setname_np(*thread, name);
    return ERR_OK;
}

enum err_code threads_set_nice(int nice_value, struct err *err)
{
    id_t self = (id_t)syscall(SYS_gettid);
    if (setpriority(PRIO_PROCESS, self, nice_value) != 0) {
        return err_set(err, ERR_IO, "priority cannot be set to nice %d: %s", nice_value,
                       strerror(errno));
    }
    return ERR_OK;
}

int threads_n_cpus(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) {
        return 1;
    }
    int n = CPU_COUNT(&set);
    return n > 0 ? n : 1;
}
