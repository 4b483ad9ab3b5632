/* SPDX-License-Identifier: Apache-2.0 */
/* Apart from interrupt.c, so that a library that notes no signals has no code that would. */
#include "client/interrupt.h"

#include <pthread.h>
#include <signal.h>
#include <stddef.h>

static pthread_t waiter;

/* The signal may come to a thread of a library; it is the waiting thread that must be woken. */
static void note_signal(int number)
{
    interrupt_raise();
    if (!pthread_equal(pthread_self(), waiter)) {
        pthread_kill(waiter, number);
    }
}

void interrupt_catch(void)
{
    /* Without SA_RESTART. */
    struct sigaction action = {.sa_handler = note_signal};
    sigemptyset(&action.sa_mask);
    waiter = pthread_self();
    sigaction(SIGINT, &action, NULL);
}
