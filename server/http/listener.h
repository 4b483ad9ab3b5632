/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening sockets, of TCP or of the file system, and a thread that accepts connections and hands
 * them on. When the process has no file descriptor left for one, the owner is asked to make room.
 */
#ifndef LISTENER_H
#define LISTENER_H

#include "base/err.h"
#include "base/log.h"

#include <stdbool.h>
#include <sys/socket.h>

struct listener_settings {
    int first_fd; /* of sockets that listen already and are handed over; 0: there are none */
    int n_fds;
    const char *listen;   /* a list (base/address.h); port 0: any free one */
    unsigned socket_mode; /* of Unix sockets */
    bool (*has_room)(void *ctx);
    /* A connection waits, but there is no descriptor for it. */
    void (*no_descriptor)(void *ctx);
    /* Takes the connection, which is non-blocking. One of a Unix socket has an address of AF_UNIX.
     */
    void (*take)(void *ctx, int fd, const struct sockaddr *from, socklen_t len);
    void *ctx;
    struct log *log;
};

struct listener;

/* Binds and listens; nothing is accepted yet. ERR_INVALID (address), ERR_CONFLICT (a Unix socket at
 * which somebody listens), ERR_IO, ERR_NOMEM. */
enum err_code listener_open(const struct listener_settings *settings, struct listener **out,
                            struct err *err) MUST_CHECK;
/* Starts the thread. ERR_NOMEM. */
enum err_code listener_start(struct listener *listener, struct err *err) MUST_CHECK;
/* The port of the first TCP socket; 0: there is none. */
int listener_port(const struct listener *listener);
/* Is one of them a Unix socket? */
bool listener_has_unix(const struct listener *listener);
/* Ends the thread, closes the sockets and removes those of the file system, except what was handed
 * over. NULL is fine. */
void listener_close(struct listener *listener);

#endif
