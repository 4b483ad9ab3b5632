/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread that looks after a computation while its request is suspended, and sets its cancel when
 * nobody wants the answer any more: the client has gone, the time of Request-Timeout-Ms is over, or
 * the server stops.
 */
#ifndef EXPLORE_WATCH_H
#define EXPLORE_WATCH_H

#include "api/app.h"
#include "base/cancel.h"
#include "base/wake.h"

#define EXPLORE_WATCH_MS 20 /* between two looks */

struct explore_watch {
    const struct app *app;
    const struct request *req;
    int64_t deadline_ns; /* 0: none */
    struct cancel cancel;
    struct wake wake;
    pthread_t thread;
    enum err_code reason; /* of the cancel; read after explore_watch_end */
};

/* ERR_INVALID: Request-Timeout-Ms is no number; ERR_NOMEM. Then there is nothing to end. */
enum err_code explore_watch_begin(struct explore_watch *watch, const struct app *app,
                                  const struct request *req, struct err *err) MUST_CHECK;

/* Ends the thread. An error that the cancel caused becomes one that tells why. */
void explore_watch_end(struct explore_watch *watch, struct err *err);

#endif
