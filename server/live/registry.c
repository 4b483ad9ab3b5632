/* SPDX-License-Identifier: Apache-2.0 */
#include "registry.h"

#include "codec.h"
#include "mem.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define N_EXTRA 2 /* versions beside the default that a model keeps in memory */

struct entry {
    char name[NAME_MAX_CHARS + 1];
    struct served *current;        /* the default version; NULL: none that serves */
    struct served *extra[N_EXTRA]; /* others, most recently asked for first; may hold NULLs */
    uint64_t applied;              /* number of the refresh that set `current` */
};

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

/* ---- one served version ---- */

static struct served *served_new(const char *name, int64_t version, const char *digest,
                                 struct model *model)
{
    struct served *served = mem_zalloc(sizeof *served);
    if (served != NULL) {
        snprintf(served->name, sizeof served->name, "%s", name);
        snprintf(served->digest, sizeof served->digest, "%s", digest);
        served->version = version;
        served->model = model_ref(model);
        atomic_init(&served->refs, 1);
    }
    return served;
}

static struct served *served_ref(struct served *served)
{
    if (served != NULL) {
        atomic_fetch_add_explicit(&served->refs, 1, memory_order_relaxed);
    }
    return served;
}

void served_unref(struct served *served)
{
    if (served != NULL && atomic_fetch_sub_explicit(&served->refs, 1, memory_order_acq_rel) == 1) {
        model_unref(served->model);
        mem_free(served);
    }
}

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

static void entry_release(struct entry *entry)
{
    served_unref(entry->current);
    for (int i = 0; i < N_EXTRA; i++) {
        served_unref(entry->extra[i]);
    }
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

static enum err_code load(struct registry *registry, const char *name, int64_t version,
                          const char *digest, struct served **out, struct err *err)
{
    void *bytes = NULL;
    size_t n_bytes = 0;
    struct model *model = NULL;
    if (model_store_load(registry->db, name, version, &bytes, &n_bytes, err) != ERR_OK) {
        return err->code;
    }
    if (codec_decode(bytes, n_bytes, &model, err) != ERR_OK) {
        if (err->code == ERR_CORRUPT) {
            struct err marking = ERR_INIT;
            if (model_store_mark_damaged(registry->db, name, version, err_msg(err), &marking) !=
                ERR_OK) {
                log_warn(registry->log, "damaged version not marked", "model", name, "reason",
                         err_msg(&marking), NULL);
            }
        }
        goto done;
    }
    *out = served_new(name, version, digest, model);
    if (*out == NULL) {
        err_set(err, ERR_NOMEM, "no memory for a served model");
    }
done:
    model_unref(model);
    mem_free(bytes);
    return err->code;
}

/* Number and digest of a version from the store; version 0: the default. */
static enum err_code find_version(struct registry *registry, const char *name, int64_t version,
                                  struct version_row *out, struct err *err)
{
    struct version_row *rows = NULL;
    size_t n_rows = 0;
    if (model_store_versions(registry->db, name, &rows, &n_rows, err) != ERR_OK) {
        return err->code;
    }
    enum err_code code = ERR_NOT_FOUND;
    for (size_t i = 0; i < n_rows && code != ERR_OK; i++) {
        if (version == 0 ? rows[i].is_default : rows[i].version == version) {
            *out = rows[i];
            code = ERR_OK;
        }
    }
    mem_free(rows);
    if (code != ERR_OK && version == 0) {
        return err_set(err, ERR_NOT_FOUND, "model %s has no version yet", name);
    }
    if (code != ERR_OK) {
        return err_set(err, ERR_NOT_FOUND, "model %s has no version %lld", name,
                       (long long)version);
    }
    if (out->damaged) {
        return err_set(err, ERR_CORRUPT, "version %lld of model %s is damaged: %s",
                       (long long)out->version, name, out->reason);
    }
    return ERR_OK;
}

static struct served *lookup_locked(struct registry *registry, const char *name, int64_t version)
{
    struct entry *entry = find_locked(registry, name);
    if (entry == NULL) {
        return NULL;
    }
    if (entry->current != NULL && (version == 0 || entry->current->version == version)) {
        return served_ref(entry->current);
    }
    for (int i = 0; version != 0 && i < N_EXTRA; i++) {
        if (entry->extra[i] != NULL && entry->extra[i]->version == version) {
            return served_ref(entry->extra[i]);
        }
    }
    return NULL;
}

/* *applied (may be NULL): the number of the refresh that the entry shows. */
static struct served *lookup(struct registry *registry, const char *name, int64_t version,
                             uint64_t *applied)
{
    pthread_mutex_lock(&registry->lock);
    struct served *served = lookup_locked(registry, name, version);
    const struct entry *entry = find_locked(registry, name);
    if (applied != NULL) {
        *applied = entry != NULL ? entry->applied : 0;
    }
    pthread_mutex_unlock(&registry->lock);
    return served;
}

/*
 * Keeps a version that is not the default; the one asked for longest ago leaves. Not when the model
 * was refreshed since `applied`: the version may be gone.
 */
static void keep_extra(struct registry *registry, struct served *served, uint64_t applied)
{
    struct served *leaves = NULL;
    pthread_mutex_lock(&registry->lock);
    struct entry *entry = find_locked(registry, served->name);
    if (entry != NULL && entry->applied == applied) {
        leaves = entry->extra[N_EXTRA - 1];
        memmove(&entry->extra[1], &entry->extra[0], (N_EXTRA - 1) * sizeof *entry->extra);
        entry->extra[0] = served_ref(served);
    }
    pthread_mutex_unlock(&registry->lock);
    served_unref(leaves);
}

enum err_code registry_get(struct registry *registry, const char *name, int64_t version,
                           struct served **out, struct err *err)
{
    uint64_t applied;
    *out = lookup(registry, name, version, &applied);
    if (*out != NULL) {
        return ERR_OK;
    }
    struct version_row row;
    if (find_version(registry, name, version, &row, err) != ERR_OK ||
        load(registry, name, row.version, row.digest, out, err) != ERR_OK) {
        return err->code;
    }
    if (!row.is_default) {
        keep_extra(registry, *out, applied);
    }
    return ERR_OK;
}

/* ---- changes ---- */

/* Takes versions out of memory that the store no longer has. */
static void drop_missing_locked(struct entry *entry, const struct version_row *rows, size_t n_rows,
                                struct served **dropped)
{
    for (int i = 0; i < N_EXTRA; i++) {
        bool there = false;
        for (size_t j = 0; entry->extra[i] != NULL && j < n_rows; j++) {
            /* The digest too: a file put in place of another may number other contents alike. */
            there = there || (rows[j].version == entry->extra[i]->version &&
                              strcmp(rows[j].digest, entry->extra[i]->digest) == 0);
        }
        dropped[i] = there ? NULL : entry->extra[i];
        entry->extra[i] = there ? entry->extra[i] : NULL;
    }
}

/* The served version the refreshed entry will hold; NULL when nothing can serve. */
static enum err_code obtain_default(struct registry *registry, const char *name,
                                    const struct version_row *row, struct model *fresh,
                                    const struct put_result *fresh_as, struct served **out,
                                    struct err *err)
{
    if (row->damaged) {
        return ERR_OK;
    }
    *out = lookup(registry, name, row->version, NULL);
    if (*out != NULL && strcmp((*out)->digest, row->digest) == 0) {
        return ERR_OK;
    }
    served_unref(*out);
    *out = NULL;
    if (fresh != NULL && fresh_as->version == row->version) {
        *out = served_new(name, row->version, row->digest, fresh);
        return *out != NULL ? ERR_OK : err_set(err, ERR_NOMEM, "no memory for a served model");
    }
    return load(registry, name, row->version, row->digest, out, err);
}

enum err_code registry_refresh(struct registry *registry, const char *name, struct model *fresh,
                               const struct put_result *fresh_as, struct err *err)
{
    struct version_row *rows = NULL;
    size_t n_rows = 0;
    struct served *next = NULL;
    struct served *old = NULL;
    struct served *dropped[N_EXTRA] = {NULL};
    struct err ignored = ERR_INIT;

    pthread_mutex_lock(&registry->lock);
    uint64_t number = ++registry->refreshes;
    pthread_mutex_unlock(&registry->lock);

    enum err_code code = model_store_versions(registry->db, name, &rows, &n_rows, &ignored);
    if (code != ERR_OK && code != ERR_NOT_FOUND) {
        *err = ignored;
        return code;
    }
    for (size_t i = 0; i < n_rows; i++) {
        if (rows[i].is_default &&
            obtain_default(registry, name, &rows[i], fresh, fresh_as, &next, err) != ERR_OK) {
            goto done;
        }
    }
    pthread_mutex_lock(&registry->lock);
    struct entry *entry = take_entry_locked(registry, name);
    if (entry == NULL) {
        err_set(err, ERR_NOMEM, "no memory for the registry");
    } else if (number > entry->applied) {
        old = entry->current;
        entry->current = next;
        entry->applied = number;
        next = NULL;
        drop_missing_locked(entry, rows, n_rows, dropped);
    }
    pthread_mutex_unlock(&registry->lock);
done:
    served_unref(next);
    served_unref(old);
    for (int i = 0; i < N_EXTRA; i++) {
        served_unref(dropped[i]);
    }
    mem_free(rows);
    return err->code;
}

enum err_code registry_put(struct registry *registry, struct model *model, struct put_request *put,
                           struct put_result *out, struct err *err)
{
    unsigned char *bytes = NULL;
    if (codec_encode(model, &bytes, &put->n_bytes, err) != ERR_OK) {
        return err->code;
    }
    put->bytes = bytes;
    if (model_store_put(registry->db, put, out, err) == ERR_OK) {
        struct err refreshing = ERR_INIT;
        if (registry_refresh(registry, put->model, model, out, &refreshing) != ERR_OK) {
            /* It is stored, so the answer is yes; the next request loads it. */
            log_warn(registry->log, "model stored but not loaded yet", "model", put->model,
                     "reason", err_msg(&refreshing), NULL);
        }
    }
    put->bytes = NULL;
    mem_free(bytes);
    return err->code;
}

enum err_code registry_delete(struct registry *registry, const char *name, struct err *err)
{
    /* The emptied entry stays: its number keeps a slower, older refresh from bringing back the
     * dead. */
    if (model_store_delete(registry->db, name, err) != ERR_OK) {
        return err->code;
    }
    return registry_refresh(registry, name, NULL, NULL, err);
}

enum err_code registry_delete_version(struct registry *registry, const char *name, int64_t version,
                                      struct err *err)
{
    if (model_store_delete_version(registry->db, name, version, err) != ERR_OK) {
        return err->code;
    }
    return registry_refresh(registry, name, NULL, NULL, err);
}

enum err_code registry_set_default(struct registry *registry, const char *name, int64_t version,
                                   struct err *err)
{
    if (model_store_set_default(registry->db, name, version, err) != ERR_OK) {
        return err->code;
    }
    return registry_refresh(registry, name, NULL, NULL, err);
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
        *n_bytes += entry->current != NULL ? model_bytes(entry->current->model) : 0;
        for (int j = 0; j < N_EXTRA; j++) {
            *n_bytes += entry->extra[j] != NULL ? model_bytes(entry->extra[j]->model) : 0;
        }
    }
    pthread_mutex_unlock(&registry->lock);
}
