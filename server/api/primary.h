/* SPDX-License-Identifier: Apache-2.0 */
/* Changes that are sent to a replica: where they belong (settings primary and redirect_writes). */
#ifndef PRIMARY_H
#define PRIMARY_H

#include "api/app.h"

/* The address of the primary; NULL: it is not known, or this is the primary. */
const char *primary_address(const struct app *app);

/*
 * Answers a change with 307 and the same path and query on the primary, if redirect_writes is set.
 * False: it is not, or memory is short, and the request is to be refused.
 */
bool primary_redirect(const struct app *app, const struct request *req,
                      struct response *res) MUST_CHECK;

#endif
