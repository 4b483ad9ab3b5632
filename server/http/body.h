/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of a request as it arrives piece by piece, and the memory that all bodies share: many
 * clients that upload at once must not be able to exhaust the server's memory.
 */
#ifndef BODY_H
#define BODY_H

#include "base/err.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* A body of up to so many bytes is counted, but never refused because others fill the room. */
#define BODY_SMALL ((size_t)64 * 1024)

/*
 * Shared by threads. A body may grow only until as much room is left as it takes itself, so that a
 * few large ones cannot fill the room: n of them leave the (n + 1)th part for others. A body that
 * is alone in the room may be larger than the room.
 */
struct body_room {
    size_t max_body;    /* bytes of one body */
    size_t max;         /* bytes of all bodies together */
    atomic_size_t held; /* bytes of all bodies now */
};

struct body {
    char *data; /* mem, with a NUL after n bytes; NULL while there are none */
    size_t n;
    size_t capacity;  /* counted in the room; at most a quarter more than has arrived */
    size_t discarded; /* bytes that came after the body was refused */
    size_t held;      /* bytes counted in the room that are not here but in the request's arena */
    char *spare;      /* mem, of the least capacity there is, for the next body; NULL: none */
};

/*
 * Appends a piece, unless *refused holds an earlier error. Sets *refused, and gives back the memory
 * of the body, when the body becomes too long (ERR_TOO_LARGE), the room is full (ERR_BUSY, with
 * retry_s) or memory is short (ERR_NOMEM). False: so much has come after a refusal that reading on
 * is not worth it.
 */
bool body_append(struct body *body, struct body_room *room, const char *piece, size_t size,
                 struct err *refused) MUST_CHECK;

/*
 * Takes room for n bytes more, which the body grew to elsewhere, until the body is released.
 * ERR_TOO_LARGE: longer than a body may be; ERR_BUSY, with retry_s.
 */
enum err_code body_hold(struct body *body, struct body_room *room, size_t n,
                        struct err *err) MUST_CHECK;

/* Gives memory and room back, but no spare buffer; an empty body is fine. */
void body_release(struct body *body, struct body_room *room);

/* The same, but the buffer of a short body becomes the spare one. */
void body_end(struct body *body, struct body_room *room);
void body_free_spare(struct body *body);

#endif
