/* SPDX-License-Identifier: Apache-2.0 */
/* Ranks (base/ranks.h) that are threads of a test: what MPI would do between processes. */
#ifndef RANK_HUB_H
#define RANK_HUB_H

#include "run.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "base/ranks.h"

enum { HUB_MAX_RANKS = 4 };

struct rank_hub {
    int n;
    bool fails; /* every exchange */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int n_here, round; /* guarded by lock */
    int n_left;        /* guarded by lock: ranks that have ended, with an error or without */
    const struct ranks_swap *swaps[HUB_MAX_RANKS];
    const void *bytes[HUB_MAX_RANKS];
    size_t sizes[HUB_MAX_RANKS];
};

/* One rank: a thread that runs `run` with it. */
struct hub_rank {
    struct rank_hub *hub;
    struct ranks ranks;
    void (*run)(struct hub_rank *self);
    void *ctx; /* of the test */
    pthread_t thread;
};

/* Until all are here; false: one has ended and will not come. */
static inline bool rank_hub_wait(struct rank_hub *hub)
{
    pthread_mutex_lock(&hub->lock);
    int round = hub->round;
    if (++hub->n_here == hub->n) {
        hub->n_here = 0;
        hub->round++;
        pthread_cond_broadcast(&hub->changed);
    }
    while (hub->round == round && hub->n_left == 0) {
        pthread_cond_wait(&hub->changed, &hub->lock);
    }
    bool all = hub->round != round;
    pthread_mutex_unlock(&hub->lock);
    return all;
}

static inline enum err_code rank_hub_gather(void *ctx, const void *bytes, size_t n_bytes,
                                            void **all, size_t *sizes, struct err *err)
{
    struct hub_rank *self = ctx;
    struct rank_hub *hub = self->hub;
    size_t total = 0;
    *all = NULL;
    hub->bytes[self->ranks.rank] = bytes;
    hub->sizes[self->ranks.rank] = n_bytes;
    if (!rank_hub_wait(hub)) {
        return err_set(err, ERR_IO, "the ranks have lost each other");
    }
    for (int i = 0; i < hub->n; i++) {
        total += hub->sizes[i];
    }
    unsigned char *to = hub->fails ? NULL : mem_alloc(total > 0 ? total : 1);
    *all = to;
    for (int i = 0; i < hub->n && to != NULL; i++) {
        sizes[i] = hub->sizes[i];
        if (sizes[i] > 0) {
            memcpy(to, hub->bytes[i], sizes[i]);
        }
        to += sizes[i];
    }
    if (!rank_hub_wait(hub) || *all == NULL) {
        mem_free(*all);
        *all = NULL;
        return err_set(err, ERR_IO, "the ranks have lost each other");
    }
    return ERR_OK;
}

static inline enum err_code rank_hub_swap(void *ctx, const struct ranks_swap *what, struct err *err)
{
    struct hub_rank *self = ctx;
    struct rank_hub *hub = self->hub;
    int rank = self->ranks.rank;
    hub->swaps[rank] = what;
    bool all = rank_hub_wait(hub);
    for (int i = 0; i < hub->n && all; i++) {
        const struct ranks_swap *other = hub->swaps[i];
        ck_assert_int_eq(other->to_counts[rank], what->from_counts[i]);
        if (what->from_counts[i] > 0) {
            memcpy(what->from + what->from_offsets[i], other->to + other->to_offsets[rank],
                   (size_t)what->from_counts[i] * sizeof *what->from);
        }
    }
    return all && rank_hub_wait(hub) ? ERR_OK
                                     : err_set(err, ERR_IO, "the ranks have lost each other");
}

static inline void *rank_hub_thread(void *arg)
{
    struct hub_rank *self = arg;
    self->run(self);
    pthread_mutex_lock(&self->hub->lock);
    self->hub->n_left++;
    pthread_cond_broadcast(&self->hub->changed);
    pthread_mutex_unlock(&self->hub->lock);
    return NULL;
}

/* Runs all; `hub->n` and, of each of n ranks, `run` and `ctx` are the caller's. */
static inline void rank_hub_run(struct rank_hub *hub, struct hub_rank *ranks)
{
    ck_assert_int_eq(pthread_mutex_init(&hub->lock, NULL), 0);
    ck_assert_int_eq(pthread_cond_init(&hub->changed, NULL), 0);
    hub->n_here = hub->round = hub->n_left = 0;
    for (int i = 0; i < hub->n; i++) {
        ranks[i].hub = hub;
        ranks[i].ranks = (struct ranks){.rank = i,
                                        .n = hub->n,
                                        .ctx = &ranks[i],
                                        .gather = rank_hub_gather,
                                        .swap = rank_hub_swap};
        ck_assert_int_eq(pthread_create(&ranks[i].thread, NULL, rank_hub_thread, &ranks[i]), 0);
    }
    for (int i = 0; i < hub->n; i++) {
        pthread_join(ranks[i].thread, NULL);
    }
    pthread_cond_destroy(&hub->changed);
    pthread_mutex_destroy(&hub->lock);
}

#endif
