/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of a request as it comes in, piece by piece, and the room that all bodies share: many
 * clients that upload at once must not be able to fill the memory.
 */
#ifndef BODY_H
#define BODY_H

#include "base/err.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* Up to so many bytes a body is counted and never refused for want of room. */
#define BODY_SMALL ((size_t)64 * 1024)

/* Shared by threads. A body that is there alone may be larger than the room. */
struct body_room {
    size_t max;         /* bytes */
    atomic_size_t held; /* of all bodies */
};

struct body {
    char *data; /* mem, with a NUL after n bytes; NULL while there are none */
    size_t n;
    size_t capacity;  /* counted in the room */
    size_t discarded; /* bytes that came after the body was refused */
};

/*
 * Appends a piece, unless *refused holds an error from before; sets it to ERR_TOO_LARGE past
 * `limit` bytes, to ERR_BUSY (with retry_s) when the room is taken, to ERR_NOMEM, and gives the
 * body's memory back then. False: too much has come after a refusal, nobody should read on.
 */
bool body_take(struct body *body, struct body_room *room, size_t limit, const char *piece,
               size_t size, struct err *refused) MUST_CHECK;

/* Gives memory and room back; an empty body is fine. */
void body_release(struct body *body, struct body_room *room);

#endif
