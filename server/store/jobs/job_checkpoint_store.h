/* SPDX-License-Identifier: Apache-2.0 */
/* What a running job keeps for its next attempt, and the losses it has told. */
#ifndef JOB_CHECKPOINT_STORE_H
#define JOB_CHECKPOINT_STORE_H

#include <stddef.h>

#include "store/sqlite/db.h"

/* Replaces what a task of a job left before, by its number, with a head and the bytes behind it;
 * and the job's curves [n_curves]. */
struct job_state_bytes {
    int task;
    const void *head; /* NULL: none */
    size_t n_head;
    const void *bytes;
    size_t n_bytes;
    const void *curves; /* NULL: as they are */
    size_t n_curves;
};
enum err_code job_store_save_checkpoint(struct db *db, int64_t id,
                                        const struct job_state_bytes *state,
                                        struct err *err) MUST_CHECK;

/* Head and bytes together; the caller's (mem_free). ERR_NOT_FOUND without a message; ERR_CORRUPT.
 */
enum err_code job_store_load_checkpoint(struct db *db, int64_t id, int task, void **bytes,
                                        size_t *n_bytes, struct err *err) MUST_CHECK;

/* What the job has saved is of no use any more. */
enum err_code job_store_drop_checkpoints(struct db *db, int64_t id, struct err *err) MUST_CHECK;

/* Losses by step (jobs/curves.h). *bytes is the caller's; NULL and 0 when there are none. */
enum err_code job_store_set_curves(struct db *db, int64_t id, const void *bytes, size_t n_bytes,
                                   struct err *err) MUST_CHECK;
enum err_code job_store_curves(struct db *db, int64_t id, void **bytes, size_t *n_bytes,
                               struct err *err) MUST_CHECK;

#endif
