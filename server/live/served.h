/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVED_H
#define SERVED_H

#include "live/served_stats.h"
#include "model/model.h"
#include "store/models/model_view.h"

#include <stdatomic.h>

/* One served version. Immutable but for last_used, reference-counted. */
struct served {
    struct model *model;
    char name[NAME_MAX_CHARS + 1];
    int64_t version;
    char digest[DIGEST_HEX_CHARS + 1];
    int64_t created_ms; /* of the version */
    size_t n_bytes;     /* of the model */
    uint64_t last_used; /* of the table of models, guarded by its lock */
    atomic_int refs;
    /* Rows predicted since it is in memory, and of them those outside its training range. */
    atomic_llong n_rows, n_outside;
    /* What each of its answers warns of (core/base/warnings.def): elements of a JSON array, and
     * their codes for a header; NULL: nothing. mem. */
    char *warnings, *warning_codes;
    struct served_stats stats;
    atomic_int n_streams; /* answers that are made from it while they are read (answer_room.h) */
};

/* Takes a reference to the model, which is published. NULL: no memory. */
struct served *served_new(const char *name, const struct version_row *row, struct model *model);
/* NULL is fine for both. */
struct served *served_ref(struct served *served);
void served_unref(struct served *served);

#endif
