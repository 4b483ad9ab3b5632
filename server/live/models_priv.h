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
    atomic_bool loaded;
};

/* A version's row in the store. ERR_NOT_FOUND; ERR_CORRUPT, with *out, when it is damaged. */
enum err_code models_find_row(struct models *models, const char *name,
                              const struct version_ref *ref, struct version_row *out,
                              struct err *err) MUST_CHECK;

#endif
