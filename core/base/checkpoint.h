/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where long work leaves its state, so that it can go on after a crash to the same result, bit for
 * bit. A solver's work falls into tasks (members, chains, folds); each saves its own state as bytes
 * between two steps, or within one (replay.h), when `due` says so, and looks for it when it begins.
 * A task that has ended leaves its result, so that it is not done again.
 *
 * Core has no clock and no file: the caller decides when and where.
 */
#ifndef CHECKPOINT_H
#define CHECKPOINT_H

#include "base/bytes.h"
#include "base/err.h"

struct checkpoint {
    void *ctx;
    /* Is it time for this task to save? Asked at every step or evaluation, from several threads. */
    bool (*due)(void *ctx, int task);
    /* Takes the state, which replaces the task's former one; bytes are borrowed for the call. */
    enum err_code (*save)(void *ctx, int task, const void *bytes, size_t n_bytes, struct err *err);
    /* The task's state in *bytes, mem, the caller's; ERR_NOT_FOUND (without a message) if none. */
    enum err_code (*load)(void *ctx, int task, void **bytes, size_t *n_bytes, struct err *err);
};

/* All are fine with NULL: never due, nothing there, nothing saved. */
bool checkpoint_due(const struct checkpoint *checkpoint, int task);

/* Saves what was written and frees it; ERR_NOMEM when the writer failed. */
enum err_code checkpoint_save(const struct checkpoint *checkpoint, int task,
                              struct bytes_writer *writer, struct err *err) MUST_CHECK;

/*
 * Opens a task's state for reading: *found says whether there was one. The caller frees *bytes
 * when it has read.
 */
enum err_code checkpoint_load(const struct checkpoint *checkpoint, int task, void **bytes,
                              struct bytes_reader *reader, bool *found, struct err *err) MUST_CHECK;

/* After reading: ERR_CORRUPT or ERR_NOMEM when the reader failed or bytes are left over. */
enum err_code checkpoint_check(const struct bytes_reader *reader, struct err *err) MUST_CHECK;

#endif
