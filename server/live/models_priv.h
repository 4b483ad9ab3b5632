/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODELS_PRIV_H
#define MODELS_PRIV_H

#include "live/entry.h"
#include "live/models.h"

#include <pthread.h>
#include <stdatomic.h>

struct models {
    struct db *db;
    struct log *log;
    pthread_mutex_t lock;  /* guards what follows; held for look-ups and swaps only */
    struct entry *entries; /* sorted by name */
    size_t n_entries;
    size_t capacity;
    uint64_t refreshes; /* numbers given out */
    uint64_t uses;      /* look-ups that found a version */
    size_t max_bytes;   /* of all versions; 0: no limit */
    uint64_t n_reads;   /* versions read from the file */
    uint64_t n_evicted; /* versions that made room for others */
    atomic_bool loaded;
};

/* While versions need more than the limit, those that were asked for longest ago leave; not `but`.
 */
void models_make_room(struct models *models, const struct served *but);

/* A version's row in the store. ERR_NOT_FOUND; ERR_CORRUPT, with *out, when it is damaged. */
enum err_code models_find_row(struct models *models, const char *name,
                              const struct version_ref *ref, struct version_row *out,
                              struct err *err) MUST_CHECK;

#endif
