/* SPDX-License-Identifier: Apache-2.0 */
#include "client/interrupt.h"

#include "base/clock.h"

#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>

/* A handler has no argument: these are the variables of the process. */
static volatile sig_atomic_t seen;
static pthread_t waiter;

/* Libraries have threads of their own; the one that waits is to be woken, whichever was chosen. */
static void note(int number)
{
    seen = 1;
    if (!pthread_equal(pthread_self(), waiter)) {
        pthread_kill(waiter, number);
    }
}

void interrupt_catch(void)
{
    /* Without SA_RESTART. */
    struct sigaction action = {.sa_handler = note};
    sigemptyset(&action.sa_mask);
    waiter = pthread_self();
    sigaction(SIGINT, &action, NULL);
}

bool interrupt_seen(void)
{
    return seen != 0;
}

void interrupt_forget(void)
{
    seen = 0;
}

void interrupt_raise(void)
{
    seen = 1;
}

/* In slices: a signal that comes between the look and the sleep is noticed soon all the same. */
bool interrupt_sleep(double seconds)
{
    int64_t end = clock_ns() + (int64_t)(1e9 * seconds);
    for (int64_t left = end - clock_ns(); left > 0 && seen == 0; left = end - clock_ns()) {
        const int64_t slice = 100000000;
        struct timespec t = {.tv_nsec = (long)(left < slice ? left : slice)};
        nanosleep(&t, NULL);
    }
    return seen == 0;
}
