/* SPDX-License-Identifier: Apache-2.0 */
#include "live/models.h"

#include "model/codec.h"
#include "live/entry.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

struct registry {
    struct db *db;
    struct log *log;
    pthread_mutex_t lock;  /* guards what follows; held for look-ups and swaps only */
    struct entry *entries; /* sorted by name */
    size_t n_entries;
    size_t capacity;
    uint64_t refreshes; /* numbers given out */
    atomic_bool loaded;
};

/* ---- the table ---- */

enum err_code registry_new(struct db *db, struct log *log, struct registry **out, struct err *err)
{
    struct registry *registry = mem_zalloc(sizeof *registry);
    if (registry == NULL || pthread_mutex_init(&registry->lock, NULL) != 0) {
        mem_free(registry);
        return err_set(err, ERR_NOMEM, "no memory for the registry");
    }
    registry->db = db;
    registry->log = log;
    *out = registry;
    return ERR_OK;
}

void registry_free(struct registry *registry)
{
    if (registry != NULL) {
        for (size_t i = 0; i < registry->n_entries; i++) {
            entry_release(&registry->entries[i]);
        }
        mem_free(registry->entries);
        pthread_mutex_destroy(&registry->lock);
        mem_free(registry);
    }
}

/* Where `name` is, or would have to be. */
static size_t position_locked(const struct registry *registry, const char *name, bool *found)
{
    size_t low = 0;
    size_t high = registry->n_entries;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = strcmp(registry->entries[mid].name, name);
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

static struct entry *find_locked(struct registry *registry, const char *name)
{
    bool found;
    size_t at = position_locked(registry, name, &found);
    return found ? &registry->entries[at] : NULL;
}

/* The entry of `name`, made if needed; NULL when memory is short. */
static struct entry *take_entry_locked(struct registry *registry, const char *name)
{
    bool found;
    size_t at = position_locked(registry, name, &found);
    if (found) {
        return &registry->entries[at];
    }
    if (registry->n_entries == registry->capacity) {
        size_t capacity = registry->capacity == 0 ? 16 : 2 * registry->capacity;
        struct entry *entries =
            mem_realloc_array(registry->entries, capacity, sizeof *registry->entries);
        if (entries == NULL) {
            return NULL;
        }
        registry->entries = entries;
        registry->capacity = capacity;
    }
    struct entry *entry = &registry->entries[at];
    memmove(entry + 1, entry, (registry->n_entries - at) * sizeof *entry);
    memset(entry, 0, sizeof *entry);
    snprintf(entry->name, sizeof entry->name, "%s", name);
    registry->n_entries++;
    return entry;
}

/* ---- loading ---- */

static enum err_code load(struct registry *registry, const char *name,
                          const struct version_row *row, struct served **out, struct err *err)
{
    void *bytes = NULL;
    size_t n_bytes = 0;
    struct model *model = NULL;
    if (model_store_load(registry->db, name, row->version, &bytes, &n_bytes, err) != ERR_OK) {
        return err->code;
    }
    if (codec_decode(bytes, n_bytes, &model, err) != ERR_OK) {
        if (err->code == ERR_CORRUPT) {
            struct err marking = ERR_INIT;
            if (model_store_mark_damaged(registry->db, name, row->version, err_msg(err),
                                         &marking) != ERR_OK) {
                log_warn(registry->log, "damaged version not marked", "model", name, "reason",
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

/* A version's row in the store. */
static enum err_code find_version(struct registry *registry, const char *name,
                                  const struct version_ref *ref, struct version_row *out,
                                  struct err *err)
{
    struct model_view view = {.n_versions = 0};
    const struct version_row *row = NULL;
    if (model_store_view(registry->db, name, &view, err) != ERR_OK) {
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

/* The state of an entry when something was looked up in it. */
struct seen {
    uint64_t applied; /* the number of the refresh that it shows */
    bool stale;
};

/* *seen may be NULL. */
static struct served *lookup(struct registry *registry, const char *name,
                             const struct version_ref *ref, struct seen *seen)
{
    pthread_mutex_lock(&registry->lock);
    const struct entry *entry = find_locked(registry, name);
    struct served *served = entry != NULL ? served_ref(entry_find(entry, ref)) : NULL;
    if (seen != NULL) {
        *seen = entry != NULL ? (struct seen){entry->applied, entry->failed > entry->applied}
                              : (struct seen){.applied = 0};
    }
    pthread_mutex_unlock(&registry->lock);
    return served;
}

/* Keeps a version that is not the default. Not when the model was refreshed since `applied`: the
 * version may be gone. */
static void hold(struct registry *registry, struct served *served, uint64_t applied)
{
    struct served *leaves = NULL;
    pthread_mutex_lock(&registry->lock);
    struct entry *entry = find_locked(registry, served->name);
    if (entry != NULL && entry->applied == applied) {
        leaves = entry_hold(entry, served);
    }
    pthread_mutex_unlock(&registry->lock);
    served_unref(leaves);
}

/* Serves a default version as it was just read, where none is and nothing has changed since. */
static void adopt(struct registry *registry, struct served *served, uint64_t applied)
{
    pthread_mutex_lock(&registry->lock);
    struct entry *entry = find_locked(registry, served->name);
    if (entry != NULL && entry->applied == applied && entry->current == NULL) {
        entry->current = served_ref(served);
    }
    pthread_mutex_unlock(&registry->lock);
}

/*
 * What was just loaded is kept for the next request. A default version is, even when the store
 * fails now that the whole entry is asked for: the entry is stale then, and asks again.
 */
static void keep(struct registry *registry, struct served *served, bool is_default,
                 uint64_t applied)
{
    struct put_result as = {.version = served->version};
    struct err refreshing = ERR_INIT;
    if (!is_default) {
        hold(registry, served, applied);
    } else if (registry_refresh(registry, served->name, served->model, &as, &refreshing) !=
               ERR_OK) {
        log_warn(registry->log, "versions not read again", "model", served->name, "reason",
                 err_msg(&refreshing), NULL);
        adopt(registry, served, applied);
    }
}

enum err_code registry_find(struct registry *registry, const char *name,
                            const struct version_ref *ref, struct served **out, struct err *err)
{
    struct seen seen;
    *out = lookup(registry, name, ref, &seen);
    if (seen.stale) {
        /* While the store cannot be read, what is in memory goes on serving. */
        struct err ignored = ERR_INIT;
        if (registry_refresh(registry, name, NULL, NULL, &ignored) == ERR_OK) {
            served_unref(*out);
            *out = lookup(registry, name, ref, &seen);
        }
    }
    if (*out != NULL) {
        return ERR_OK;
    }
    struct version_row row;
    if (find_version(registry, name, ref, &row, err) != ERR_OK ||
        load(registry, name, &row, out, err) != ERR_OK) {
        return err->code;
    }
    keep(registry, *out, row.is_default, seen.applied);
    return ERR_OK;
}

enum err_code registry_get(struct registry *registry, const char *name, int64_t version,
                           struct served **out, struct err *err)
{
    struct version_ref ref = version_ref_number(version);
    return registry_find(registry, name, &ref, out, err);
}

/* ---- refreshing ---- */

/* The served version the refreshed entry will hold; NULL when nothing can serve. */
static enum err_code obtain_default(struct registry *registry, const char *name,
                                    const struct version_row *row, struct model *fresh,
                                    const struct put_result *fresh_as, struct served **out,
                                    struct err *err)
{
    struct version_ref ref = version_ref_number(row->version);
    if (row->damaged) {
        return ERR_OK;
    }
    *out = lookup(registry, name, &ref, NULL);
    if (*out != NULL && strcmp((*out)->digest, row->digest) == 0) {
        return ERR_OK;
    }
    served_unref(*out);
    *out = NULL;
    if (fresh != NULL && fresh_as->version == row->version) {
        *out = served_new(name, row, fresh);
        return *out != NULL ? ERR_OK : err_set(err, ERR_NOMEM, "no memory for a served model");
    }
    return load(registry, name, row, out, err);
}

/* A number for a refresh that begins now. */
static uint64_t next_number(struct registry *registry)
{
    pthread_mutex_lock(&registry->lock);
    uint64_t number = ++registry->refreshes;
    pthread_mutex_unlock(&registry->lock);
    return number;
}

/* After a refresh that failed: the next reader tries again. */
static void mark_failed(struct registry *registry, const char *name, uint64_t number)
{
    pthread_mutex_lock(&registry->lock);
    struct entry *entry = take_entry_locked(registry, name);
    if (entry != NULL && entry->failed < number) {
        entry->failed = number;
    }
    pthread_mutex_unlock(&registry->lock);
}

enum err_code registry_refresh(struct registry *registry, const char *name, struct model *fresh,
                               const struct put_result *fresh_as, struct err *err)
{
    struct model_view view = {.n_versions = 0};
    uint64_t number = next_number(registry);
    struct entry next = {.applied = number};
    bool damaged = false; /* what is served goes on, another reading would not help */
    struct err viewing = ERR_INIT;
    enum err_code code = model_store_view(registry->db, name, &view, &viewing);
    if (code != ERR_OK && code != ERR_NOT_FOUND) {
        *err = viewing;
        goto done;
    }
    if (entry_prepare(&next, &view, err) != ERR_OK) {
        goto done;
    }
    for (size_t i = 0; i < view.n_versions; i++) {
        if (view.versions[i].is_default && obtain_default(registry, name, &view.versions[i], fresh,
                                                          fresh_as, &next.current, err) != ERR_OK) {
            damaged = err->code == ERR_CORRUPT;
            goto done;
        }
    }
    pthread_mutex_lock(&registry->lock);
    struct entry *entry = take_entry_locked(registry, name);
    if (entry == NULL) {
        err_set(err, ERR_NOMEM, "no memory for the registry");
    } else if (next.applied > entry->applied) {
        entry_swap(entry, &next, view.versions, view.n_versions);
    }
    pthread_mutex_unlock(&registry->lock);
done:
    if (err->code != ERR_OK && !damaged) {
        mark_failed(registry, name, number);
    }
    entry_release(&next);
    model_view_release(&view);
    return err->code;
}

void registry_follow(struct registry *registry, const char *name, struct model *fresh,
                     const struct put_result *fresh_as)
{
    struct err refreshing = ERR_INIT;
    if (registry_refresh(registry, name, fresh, fresh_as, &refreshing) != ERR_OK) {
        log_warn(registry->log, "model changed but not loaded yet", "model", name, "reason",
                 err_msg(&refreshing), NULL);
    }
}

/* ---- changes ---- */

enum err_code registry_put(struct registry *registry, struct model *model, struct put_request *put,
                           struct put_result *out, struct err *err)
{
    unsigned char *bytes = NULL;
    if (codec_encode(model, &bytes, &put->n_bytes, err) != ERR_OK) {
        return err->code;
    }
    put->bytes = bytes;
    if (model_store_put(registry->db, put, out, err) == ERR_OK) {
        registry_follow(registry, put->model, model, out);
    }
    put->bytes = NULL;
    mem_free(bytes);
    return err->code;
}

enum err_code registry_delete(struct registry *registry, const char *name, struct err *err)
{
    /* The emptied entry stays: its number keeps a slower, older refresh from bringing back the
     * dead. */
    if (model_store_delete(registry->db, name, err) == ERR_OK) {
        registry_follow(registry, name, NULL, NULL);
    }
    return err->code;
}

enum err_code registry_delete_version(struct registry *registry, const char *name,
                                      const struct version_ref *ref, struct err *err)
{
    if (model_store_delete_version(registry->db, name, ref, err) == ERR_OK) {
        registry_follow(registry, name, NULL, NULL);
    }
    return err->code;
}

enum err_code registry_set_default(struct registry *registry, const char *name,
                                   const struct version_ref *ref, int64_t *version, struct err *err)
{
    struct served *served = NULL;
    if (registry_find(registry, name, ref, &served, err) != ERR_OK) {
        struct err found = *err;
        struct err looking = ERR_INIT;
        struct version_row row = {.damaged = false};
        /* A damaged version is the caller's to choose otherwise; a damaged page is not. */
        if (found.code == ERR_CORRUPT &&
            find_version(registry, name, ref, &row, &looking) != ERR_OK && row.damaged) {
            err_clear(err);
            return err_set(err, ERR_CONFLICT, "%s", err_msg(&found));
        }
        return err->code;
    }
    if (model_store_set_default(registry->db, name, ref, version, err) == ERR_OK) {
        struct put_result as = {.version = served->version};
        registry_follow(registry, name, served->model, &as);
    }
    served_unref(served);
    return err->code;
}

enum err_code registry_set_keep(struct registry *registry, const char *name, int64_t keep_versions,
                                int64_t *n_deleted, struct err *err)
{
    if (model_store_set_keep(registry->db, name, keep_versions, n_deleted, err) == ERR_OK) {
        registry_follow(registry, name, NULL, NULL);
    }
    return err->code;
}

enum err_code registry_set_alias(struct registry *registry, const char *name, const char *alias,
                                 const struct version_ref *ref, struct alias_put *out,
                                 struct err *err)
{
    if (alias_store_set(registry->db, name, alias, ref, out, err) == ERR_OK) {
        registry_follow(registry, name, NULL, NULL);
    }
    return err->code;
}

enum err_code registry_delete_alias(struct registry *registry, const char *name, const char *alias,
                                    struct err *err)
{
    if (alias_store_delete(registry->db, name, alias, err) == ERR_OK) {
        registry_follow(registry, name, NULL, NULL);
    }
    return err->code;
}

enum err_code registry_load(struct registry *registry, struct err *err)
{
    struct model_row *rows = NULL;
    size_t n_rows = 0;
    if (model_store_list(registry->db, &rows, &n_rows, err) != ERR_OK) {
        return err->code;
    }
    for (size_t i = 0; i < n_rows; i++) {
        struct err one = ERR_INIT;
        if (rows[i].default_version != 0 &&
            registry_refresh(registry, rows[i].model, NULL, NULL, &one) != ERR_OK) {
            log_error(registry->log, "model not loaded", "model", rows[i].model, "reason",
                      err_msg(&one), NULL);
        }
    }
    mem_free(rows);
    atomic_store_explicit(&registry->loaded, true, memory_order_release);
    return ERR_OK;
}

/* ---- the whole store at once ---- */

/* The name of the n-th entry. Entries are never taken out, and a new one is refreshed by whoever
 * made it, so walking by number misses nothing. */
static bool name_at(struct registry *registry, size_t n, char *name)
{
    pthread_mutex_lock(&registry->lock);
    bool there = n < registry->n_entries;
    if (there) {
        memcpy(name, registry->entries[n].name, sizeof registry->entries[n].name);
    }
    pthread_mutex_unlock(&registry->lock);
    return there;
}

static void reload_one(struct registry *registry, const char *name, struct err *err)
{
    struct err one = ERR_INIT;
    if (registry_refresh(registry, name, NULL, NULL, &one) != ERR_OK && err->code == ERR_OK) {
        *err = one;
        err_prefix(err, "model %s", name);
    }
}

enum err_code registry_reload(struct registry *registry, struct err *err)
{
    struct model_row *rows = NULL;
    size_t n_rows = 0;
    char name[NAME_MAX_CHARS + 1];
    if (model_store_list(registry->db, &rows, &n_rows, err) != ERR_OK) {
        return err->code;
    }
    for (size_t i = 0; i < n_rows; i++) {
        reload_one(registry, rows[i].model, err);
    }
    /* Those that are in memory alone; both lists are sorted by name. */
    size_t at = 0;
    for (size_t n = 0; name_at(registry, n, name); n++) {
        while (at < n_rows && strcmp(rows[at].model, name) < 0) {
            at++;
        }
        if (at == n_rows || strcmp(rows[at].model, name) != 0) {
            reload_one(registry, name, err);
        }
    }
    mem_free(rows);
    return err->code;
}

bool registry_is_loaded(const struct registry *registry)
{
    return atomic_load_explicit(&registry->loaded, memory_order_acquire);
}

void registry_totals(struct registry *registry, int *n_models, size_t *n_bytes)
{
    *n_models = 0;
    *n_bytes = 0;
    pthread_mutex_lock(&registry->lock);
    for (size_t i = 0; i < registry->n_entries; i++) {
        const struct entry *entry = &registry->entries[i];
        *n_models += entry->current != NULL;
        *n_bytes += entry_bytes(entry);
    }
    pthread_mutex_unlock(&registry->lock);
}
