/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that a thread of the HTTP pool must not handle itself, because its other connections
 * would wait: those that write, those whose bodies take long to read, and those whose model must be
 * read from the file first.
 */
#ifndef ASIDE_H
#define ASIDE_H

#include "api/app.h"

/* Reading a body of up to so many bytes takes a few milliseconds. */
#define ASIDE_BODY_BYTES ((size_t)1 << 20)

static inline bool aside_is_large(const struct request *req)
{
    return req->n_body > ASIDE_BODY_BYTES;
}

/* Runs fn(ctx, ..) on another thread (offload.h), or here when there is none. */
enum err_code aside_run(struct app *app, offload_fn *fn, void *ctx, const struct request *req,
                        struct response *res, struct err *err) MUST_CHECK;

#endif
