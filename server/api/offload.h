/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads for requests that write. A thread of the HTTP pool serves many connections, and a
 * prediction on one of them must not wait for the disk of an upload on another. So the connection
 * is suspended, the handler runs here at lower priority, and the thread that read the request sends
 * the answer.
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

/*
 * Answers queued requests with ERR_DRAINING and returns when those under way have ended. NULL is
 * fine.
 */
void offload_stop(struct offload *offload);
/* After offload_stop. NULL is fine. */
void offload_free(struct offload *offload);

/* A whole handler. */
typedef enum err_code offload_fn(void *ctx, struct request *req, struct response *res,
                                 struct err *err);

/*
 * Suspends the connection and has one of the threads call fn(ctx, ..). False: memory is short or
 * the connection cannot be suspended, and the caller must call offload_run_here. fn must not
 * suspend the connection again. It may set res->later, which then runs on the connection's thread
 * and may suspend it.
 */
bool offload_submit(struct offload *offload, offload_fn *fn, void *ctx, struct request *req,
                    struct response *res) MUST_CHECK;

/* A piece of work for an answer that is being sent. */
struct offload_part;

/* In the request's arena. NULL: memory is short, or there is no other thread. */
struct offload_part *offload_part_new(struct offload *offload, void (*run)(void *ctx), void *ctx,
                                      struct request *req) MUST_CHECK;

/*
 * Suspends the connection and has one of the threads call run(ctx); then the connection is resumed,
 * and the source of its answer is read again. May be called once more after that. False: the
 * threads are ending, and nothing was done.
 */
bool offload_part_submit(struct offload *offload, struct offload_part *part) MUST_CHECK;

/* Requests that wait for one of the threads. */
int offload_waiting(struct offload *offload);

/* The same as offload_submit in the calling thread. */
enum err_code offload_run_here(offload_fn *fn, void *ctx, struct request *req, struct response *res,
                               struct err *err) MUST_CHECK;

#endif
