/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A training that another program starts: `srun -n 64 {command}` of the setting `launcher`. The
 * command is surrogated-train, which reads and writes the job's folder; whatever starts it, and on
 * whichever machines, must see the folder under the same path and end when it has ended.
 */
#ifndef LAUNCH_H
#define LAUNCH_H

#include "base/cancel.h"
#include "base/log.h"
#include "jobs/launch/launch_folder.h"
#include "train/train_cross.h"

struct launch_settings {
    const char *command;          /* "srun -n 64 {command}"; NULL: there is no launcher */
    char program[PATH_MAX];       /* surrogated-train */
    char root[LAUNCH_PATH_CHARS]; /* absolute: where the folders of jobs are */
    int64_t start_ns;             /* until the training's first sign; 0: any time */
    int64_t silent_ns;            /* between two signs; 0: any time */
    int64_t stop_ns;              /* from SIGTERM to SIGKILL, and for a result to become visible */
    const struct log *log;
};

struct launch_task {
    int64_t job;
    const char *model; /* its name */
    struct launch_inputs inputs;
    bool chooses;          /* the solver */
    int n_targets;         /* outputs of the version, of those of the rows */
    size_t max_bytes;      /* of the version's file */
    int64_t checkpoint_ms; /* between two states of a task */
    const struct cancel *cancel;
    progress_fn *progress;
    void (*saved)(void *ctx); /* now and then, while there are checkpoints */
    void *progress_ctx, *saved_ctx;
};

/* Can the command be one? ERR_INVALID. */
enum err_code launch_check(const struct launch_settings *settings, struct err *err) MUST_CHECK;

/*
 * Trains a version; *cross as of launch_result_take. The job's checkpoints remain. ERR_CANCELLED;
 * ERR_NOMEM, ERR_IO, ERR_FULL: here, and another attempt may succeed. Any other error is the
 * launcher's or the training's, and says which: ERR_UNSUPPORTED, ERR_NUMERIC, ERR_CORRUPT,
 * ERR_DEADLINE, ERR_LIMIT.
 */
enum err_code launch_train(const struct launch_settings *settings, const struct launch_task *task,
                           struct model **out, struct train_cross *cross,
                           struct err *err) MUST_CHECK;

/* Ends what is left of a job's trainings, and removes its folder unless the job goes on. */
void launch_clean(const struct launch_settings *settings, int64_t job, bool goes_on);

#endif
