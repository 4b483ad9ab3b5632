/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The read connections of a registry. A reader takes one, waits when all are out, and gives it
 * back.
 *
 * The whole set can be replaced while readers are at work: the new connections are opened first,
 * then they take the place of the idle ones, and one that is out is closed when it comes back.
 */
#ifndef POOL_H
#define POOL_H

#include <pthread.h>

#include "store/sqlite/conn.h"

#define POOL_MAX 64

struct reader;

/* The lock guards what follows it. */
struct pool {
    int busy_timeout_ms;
    int n; /* connections of a set */
    pthread_mutex_t lock;
    pthread_cond_t freed;
    struct reader *idle[POOL_MAX];
    int n_idle;
    unsigned set; /* number of the present set */
};

/* No connections yet; n is brought down to POOL_MAX. */
void pool_init(struct pool *pool, int n, int busy_timeout_ms);
/* All connections are idle. A pool of pool_init may be released. */
void pool_release(struct pool *pool);

/* Opens a set of connections to `path` in place of the present one; after an error that one stays.
 */
enum err_code pool_replace(struct pool *pool, const char *path, enum conn_mode mode,
                           struct err *err) MUST_CHECK;

struct conn *pool_take(struct pool *pool);
void pool_give(struct pool *pool, struct conn *conn);

#endif
