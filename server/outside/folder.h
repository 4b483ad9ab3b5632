/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checkpoints as files of a folder, task-N.state: SHA-256 of the identity and the state, and the
 * state. A file appears whole or not at all. One that is of another computation, of another build
 * or damaged is as good as none. Several ranks may share the folder.
 *
 * A state that cannot be saved is told once on standard error and does not stop the training.
 */
#ifndef FOLDER_H
#define FOLDER_H

#include "base/checkpoint.h"
#include "base/digest.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define FOLDER_SLOTS 1024

struct folder {
    struct checkpoint core; /* for the training */
    const char *path;       /* borrowed */
    int rank;               /* in the names of files that are being written */
    int64_t every_ns;       /* between two states of a task */
    unsigned char identity[SHA256_BYTES];
    atomic_bool has_failed;
    /* When a task saved last, in slot (task number mod slots). */
    atomic_llong last[FOLDER_SLOTS];
};

/* Makes the folder if it is missing; the caller sets the identity. ERR_IO. */
enum err_code folder_init(struct folder *folder, const char *path, int rank, int64_t every_ns,
                          struct err *err) MUST_CHECK;

/* Bytes of a file by mem. ERR_NOT_FOUND, ERR_IO, ERR_NOMEM. */
enum err_code folder_read_file(const char *path, void **bytes, size_t *n_bytes,
                               struct err *err) MUST_CHECK;

struct folder_part {
    const void *bytes;
    size_t n;
};

/* Writes parts one after the other aside, to path + ".part" + rank, and renames. ERR_IO, ERR_FULL.
 */
enum err_code folder_write_file(const char *path, int rank, const struct folder_part *parts,
                                int n_parts, struct err *err) MUST_CHECK;

#endif
