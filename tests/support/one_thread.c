/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linked into the programs of core that ThreadSanitizer leaves out because they have one thread
 * (one_thread in core/meson.build): one that starts a second is in the wrong list. The linker is
 * told to take this for pthread_create.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*start)(void *), void *argument);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*start)(void *), void *argument)
{
    (void)thread;
    (void)attributes;
    (void)start;
    (void)argument;
    fputs("this program starts a thread: take it out of one_thread in tests/core/meson.build\n",
          stderr);
    abort();
}
