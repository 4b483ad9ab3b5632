/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A replica follows its registry file: a thread takes over what other processes change in it.
 *
 * When another file has been put in its place, it is checked and opened. After a commit of another
 * process on this host, the models are refreshed. A file that is half-written or damaged is refused
 * and logged once; models and connections stay as they are until the next change.
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

/* Waits until the thread has finished what it does. NULL is fine. */
void follow_stop(struct follow *follow);

#endif
