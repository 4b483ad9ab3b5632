/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens to jobs, for those who follow them: every change of state, and the latest progress.
 *
 * States stand in a ring, each with the job's row as it was then. Progress has one place a job: who
 * is slow wants the newest. Both are numbered together, upwards and over restarts, so that a
 * follower names the last number it has seen and is told what came after.
 *
 * A follower that knows everything leaves a waiter here. It is called back, on some thread and
 * without a lock, when there is news of its job, when nothing was said for long, when its client
 * seems to have gone, and at the end.
 */
#ifndef EVENTS_H
#define EVENTS_H

#include "base/cancel.h"
#include "base/clock.h"
#include "base/log.h"
#include "store/jobs/job_read.h"
#include "store/sqlite/db.h"

#define EVENTS_STATES        1024 /* changes of state that are kept */
#define EVENTS_KEEP_ALIVE_NS (15 * CLOCK_S)

struct events_settings {
    struct db *db;
    struct log *log;
};

struct events;

/* Starts the thread that shows held progress and looks after waiters. ERR_NOMEM. */
enum err_code events_start(const struct events_settings *settings, struct events **out,
                           struct err *err) MUST_CHECK;

/* Wakes every waiter; from now on nobody waits, and what is published is dropped. NULL is fine. */
void events_close(struct events *events);
/* Closes first. NULL is fine. */
void events_free(struct events *events);

/* ---- publishing; from any thread; NULL for events: nobody follows ---- */

/*
 * A job has changed in the registry (added, claimed, given back, to be cancelled, ended). Its row
 * is read here. What has been said already is not said again, and nothing after a job's end.
 */
void events_publish_state(struct events *events, int64_t job);

/*
 * A running job has come further; eta_s: seconds left, negative when not known. Shown at most five
 * times a second: the first report at once, of others the latest when it is due or when the state
 * changes. Does not block.
 */
void events_publish_progress(struct events *events, int64_t job, const struct progress *progress,
                             double eta_s);

/* ---- following ---- */

enum event_kind { EVENT_STATE, EVENT_PROGRESS };

struct event {
    uint64_t number;
    enum event_kind kind;
    struct job_row row; /* of a state; id 0: it could not be read then, and may be now */
    struct progress progress;
    double eta_s;
};

/* The number of the latest event, of whatever job. A row read after this tells all up to it. */
uint64_t events_newest(struct events *events);

/* Can everything that came after this number be told of a job whose row is this one now? Publishes
 * the job's end if the row has come to it and nobody has yet. */
bool events_resumes(struct events *events, const struct job_row *row, uint64_t after);

enum events_answer {
    EVENTS_ONE,   /* *out is the first event of the job after `after`, which becomes its number */
    EVENTS_NONE,  /* there is none */
    EVENTS_LOST,  /* states after it have left the ring */
    EVENTS_CLOSED /* and that is all */
};

enum events_answer events_next(struct events *events, int64_t job, uint64_t *after,
                               struct event *out);

enum events_call { EVENTS_NEWS, EVENTS_SILENCE, EVENTS_GONE };

struct event_waiter {
    int64_t job;
    uint64_t after;                /* news have higher numbers */
    int64_t silent_ns;             /* call with EVENTS_SILENCE from then on, by clock_ns */
    enum events_call call;         /* why it is called */
    bool (*gone)(const void *ctx); /* has the client gone? Asked once a second. */
    void (*wake)(void *ctx);       /* may end the waiter's life; must not block */
    void *ctx;
    struct event_waiter *next;
};

/*
 * Keeps the waiter until `wake` is called, exactly once, perhaps before this returns. False: there
 * is news already, or the end: it is not kept and `wake` is not called.
 */
bool events_wait(struct events *events, struct event_waiter *waiter) MUST_CHECK;

/* What the thread does when its time has come, by clock_ns. */
void events_tick(struct events *events, int64_t now_ns);

#endif
