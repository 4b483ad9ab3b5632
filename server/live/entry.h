/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of one model that is in memory: its default version, some other versions, and the names
 * of versions.
 *
 * A version stays from when it was first asked for until memory is needed for others
 * (models_room.c). The caller holds the lock of the table of models.
 */
#ifndef ENTRY_H
#define ENTRY_H

#include "live/served.h"
#include "store/models/model_view.h"

#define ENTRY_UNNAMED 1024 /* versions that a model keeps besides the default and aliased ones */

struct entry {
    char name[NAME_MAX_CHARS + 1];
    struct served *current; /* the default version; NULL: there is none that can serve */
    struct served **held;   /* others, most recently asked for first */
    size_t n_held;
    size_t capacity;
    struct alias_row *aliases; /* by name */
    size_t n_aliases;
    int64_t previous; /* version; 0: none */
    bool gone;        /* the model was deleted; the entry is about to leave the table */
    bool broken;      /* the default version is damaged, so none is served */
    bool unloaded;    /* by a client of the Open Inference Protocol (models_unload.h) */
    uint64_t applied; /* number of the refresh that it comes from */
    uint64_t failed;  /* number of the latest refresh that failed; above applied: it is stale */
};

/* Fills a zeroed entry: takes the view's aliases. */
void entry_prepare(struct entry *entry, struct model_view *view);
/* A zeroed entry may be released. Readers keep what they have references to. */
void entry_release(struct entry *entry);

/* Borrowed; NULL: the version is not in memory. */
struct served *entry_find(const struct entry *entry, const struct version_ref *ref);

/*
 * Keeps a version that is not the default and was just asked for, unless memory is short; takes a
 * reference. Returns the version that was dropped for it, with the entry's reference, which the
 * caller gives back; NULL: none was dropped.
 */
struct served *entry_hold(struct entry *entry, struct served *served);

/*
 * Replaces the contents of the entry by `next`. Versions that are unchanged in the store move over;
 * afterwards *next holds all the others and is to be released.
 */
void entry_swap(struct entry *entry, struct entry *next, const struct version_row *versions,
                size_t n_versions);

/* The version in it that was asked for longest ago and is not `but`; NULL: there is none. */
struct served *entry_oldest(const struct entry *entry, const struct served *but);
/* Takes a version out of it; the entry's reference is then the caller's. */
void entry_detach(struct entry *entry, const struct served *served);

/* Bytes of all versions in it. */
size_t entry_bytes(const struct entry *entry);

#endif
