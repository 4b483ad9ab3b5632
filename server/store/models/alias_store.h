/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Aliases: names that people give to versions ("prod", "before-fix"). A version that has an alias
 * is not deleted. An alias can be moved to another version at any time.
 */
#ifndef ALIAS_STORE_H
#define ALIAS_STORE_H

#include "store/models/version_ref.h"
#include "store/sqlite/db.h"

/* Of one model. Versions with an alias stay in memory once they have been asked for. */
#define ALIAS_MAX_COUNT 64

struct alias_put {
    int64_t version; /* that the alias names now */
    int64_t before;  /* that it named before; 0: the alias is new */
};

/*
 * Gives an alias to a version, or moves it there. ERR_INVALID: no legal alias; ERR_LIMIT: the model
 * has ALIAS_MAX_COUNT aliases; ERR_NOT_FOUND; ERR_CONFLICT: the version is damaged.
 */
enum err_code alias_store_set(struct db *db, const char *model, const char *alias,
                              const struct version_ref *ref, struct alias_put *out,
                              struct err *err) MUST_CHECK;

/* ERR_INVALID: no legal alias; ERR_NOT_FOUND. */
enum err_code alias_store_delete(struct db *db, const char *model, const char *alias,
                                 struct err *err) MUST_CHECK;

#endif
