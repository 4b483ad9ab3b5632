/* SPDX-License-Identifier: Apache-2.0 */
/* The input space that a model has now, for uploads and training. Versions have their own. */
#ifndef MODEL_SPACE_H
#define MODEL_SPACE_H

#include "base/digest.h"
#include "model/space.h"
#include "store/sqlite/db.h"

struct model_space {
    struct space *space;               /* one reference; NULL: there is none */
    char digest[DIGEST_HEX_CHARS + 1]; /* "": there is none */
};

/* A model that does not exist has none. ERR_CORRUPT: its document cannot be read. */
enum err_code model_space_load(struct db *db, const char *model, struct model_space *out,
                               struct err *err) MUST_CHECK;
/* A zeroed one may be released. */
void model_space_release(struct model_space *space);

struct model;

/*
 * ERR_CONFLICT: rows are stored with another number of inputs or outputs than the version that is
 * to be registered has, with the names of both.
 */
enum err_code model_space_check_version(struct db *db, const char *name, const struct model *model,
                                        struct err *err) MUST_CHECK;

/*
 * Gives a model that has no space the one of a version that is registered, if all of its columns
 * have names. That the model has got a space meanwhile is no error.
 */
enum err_code model_space_adopt(struct db *db, const char *name, const struct model *model,
                                struct err *err) MUST_CHECK;

/* The space of a version: its own, or one of its names; *out NULL: it has no names. */
enum err_code model_space_of_version(const struct model *model, struct space **out,
                                     struct err *err) MUST_CHECK;

#endif
