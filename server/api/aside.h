/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that a thread of the HTTP pool must not handle itself, because its other connections
 * would wait: those that write, those whose bodies take long to read, and those whose model must be
 * read from the file first.
 */
#ifndef ASIDE_H
#define ASIDE_H

#include "api/app.h"

/*
 * What an HTTP thread reads itself, so that it takes a few milliseconds at most. Rows of numbers in
 * JSON take 2 to 6 ns a byte, tables as text up to 30 (a digit a line). JSON beside rows of numbers
 * becomes values one by one, at 6 (blanks) to 60 (objects of many keys) ns a byte. Zip files (npz)
 * are always too large for an HTTP thread: who knows what they grow to.
 */
#define ASIDE_BODY_BYTES  ((size_t)1 << 20)
#define ASIDE_TABLE_BYTES ((size_t)1 << 17)
#define ASIDE_TEXT_BYTES  ((size_t)1 << 16)

/* Its body, whatever is in it, is too large for an HTTP thread. */
bool aside_is_large(const struct request *req);

/* A body that is not larger, and has more text than an HTTP thread reads. */
static inline void aside_count_large(struct app *app)
{
    metrics_add(&app->metrics->large_bodies, 1);
}

/* Runs fn(ctx, ..) on another thread (offload.h), or here when there is none. */
enum err_code aside_run(struct app *app, offload_fn *fn, void *ctx, const struct request *req,
                        struct response *res, struct err *err) MUST_CHECK;

#endif
