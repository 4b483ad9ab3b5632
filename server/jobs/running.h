/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The running job as other threads see it: progress, losses, time left, and a way to stop it. A
 * thread that does nothing else enforces its time limit. All functions may be called from any
 * thread.
 */
#ifndef RUNNING_H
#define RUNNING_H

#include "base/wake.h"
#include "jobs/curves.h"
#include "documents/choice_json.h"

#include <stdint.h>

/* Members whose first report in an attempt is recognised, for the time left. */
#define RUNNING_MEMBERS 1024

struct running {
    struct cancel cancel; /* polled by the job */
    pthread_t thread;     /* sleeps until the time limit */
    struct wake wake;     /* its lock guards what follows */
    int64_t job;          /* 0: none */
    bool closed;          /* every job is stopped from now on */
    bool has_progress;
    bool resumes; /* an earlier attempt has done some of the work */
    struct progress last;
    double first_fraction; /* of the work, done before this attempt, as far as is known */
    unsigned char heard[RUNNING_MEMBERS / 8]; /* bits: members that have reported in this attempt */
    int64_t start_ns;                         /* of this attempt, by clock_ns */
    int64_t deadline_ns;                      /* 0: none */
    bool timed_out;
    struct curves curves;
    struct choice_table table;
};

/* Starts the thread. ERR_NOMEM: there is nothing to release. */
enum err_code running_init(struct running *running, struct err *err) MUST_CHECK;
void running_release(struct running *running);

/* An attempt begins. left: encoded losses of the previous one; NULL: none. max_s: the time limit;
 * 0: none. */
void running_begin(struct running *running, int64_t job, int64_t max_s, struct bytes_reader *left);
void running_end(struct running *running);

/* Takes a report of the running job. *job is its number; *eta_s as below. */
void running_note(struct running *running, const struct progress *progress, int64_t *job,
                  double *eta_s);

/* Takes the candidates of the running job, whose next training begins: the losses so far are not of
 * that one. */
void running_note_table(struct running *running, const struct auto_table *table);

/* Appends the encoded losses. */
void running_write_curves(struct running *running, struct bytes_writer *writer);

/* Stops the job if it is the running one. */
void running_cancel(struct running *running, int64_t job);
/* Stops the running job and every later one. */
void running_close(struct running *running);
/* Was the job stopped at its time limit? */
bool running_timed_out(struct running *running);

/* The number of the running job; 0: none. */
int64_t running_job(struct running *running);

/* Seconds since the attempt began. */
double running_seconds(struct running *running);

/* False when the job is not running or has not reported yet. *eta_s: negative when not known. */
bool running_get_progress(struct running *running, int64_t job, struct progress *out,
                          double *eta_s);
/* False when the job is not running. */
bool running_get_curves(struct running *running, int64_t job, struct curves *out);
/* False when the job is not running or does not choose its solver. */
bool running_get_table(struct running *running, int64_t job, struct choice_table *out);

#endif
