/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The job at work, as other threads see it: progress, losses, time left, and the way to stop it.
 * Its time limit is kept by a thread of its own, which nothing else can hold up. All functions may
 * be called from any thread.
 */
#ifndef RUNNING_H
#define RUNNING_H

#include "base/wake.h"
#include "jobs/curves.h"

#include <stdint.h>

/* Of these the time left is told right after a resumption; more begin one after the other. */
#define RUNNING_MEMBERS 1024

struct running {
    struct cancel cancel; /* for the job's work to look at */
    pthread_t thread;     /* sleeps until the job's time is over */
    struct wake wake;     /* its lock guards what follows */
    int64_t job;          /* 0: none */
    bool closed;          /* every job is stopped from now on */
    bool has_progress;
    bool resumes; /* an attempt before it has done some of the work */
    struct progress last;
    double first_fraction; /* what was done before this attempt, as far as is known */
    unsigned char heard[RUNNING_MEMBERS / 8]; /* bits: members that have reported in it */
    int64_t start_ns;                         /* of the attempt, by clock_ns */
    int64_t deadline_ns;                      /* 0: none */
    bool timed_out;
    struct curves curves;
};

/* Starts the thread. ERR_NOMEM: nothing is to be released. */
enum err_code running_init(struct running *running, struct err *err) MUST_CHECK;
void running_release(struct running *running);

/* An attempt begins, with the losses that the one before has left (NULL: none); most_s: its time
 * limit, 0: none. */
void running_begin(struct running *running, int64_t job, int64_t max_s, struct bytes_reader *left);
void running_end(struct running *running);

/* Notes how far the job has come. *job: which; *eta_s as below. */
void running_note(struct running *running, const struct progress *progress, int64_t *job,
                  double *eta_s);

/* Appends the curves. */
void running_write_curves(struct running *running, struct bytes_writer *writer);

/* Stops the job if it is the one at work. */
void running_cancel(struct running *running, int64_t job);
/* Stops the one at work and all that begin later. */
void running_close(struct running *running);
/* Was it stopped because its time was over? */
bool running_timed_out(struct running *running);

/* Seconds since the attempt began. */
double running_seconds(struct running *running);

/* False when the job is not at work or has told nothing yet. *eta_s: negative: not known. */
bool running_get_progress(struct running *running, int64_t job, struct progress *out,
                          double *eta_s);
/* False when the job is not at work. */
bool running_get_curves(struct running *running, int64_t job, struct curves *out);

#endif
