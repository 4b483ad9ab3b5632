/* SPDX-License-Identifier: Apache-2.0 */
/* A listening TCP socket, and a thread that accepts connections and hands them on. */
#ifndef LISTENER_H
#define LISTENER_H

#include "base/err.h"
#include "base/log.h"

#include <stdbool.h>
#include <sys/socket.h>

struct listener_settings {
    int fd;             /* a socket that listens already and is handed over; 0: open one */
    const char *listen; /* "127.0.0.1:8080", "[::]:8080"; port 0: any free one */
    bool (*has_room)(void *ctx);
    /* Takes the connection, which is non-blocking. */
    void (*take)(void *ctx, int fd, const struct sockaddr *from, socklen_t len);
    void *ctx;
    struct log *log;
};

struct listener;

/* Binds and listens; nothing is accepted yet. ERR_INVALID (address), ERR_IO, ERR_NOMEM. */
enum err_code listener_open(const struct listener_settings *settings, struct listener **out,
                            struct err *err) MUST_CHECK;
/* Starts the thread. ERR_NOMEM. */
enum err_code listener_start(struct listener *listener, struct err *err) MUST_CHECK;
/* The port it listens on. */
int listener_port(const struct listener *listener);
/* Ends the thread and closes the socket. NULL is fine. */
void listener_close(struct listener *listener);

#endif
