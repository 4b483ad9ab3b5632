/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread that looks once a second whether the parts of the server are well: the registry file and
 * its disk, the worker, the HTTP threads, the models. What it finds is in the app's health, for
 * /readyz, and one log line tells of each change. It also tells systemd's watchdog that the server
 * lives, unless HTTP threads or the worker hang.
 */
#ifndef WATCH_H
#define WATCH_H

#include "api/app.h"
#include "http/daemon.h"

struct watch;

/* Both must outlive it; the app has a health. ERR_NOMEM. */
enum err_code watch_start(struct app *app, struct daemon *daemon, struct watch **out,
                          struct err *err) MUST_CHECK;
/* NULL is fine. */
void watch_stop(struct watch *watch);

#endif
