/* SPDX-License-Identifier: Apache-2.0 */
#include "access/replicas.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

struct replicas {
    pthread_mutex_t lock; /* guards what follows */
    struct replica known[REPLICAS_MAX];
    size_t n;
};

enum err_code replicas_new(struct replicas **out, struct err *err)
{
    struct replicas *replicas = mem_zalloc(sizeof *replicas);
    if (replicas == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the list of replicas");
    }
    pthread_mutex_init(&replicas->lock, NULL);
    *out = replicas;
    return ERR_OK;
}

void replicas_free(struct replicas *replicas)
{
    if (replicas != NULL) {
        pthread_mutex_destroy(&replicas->lock);
        mem_free(replicas);
    }
}

static bool name_is_valid(const char *name)
{
    static const char usual[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                ".:-_[]";
    size_t len = strlen(name);
    return len > 0 && len <= REPLICA_NAME_CHARS && strspn(name, usual) == len;
}

/* The place of that name, a free one, or that of whoever has been silent longest. */
static struct replica *find_place(struct replicas *replicas, const char *name)
{
    struct replica *oldest = &replicas->known[0];
    for (size_t i = 0; i < replicas->n; i++) {
        struct replica *one = &replicas->known[i];
        if (strcmp(one->name, name) == 0) {
            return one;
        }
        oldest = one->heard_ns < oldest->heard_ns ? one : oldest;
    }
    return replicas->n < REPLICAS_MAX ? &replicas->known[replicas->n++] : oldest;
}

enum err_code replicas_note(struct replicas *replicas, const char *name, int64_t version,
                            int64_t now_ns, struct err *err)
{
    if (!name_is_valid(name)) {
        return err_set(err, ERR_INVALID,
                       "name has 1 to %d letters, digits and .:-_[], as host:port",
                       REPLICA_NAME_CHARS);
    }
    pthread_mutex_lock(&replicas->lock);
    struct replica *place = find_place(replicas, name);
    memcpy(place->name, name, strlen(name) + 1);
    place->version = version;
    place->heard_ns = now_ns;
    pthread_mutex_unlock(&replicas->lock);
    return ERR_OK;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct replica *)a)->name, ((const struct replica *)b)->name);
}

size_t replicas_list(struct replicas *replicas, int64_t now_ns, struct replica *out)
{
    size_t n = 0;
    if (replicas == NULL) {
        return 0;
    }
    pthread_mutex_lock(&replicas->lock);
    for (size_t i = 0; i < replicas->n; i++) {
        if (now_ns - replicas->known[i].heard_ns <= REPLICAS_FORGOTTEN_S * CLOCK_S) {
            out[n++] = replicas->known[i];
        }
    }
    pthread_mutex_unlock(&replicas->lock);
    qsort(out, n, sizeof *out, compare_names);
    return n;
}
