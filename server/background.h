/* SPDX-License-Identifier: Apache-2.0 */
/* The threads that no request starts: events, the trainer and the keeper. */
#ifndef BACKGROUND_H
#define BACKGROUND_H

#include "api/app.h"

/* Starts them with the app's config, database and models. After a failure, background_stop stops
 * those that have started. A read-only replica has events only. */
enum err_code background_start(struct app *app, struct err *err) MUST_CHECK;
void background_stop(struct app *app);

#endif
