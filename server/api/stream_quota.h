/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many streams of events each address follows, so that one client cannot shut all others out.
 * Addresses of this machine have no limit, because all clients of a proxy come from one of them.
 * IPv6 addresses count by their first 64 bits, because one client can choose the others freely.
 */
#ifndef STREAM_QUOTA_H
#define STREAM_QUOTA_H

#include <pthread.h>
#include <stdbool.h>

#define STREAM_ADDRESS_BYTES 16

/* A stream that is being followed. It must not move or end before stream_quota_remove. */
struct stream_place {
    unsigned char address[STREAM_ADDRESS_BYTES];
    bool counted;
    struct stream_place *next;
    struct stream_place *before;
};

struct stream_quota {
    pthread_mutex_t lock;
    struct stream_place *first; /* guarded by lock */
};

void stream_quota_init(struct stream_quota *quota);
void stream_quota_release(struct stream_quota *quota);

/* False: the address, a number as text, has max_each streams already. "" is not limited. */
bool stream_quota_add(struct stream_quota *quota, struct stream_place *place, const char *address,
                      int max_each);
/* Also for a place that was never added, all zero. */
void stream_quota_remove(struct stream_quota *quota, struct stream_place *place);

#endif
