/* SPDX-License-Identifier: Apache-2.0 */
#include "live/models_unload.h"

#include "live/models_priv.h"

enum models_state models_state(struct models *models, const char *name)
{
    pthread_mutex_lock(&models->lock);
    const struct entry *entry = models_find_entry_locked(models, name);
    enum models_state state = entry == NULL || entry->gone ? MODELS_ABSENT
                              : entry->unloaded            ? MODELS_UNLOADED
                              : entry->broken              ? MODELS_BROKEN
                                                           : MODELS_READY;
    pthread_mutex_unlock(&models->lock);
    return state;
}

static enum err_code mark(struct models *models, const char *name, bool unloaded, struct err *err)
{
    pthread_mutex_lock(&models->lock);
    struct entry *entry = models_find_entry_locked(models, name);
    bool found = entry != NULL && !entry->gone;
    if (found) {
        entry->unloaded = unloaded;
    }
    pthread_mutex_unlock(&models->lock);
    return found ? ERR_OK : err_set(err, ERR_NOT_FOUND, "there is no model %s", name);
}

/* A version in memory, with the table's reference; NULL: there is none left. */
static struct served *detach_one(struct models *models, const char *name)
{
    pthread_mutex_lock(&models->lock);
    struct entry *entry = models_find_entry_locked(models, name);
    struct served *served = entry != NULL && entry->unloaded ? entry_oldest(entry, NULL) : NULL;
    if (served != NULL) {
        entry_detach(entry, served);
        models->n_evicted++;
    }
    pthread_mutex_unlock(&models->lock);
    return served;
}

enum err_code models_unload(struct models *models, const char *name, struct err *err)
{
    struct served *served;
    if (mark(models, name, true, err) != ERR_OK) {
        return err->code;
    }
    while ((served = detach_one(models, name)) != NULL) {
        served_unref(served); /* its memory is freed outside the lock */
    }
    return ERR_OK;
}

enum err_code models_end_unload(struct models *models, const char *name, struct err *err)
{
    return mark(models, name, false, err);
}

static void insert_by_version(struct served **list, size_t n, struct served *served)
{
    size_t at = n;
    for (; at > 0 && list[at - 1]->version > served->version; at--) {
        list[at] = list[at - 1];
    }
    list[at] = served_ref(served);
}

size_t models_held(struct models *models, const char *name, struct served **out, size_t n)
{
    size_t found = 0;
    pthread_mutex_lock(&models->lock);
    const struct entry *entry = models_find_entry_locked(models, name);
    if (entry != NULL && entry->current != NULL && n > 0) {
        insert_by_version(out, found++, entry->current);
    }
    for (size_t i = 0; entry != NULL && i < entry->n_held && found < n; i++) {
        insert_by_version(out, found++, entry->held[i]);
    }
    pthread_mutex_unlock(&models->lock);
    return found;
}
