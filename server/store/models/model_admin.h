/* SPDX-License-Identifier: Apache-2.0 */
/* What is done to models and versions once they are there: mark, delete. */
#ifndef MODEL_ADMIN_H
#define MODEL_ADMIN_H

#include "store/models/version_ref.h"
#include "store/sqlite/db.h"

/* Marks a version damaged for a reason found above (content does not decode). */
enum err_code model_store_mark_damaged(struct db *db, const char *model, int64_t version,
                                       const char *reason, struct err *err) MUST_CHECK;

/*
 * ERR_CONFLICT when it is the default and others exist, when it has an alias, or when a queued or
 * running job starts from it.
 */
enum err_code model_store_delete_version(struct db *db, const char *model,
                                         const struct version_ref *ref, struct err *err) MUST_CHECK;

/*
 * The model, its versions with their names and history, its rows, policy and finished jobs.
 * ERR_CONFLICT while a job is queued or running.
 */
enum err_code model_store_delete(struct db *db, const char *model, struct err *err) MUST_CHECK;

#endif
