/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The models that are served: what is in memory of the registry file.
 *
 * A version is read when it is first asked for, and stays until its memory is needed for others:
 * those that were asked for longest ago leave first. The names of versions are in memory as well. A
 * default version that is in memory when another becomes the default is replaced by it at once. A
 * reader takes a reference and works on an immutable model. Publication is one pointer swap, and
 * the memory of a replaced version is freed after its last reader.
 *
 * After every change of the store the model is refreshed from it, outside any lock. Refreshes are
 * numbered so that an older view never overwrites a newer one. A change of the store stands even if
 * the refresh fails: the next request for the model tries it again, and what is in memory serves
 * while the store cannot be read.
 */
#ifndef MODELS_H
#define MODELS_H

#include "base/log.h"
#include "live/served.h"
#include "store/models/alias_store.h"
#include "store/models/model_store.h"

struct models;

/* Keeps db and log. Loads nothing yet. ERR_NOMEM. */
enum err_code models_new(struct db *db, struct log *log, struct models **out,
                         struct err *err) MUST_CHECK;
/* No other call may be running; references of readers stay valid. NULL is fine. */
void models_free(struct models *models);

/* What all versions in memory may need together; 0, as at first: no limit. */
void models_set_limit(struct models *models, size_t n_bytes);

/* Reads the names of all models and of their versions, but no version. ERR_IO, ERR_NOMEM. */
enum err_code models_load(struct models *models, struct err *err) MUST_CHECK;

/* True once models_load has finished. */
bool models_is_loaded(const struct models *models);

/*
 * A reference to a version of a model. The caller gives it back with served_unref. ERR_NOT_FOUND;
 * ERR_CORRUPT (the version is damaged); ERR_NOMEM.
 */
enum err_code models_find(struct models *models, const char *name, const struct version_ref *ref,
                          struct served **out, struct err *err) MUST_CHECK;
/* The same, but only from memory: false when it would have to be read. */
bool models_find_loaded(struct models *models, const char *name, const struct version_ref *ref,
                        struct served **out) MUST_CHECK;
/* The same by number, 0: the default. */
enum err_code models_get(struct models *models, const char *name, int64_t version,
                         struct served **out, struct err *err) MUST_CHECK;

/* Is there a model of this name? Nothing is read for that. */
bool models_has_name(struct models *models, const char *name);

/*
 * Stores a published model as a new version, and serves it if it is the default. The model stays
 * the caller's. Errors as of model_store_put.
 */
enum err_code models_put(struct models *models, struct model *model, struct put_request *put,
                         struct put_result *out, struct err *err) MUST_CHECK;

/*
 * Brings memory in line with the store after a change of `name`: the default version, deletions,
 * names of versions. `fresh` is the model of `fresh_version`, so that it need not be read back;
 * NULL: none is at hand. ERR_CORRUPT, ERR_IO, ERR_NOMEM; ERR_OK when the model is gone.
 */
enum err_code models_refresh(struct models *models, const char *name, struct model *fresh,
                             int64_t fresh_version, struct err *err) MUST_CHECK;

/* The same after a change that the store has made: a failure is logged, and the next request tries
 * again. */
void models_follow(struct models *models, const char *name, struct model *fresh,
                   int64_t fresh_version);

/* They change the store, then the memory. Errors as of the functions of the store. */
enum err_code models_delete(struct models *models, const char *name, struct err *err) MUST_CHECK;
enum err_code models_delete_version(struct models *models, const char *name,
                                    const struct version_ref *ref, struct err *err) MUST_CHECK;
/* Also ERR_CONFLICT when the version cannot be loaded; nothing is changed then. */
enum err_code models_set_default(struct models *models, const char *name,
                                 const struct version_ref *ref, int64_t *version,
                                 struct err *err) MUST_CHECK;
enum err_code models_set_keep(struct models *models, const char *name, int64_t keep_versions,
                              int64_t *n_deleted, struct err *err) MUST_CHECK;
enum err_code models_set_alias(struct models *models, const char *name, const char *alias,
                               const struct version_ref *ref, struct alias_put *out,
                               struct err *err) MUST_CHECK;
enum err_code models_delete_alias(struct models *models, const char *name, const char *alias,
                                  struct err *err) MUST_CHECK;

/*
 * Refreshes every model that is in the store or in memory, after another process changed the store.
 * A model that cannot be refreshed stays as it is; the first error is returned after all have been
 * tried. ERR_CORRUPT, ERR_IO, ERR_NOMEM.
 */
enum err_code models_reload(struct models *models, struct err *err) MUST_CHECK;

/* Refreshes models again whose last refresh failed, until one fails again: what is not served for a
 * passing lack of memory or descriptors must not wait for a request. */
void models_retry_failed(struct models *models);

/* Models whose default version could not be loaded and is not served; *name: the first of them, ""
 * when there is none. */
int models_count_failed(struct models *models, char name[NAME_MAX_CHARS + 1]);

/* Default versions in memory, at most `n`, with references that the caller gives back. Returns how
 * many. */
size_t models_served(struct models *models, struct served **out, size_t n);

/* Drops all versions except `but`, so that something large finds memory; readers keep theirs. */
void models_evict_all(struct models *models, const struct served *but);

struct models_totals {
    size_t n_names;     /* in the table */
    int n_models;       /* with a default version in memory */
    size_t n_bytes;     /* of all versions in memory */
    uint64_t n_reads;   /* versions read from the file, since the start */
    uint64_t n_evicted; /* versions that made room for others */
};
struct models_totals models_totals(struct models *models);

#endif
