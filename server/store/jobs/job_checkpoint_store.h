/* SPDX-License-Identifier: Apache-2.0 */
/* What a running job stores on its way: the state of its tasks, for a next attempt, and losses. */
#ifndef JOB_CHECKPOINT_STORE_H
#define JOB_CHECKPOINT_STORE_H

#include <stddef.h>

#include "store/sqlite/db.h"

/* The state of one task: a head, followed by bytes. */
struct job_state_bytes {
    int task;
    const void *head; /* NULL: none */
    size_t n_head;
    const void *bytes;
    size_t n_bytes;
    const void *curves; /* NULL: the stored ones stay */
    size_t n_curves;
};

/* Replaces the stored state of a task, and the job's curves. */
enum err_code job_store_save_checkpoint(struct db *db, int64_t id,
                                        const struct job_state_bytes *state,
                                        struct err *err) MUST_CHECK;

/*
 * Head and bytes together. The caller frees *bytes (mem_free). ERR_NOT_FOUND, without a message:
 * nothing is stored. ERR_CORRUPT.
 */
enum err_code job_store_load_checkpoint(struct db *db, int64_t id, int task, void **bytes,
                                        size_t *n_bytes, struct err *err) MUST_CHECK;

/* Deletes the states of all tasks of a job. */
enum err_code job_store_drop_checkpoints(struct db *db, int64_t id, struct err *err) MUST_CHECK;

/* Losses by step (jobs/curves.h). */
enum err_code job_store_set_curves(struct db *db, int64_t id, const void *bytes, size_t n_bytes,
                                   struct err *err) MUST_CHECK;
/* The caller frees *bytes (mem_free); NULL: none are stored. ERR_NOT_FOUND: no such job. */
enum err_code job_store_curves(struct db *db, int64_t id, void **bytes, size_t *n_bytes,
                               struct err *err) MUST_CHECK;

/* ---- inside a transaction of the caller's ---- */

/* As job_store_drop_checkpoints. */
enum err_code job_drop_checkpoints(struct conn *conn, int64_t id, struct err *err) MUST_CHECK;

#endif
