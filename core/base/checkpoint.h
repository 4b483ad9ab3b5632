/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where long work saves its state, so that after a crash it continues to the same result, bit for
 * bit. A solver's work consists of tasks (members, chains, folds). When `due` says so, a task saves
 * its own state as bytes, between two steps or within one (fit/replay.h); when it starts, it looks
 * for a saved state. A task that has ended saves its result, so that it is not done again.
 *
 * Core has no clock and no files: the caller decides when and where to save.
 */
#ifndef CHECKPOINT_H
#define CHECKPOINT_H

#include "base/bytes.h"
#include "base/err.h"

struct ranks_checkpoint;

struct checkpoint {
    void *ctx;
    /* Is it time for this task to save? Asked at every step or evaluation, from several threads. */
    bool (*due)(void *ctx, int task);
    /* Stores the task's state in place of its former one; the bytes are borrowed for the call. */
    enum err_code (*save)(void *ctx, int task, const void *bytes, size_t n_bytes, struct err *err);
    /* *bytes <- the task's state (mem), which the caller frees; ERR_NOT_FOUND, without a message,
     * when there is none. */
    enum err_code (*load)(void *ctx, int task, void **bytes, size_t *n_bytes, struct err *err);
    /* Processes that share the tasks (base/ranks.h); NULL: this one does them all. A checkpoint
     * that passes on to another one has that one's. */
    struct ranks_checkpoint *ranks;
    int first; /* of its tasks in the numbering that all tasks of the ranks have */
};

/* Each function accepts NULL, with which nothing is due, found or saved. */
bool checkpoint_due(const struct checkpoint *checkpoint, int task);

/* Saves what was written and frees the writer's memory; ERR_NOMEM when the writer failed. */
enum err_code checkpoint_save(const struct checkpoint *checkpoint, int task,
                              struct bytes_writer *writer, struct err *err) MUST_CHECK;

/*
 * Opens a task's state for reading: *found says whether there was one. The caller frees *bytes
 * after reading.
 */
enum err_code checkpoint_load(const struct checkpoint *checkpoint, int task, void **bytes,
                              struct bytes_reader *reader, bool *found, struct err *err) MUST_CHECK;

/* For the end of reading: ERR_CORRUPT when the state was too short, too long or held an impossible
 * value, ERR_NOMEM when memory was short. */
enum err_code checkpoint_check(const struct bytes_reader *reader, struct err *err) MUST_CHECK;

#endif
