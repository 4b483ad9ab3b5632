/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A replica follows its registry file: a thread takes over what other processes change in it.
 *
 * When another file has been put in its place, it is checked and opened. After a commit of another
 * process on this host, the models are refreshed. A file that is half-written or damaged is refused
 * and logged once; models and connections stay as they are until the next change.
 *
 * A request may wait until the replica has reached a version of the registry (db_version.h). While
 * one waits, the replica looks at its file at once and then every few milliseconds.
 */
#ifndef FOLLOW_H
#define FOLLOW_H

#include "base/log.h"
#include "base/metrics.h"
#include "live/models.h"
#include "store/sqlite/db.h"

struct follow_settings {
    struct db *db; /* read-only */
    struct models *models;
    struct log *log;
    struct metrics *metrics;
    int period_ms;
};

struct follow;

/* Keeps what the settings point to. To be called after models_load. ERR_NOMEM. */
enum err_code follow_start(const struct follow_settings *settings, struct follow **out,
                           struct err *err) MUST_CHECK;

/* Belongs to the caller, and stays until it has been woken. */
struct follow_waiter {
    int64_t version;         /* wakes when db_version has reached it, */
    int64_t until_ns;        /* or at this time by clock_ns */
    void (*wake)(void *ctx); /* called once, on another thread, with no lock held */
    void *ctx;
    struct follow_waiter *next; /* used by follow.c */
};

/* Has the waiter woken, perhaps before this returns. False: it is not, since the server stops. */
bool follow_wait(struct follow *follow, struct follow_waiter *waiter) MUST_CHECK;

/* Wakes all waiters, and takes none any more. NULL is fine. */
void follow_close(struct follow *follow);

/* Waits until the thread has finished what it does. After follow_close. NULL is fine. */
void follow_stop(struct follow *follow);

#endif
