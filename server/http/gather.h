/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small work of requests that have come to one HTTP thread at the same time is gathered while the
 * library reads them, and run together at the end of its turn. Nothing waits for more to come, and
 * requests that come alone are not gathered: the thread expects several only after a turn with
 * several, and until a few have come alone.
 *
 * A gathered request is not suspended, which would cost calls of the system. The library calls again
 * for the answer of any request that has neither an answer nor been suspended (microhttpd.h says so
 * of MHD_AccessHandlerCallback), without waiting: that is its next turn, when the answer is there.
 *
 * All of this belongs to the thread that serves the connections, so there is no lock.
 */
#ifndef GATHER_H
#define GATHER_H

#include <stdbool.h>

#define GATHER_MAX 32 /* requests of a turn */

struct exchange;

struct gathered {
    struct exchange *waiting[GATHER_MAX];
    int n;
    int n_seen;   /* requests of this turn that could have been gathered */
    int expects;  /* several in a turn, since there were not long ago; 0: it does not */
};

/* struct exchange_ops.gather */
bool gather_add(struct exchange *ex, void *item);

/* The exchange is over, and its item must not be run. Fine for one that was not gathered. */
void gather_drop(struct exchange *ex);

/* The library's turn is over: runs what was gathered, and sends what was held. ctx: struct
 * serve_thread. */
void gather_end_turn(void *ctx);

#endif
