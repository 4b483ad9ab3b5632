/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A launcher as a process, in a process group of its own. Each process that comes of it has
 * SURROGATED_JOB=MARK in its environment, by which those on this machine are found that left the
 * group, or that a server left behind which was killed.
 */
#ifndef LAUNCH_PROCESS_H
#define LAUNCH_PROCESS_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define LAUNCH_MARK       "SURROGATED_JOB"
#define LAUNCH_TOLD_CHARS 80

struct launch_start {
    char *const *argv;  /* ended by NULL; the first is looked up in PATH */
    const char *folder; /* where it runs */
    const char *output; /* path of the file that takes what it prints */
    const char *mark;
};

struct launch_process {
    pid_t pid;
    int status; /* of waitpid, once it has ended */
};

/*
 * Starts it with usual signals, without input, and with no other open file of this process.
 * ERR_UNSUPPORTED: there is no such program, or it cannot be started; ERR_NOMEM.
 */
enum err_code launch_process_start(const struct launch_start *start, struct launch_process *out,
                                   struct err *err) MUST_CHECK;

/* Has it ended? Then what is left of its group has been killed. To be asked until it says so, or
 * launch_process_stop was called. */
bool launch_process_has_ended(struct launch_process *process);

/* Asks the group to end (SIGTERM); after grace_ns kills it. It has ended afterwards. */
void launch_process_stop(struct launch_process *process, int64_t grace_ns);

/* How it ended, as "ended with status 3" or "was killed by signal 9". out: [LAUNCH_TOLD_CHARS]. */
void launch_process_tell(const struct launch_process *process, char *out);

/*
 * Ends all processes of this machine with the mark: SIGTERM, and after grace_ns SIGKILL. Returns
 * how many there were. Others of this user only; never this process.
 */
int launch_process_end_marked(const char *mark, int64_t grace_ns);

#endif
