/* SPDX-License-Identifier: Apache-2.0 */
/* What the registry knows of models and their versions, read without their content. */
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
    bool damaged;     /* its content has failed a check; it is not served any more */
    char reason[160]; /* why, when damaged */
};

struct model_row {
    char model[NAME_MAX_CHARS + 1];
    int64_t created_ms;
    int64_t default_version; /* 0: none yet (rows were uploaded before anything was trained) */
    int64_t n_versions;
    int64_t n_rows;           /* stored training rows */
    int64_t previous_version; /* the default before this one; 0: none */
    int64_t keep_versions;    /* how many of the newest are kept; 0: all */
};

struct alias_row {
    char alias[ALIAS_MAX_CHARS + 1];
    int64_t version;
    int64_t changed_ms;
};

/* A model with its versions and aliases, all as of one moment. */
struct model_view {
    struct model_row row;
    struct version_row *versions; /* [n_versions] by number, mem */
    size_t n_versions;
    struct alias_row *aliases; /* [n_aliases] by name, mem */
    size_t n_aliases;
};

/* ERR_NOT_FOUND; ERR_IO; ERR_NOMEM. A zeroed view may be released. */
enum err_code model_store_view(struct db *db, const char *model, struct model_view *out,
                               struct err *err) MUST_CHECK;
void model_view_release(struct model_view *view);

/* The row of a version, borrowed from the view. ERR_NOT_FOUND. */
enum err_code model_view_find(const struct model_view *view, const struct version_ref *ref,
                              const struct version_row **out, struct err *err) MUST_CHECK;

/* All models, ordered by name. The caller frees *rows (mem_free). */
enum err_code model_store_list(struct db *db, struct model_row **rows, size_t *n_rows,
                               struct err *err) MUST_CHECK;

#endif
