/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the table follows the store. A refresh takes a number, reads one view of the model without a
 * lock, and replaces the model's entry if no refresh with a higher number has done so before.
 *
 * The entry of a model that was deleted stays for a moment: by its number a slower, older refresh,
 * whose view still has the model, cannot bring it back. Once no older refresh is under way the
 * entry leaves the table, so that names which come and go take no memory.
 */
#include "live/models_priv.h"

#include "base/mem.h"
#include "store/models/model_view.h"

#include <string.h>

/* A model that need not be read back; NULL: none. */
struct fresh {
    struct model *model;
    int64_t version;
};

/* Is the default version of a model in memory? */
static bool has_default(struct models *models, const char *name)
{
    pthread_mutex_lock(&models->lock);
    const struct entry *entry = models_find_entry_locked(models, name);
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
    *out = models_look_up(models, name, &ref, NULL);
    if (*out != NULL && strcmp((*out)->digest, row->digest) == 0) {
        return ERR_OK;
    }
    served_unref(*out);
    *out = NULL;
    if (fresh->model != NULL && fresh->version == row->version) {
        *out = served_new(name, row, fresh->model);
        return *out != NULL ? ERR_OK : err_set(err, ERR_NOMEM, "no memory for a served model");
    }
    return has_default(models, name) ? models_load_version(models, name, row, out, err) : ERR_OK;
}

/* Takes the number of a refresh that begins now. */
static void begin_refresh(struct models *models, struct refreshing *self)
{
    pthread_mutex_lock(&models->lock);
    struct refreshing **end = &models->under_way;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = self;
    self->number = ++models->refreshes;
    self->next = NULL;
    pthread_mutex_unlock(&models->lock);
}

/* Gives the place of names that are gone back, and memory when most of it is free. */
static void sweep_locked(struct models *models)
{
    uint64_t oldest = models->under_way != NULL ? models->under_way->number : UINT64_MAX;
    size_t kept = 0;
    for (size_t i = 0; i < models->n_entries; i++) {
        struct entry *entry = &models->entries[i];
        bool leaves = entry->gone && entry->applied < oldest && entry->failed <= entry->applied;
        if (leaves) {
            entry_release(entry);
            models->n_gone--;
            models->n_removed++;
        } else if (kept++ != i) {
            models->entries[kept - 1] = *entry;
        }
    }
    models->n_entries = kept;
    size_t capacity = models->capacity;
    while (capacity > MODELS_MIN_CAPACITY && capacity / 4 > kept) {
        capacity /= 2;
    }
    struct entry *entries = capacity < models->capacity
                                ? mem_realloc_array(models->entries, capacity, sizeof *entries)
                                : NULL;
    if (entries != NULL) {
        models->entries = entries;
        models->capacity = capacity;
    }
}

static void end_refresh(struct models *models, const struct refreshing *self)
{
    pthread_mutex_lock(&models->lock);
    struct refreshing **link = &models->under_way;
    while (*link != self) {
        link = &(*link)->next;
    }
    *link = self->next;
    if (models->n_gone > 0) {
        sweep_locked(models);
    }
    pthread_mutex_unlock(&models->lock);
}

/* After a refresh that failed: the next reader tries again, unless the version is broken. */
static void mark_failed(struct models *models, const char *name, uint64_t number, bool broken)
{
    pthread_mutex_lock(&models->lock);
    struct entry *entry = models_make_entry_locked(models, name);
    if (entry != NULL && !broken && entry->failed < number) {
        entry->failed = number;
    }
    if (entry != NULL && broken) {
        entry->broken = true;
    }
    pthread_mutex_unlock(&models->lock);
}

/* What the store says of a model now; a model that is gone has no versions. */
static enum err_code view_model(struct models *models, const char *name, struct model_view *view,
                                struct entry *next, struct err *err)
{
    if (model_store_view(models->db, name, view, err) == ERR_NOT_FOUND) {
        err_clear(err);
        next->gone = true;
    }
    if (err->code == ERR_OK) {
        entry_prepare(next, view);
    }
    return err->code;
}

/* Puts the new contents into the table, unless a later refresh has done so. */
static void apply_refresh(struct models *models, const char *name, struct entry *next,
                          const struct model_view *view, struct err *err)
{
    pthread_mutex_lock(&models->lock);
    bool is_oldest = models->under_way->number == next->applied;
    struct entry *entry = next->gone && is_oldest ? models_find_entry_locked(models, name)
                                                  : models_make_entry_locked(models, name);
    if (entry == NULL && !(next->gone && is_oldest)) {
        err_set(err, ERR_NOMEM, "no memory for the table of models");
    } else if (entry != NULL && next->applied > entry->applied) {
        entry_swap(entry, next, view->versions, view->n_versions);
        models->n_gone += entry->gone;
        models->n_gone -= next->gone;
        if (entry->current != NULL && entry->current->last_used == 0) {
            entry->current->last_used = ++models->uses; /* it is new, not old */
        }
    }
    pthread_mutex_unlock(&models->lock);
}

enum err_code models_refresh(struct models *models, const char *name, struct model *fresh,
                             int64_t fresh_version, struct err *err)
{
    const struct fresh known = {fresh, fresh_version};
    struct model_view view = {.n_versions = 0};
    struct refreshing self;
    bool damaged = false; /* the served version stays, for reading again would not help */
    begin_refresh(models, &self);
    struct entry next = {.applied = self.number};
    if (view_model(models, name, &view, &next, err) != ERR_OK) {
        goto done;
    }
    for (size_t i = 0; i < view.n_versions; i++) {
        next.broken |= view.versions[i].is_default && view.versions[i].damaged;
        if (view.versions[i].is_default &&
            obtain_default(models, name, &view.versions[i], &known, &next.current, err) != ERR_OK) {
            damaged = err->code == ERR_CORRUPT;
            goto done;
        }
    }
    apply_refresh(models, name, &next, &view, err);
done:
    if (err->code != ERR_OK) {
        mark_failed(models, name, self.number, damaged);
    }
    end_refresh(models, &self);
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

/* Replaces `name` by the next name of the table; false: there is none. Names may come and go
 * between two calls. */
static bool next_name(struct models *models, char name[NAME_MAX_CHARS + 1])
{
    pthread_mutex_lock(&models->lock);
    bool found;
    size_t at = models_find_position_locked(models, name, &found);
    at += found;
    bool there = at < models->n_entries;
    if (there) {
        memcpy(name, models->entries[at].name, sizeof models->entries[at].name);
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
    char name[NAME_MAX_CHARS + 1] = "";
    if (model_store_list(models->db, &rows, &n_rows, err) != ERR_OK) {
        return err->code;
    }
    for (size_t i = 0; i < n_rows; i++) {
        reload_one(models, rows[i].model, err);
    }
    /* Then models that are in memory alone; both lists are sorted by name. */
    size_t at = 0;
    while (next_name(models, name)) {
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

/* Replaces `name` by the next name whose last refresh failed; false: there is none. */
static bool next_stale_name(struct models *models, char name[NAME_MAX_CHARS + 1])
{
    bool found;
    pthread_mutex_lock(&models->lock);
    size_t at = models_find_position_locked(models, name, &found);
    at += found;
    while (at < models->n_entries && models->entries[at].failed <= models->entries[at].applied) {
        at++;
    }
    bool there = at < models->n_entries;
    if (there) {
        memcpy(name, models->entries[at].name, sizeof models->entries[at].name);
    }
    pthread_mutex_unlock(&models->lock);
    return there;
}

void models_retry_failed(struct models *models)
{
    char name[NAME_MAX_CHARS + 1] = "";
    bool go_on = true;
    while (go_on && next_stale_name(models, name)) {
        struct err one = ERR_INIT;
        go_on = models_refresh(models, name, NULL, 0, &one) == ERR_OK;
    }
}
