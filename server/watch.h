/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread that checks once a second whether the parts of the server work: the registry file and
 * its disk, the thread that trains, the HTTP threads, the models. It keeps the result in the app's
 * health, for /readyz, and logs each change in one line. It also tells systemd's watchdog that the
 * server lives, unless an HTTP thread hangs or the thread that trains has ended.
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
