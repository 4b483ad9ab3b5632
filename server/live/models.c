/* SPDX-License-Identifier: Apache-2.0 */
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

/* Where `name` is in the table, or where it would have to be. */
static size_t find_position_locked(const struct models *models, const char *name, bool *found)
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

static struct entry *find_locked(struct models *models, const char *name)
{
    bool found;
    size_t at = find_position_locked(models, name, &found);
    return found ? &models->entries[at] : NULL;
}

/* The entry of `name`, which is added if needed; NULL: no memory. */
static struct entry *take_entry_locked(struct models *models, const char *name)
{
    bool found;
    size_t at = find_position_locked(models, name, &found);
    if (found) {
        return &models->entries[at];
    }
    if (models->n_entries == models->capacity) {
        size_t capacity = models->capacity == 0 ? 16 : 2 * models->capacity;
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

/* Others leave when there is no memory for it. */
static enum err_code load_version(struct models *models, const char *name,
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

/* The state of an entry when a version was looked up in it. */
struct seen {
    uint64_t applied; /* the number of the refresh it came from */
    bool stale;
};

/* *seen may be NULL. */
static struct served *look_up_version(struct models *models, const char *name,
                                      const struct version_ref *ref, struct seen *seen)
{
    pthread_mutex_lock(&models->lock);
    const struct entry *entry = find_locked(models, name);
    struct served *served = entry != NULL ? served_ref(entry_find(entry, ref)) : NULL;
    if (served != NULL) {
        served->last_used = ++models->uses;
    }
    if (seen != NULL) {
        *seen = entry != NULL ? (struct seen){entry->applied, entry->failed > entry->applied}
                              : (struct seen){.applied = 0};
    }
    pthread_mutex_unlock(&models->lock);
    return served;
}

/* Keeps a version that is not the default, unless the model was refreshed since `applied`: the
 * version may have been deleted. */
static void hold_version(struct models *models, struct served *served, uint64_t applied)
{
    struct served *leaves = NULL;
    pthread_mutex_lock(&models->lock);
    struct entry *entry = find_locked(models, served->name);
    if (entry != NULL && entry->applied == applied) {
        leaves = entry_hold(entry, served);
    }
    pthread_mutex_unlock(&models->lock);
    served_unref(leaves);
}

/* Serves a default version that was just read, if none is served and nothing changed since. */
static void adopt_default(struct models *models, struct served *served, uint64_t applied)
{
    pthread_mutex_lock(&models->lock);
    struct entry *entry = find_locked(models, served->name);
    if (entry != NULL && entry->applied == applied && entry->current == NULL) {
        entry->current = served_ref(served);
    }
    pthread_mutex_unlock(&models->lock);
}

/*
 * Keeps what was just loaded for the next request. A default version is kept even if the refresh of
 * its entry fails now: the entry is stale then, and the next request refreshes it.
 */
static void keep_version(struct models *models, struct served *served, bool is_default,
                         uint64_t applied)
{
    struct err refreshing = ERR_INIT;
    pthread_mutex_lock(&models->lock);
    served->last_used = ++models->uses;
    pthread_mutex_unlock(&models->lock);
    if (!is_default) {
        hold_version(models, served, applied);
    } else if (models_refresh(models, served->name, served->model, served->version, &refreshing) !=
               ERR_OK) {
        log_warn(models->log, "model not refreshed", "model", served->name, "reason",
                 err_msg(&refreshing), NULL);
        adopt_default(models, served, applied);
    }
    models_make_room(models, served);
}

enum err_code models_find(struct models *models, const char *name, const struct version_ref *ref,
                          struct served **out, struct err *err)
{
    struct seen seen;
    *out = look_up_version(models, name, ref, &seen);
    if (seen.stale) {
        /* What is in memory goes on serving while the store cannot be read. */
        struct err ignored = ERR_INIT;
        if (models_refresh(models, name, NULL, 0, &ignored) == ERR_OK) {
            served_unref(*out);
            *out = look_up_version(models, name, ref, &seen);
        }
    }
    if (*out != NULL) {
        return ERR_OK;
    }
    struct version_row row = {.is_default = false};
    if (models_find_row(models, name, ref, &row, err) != ERR_OK ||
        load_version(models, name, &row, out, err) != ERR_OK) {
        if (err->code == ERR_CORRUPT && row.is_default) {
            struct err ignored = ERR_INIT; /* it is marked in the store: the entry must know */
            err_kept(models_refresh(models, name, NULL, 0, &ignored));
        }
        return err->code;
    }
    keep_version(models, *out, row.is_default, seen.applied);
    return ERR_OK;
}

bool models_find_loaded(struct models *models, const char *name, const struct version_ref *ref,
                        struct served **out)
{
    struct seen seen;
    *out = look_up_version(models, name, ref, &seen);
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

/* ---- refreshing ---- */

/* A model that need not be read back; NULL: none. */
struct fresh {
    struct model *model;
    int64_t version;
};

/* Is the default version of a model in memory? */
static bool has_default(struct models *models, const char *name)
{
    pthread_mutex_lock(&models->lock);
    const struct entry *entry = find_locked(models, name);
    bool has = entry != NULL && entry->current != NULL;
    pthread_mutex_unlock(&models->lock);
    return has;
}

/* The default version for the refreshed entry; NULL: it cannot serve, or nobody has asked for it.
 */
static enum err_code obtain_default(struct models *models, const char *name,
                                    const struct version_row *row, const struct fresh *fresh,
                                    struct served **out, struct err *err)
{
    struct version_ref ref = version_ref_number(row->version);
    if (row->damaged) {
        return ERR_OK;
    }
    *out = look_up_version(models, name, &ref, NULL);
    if (*out != NULL && strcmp((*out)->digest, row->digest) == 0) {
        return ERR_OK;
    }
    served_unref(*out);
    *out = NULL;
    if (fresh->model != NULL && fresh->version == row->version) {
        *out = served_new(name, row, fresh->model);
        return *out != NULL ? ERR_OK : err_set(err, ERR_NOMEM, "no memory for a served model");
    }
    return has_default(models, name) ? load_version(models, name, row, out, err) : ERR_OK;
}

/* The number of a refresh that begins now. */
static uint64_t next_number(struct models *models)
{
    pthread_mutex_lock(&models->lock);
    uint64_t number = ++models->refreshes;
    pthread_mutex_unlock(&models->lock);
    return number;
}

/* After a refresh that failed: the next reader tries again, unless the version is broken. */
static void mark_failed(struct models *models, const char *name, uint64_t number, bool broken)
{
    pthread_mutex_lock(&models->lock);
    struct entry *entry = take_entry_locked(models, name);
    if (entry != NULL && !broken && entry->failed < number) {
        entry->failed = number;
    }
    if (entry != NULL && broken) {
        entry->broken = true;
    }
    pthread_mutex_unlock(&models->lock);
}

enum err_code models_refresh(struct models *models, const char *name, struct model *fresh,
                             int64_t fresh_version, struct err *err)
{
    const struct fresh known = {fresh, fresh_version};
    struct model_view view = {.n_versions = 0};
    uint64_t number = next_number(models);
    struct entry next = {.applied = number};
    bool damaged = false; /* the served version stays, for reading again would not help */
    struct err viewing = ERR_INIT;
    enum err_code code = model_store_view(models->db, name, &view, &viewing);
    if (code != ERR_OK && code != ERR_NOT_FOUND) {
        *err = viewing;
        goto done;
    }
    entry_prepare(&next, &view);
    for (size_t i = 0; i < view.n_versions; i++) {
        next.broken |= view.versions[i].is_default && view.versions[i].damaged;
        if (view.versions[i].is_default &&
            obtain_default(models, name, &view.versions[i], &known, &next.current, err) != ERR_OK) {
            damaged = err->code == ERR_CORRUPT;
            goto done;
        }
    }
    pthread_mutex_lock(&models->lock);
    struct entry *entry = take_entry_locked(models, name);
    if (entry == NULL) {
        err_set(err, ERR_NOMEM, "no memory for the table of models");
    } else if (next.applied > entry->applied) {
        entry_swap(entry, &next, view.versions, view.n_versions);
        if (entry->current != NULL && entry->current->last_used == 0) {
            entry->current->last_used = ++models->uses; /* it is new, not old */
        }
    }
    pthread_mutex_unlock(&models->lock);
done:
    if (err->code != ERR_OK) {
        mark_failed(models, name, number, damaged);
    }
    entry_release(&next);
    model_view_release(&view);
    models_make_room(models, NULL);
    return err->code;
}

void models_follow(struct models *models, const char *name, struct model *fresh,
                   int64_t fresh_version)
{
    struct err refreshing = ERR_INIT;
    if (models_refresh(models, name, fresh, fresh_version, &refreshing) != ERR_OK) {
        log_warn(models->log, "model changed but not loaded yet", "model", name, "reason",
                 err_msg(&refreshing), NULL);
    }
}

/* ---- all of them ---- */

enum err_code models_load(struct models *models, struct err *err)
{
    struct model_row *rows = NULL;
    size_t n_rows = 0;
    if (model_store_list(models->db, &rows, &n_rows, err) != ERR_OK) {
        return err->code;
    }
    for (size_t i = 0; i < n_rows; i++) {
        struct err one = ERR_INIT;
        if (rows[i].default_version != 0 &&
            models_refresh(models, rows[i].model, NULL, 0, &one) != ERR_OK) {
            log_error(models->log, "model not loaded", "model", rows[i].model, "reason",
                      err_msg(&one), NULL);
        }
    }
    mem_free(rows);
    atomic_store_explicit(&models->loaded, true, memory_order_release);
    return ERR_OK;
}

/* The name of the n-th entry. Entries are never removed, and whoever adds one refreshes it, so a
 * walk by number misses nothing. */
static bool name_at(struct models *models, size_t n, char *name)
{
    pthread_mutex_lock(&models->lock);
    bool there = n < models->n_entries;
    if (there) {
        memcpy(name, models->entries[n].name, sizeof models->entries[n].name);
    }
    pthread_mutex_unlock(&models->lock);
    return there;
}

static void reload_one(struct models *models, const char *name, struct err *err)
{
    struct err one = ERR_INIT;
    if (models_refresh(models, name, NULL, 0, &one) != ERR_OK && err->code == ERR_OK) {
        *err = one;
        err_prefix(err, "model %s", name);
    }
}

enum err_code models_reload(struct models *models, struct err *err)
{
    struct model_row *rows = NULL;
    size_t n_rows = 0;
    char name[NAME_MAX_CHARS + 1];
    if (model_store_list(models->db, &rows, &n_rows, err) != ERR_OK) {
        return err->code;
    }
    for (size_t i = 0; i < n_rows; i++) {
        reload_one(models, rows[i].model, err);
    }
    /* Then models that are in memory alone; both lists are sorted by name. */
    size_t at = 0;
    for (size_t n = 0; name_at(models, n, name); n++) {
        while (at < n_rows && strcmp(rows[at].model, name) < 0) {
            at++;
        }
        if (at == n_rows || strcmp(rows[at].model, name) != 0) {
            reload_one(models, name, err);
        }
    }
    mem_free(rows);
    return err->code;
}

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
