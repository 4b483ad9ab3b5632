/* SPDX-License-Identifier: Apache-2.0 */
#include "live/entry.h"

#include "base/mem.h"

#include <string.h>

void entry_prepare(struct entry *entry, struct model_view *view)
{
    entry->previous = view->row.previous_version;
    entry->aliases = view->aliases;
    entry->n_aliases = view->n_aliases;
    view->aliases = NULL;
    view->n_aliases = 0;
}

void entry_release(struct entry *entry)
{
    served_unref(entry->current);
    for (size_t i = 0; i < entry->n_held; i++) {
        served_unref(entry->held[i]);
    }
    mem_free(entry->held);
    mem_free(entry->aliases);
    memset(entry, 0, sizeof *entry);
}

static bool has_alias(const struct entry *entry, int64_t version)
{
    bool found = false;
    for (size_t i = 0; i < entry->n_aliases && !found; i++) {
        found = entry->aliases[i].version == version;
    }
    return found;
}

static struct served *find_number(const struct entry *entry, int64_t version)
{
    if (entry->current != NULL && entry->current->version == version) {
        return entry->current;
    }
    for (size_t i = 0; i < entry->n_held; i++) {
        if (entry->held[i]->version == version) {
            return entry->held[i];
        }
    }
    return NULL;
}

struct served *entry_find(const struct entry *entry, const struct version_ref *ref)
{
    switch (ref->kind) {
    case VERSION_DEFAULT:
        return entry->current;
    case VERSION_PREVIOUS:
        return find_number(entry, entry->previous);
    case VERSION_NUMBER:
        return find_number(entry, ref->number);
    case VERSION_ALIAS:
        break;
    }
    size_t low = 0;
    size_t high = entry->n_aliases;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = strcmp(entry->aliases[mid].alias, ref->alias);
        if (order == 0) {
            return find_number(entry, entry->aliases[mid].version);
        }
        if (order < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return NULL;
}

/* When too many versions have no alias, removes the one that was asked for longest ago. */
static struct served *make_room(struct entry *entry)
{
    size_t n_unnamed = 0;
    size_t last = 0;
    for (size_t i = 0; i < entry->n_held; i++) {
        if (!has_alias(entry, entry->held[i]->version)) {
            n_unnamed++;
            last = i;
        }
    }
    if (n_unnamed < ENTRY_UNNAMED) {
        return NULL;
    }
    struct served *leaves = entry->held[last];
    entry->n_held--;
    memmove(&entry->held[last], &entry->held[last + 1],
            (entry->n_held - last) * sizeof *entry->held);
    return leaves;
}

/* Room for one more; false: no memory. */
static bool grow(struct entry *entry)
{
    if (entry->n_held < entry->capacity) {
        return true;
    }
    size_t capacity = entry->capacity == 0 ? 4 : 2 * entry->capacity;
    struct served **held = mem_realloc_array(entry->held, capacity, sizeof(struct served *));
    if (held != NULL) {
        entry->held = held;
        entry->capacity = capacity;
    }
    return held != NULL;
}

struct served *entry_hold(struct entry *entry, struct served *served)
{
    struct served *leaves = NULL;
    if (find_number(entry, served->version) != NULL || !grow(entry)) {
        return NULL; /* another request has added it, or there is no memory to keep it */
    }
    if (!has_alias(entry, served->version)) {
        leaves = make_room(entry);
    }
    memmove(&entry->held[1], &entry->held[0], entry->n_held * sizeof *entry->held);
    entry->held[0] = served_ref(served);
    entry->n_held++;
    return leaves;
}

/* Is it in the store? By its digest too: a replaced file may have other contents. */
static bool is_stored(const struct served *served, const struct version_row *versions, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (versions[i].version == served->version) {
            return strcmp(versions[i].digest, served->digest) == 0 && !versions[i].damaged;
        }
    }
    return false;
}

void entry_swap(struct entry *entry, struct entry *next, const struct version_row *versions,
                size_t n_versions)
{
    struct entry old = *entry;
    memcpy(next->name, old.name, sizeof next->name);
    next->failed = old.failed;
    next->unloaded = old.unloaded && !next->gone;
    /* From the back to the front, so that the order stays and that of the versions without alias
     * the ones at the back are dropped. */
    for (size_t i = old.n_held; i-- > 0;) {
        if (is_stored(old.held[i], versions, n_versions)) {
            served_unref(entry_hold(next, old.held[i]));
        }
    }
    if (old.current != NULL && has_alias(next, old.current->version) &&
        is_stored(old.current, versions, n_versions)) {
        served_unref(entry_hold(next, old.current));
    }
    *entry = *next;
    *next = old;
}

struct served *entry_oldest(const struct entry *entry, const struct served *but)
{
    struct served *oldest = entry->current != but ? entry->current : NULL;
    for (size_t i = 0; i < entry->n_held; i++) {
        struct served *held = entry->held[i];
        if (held != but && (oldest == NULL || held->last_used < oldest->last_used)) {
            oldest = held;
        }
    }
    return oldest;
}

void entry_detach(struct entry *entry, const struct served *served)
{
    if (entry->current == served) {
        entry->current = NULL;
        return;
    }
    size_t at = 0;
    while (entry->held[at] != served) {
        at++;
    }
    entry->n_held--;
    memmove(&entry->held[at], &entry->held[at + 1], (entry->n_held - at) * sizeof *entry->held);
}

size_t entry_bytes(const struct entry *entry)
{
    size_t n_bytes = entry->current != NULL ? entry->current->n_bytes : 0;
    for (size_t i = 0; i < entry->n_held; i++) {
        n_bytes += entry->held[i]->n_bytes;
    }
    return n_bytes;
}
