/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names that people give versions ("prod", "before-fix"): a version with one is not deleted, and an
 * alias can be moved to another version at any time.
 */
#ifndef ALIAS_STORE_H
#define ALIAS_STORE_H

#include "store/models/version_ref.h"
#include "store/sqlite/db.h"

#define ALIAS_MAX_COUNT                                                                            \
    64 /* of one model: their versions stay in memory once they were asked for */

struct alias_put {
    int64_t version; /* it names now */
    int64_t before;  /* it named before; 0: it is new */
};

/*
 * Gives an alias to a version, or moves it there. ERR_INVALID: no legal alias; ERR_LIMIT: the model
 * has ALIAS_MAX_COUNT; ERR_NOT_FOUND; ERR_CONFLICT: the version is damaged.
 */
enum err_code alias_store_set(struct db *db, const char *model, const char *alias,
                              const struct version_ref *ref, struct alias_put *out,
                              struct err *err) MUST_CHECK;

/* ERR_NOT_FOUND. */
enum err_code alias_store_delete(struct db *db, const char *model, const char *alias,
                                 struct err *err) MUST_CHECK;

#endif
