/* SPDX-License-Identifier: Apache-2.0 */
/* The table, and how a version is found in it or read from the store. */
#include "live/models_priv.h"

#include "base/mem.h"
#include "base/mem_budget.h"
#include "model/codec.h"
#include "store/models/model_admin.h"
#include "store/models/model_view.h"

#include <stdio.h>
#include <string.h>

/* ---- the table ---- */

enum err_code models_new(struct db *db, struct log *log, struct models **out, struct err *err)
{
    struct models *models = mem_zalloc(sizeof *models);
    if (models == NULL || pthread_mutex_init(&models->lock, NULL) != 0) {
        mem_free(models);
        return err_set(err, ERR_NOMEM, "no memory for the table of models");
    }
    models->db = db;
    models->log = log;
    *out = models;
    return ERR_OK;
}

void models_free(struct models *models)
{
    if (models != NULL) {
        for (size_t i = 0; i < models->n_entries; i++) {
            entry_release(&models->entries[i]);
        }
        mem_free(models->entries);
        pthread_mutex_destroy(&models->lock);
        mem_free(models);
    }
}

size_t models_find_position_locked(const struct models *models, const char *name, bool *found)
{
    size_t low = 0;
    size_t high = models->n_entries;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = strcmp(models->entries[mid].name, name);
        if (order == 0) {
            *found = true;
            return mid;
        }
        if (order < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    *found = false;
    return low;
}

struct entry *models_find_entry_locked(struct models *models, const char *name)
{
    bool found;
    size_t at = models_find_position_locked(models, name, &found);
    return found ? &models->entries[at] : NULL;
}

struct entry *models_make_entry_locked(struct models *models, const char *name)
{
    bool found;
    size_t at = models_find_position_locked(models, name, &found);
    if (found) {
        return &models->entries[at];
    }
    if (models->n_entries == models->capacity) {
        size_t capacity = models->capacity == 0 ? MODELS_MIN_CAPACITY : 2 * models->capacity;
        struct entry *entries =
            mem_realloc_array(models->entries, capacity, sizeof *models->entries);
        if (entries == NULL) {
            return NULL;
        }
        models->entries = entries;
        models->capacity = capacity;
    }
    struct entry *entry = &models->entries[at];
    memmove(entry + 1, entry, (models->n_entries - at) * sizeof *entry);
    memset(entry, 0, sizeof *entry);
    snprintf(entry->name, sizeof entry->name, "%s", name);
    models->n_entries++;
    return entry;
}

/* ---- loading ---- */

static enum err_code read_version(struct models *models, const char *name,
                                  const struct version_row *row, struct served **out,
                                  struct err *err)
{
    void *bytes = NULL;
    size_t n_bytes = 0;
    struct model *model = NULL;
    if (model_store_load(models->db, name, row->version, &bytes, &n_bytes, err) != ERR_OK) {
        return err->code;
    }
    if (codec_decode(bytes, n_bytes, &model, err) != ERR_OK) {
        if (err->code == ERR_CORRUPT) {
            struct err marking = ERR_INIT;
            if (model_store_mark_damaged(models->db, name, row->version, err_msg(err), &marking) !=
                ERR_OK) {
                log_warn(models->log, "damaged version not marked", "model", name, "reason",
                         err_msg(&marking), NULL);
            }
        }
        goto done;
    }
    *out = served_new(name, row, model);
    if (*out == NULL) {
        err_set(err, ERR_NOMEM, "no memory for a served model");
    }
done:
    model_unref(model);
    mem_free(bytes);
    return err->code;
}

enum err_code models_load_version(struct models *models, const char *name,
                                  const struct version_row *row, struct served **out,
                                  struct err *err)
{
    enum mem_kind kind = mem_kind_use(MEM_MODELS);
    if (read_version(models, name, row, out, err) == ERR_NOMEM) {
        models_evict_all(models, NULL);
        err_clear(err);
        err_kept(read_version(models, name, row, out, err));
    }
    mem_kind_use(kind);
    if (err->code == ERR_TOO_LARGE) {
        struct err large = *err; /* than models_mb, which was larger when it was registered */
        err_clear(err);
        return err_set(err, ERR_NOMEM, "version %lld of model %s: %s", (long long)row->version,
                       name, err_msg(&large));
    }
    pthread_mutex_lock(&models->lock);
    models->n_reads++;
    pthread_mutex_unlock(&models->lock);
    return err->code;
}

enum err_code models_find_row(struct models *models, const char *name,
                              const struct version_ref *ref, struct version_row *out,
                              struct err *err)
{
    struct model_view view = {.n_versions = 0};
    const struct version_row *row = NULL;
    if (model_store_view(models->db, name, &view, err) != ERR_OK) {
        return err->code;
    }
    if (model_view_find(&view, ref, &row, err) == ERR_OK) {
        *out = *row;
    }
    model_view_release(&view);
    if (err->code == ERR_OK && out->damaged) {
        return err_set(err, ERR_CORRUPT, "version %lld of model %s is damaged: %s",
                       (long long)out->version, name, out->reason);
    }
    return err->code;
}

struct served *models_look_up(struct models *models, const char *name,
                              const struct version_ref *ref, struct models_seen *seen)
{
    pthread_mutex_lock(&models->lock);
    const struct entry *entry = models_find_entry_locked(models, name);
    struct served *served = entry != NULL ? served_ref(entry_find(entry, ref)) : NULL;
    if (served != NULL) {
        served->last_used = ++models->uses;
    }
    if (seen != NULL) {
        *seen = (struct models_seen){.n_removed = models->n_removed};
        if (entry != NULL) {
            seen->applied = entry->applied;
            seen->stale = entry->failed > entry->applied;
        }
    }
    pthread_mutex_unlock(&models->lock);
    return served;
}

/* The entry of a version that was read from the store; NULL: the model was refreshed since it was
 * looked up, and the version may have been deleted. */
static struct entry *find_unchanged_locked(struct models *models, const struct served *served,
                                           const struct models_seen *seen)
{
    struct entry *entry = models_find_entry_locked(models, served->name);
    bool same =
        entry != NULL && entry->applied == seen->applied && models->n_removed == seen->n_removed;
    return same ? entry : NULL;
}

/* Keeps a version that is not the default. */
static void hold_version(struct models *models, struct served *served,
                         const struct models_seen *seen)
{
    struct served *leaves = NULL;
    pthread_mutex_lock(&models->lock);
    struct entry *entry = find_unchanged_locked(models, served, seen);
    if (entry != NULL) {
        leaves = entry_hold(entry, served);
    }
    pthread_mutex_unlock(&models->lock);
    served_unref(leaves);
}

/* Serves a default version that was just read, if none is served and nothing changed since. */
static void adopt_default(struct models *models, struct served *served,
                          const struct models_seen *seen)
{
    pthread_mutex_lock(&models->lock);
    struct entry *entry = find_unchanged_locked(models, served, seen);
    if (entry != NULL && entry->current == NULL) {
        entry->current = served_ref(served);
    }
    pthread_mutex_unlock(&models->lock);
}

/*
 * Keeps what was just loaded for the next request. A default version is kept even if the refresh of
 * its entry fails now: the entry is stale then, and the next request refreshes it.
 */
static void keep_version(struct models *models, struct served *served, bool is_default,
                         const struct models_seen *seen)
{
    struct err refreshing = ERR_INIT;
    pthread_mutex_lock(&models->lock);
    served->last_used = ++models->uses;
    pthread_mutex_unlock(&models->lock);
    if (!is_default) {
        hold_version(models, served, seen);
    } else if (models_refresh(models, served->name, served->model, served->version, &refreshing) !=
               ERR_OK) {
        log_warn(models->log, "model not refreshed", "model", served->name, "reason",
                 err_msg(&refreshing), NULL);
        adopt_default(models, served, seen);
    }
    models_make_room(models, served);
}

enum err_code models_find(struct models *models, const char *name, const struct version_ref *ref,
                          struct served **out, struct err *err)
{
    struct models_seen seen;
    *out = models_look_up(models, name, ref, &seen);
    if (seen.stale) {
        /* What is in memory goes on serving while the store cannot be read. */
        struct err ignored = ERR_INIT;
        if (models_refresh(models, name, NULL, 0, &ignored) == ERR_OK) {
            served_unref(*out);
            *out = models_look_up(models, name, ref, &seen);
        }
    }
    if (*out != NULL) {
        return ERR_OK;
    }
    struct version_row row = {.is_default = false};
    if (models_find_row(models, name, ref, &row, err) != ERR_OK ||
        models_load_version(models, name, &row, out, err) != ERR_OK) {
        if (err->code == ERR_CORRUPT && row.is_default) {
            struct err ignored = ERR_INIT; /* it is marked in the store: the entry must know */
            err_kept(models_refresh(models, name, NULL, 0, &ignored));
        }
        return err->code;
    }
    keep_version(models, *out, row.is_default, &seen);
    return ERR_OK;
}

bool models_find_loaded(struct models *models, const char *name, const struct version_ref *ref,
                        struct served **out)
{
    struct models_seen seen;
    *out = models_look_up(models, name, ref, &seen);
    if (*out == NULL || !seen.stale) {
        return *out != NULL;
    }
    served_unref(*out);
    *out = NULL;
    return false;
}

enum err_code models_get(struct models *models, const char *name, int64_t version,
                         struct served **out, struct err *err)
{
    struct version_ref ref = version_ref_number(version);
    return models_find(models, name, &ref, out, err);
}

bool models_has_name(struct models *models, const char *name)
{
    pthread_mutex_lock(&models->lock);
    const struct entry *entry = models_find_entry_locked(models, name);
    bool has = entry != NULL && !entry->gone;
    pthread_mutex_unlock(&models->lock);
    return has;
}

/* ---- all of them ---- */

bool models_is_loaded(const struct models *models)
{
    return atomic_load_explicit(&models->loaded, memory_order_acquire);
}

int models_count_failed(struct models *models, char name[NAME_MAX_CHARS + 1])
{
    int n = 0;
    name[0] = '\0';
    pthread_mutex_lock(&models->lock);
    for (size_t i = 0; i < models->n_entries; i++) {
        const struct entry *entry = &models->entries[i];
        if (entry->current == NULL && (entry->broken || entry->failed > entry->applied)) {
            if (n++ == 0) {
                memcpy(name, entry->name, sizeof entry->name);
            }
        }
    }
    pthread_mutex_unlock(&models->lock);
    return n;
}

size_t models_served(struct models *models, struct served **out, size_t n)
{
    size_t found = 0;
    pthread_mutex_lock(&models->lock);
    for (size_t i = 0; i < models->n_entries; i++) {
        if (models->entries[i].current != NULL) {
            if (found < n) {
                out[found] = served_ref(models->entries[i].current);
            }
            found++;
        }
    }
    pthread_mutex_unlock(&models->lock);
    return found;
}
