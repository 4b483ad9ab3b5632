/* SPDX-License-Identifier: Apache-2.0 */
/* The version that a path of /v1/models/{m}/versions/{v} names. */
#ifndef VERSION_LOOKUP_H
#define VERSION_LOOKUP_H

#include "api/app.h"
#include "http/exchange.h"
#include "store/models/model_view.h"

/* *row: in the view, which the caller releases, also after a failure. ERR_INVALID, ERR_NOT_FOUND.
 */
enum err_code version_lookup(struct app *app, const struct request *req, struct model_view *view,
                             const struct version_row **row, struct err *err) MUST_CHECK;

#endif
