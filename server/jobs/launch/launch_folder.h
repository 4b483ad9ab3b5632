/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The folder of a job that a launcher trains, which the nodes that train must see too:
 *
 *   ROOT/job-7/request.json rows.npy space.json base.bin   what the training reads
 *   ROOT/job-7/checkpoints/                                what an interrupted one goes on from
 *   ROOT/job-7/run-X/progress.ndjson version.bin result.json launcher.log
 *                                                          one start of the launcher
 *   ROOT/job-7/run-X/alive                                 the training stops when it is gone
 *
 * A start has a folder of its own, so that a training that an earlier server left behind cannot
 * write into it. Folders have mode 0700, files 0600.
 */
#ifndef LAUNCH_FOLDER_H
#define LAUNCH_FOLDER_H

#include "base/digest.h"
#include "fit/data.h"
#include "model/model.h"

#include <limits.h>
#include <stdint.h>

#define LAUNCH_PATH_CHARS (PATH_MAX - 64) /* of a job's folder; names follow */

struct launch_inputs {
    const char *request; /* as the version will keep it */
    size_t n_request;
    const struct data *data;   /* all rows */
    const struct space *space; /* NULL: none */
    const struct model *base;  /* NULL: none */
};

struct launch_folder {
    char job[LAUNCH_PATH_CHARS];
    char run[PATH_MAX];
    char request_sha256[DIGEST_HEX_CHARS + 1]; /* of the files */
    char rows_sha256[DIGEST_HEX_CHARS + 1];
};

/*
 * Makes the folder of a job, and in it what the training reads and the folder of a new start; what
 * earlier starts left is removed, but for checkpoints. ERR_IO, ERR_FULL, ERR_NOMEM.
 */
enum err_code launch_folder_make(const char *root, int64_t job, const struct launch_inputs *inputs,
                                 struct launch_folder *out, struct err *err) MUST_CHECK;

/* Removes a folder with all that is in it; one that is not there is fine. ERR_IO. */
enum err_code launch_folder_remove(const char *path, struct err *err) MUST_CHECK;

/* Removes the folders of all starts of a job. ERR_IO. */
enum err_code launch_folder_remove_runs(const char *job, struct err *err) MUST_CHECK;

/* The folder of a job. path: [LAUNCH_PATH_CHARS]. ERR_IO: it would be too long. */
enum err_code launch_folder_name(const char *root, int64_t job, char *path,
                                 struct err *err) MUST_CHECK;

/* Calls visit with the number of each job that has a folder, in any order; a root that is not there
 * has none. ERR_IO. */
enum err_code launch_folder_list(const char *root, void (*visit)(void *ctx, int64_t job), void *ctx,
                                 struct err *err) MUST_CHECK;

/* Is there a checkpoint? */
bool launch_folder_has_checkpoint(const struct launch_folder *folder);

/* The path of a file of this start. path: [PATH_MAX]. ERR_IO: it would be too long. */
enum err_code launch_folder_file(const struct launch_folder *folder, const char *name, char *path,
                                 struct err *err) MUST_CHECK;

/*
 * Bytes of a file of this start, with a NUL behind them, by mem. ERR_NOT_FOUND; ERR_TOO_LARGE: more
 * than max_bytes; ERR_IO; ERR_NOMEM.
 */
enum err_code launch_folder_read(const struct launch_folder *folder, const char *name,
                                 size_t max_bytes, void **bytes, size_t *n_bytes,
                                 struct err *err) MUST_CHECK;

#endif
