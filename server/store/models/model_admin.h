/* SPDX-License-Identifier: Apache-2.0 */
/* What can be done to stored versions and models: mark them as damaged, delete them. */
#ifndef MODEL_ADMIN_H
#define MODEL_ADMIN_H

#include "store/models/version_ref.h"
#include "store/sqlite/db.h"

/* A version whose content is damaged is not served any more. `reason` is for people. */
enum err_code model_store_mark_damaged(struct db *db, const char *model, int64_t version,
                                       const char *reason, struct err *err) MUST_CHECK;

/*
 * ERR_CONFLICT: it is the default and there are other versions, it has an alias, or a queued or
 * running job starts from it.
 */
enum err_code model_store_delete_version(struct db *db, const char *model,
                                         const struct version_ref *ref, struct err *err) MUST_CHECK;

/*
 * Deletes a model with its versions, their aliases and history, its rows, space, policy and
 * finished jobs. ERR_CONFLICT: a job is queued or running.
 */
enum err_code model_store_delete(struct db *db, const char *model, struct err *err) MUST_CHECK;

#endif
