/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The places of streams without end, of which there is a number. When all are taken, a new stream
 * gets that of the oldest stream of whoever has most, so that no client can shut others out; a
 * client that has to give way comes back and goes on where it was. Who that is is told by address
 * and token: all clients on this machine without a token are one.
 */
#ifndef STREAM_PLACES_H
#define STREAM_PLACES_H

#include "access/peers.h"

#include <pthread.h>
#include <stdatomic.h>

/* Of one stream; stays where it is until it is closed. */
struct stream_place {
    unsigned holder; /* a digest of who has it */
    atomic_bool gives_way;
    struct stream_place *older, *newer;
};

struct stream_places {
    pthread_mutex_t lock; /* guards what follows, and the links */
    struct stream_place *oldest, *newest;
    int n;
    int n_leaving; /* of them: they give way and have not closed yet */
};

enum stream_answer {
    STREAM_OPEN,
    STREAM_REPLACES, /* another one has been told to give way */
    STREAM_REFUSED   /* so many give way already that this one must come back */
};

void stream_places_init(struct stream_places *places);
void stream_places_release(struct stream_places *places);

/* peer: NULL or not limited: an address of this machine. At most `max` stay open, and as many again
 * are about to close; max 0: none. */
enum stream_answer stream_open(struct stream_places *places, struct stream_place *place,
                               const struct peer *peer, const char *who, int max) MUST_CHECK;
/* Must it end, so that its client comes back later? */
static inline bool stream_gives_way(const struct stream_place *place)
{
    return atomic_load_explicit(&place->gives_way, memory_order_relaxed);
}

/* After STREAM_REFUSED it does nothing. */
void stream_close(struct stream_places *places, struct stream_place *place);

#endif
