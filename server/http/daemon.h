/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listening socket and its threads: reads a whole request, calls one function, sends its
 * answer. The only file that knows the HTTP library.
 */
#ifndef DAEMON_H
#define DAEMON_H

#include "base/log.h"
#include "http/exchange.h"

/*
 * Called on a pool thread. Fills the response, or puts the request aside (req->later) and is called
 * again. req->transport holds what failed before the call.
 */
typedef void daemon_handler(void *ctx, struct request *req, struct response *res);

struct daemon_settings {
    const char *listen; /* "127.0.0.1:8080", "[::]:8080"; port 0: any free one */
    int n_threads;
    int max_connections;
    int idle_timeout_s;
    size_t max_body_bytes; /* of one request */
    size_t bodies_bytes;   /* of all requests; more is answered 503 */
    struct log *log;
    daemon_handler *handler;
    void *ctx;
};

struct daemon;

/* ERR_INVALID (address), ERR_IO (in use, no permission), ERR_NOMEM. */
enum err_code daemon_start(const struct daemon_settings *settings, struct daemon **out,
                           struct err *err) MUST_CHECK;

/* The port it listens on. */
int daemon_port(const struct daemon *daemon);

/*
 * Waits until the requests under way have ended, but at most max_s seconds, and at most one second
 * for endless answers, which must have been told to end. The handler should refuse new requests
 * meanwhile. NULL is fine.
 */
void daemon_drain(struct daemon *daemon, int max_s);

/* Closes everything. No request may be suspended. NULL is fine. */
void daemon_stop(struct daemon *daemon);

#endif
