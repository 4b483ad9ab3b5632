/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A replica's look at its file: a thread that takes over what others have changed.
 *
 * A file put in place of the old one is examined and opened anew; after a commit of another process
 * on this host the models are compared. What is half-written or damaged is refused: it is logged
 * once, everything in memory and the old connections go on, and the next change is tried again.
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

/* Keeps what the settings point to. After registry_load. ERR_NOMEM. */
enum err_code follow_start(const struct follow_settings *settings, struct follow **out,
                           struct err *err) MUST_CHECK;

/* Ends the thread after what it is at. NULL is fine. */
void follow_stop(struct follow *follow);

#endif
