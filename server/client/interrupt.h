/* SPDX-License-Identifier: Apache-2.0 */
/* Ctrl-C: noted, so that a command ends at a place of its choosing with exit status 130. */
#ifndef INTERRUPT_H
#define INTERRUPT_H

#include <stdbool.h>

/* From now on SIGINT is noted instead of ending the process; a system call that waits returns. */
void interrupt_catch(void);

bool interrupt_seen(void);

/* Around work that must still be done after an interrupt, as telling the server of it. */
void interrupt_forget(void);
void interrupt_raise(void);

/* Sleeps; false when an interrupt came before the end. */
bool interrupt_sleep(double seconds);

#endif
