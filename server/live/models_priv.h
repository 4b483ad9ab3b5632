/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODELS_PRIV_H
#define MODELS_PRIV_H

#include "live/entry.h"
#include "live/models.h"

#include <pthread.h>
#include <stdatomic.h>

#define MODELS_MIN_CAPACITY 16 /* of the table */

/* A refresh under way, on the stack of its thread. */
struct refreshing {
    uint64_t number;
    struct refreshing *next; /* with a higher number */
};

struct models {
    struct db *db;
    struct log *log;
    pthread_mutex_t lock;  /* guards what follows; held for look-ups and swaps only */
    struct entry *entries; /* sorted by name */
    size_t n_entries;
    size_t capacity;
    size_t n_gone;                /* entries of models that were deleted */
    uint64_t n_removed;           /* such entries that have left the table, ever */
    uint64_t refreshes;           /* numbers given out */
    struct refreshing *under_way; /* by number */
    uint64_t uses;                /* look-ups that found a version */
    size_t max_bytes;             /* of all versions; 0: no limit */
    uint64_t n_reads;             /* versions read from the file */
    uint64_t n_evicted;           /* versions that made room for others */
    atomic_bool loaded;
};

/* The state of an entry when a version was looked up in it. */
struct models_seen {
    uint64_t applied; /* the number of the refresh it came from; 0: there is no entry */
    bool stale;
    uint64_t n_removed; /* by then */
};

/* Where `name` is in the table, or where it would have to be. */
size_t models_find_position_locked(const struct models *models, const char *name, bool *found);
/* NULL: there is none. */
struct entry *models_find_entry_locked(struct models *models, const char *name);
/* The entry of `name`, which is added if needed; NULL: no memory. */
struct entry *models_make_entry_locked(struct models *models, const char *name);

/* A version in memory, with a reference; NULL: it is not there. *seen may be NULL. */
struct served *models_look_up(struct models *models, const char *name,
                              const struct version_ref *ref, struct models_seen *seen);

/* Reads a version from the store; others leave when there is no memory for it. */
enum err_code models_load_version(struct models *models, const char *name,
                                  const struct version_row *row, struct served **out,
                                  struct err *err) MUST_CHECK;

/* While versions need more than the limit, those that were asked for longest ago leave; not `but`.
 */
void models_make_room(struct models *models, const struct served *but);

/* A version's row in the store. ERR_NOT_FOUND; ERR_CORRUPT, with *out, when it is damaged. */
enum err_code models_find_row(struct models *models, const char *name,
                              const struct version_ref *ref, struct version_row *out,
                              struct err *err) MUST_CHECK;

#endif
