/* SPDX-License-Identifier: Apache-2.0 */
#include "pool.h"

#include "mem.h"

struct reader {
    struct conn conn; /* first: a reader is found by its connection */
    unsigned set;
};

void pool_init(struct pool *pool, enum conn_mode mode, int n, int busy_timeout_ms)
{
    *pool = (struct pool){
        .mode = mode, .busy_timeout_ms = busy_timeout_ms, .n = n < POOL_MOST ? n : POOL_MOST};
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->freed, NULL);
}

static void reader_close(struct reader *reader)
{
    if (reader != NULL) {
        conn_close(&reader->conn);
        mem_free(reader);
    }
}

static void close_all(struct reader **readers, int n)
{
    for (int i = 0; i < n; i++) {
        reader_close(readers[i]);
    }
}

void pool_release(struct pool *pool)
{
    close_all(pool->idle, pool->n_idle);
    pthread_cond_destroy(&pool->freed);
    pthread_mutex_destroy(&pool->lock);
}

static enum err_code open_set(const struct pool *pool, const char *path, struct reader **readers,
                              int *n, struct err *err)
{
    for (*n = 0; *n < pool->n; (*n)++) {
        struct reader *reader = mem_zalloc(sizeof *reader);
        if (reader == NULL) {
            return err_set(err, ERR_NOMEM, "no memory to open the registry");
        }
        if (conn_open(&reader->conn, path, pool->mode, pool->busy_timeout_ms, err) != ERR_OK) {
            reader_close(reader);
            return err->code;
        }
        readers[*n] = reader;
    }
    return ERR_OK;
}

enum err_code pool_replace(struct pool *pool, const char *path, struct err *err)
{
    struct reader *next[POOL_MOST];
    struct reader *old[POOL_MOST];
    int n_next = 0;
    int n_old = 0;
    if (open_set(pool, path, next, &n_next, err) != ERR_OK) {
        close_all(next, n_next);
        return err->code;
    }
    pthread_mutex_lock(&pool->lock);
    for (; n_old < pool->n_idle; n_old++) {
        old[n_old] = pool->idle[n_old];
    }
    pool->set++;
    for (pool->n_idle = 0; pool->n_idle < n_next; pool->n_idle++) {
        next[pool->n_idle]->set = pool->set;
        pool->idle[pool->n_idle] = next[pool->n_idle];
    }
    pthread_cond_broadcast(&pool->freed);
    pthread_mutex_unlock(&pool->lock);
    close_all(old, n_old);
    return ERR_OK;
}

struct conn *pool_take(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    while (pool->n_idle == 0) {
        pthread_cond_wait(&pool->freed, &pool->lock);
    }
    struct reader *reader = pool->idle[--pool->n_idle];
    pthread_mutex_unlock(&pool->lock);
    return &reader->conn;
}

void pool_give(struct pool *pool, struct conn *conn)
{
    struct reader *reader = (struct reader *)conn;
    pthread_mutex_lock(&pool->lock);
    bool stays = reader->set == pool->set;
    if (stays) {
        pool->idle[pool->n_idle++] = reader;
        pthread_cond_signal(&pool->freed);
    }
    pthread_mutex_unlock(&pool->lock);
    if (!stays) {
        reader_close(reader);
    }
}
