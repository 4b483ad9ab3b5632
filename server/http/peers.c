/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash table with open addressing that is never more than half full. An entry whose count falls
 * to zero is taken out by moving up those behind it, so the table needs no markers.
 */
#include "http/peers.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"

struct entry {
    struct peer peer;
    int n; /* 0: free */
};

struct peers {
    pthread_mutex_t lock; /* guards the entries */
    int max_each;
    size_t mask;
    struct entry *entries; /* [mask + 1] */
};

struct peer peer_of(const struct sockaddr *address)
{
    struct peer peer = {{0}};
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)address;
        if ((ntohl(v4->sin_addr.s_addr) >> 24) != 127) {
            peer.bytes[10] = peer.bytes[11] = 0xff;
            memcpy(peer.bytes + 12, &v4->sin_addr, 4);
        }
    } else if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const void *)address;
        if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
            bool local = v6->sin6_addr.s6_addr[12] == 127;
            memcpy(peer.bytes, &v6->sin6_addr, local ? 0 : PEER_BYTES);
        } else if (!IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr)) {
            memcpy(peer.bytes, &v6->sin6_addr, PEER_BYTES / 2);
            peer.bytes[PEER_BYTES - 1] = 1; /* so that it is not all zero */
        }
    }
    return peer;
}

static bool is_limited(const struct peer *peer)
{
    static const struct peer none;
    return memcmp(peer, &none, sizeof none) != 0;
}

static bool is_same(const struct peer *a, const struct peer *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

/* FNV-1a: the table is small and mostly free, and even a long probe takes only a microsecond. */
static size_t home(const struct peers *peers, const struct peer *peer)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (int i = 0; i < PEER_BYTES; i++) {
        hash = (hash ^ peer->bytes[i]) * UINT64_C(1099511628211);
    }
    return (size_t)(hash ^ (hash >> 32)) & peers->mask;
}

/* Its entry, or the free one where it would go. */
static size_t find(const struct peers *peers, const struct peer *peer)
{
    size_t at = home(peers, peer);
    while (peers->entries[at].n > 0 && !is_same(&peers->entries[at].peer, peer)) {
        at = (at + 1) & peers->mask;
    }
    return at;
}

enum err_code peers_new(int max_connections, int max_each, struct peers **out, struct err *err)
{
    struct peers *peers = mem_zalloc(sizeof *peers);
    size_t size = 16;
    while (size < 2 * (size_t)max_connections) {
        size *= 2;
    }
    struct entry *entries = mem_zalloc_array(size, sizeof *entries);
    if (peers == NULL || entries == NULL) {
        mem_free(peers);
        mem_free(entries);
        return err_set(err, ERR_NOMEM, "no memory for the table of addresses");
    }
    *peers = (struct peers){.max_each = max_each, .mask = size - 1, .entries = entries};
    pthread_mutex_init(&peers->lock, NULL);
    *out = peers;
    return ERR_OK;
}

void peers_free(struct peers *peers)
{
    if (peers != NULL) {
        pthread_mutex_destroy(&peers->lock);
        mem_free(peers->entries);
        mem_free(peers);
    }
}

bool peers_add(struct peers *peers, const struct peer *peer)
{
    if (!is_limited(peer)) {
        return true;
    }
    pthread_mutex_lock(&peers->lock);
    struct entry *entry = &peers->entries[find(peers, peer)];
    bool room = entry->n < peers->max_each;
    if (room) {
        entry->peer = *peer;
        entry->n++;
    }
    pthread_mutex_unlock(&peers->lock);
    return room;
}

/* Closes the gap at `at`: an entry behind it moves there when its home is not between the two. */
static void close_gap(struct peers *peers, size_t at)
{
    size_t next = at;
    for (;;) {
        next = (next + 1) & peers->mask;
        struct entry *entry = &peers->entries[next];
        if (entry->n == 0) {
            return;
        }
        size_t from_home = (next - home(peers, &entry->peer)) & peers->mask;
        size_t from_gap = (next - at) & peers->mask;
        if (from_home >= from_gap) {
            peers->entries[at] = *entry;
            entry->n = 0;
            at = next;
        }
    }
}

void peers_remove(struct peers *peers, const struct peer *peer)
{
    if (!is_limited(peer)) {
        return;
    }
    pthread_mutex_lock(&peers->lock);
    size_t at = find(peers, peer);
    if (peers->entries[at].n > 0 && --peers->entries[at].n == 0) {
        close_gap(peers, at);
    }
    pthread_mutex_unlock(&peers->lock);
}
