/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets of requests that were answered before their bodies had come. If such a socket were closed
 * at once, the system would answer what still arrives with a reset, and the client would see that
 * instead of the answer. So the rest is read and thrown away for a while (RFC 9112, section 9.6).
 *
 * Only the thread that serves the connections may call these functions, so there is no lock.
 */
#ifndef LEFTOVERS_H
#define LEFTOVERS_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LEFTOVERS_MAX   32 /* sockets of a thread; one more closes the oldest */
#define LEFTOVERS_S     5
#define LEFTOVERS_BYTES ((size_t)128 * 1024 * 1024) /* of a body; then the client is reset */

struct leftover {
    int fd;
    int64_t until_ns;
    size_t n_left; /* bytes that are still read */
};

struct leftovers {
    struct leftover list[LEFTOVERS_MAX]; /* the first n, the oldest first */
    int n;
};

/* Takes the descriptor. */
void leftovers_take(struct leftovers *leftovers, int fd, int64_t now_ns);

/* What to wait for; how many: at most LEFTOVERS_MAX. */
int leftovers_fill(const struct leftovers *leftovers, struct pollfd *out);

/* Reads what is there, and closes what has ended or whose time is over. */
void leftovers_read(struct leftovers *leftovers, int64_t now_ns);

/* Closes all. */
void leftovers_close(struct leftovers *leftovers);

#endif
