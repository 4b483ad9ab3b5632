/* SPDX-License-Identifier: Apache-2.0 */
/* Content-Encoding: bodies that were compressed for the way. */
#ifndef CONTENT_H
#define CONTENT_H

#include "api/app.h"

typedef enum err_code content_next_fn(struct app *app, struct request *req, struct response *res,
                                      struct err *err);

/*
 * Calls next(app, ..) with the body as it was before it was compressed. gzip is inflated on another
 * thread, since a small body may become a large one. ERR_MEDIA_TYPE: another encoding. Errors of
 * body_inflate.
 */
enum err_code content_decode(struct app *app, struct request *req, content_next_fn *next,
                             struct response *res, struct err *err) MUST_CHECK;

#endif
