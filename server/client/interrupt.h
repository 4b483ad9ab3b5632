/* SPDX-License-Identifier: Apache-2.0 */
/* Ctrl-C is noted, so that a command can end in good order, with exit status 130. */
#ifndef INTERRUPT_H
#define INTERRUPT_H

#include <stdbool.h>

/* From now on SIGINT is noted instead of ending the process, and interrupts system calls. */
void interrupt_catch(void);

bool interrupt_seen(void);

/* Around work that must be done in spite of an interrupt, such as telling the server. */
void interrupt_forget(void);
void interrupt_raise(void);

/* Sleeps; false if it was interrupted. */
bool interrupt_sleep(double seconds);

#endif
