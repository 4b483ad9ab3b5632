/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One HTTP thread: an event loop around an instance of the HTTP library that has connections of its
 * own. The library is driven from outside, one turn at a time, for three reasons:
 *
 *   - Its own loop (0.9.75 to 1.0.1) waits again after exactly 128 events have come at once, before
 *     it serves them; if no other event follows, those requests are never answered. So it may wait
 *     by itself only while it has fewer connections than that.
 *   - Connections are looked through once a second (http/connections.h) by the thread that serves
 *     them, so that needs no lock.
 *   - Its limit of connections is counted late, and 0.9.74 to 0.9.77 keep a mutex locked when it is
 *     met. The count is ours (struct daemon); the library's limit is out of reach.
 */
#ifndef WORKER_H
#define WORKER_H

#include "base/err.h"

#include <stdbool.h>
#include <sys/socket.h>

struct worker;
struct MHD_Daemon;

struct worker_settings {
    int max_incoming; /* connections given to it and not yet taken */
    /* The library's instance, made in the worker's own thread; NULL: it cannot be had. */
    struct MHD_Daemon *(*open)(void *ctx);
    /* Gives the library a connection, which is its from now on. */
    void (*add)(void *ctx, struct MHD_Daemon *library, int fd, const struct sockaddr *from,
                socklen_t len);
    /* Once a second. `spins`: the library has asked for turns all the time without an event: some
     * connection keeps it busy with nothing. */
    void (*look)(void *ctx, bool spins);
    /* While that goes on, every few milliseconds. */
    void (*unstick)(void *ctx);
    void (*shed)(void *ctx, int n); /* after worker_shed */
    void (*end_turn)(void *ctx);    /* the library has had its turn, and the thread may sleep */
    /* The connections that the library has now. */
    int (*count)(void *ctx);
    void *ctx;
};

/* Starts the thread. ERR_IO, ERR_NOMEM. */
enum err_code worker_start(const struct worker_settings *settings, struct worker **out,
                           struct err *err) MUST_CHECK;

/* Gives it a connection; false: it has too many that it has not taken, and the descriptor stays the
 * caller's. */
bool worker_give(struct worker *worker, int fd, const struct sockaddr *from, socklen_t len);

/* A suspended connection was resumed: the library must have a turn. Any thread. */
void worker_wake(struct worker *worker);

/* A request has ended. In the worker's own thread; NULL: the library is run by something else. */
void worker_note_end(struct worker *worker);

/* The library is about to close a connection whose client may still be sending (http/leftovers.h).
 * In the worker's own thread. */
void worker_keep_socket(struct worker *worker, int fd);

/* Asks it to shut down `n` of its idle connections, those idle longest. Asking again before it has
 * had a turn adds nothing, so that a busy thread does not close more than is needed. Any thread. */
void worker_shed(struct worker *worker, int n);

/* Ends the thread and closes its connections. NULL is fine. */
void worker_stop(struct worker *worker);

#endif
