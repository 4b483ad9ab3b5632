/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of one model is in memory: its default version, some others, and what versions are called.
 *
 * Versions with an alias stay once they were asked for, as long as they have it; of the others the
 * last few stay. The registry's lock guards every entry in its table; nothing here takes it.
 */
#ifndef ENTRY_H
#define ENTRY_H

#include "live/served.h"
#include "store/models/model_view.h"

#define ENTRY_UNNAMED 2 /* versions beside the default and aliased ones that a model keeps */

struct entry {
    char name[NAME_MAX_CHARS + 1];
    struct served *current; /* the default version; NULL: none that serves */
    struct served **held;   /* others, most recently asked for first */
    size_t n_held;
    size_t capacity;
    struct alias_row *aliases; /* by name */
    size_t n_aliases;
    int64_t previous; /* version; 0: none */
    uint64_t applied; /* number of the refresh that it shows */
    uint64_t failed;  /* number of the latest refresh that failed; past `applied`: it is stale */
};

/* A zeroed entry that takes the view's aliases, with room for what may be held. ERR_NOMEM. */
enum err_code entry_prepare(struct entry *entry, struct model_view *view,
                            struct err *err) MUST_CHECK;
/* A zeroed entry may be released. Readers may go on with what they have references to. */
void entry_release(struct entry *entry);

/* Borrowed; NULL: not in memory. */
struct served *entry_find(const struct entry *entry, const struct version_ref *ref);

/* A version that is not the default and was just asked for; takes a reference if it stays. Returns
 * the one that leaves for it, the caller's to give back; may be NULL. */
struct served *entry_hold(struct entry *entry, struct served *served);

/*
 * Puts `next` in the place of what the entry shows. Versions that are still in the store as they
 * were move over; all that leaves is in *next then, to be released.
 */
void entry_swap(struct entry *entry, struct entry *next, const struct version_row *versions,
                size_t n_versions);

/* Bytes of all versions in it. */
size_t entry_bytes(const struct entry *entry);

#endif
