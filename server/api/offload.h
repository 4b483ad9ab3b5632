/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads for requests that write. A thread of the HTTP pool has many connections,
 * and a prediction on one of them must not wait for the disk of an upload on another: the
 * connection is put aside, the handler runs here, at lower priority, and the answer goes out where
 * the request came in.
 */
#ifndef OFFLOAD_H
#define OFFLOAD_H

#include "base/log.h"
#include "http/exchange.h"

#define OFFLOAD_NICE 5 /* predictions come first */

struct offload;

struct offload_settings {
    int n_threads;
    struct log *log;
};

enum err_code offload_start(const struct offload_settings *settings, struct offload **out,
                            struct err *err) MUST_CHECK;

/* What waits is answered with ERR_DRAINING; returns when nothing is at work any more. NULL is fine.
 */
void offload_stop(struct offload *offload);
/* Stopped first. NULL is fine. */
void offload_free(struct offload *offload);

/* The whole of a handler; the same as it would be called by. */
typedef enum err_code offload_fn(void *ctx, struct request *req, struct response *res,
                                 struct err *err);

/*
 * Puts the request aside and has fn(ctx, ..) called on one of the threads. False: memory is short
 * or the connection cannot be put aside, and the caller must do it itself (offload_skip). fn must
 * not put the request aside again; but it may leave res->later, with nothing suspended: that runs
 * on the connection's thread as soon as fn is done, and may.
 */
bool offload_take(struct offload *offload, offload_fn *fn, void *ctx, struct request *req,
                  struct response *res) MUST_CHECK;

/* The same in the calling thread. */
enum err_code offload_skip(offload_fn *fn, void *ctx, struct request *req, struct response *res,
                           struct err *err) MUST_CHECK;

#endif
