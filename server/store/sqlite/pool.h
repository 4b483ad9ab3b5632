/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The read connections of a registry. A reader takes one, waiting while all are in use, and gives
 * it back.
 *
 * The whole set can be replaced while readers are at work. The new connections are opened first and
 * then take the place of the idle ones; a connection in use is closed when it comes back.
 */
#ifndef POOL_H
#define POOL_H

#include <pthread.h>

#include "store/sqlite/conn.h"

#define POOL_MAX 64

struct reader;

struct pool {
    int n; /* connections of a set */
    pthread_mutex_t lock;
    /* guarded by lock: */
    pthread_cond_t freed;
    struct reader *idle[POOL_MAX];
    int n_idle;
    unsigned set; /* number of the current set */
};

/* Opens no connections yet. More than POOL_MAX are not kept. */
void pool_init(struct pool *pool, int n);
/* All connections must be idle. */
void pool_release(struct pool *pool);

/* Opens a set of connections to `path` in place of the current one, which stays after an error. */
enum err_code pool_replace(struct pool *pool, const char *path, enum conn_mode mode,
                           struct err *err) MUST_CHECK;

struct conn *pool_take(struct pool *pool);
void pool_give(struct pool *pool, struct conn *conn);

#endif
