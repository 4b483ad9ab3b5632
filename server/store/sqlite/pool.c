/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite/pool.h"

#include "base/mem.h"

struct reader {
    struct conn conn; /* first, so that a reader is found by its connection */
    unsigned set;
};

void pool_init(struct pool *pool, int n)
{
    *pool = (struct pool){.n = n < POOL_MAX ? n : POOL_MAX};
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

/* readers: [pool->n]. After a failure none is open. */
static enum err_code open_set(const struct pool *pool, const char *path, enum conn_mode mode,
                              struct reader **readers, struct err *err)
{
    int n = 0;
    for (; n < pool->n && err->code == ERR_OK; n++) {
        readers[n] = mem_zalloc(sizeof *readers[n]);
        if (readers[n] == NULL) {
            err_set(err, ERR_NOMEM, "no memory to open the registry");
        } else {
            err_kept(conn_open(&readers[n]->conn, path, mode, err));
            readers[n]->conn.is_ours = true; /* db_file_identify has seen the file */
        }
    }
    if (err->code != ERR_OK) {
        close_all(readers, n);
    }
    return err->code;
}

enum err_code pool_replace(struct pool *pool, const char *path, enum conn_mode mode,
                           struct err *err)
{
    struct reader *next[POOL_MAX];
    struct reader *old[POOL_MAX];
    if (open_set(pool, path, mode, next, err) != ERR_OK) {
        return err->code;
    }
    pthread_mutex_lock(&pool->lock);
    int n_old = pool->n_idle;
    pool->set++;
    for (int i = 0; i < n_old; i++) {
        old[i] = pool->idle[i];
    }
    for (int i = 0; i < pool->n; i++) {
        next[i]->set = pool->set;
        pool->idle[i] = next[i];
    }
    pool->n_idle = pool->n;
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
    bool is_current = reader->set == pool->set;
    if (is_current) {
        pool->idle[pool->n_idle++] = reader;
        pthread_cond_signal(&pool->freed);
    }
    pthread_mutex_unlock(&pool->lock);
    if (!is_current) {
        reader_close(reader);
    }
}
