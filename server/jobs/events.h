/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens to jobs, for those who follow them: every change of state, and the latest progress.
 *
 * Changes of state are kept in a ring, each with the job's row at that time. Of progress only the
 * latest report of a job is kept, for a slow follower wants the newest. Both share one sequence of
 * numbers that also grows over restarts: a follower names the last number it has seen and is told
 * what came after it.
 *
 * A follower that has seen everything leaves a waiter. The waiter is called, on any thread and
 * without a lock, when there is news of its job, when there has been none for long, when its client
 * seems to have gone, and when events are closed.
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

/* Starts the thread that shows progress when it is due and checks on waiters. ERR_NOMEM. */
enum err_code events_start(const struct events_settings *settings, struct events **out,
                           struct err *err) MUST_CHECK;

/* Calls every waiter, and returns when no thread is calling one any more. From now on no waiter is
 * kept and nothing is published. NULL is fine. */
void events_close(struct events *events);
/* Closes first. NULL is fine. */
void events_free(struct events *events);

/* ---- publishing; from any thread; NULL for events: nobody follows ---- */

/*
 * A job has changed in the registry: it was added, claimed, requeued, cancelled or has ended. Its
 * row is read here. A state that was published before is not published again, and none is after a
 * job's end.
 */
void events_publish_state(struct events *events, int64_t job);

/*
 * A running job reports progress; eta_s: seconds left, negative when not known. Progress is shown
 * at most five times a second: the first report at once, later the latest one when it is due or
 * when the state changes. Does not block.
 */
void events_publish_progress(struct events *events, int64_t job, const struct progress *progress,
                             double eta_s);

/* ---- following ---- */

enum event_kind { EVENT_STATE, EVENT_PROGRESS };

struct event {
    uint64_t number;
    enum event_kind kind;
    struct job_row row; /* of a state; id 0: it could not be read at that time */
    struct progress progress;
    double eta_s;
};

/* The number of the latest event of any job. A row that is read afterwards shows all up to it. */
uint64_t events_newest(struct events *events);

/* Is every event of the job after this number still known? The row is the job's present one. If it
 * has ended and the end was not published yet, this publishes it. */
bool events_resumes(struct events *events, const struct job_row *row, uint64_t after);

enum events_answer {
    EVENTS_ONE,  /* *out is the first event of the job after number *after, which becomes its number
                  */
    EVENTS_NONE, /* there is no later one */
    EVENTS_LOST, /* later states have left the ring */
    EVENTS_CLOSED /* no more will come */
};

enum events_answer events_next(struct events *events, int64_t job, uint64_t *after,
                               struct event *out);

enum events_call { EVENTS_NEWS, EVENTS_SILENCE, EVENTS_GONE };

struct event_waiter {
    int64_t job;
    uint64_t after;                /* the last number that was seen */
    int64_t silent_ns;             /* from then on call with EVENTS_SILENCE, by clock_ns */
    enum events_call call;         /* out: why it is called */
    bool (*gone)(const void *ctx); /* has the client gone? Asked once a second. */
    void (*wake)(void *ctx);       /* may free the waiter; must not block */
    void *ctx;
    struct event_waiter *next;
};

/*
 * Keeps the waiter until `wake` is called, which happens exactly once, perhaps before this returns.
 * False: there is news already, or events are closed. The waiter is not kept and not called then.
 */
bool events_wait(struct events *events, struct event_waiter *waiter) MUST_CHECK;

/* Has every waiter asked at once whether its client has gone, and not within a second. */
void events_look(struct events *events);

/* One round of the thread's work at a time by clock_ns. */
void events_tick(struct events *events, int64_t now_ns);

#endif
