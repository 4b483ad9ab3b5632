/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory of versions. Those that were asked for longest ago leave it, of whatever model, also
 * defaults and those with an alias: the next request for one reads it again.
 */
#include "live/models_priv.h"

void models_set_limit(struct models *models, size_t n_bytes)
{
    pthread_mutex_lock(&models->lock);
    models->max_bytes = n_bytes;
    pthread_mutex_unlock(&models->lock);
    models_make_room(models, NULL);
}

static size_t count_bytes_locked(const struct models *models)
{
    size_t n_bytes = 0;
    for (size_t i = 0; i < models->n_entries; i++) {
        n_bytes += entry_bytes(&models->entries[i]);
    }
    return n_bytes;
}

/* Takes the oldest version out, with its reference; NULL: there is none. */
static struct served *detach_oldest_locked(struct models *models, const struct served *but)
{
    struct entry *of = NULL;
    struct served *oldest = NULL;
    for (size_t i = 0; i < models->n_entries; i++) {
        struct served *served = entry_oldest(&models->entries[i], but);
        if (served != NULL && (oldest == NULL || served->last_used < oldest->last_used)) {
            oldest = served;
            of = &models->entries[i];
        }
    }
    if (oldest != NULL) {
        entry_detach(of, oldest);
        models->n_evicted++;
    }
    return oldest;
}

/* Until versions need no more than max_bytes. Their memory is freed outside the lock. */
static void evict(struct models *models, size_t max_bytes, const struct served *but)
{
    struct served *oldest;
    do {
        pthread_mutex_lock(&models->lock);
        oldest = count_bytes_locked(models) > max_bytes ? detach_oldest_locked(models, but) : NULL;
        pthread_mutex_unlock(&models->lock);
        served_unref(oldest);
    } while (oldest != NULL);
}

void models_make_room(struct models *models, const struct served *but)
{
    if (models->max_bytes != 0) {
        evict(models, models->max_bytes, but);
    }
}

void models_evict_all(struct models *models, const struct served *but)
{
    evict(models, 0, but);
}

struct models_totals models_totals(struct models *models)
{
    struct models_totals totals = {.n_models = 0};
    pthread_mutex_lock(&models->lock);
    for (size_t i = 0; i < models->n_entries; i++) {
        totals.n_models += models->entries[i].current != NULL;
    }
    totals.n_names = models->n_entries;
    totals.n_bytes = count_bytes_locked(models);
    totals.n_reads = models->n_reads;
    totals.n_evicted = models->n_evicted;
    pthread_mutex_unlock(&models->lock);
    return totals;
}
