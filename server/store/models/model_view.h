/* SPDX-License-Identifier: Apache-2.0 */
/* Reading what is known of models and versions. */
#ifndef MODEL_VIEW_H
#define MODEL_VIEW_H

#include <stddef.h>

#include "base/digest.h"
#include "store/models/model_name.h"
#include "store/models/version_ref.h"
#include "store/sqlite/db.h"

struct version_row {
    char model[NAME_MAX_CHARS + 1];
    int64_t version;
    int64_t created_ms;
    int64_t n_bytes;
    char digest[DIGEST_HEX_CHARS + 1];
    bool is_default;
    bool damaged;     /* content failed its check once; not served any more */
    char reason[160]; /* why, when damaged */
};

struct model_row {
    char model[NAME_MAX_CHARS + 1];
    int64_t created_ms;
    int64_t default_version; /* 0: none yet (rows were uploaded before anything was trained) */
    int64_t n_versions;
    int64_t n_rows;           /* training rows kept for it */
    int64_t previous_version; /* the default before this one; 0: none */
    int64_t keep_versions;    /* the newest that stay; 0: all */
};

struct alias_row {
    char alias[ALIAS_MAX_CHARS + 1];
    int64_t version;
    int64_t changed_ms;
};

/* All that is known of a model and its versions at one moment. */
struct model_view {
    struct model_row row;
    struct version_row *versions; /* by number */
    size_t n_versions;
    struct alias_row *aliases; /* by name */
    size_t n_aliases;
};

/* *rows is the caller's (mem_free), ordered by name. */
enum err_code model_store_list(struct db *db, struct model_row **rows, size_t *n_rows,
                               struct err *err) MUST_CHECK;

/* ERR_NOT_FOUND; ERR_IO; ERR_NOMEM. A zeroed view may be released. */
enum err_code model_store_view(struct db *db, const char *model, struct model_view *out,
                               struct err *err) MUST_CHECK;
void model_view_release(struct model_view *view);

/*
 * How many of a model's rows, from the first, were there when a version came, by the clock. 0 when
 * there is no such version.
 */
enum err_code model_store_rows_before(struct db *db, const char *model, int64_t version,
                                      int64_t *n_rows, struct err *err) MUST_CHECK;

/* The version's row, borrowed from the view. ERR_NOT_FOUND. */
enum err_code model_view_find(const struct model_view *view, const struct version_ref *ref,
                              const struct version_row **out, struct err *err) MUST_CHECK;

#endif
