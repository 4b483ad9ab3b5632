/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash table of fixed size. Entries of the same bucket are chained. Those that hold nothing are
 * in a list too, from which the one that has been there longest is taken for a new address.
 */
#include "access/peers.h"

#include <assert.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/mem.h"

#define NOBODY (-1)
#define SPARE  16 /* entries beyond two for each connection */

struct entry {
    struct peer peer;
    int counts[PEER_N_COUNTS];
    struct usage usage;
    int chain;        /* the next one of its bucket */
    bool idle;        /* holds nothing, and is in the list of those */
    int older, newer; /* in that list */
};

struct peers {
    pthread_mutex_t lock; /* guards what follows */
    uint64_t mask;
    int *buckets; /* [mask + 1], the first entry of each */
    struct entry *entries;
    int size;   /* of entries */
    int n_used; /* the first ones have had an address */
    int oldest, newest;
};

struct peer peer_of(const struct sockaddr *address)
{
    struct peer peer = {{0}};
    if (address_is_own(address)) {
        return peer;
    }
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)address;
        peer.bytes[10] = peer.bytes[11] = 0xff;
        memcpy(peer.bytes + 12, &v4->sin_addr, 4);
    } else if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const void *)address;
        bool mapped = IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr);
        memcpy(peer.bytes, &v6->sin6_addr, mapped ? PEER_BYTES : PEER_BYTES / 2);
        peer.bytes[PEER_BYTES - 1] |= !mapped; /* so that it is not all zero */
    }
    return peer;
}

bool peer_is_limited(const struct peer *peer)
{
    static const struct peer none;
    return memcmp(peer, &none, sizeof none) != 0;
}

void peer_write(const struct peer *peer, char out[PEER_TEXT_CHARS])
{
    for (int i = 0; i < PEER_BYTES; i++) {
        snprintf(out + 2 * i, 3, "%02x", peer->bytes[i]);
    }
}

/* FNV-1a. */
static int *find_bucket(const struct peers *peers, const struct peer *peer)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (int i = 0; i < PEER_BYTES; i++) {
        hash = (hash ^ peer->bytes[i]) * UINT64_C(1099511628211);
    }
    return &peers->buckets[(hash ^ (hash >> 32)) & peers->mask];
}

static struct entry *find_entry_locked(const struct peers *peers, const struct peer *peer)
{
    int at = *find_bucket(peers, peer);
    while (at != NOBODY && memcmp(&peers->entries[at].peer, peer, sizeof *peer) != 0) {
        at = peers->entries[at].chain;
    }
    return at != NOBODY ? &peers->entries[at] : NULL;
}

/* ---- the list of those that hold nothing ---- */

static void append_idle_locked(struct peers *peers, struct entry *entry)
{
    int at = (int)(entry - peers->entries);
    entry->idle = true;
    entry->older = peers->newest;
    entry->newer = NOBODY;
    *(peers->newest != NOBODY ? &peers->entries[peers->newest].newer : &peers->oldest) = at;
    peers->newest = at;
}

static void take_from_idle_locked(struct peers *peers, struct entry *entry)
{
    *(entry->older != NOBODY ? &peers->entries[entry->older].newer : &peers->oldest) = entry->newer;
    *(entry->newer != NOBODY ? &peers->entries[entry->newer].older : &peers->newest) = entry->older;
    entry->idle = false;
}

static void take_from_bucket_locked(struct peers *peers, const struct entry *entry)
{
    int at = (int)(entry - peers->entries);
    int *link = find_bucket(peers, &entry->peer);
    while (*link != at) {
        link = &peers->entries[*link].chain;
    }
    *link = entry->chain;
}

/* ---- entries ---- */

/* One that is in no bucket and no list. There is one: only those that hold something are in use,
 * and that needs a connection. */
static struct entry *get_free_entry_locked(struct peers *peers)
{
    if (peers->n_used < peers->size) {
        return &peers->entries[peers->n_used++];
    }
    assert(peers->oldest != NOBODY);
    struct entry *entry = &peers->entries[peers->oldest];
    take_from_idle_locked(peers, entry);
    take_from_bucket_locked(peers, entry);
    return entry;
}

/* The entry of an address, made if there is none. It is in the list of idle ones only if it holds
 * nothing, so the caller must end with settle_locked. */
static struct entry *get_entry_locked(struct peers *peers, const struct peer *peer)
{
    struct entry *entry = find_entry_locked(peers, peer);
    if (entry == NULL) {
        entry = get_free_entry_locked(peers);
        int *bucket = find_bucket(peers, peer);
        *entry = (struct entry){.peer = *peer, .chain = *bucket};
        *bucket = (int)(entry - peers->entries);
    } else if (entry->idle) {
        take_from_idle_locked(peers, entry);
    }
    return entry;
}

static void settle_locked(struct peers *peers, struct entry *entry)
{
    bool holds = entry->usage.n_requests > 0;
    for (int i = 0; i < PEER_N_COUNTS; i++) {
        holds = holds || entry->counts[i] > 0;
    }
    if (!holds) {
        append_idle_locked(peers, entry);
    }
}

/* ---- beginning and end ---- */

enum err_code peers_new(int max_connections, struct peers **out, struct err *err)
{
    size_t size = 2 * (size_t)max_connections + SPARE;
    size_t n_buckets = 16;
    while (n_buckets < size) {
        n_buckets *= 2;
    }
    struct peers *peers = mem_zalloc(sizeof *peers);
    struct entry *entries = mem_zalloc_array(size, sizeof *entries);
    int *buckets = mem_alloc_array(n_buckets, sizeof *buckets);
    if (peers == NULL || entries == NULL || buckets == NULL) {
        mem_free(peers);
        mem_free(entries);
        mem_free(buckets);
        return err_set(err, ERR_NOMEM, "no memory for the table of addresses");
    }
    for (size_t i = 0; i < n_buckets; i++) {
        buckets[i] = NOBODY;
    }
    *peers = (struct peers){.mask = n_buckets - 1,
                            .buckets = buckets,
                            .entries = entries,
                            .size = (int)size,
                            .oldest = NOBODY,
                            .newest = NOBODY};
    pthread_mutex_init(&peers->lock, NULL);
    *out = peers;
    return ERR_OK;
}

void peers_free(struct peers *peers)
{
    if (peers != NULL) {
        pthread_mutex_destroy(&peers->lock);
        mem_free(peers->entries);
        mem_free(peers->buckets);
        mem_free(peers);
    }
}

/* ---- counts ---- */

bool peers_add(struct peers *peers, const struct peer *peer, enum peer_count count, int max_each)
{
    if (!peer_is_limited(peer)) {
        return true;
    }
    pthread_mutex_lock(&peers->lock);
    struct entry *entry = get_entry_locked(peers, peer);
    bool room = entry->counts[count] < max_each;
    entry->counts[count] += room;
    settle_locked(peers, entry);
    pthread_mutex_unlock(&peers->lock);
    return room;
}

void peers_remove(struct peers *peers, const struct peer *peer, enum peer_count count)
{
    if (!peer_is_limited(peer)) {
        return;
    }
    pthread_mutex_lock(&peers->lock);
    struct entry *entry = get_entry_locked(peers, peer);
    entry->counts[count] -= entry->counts[count] > 0;
    settle_locked(peers, entry);
    pthread_mutex_unlock(&peers->lock);
}

/* ---- limits ---- */

bool peers_admit(struct peers *peers, const struct peer *peer, const struct limits *limits,
                 struct excess *excess)
{
    int64_t now_ns = clock_ns();
    if (!peer_is_limited(peer)) {
        return true;
    }
    pthread_mutex_lock(&peers->lock);
    struct entry *entry = get_entry_locked(peers, peer);
    bool admitted = usage_admit(&entry->usage, limits, now_ns, excess);
    settle_locked(peers, entry);
    pthread_mutex_unlock(&peers->lock);
    return admitted;
}

void peers_end(struct peers *peers, const struct peer *peer)
{
    if (!peer_is_limited(peer)) {
        return;
    }
    pthread_mutex_lock(&peers->lock);
    struct entry *entry = get_entry_locked(peers, peer);
    usage_end(&entry->usage);
    settle_locked(peers, entry);
    pthread_mutex_unlock(&peers->lock);
}

void peers_charge(struct peers *peers, const struct peer *peer, const struct limits *limits,
                  enum limit limit, int64_t n)
{
    int64_t now_ns = clock_ns();
    if (!peer_is_limited(peer)) {
        return;
    }
    pthread_mutex_lock(&peers->lock);
    struct entry *entry = get_entry_locked(peers, peer);
    usage_charge(&entry->usage, limits, limit, n, now_ns);
    settle_locked(peers, entry);
    pthread_mutex_unlock(&peers->lock);
}
