/* SPDX-License-Identifier: Apache-2.0 */
/* The threads that work while nobody asks: events, the trainer and the keeper. */
#ifndef BACKGROUND_H
#define BACKGROUND_H

#include "api/app.h"

/* Starts them from the app's config, store and registry. What has started is in the app, also after
 * a failure. A read-only replica has events only. */
enum err_code background_start(struct app *app, struct err *err) MUST_CHECK;
void background_stop(struct app *app);

#endif
