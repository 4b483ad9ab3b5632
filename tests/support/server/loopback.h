/* SPDX-License-Identifier: Apache-2.0 */
/* A whole server but for its socket: requests go straight to dispatch, in the calling thread. */
#ifndef LOOPBACK_H
#define LOOPBACK_H

#include "api/app.h"
#include "base/config.h"
#include "tmpdb.h"

struct loopback {
    struct tmpdb place;
    struct config config;
    struct log log;
    struct metrics metrics;
    struct app app;
};

/* A new registry in a temporary folder. Failures fail the test. */
void loopback_init(struct loopback *loop);
/* Also deletes the folder. */
void loopback_release(struct loopback *loop);
/* Closes everything and opens it again on the same file. */
void loopback_reopen(struct loopback *loop);
/* The two halves of it. */
void loopback_close(struct loopback *loop);
void loopback_open(struct loopback *loop);

#define LOOPBACK_CUT 599 /* instead of a status: the body ended with an error */

/* Bodies of any bytes, and requests that are sent again. */
struct loopback_request {
    enum http_method method;
    const char *path;
    const char *content_type; /* NULL: none */
    const char *key;          /* Idempotency-Key; NULL: none */
    const char *body;         /* has a NUL after n_body bytes */
    size_t n_body;
};
/* Up to size - 1 bytes of the body go to `out`, NUL-terminated. */
struct loopback_answer {
    char *out; /* [size], may be NULL */
    size_t size;
    bool retry_after; /* the answer has such a header */
};
/* Returns the status. */
int loopback_send(struct loopback *loop, const struct loopback_request *request,
                  struct loopback_answer *answer);

/* The same for JSON. body and answer may be NULL. */
int loopback_call(struct loopback *loop, enum http_method method, const char *path,
                  const char *body, struct loopback_answer *answer);

#endif
