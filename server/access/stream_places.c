/* SPDX-License-Identifier: Apache-2.0 */
#include "access/stream_places.h"

#include <string.h>

#define N_COUNTS 1024 /* holders are told apart by so many values of their digest */

/* FNV-1a. */
static unsigned digest(unsigned hash, const void *bytes, size_t n)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < n; i++) {
        hash = (hash ^ at[i]) * 16777619u;
    }
    return hash;
}

static unsigned digest_of_holder(const struct peer *peer, const char *who)
{
    unsigned hash = 2166136261u;
    if (peer != NULL) {
        hash = digest(hash, peer->bytes, sizeof peer->bytes);
    }
    hash = digest(hash, who, strlen(who));
    return (hash ^ hash >> 16) % N_COUNTS;
}

void stream_places_init(struct stream_places *places)
{
    *places = (struct stream_places){.oldest = NULL};
    pthread_mutex_init(&places->lock, NULL);
}

void stream_places_release(struct stream_places *places)
{
    pthread_mutex_destroy(&places->lock);
}

/* The oldest one of the holder that has most, the newcomer among them. */
static struct stream_place *find_victim_locked(const struct stream_places *places,
                                               unsigned newcomer)
{
    int counts[N_COUNTS] = {0};
    struct stream_place *victim = NULL;
    counts[newcomer] = 1;
    for (const struct stream_place *p = places->oldest; p != NULL; p = p->newer) {
        counts[p->holder] += !stream_gives_way(p);
    }
    for (struct stream_place *p = places->oldest; p != NULL; p = p->newer) {
        if (!stream_gives_way(p) &&
            (victim == NULL || counts[p->holder] > counts[victim->holder])) {
            victim = p;
        }
    }
    return victim;
}

static void append_locked(struct stream_places *places, struct stream_place *place)
{
    place->older = places->newest;
    *(places->newest != NULL ? &places->newest->newer : &places->oldest) = place;
    places->newest = place;
    places->n++;
}

enum stream_answer stream_open(struct stream_places *places, struct stream_place *place,
                               const struct peer *peer, const char *who, int max)
{
    *place = (struct stream_place){.holder = digest_of_holder(peer, who)};
    pthread_mutex_lock(&places->lock);
    enum stream_answer answer = STREAM_OPEN;
    if (places->n - places->n_leaving >= max) {
        struct stream_place *victim =
            places->n_leaving < max ? find_victim_locked(places, place->holder) : NULL;
        answer = victim != NULL ? STREAM_REPLACES : STREAM_REFUSED;
        if (victim != NULL) {
            atomic_store_explicit(&victim->gives_way, true, memory_order_relaxed);
            places->n_leaving++;
        }
    }
    if (answer != STREAM_REFUSED) {
        append_locked(places, place);
    }
    pthread_mutex_unlock(&places->lock);
    return answer;
}

void stream_close(struct stream_places *places, struct stream_place *place)
{
    pthread_mutex_lock(&places->lock);
    if (place->older != NULL || places->oldest == place) {
        *(place->older != NULL ? &place->older->newer : &places->oldest) = place->newer;
        *(place->newer != NULL ? &place->newer->older : &places->newest) = place->older;
        places->n--;
        places->n_leaving -= stream_gives_way(place);
        place->older = place->newer = NULL;
    }
    pthread_mutex_unlock(&places->lock);
}
