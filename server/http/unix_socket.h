/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A listening socket of the file system. What a server that was killed left behind is replaced; a
 * socket at which somebody listens, and any other kind of file, is left alone.
 *
 * Connecting tells whether somebody listens, but between that and the binding another server could
 * come. So a file beside it, PATH.lock, is locked for as long as the socket is there.
 */
#ifndef UNIX_SOCKET_H
#define UNIX_SOCKET_H

#include "base/address.h"
#include "base/err.h"

#include <sys/types.h>

struct unix_socket {
    int fd;   /* non-blocking; -1: none */
    int lock; /* of the lock file; -1: none */
    dev_t device;
    ino_t inode;
    char path[ADDRESS_PATH_CHARS];
};

#define UNIX_SOCKET_NONE ((struct unix_socket){.fd = -1, .lock = -1})

/*
 * Binds and listens. Nobody whom `mode` keeps out can connect at any time. ERR_CONFLICT: another
 * process listens there; ERR_INVALID: it is a file of another kind; ERR_IO.
 */
enum err_code unix_socket_open(const char *path, unsigned mode, int backlog,
                               struct unix_socket *out, struct err *err) MUST_CHECK;

/* Closes it, and removes the file when it is still the one that was made here. */
void unix_socket_close(struct unix_socket *self);

#endif
