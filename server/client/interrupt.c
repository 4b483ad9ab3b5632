/* SPDX-License-Identifier: Apache-2.0 */
#include "client/interrupt.h"

#include "base/clock.h"

#include <signal.h>
#include <stddef.h>
#include <time.h>

/* A signal handler has no argument, so this is a variable of the process. */
static volatile sig_atomic_t seen;

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

/* In slices, so that a signal between the test and the sleep is still noticed soon. */
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
