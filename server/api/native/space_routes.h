/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPACE_ROUTES_H
#define SPACE_ROUTES_H

#include "api/app.h"
#include "http/exchange.h"
#include "model/space.h"

/*
 * Gives a model a space that its rows fit, under the conditions of the request (If-Match,
 * If-None-Match). origin: "put", "train". ERR_CONFLICT: the rows do not fit; ERR_PRECONDITION;
 * ERR_BUSY.
 */
enum err_code space_change(struct app *app, const struct request *req, const char *model,
                           const char *origin, const struct space *space,
                           struct err *err) MUST_CHECK;

#endif
