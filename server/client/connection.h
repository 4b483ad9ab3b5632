/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to a server, over libcurl, for the commands and for libsurrogated. One connection is
 * kept open between calls. The proxies that the environment names are not used, since the server is
 * usually on the same machine or network.
 *
 * Error codes here and in the commands stand for exit statuses (client.c): ERR_INVALID, the command
 * line is wrong; ERR_IO, the server cannot be reached; ERR_CANCELLED, Ctrl-C; any other, the server
 * refused or something failed.
 */
#ifndef CONNECTION_H
#define CONNECTION_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/textbuf.h"
#include "client/endpoint.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct connection;

/* What is sent: `before`, then the bytes or the file from its present position, then `after`. */
struct payload {
    const char *type; /* its Content-Type; NULL: nothing is sent */
    const char *before;
    const char *bytes;
    size_t n_bytes;
    FILE *file; /* borrowed; read as it is sent, never held whole */
    const char *after;
};

#define CALL_MAX_HEADERS 3

/* Receives the next bytes of an answer's body; false: no more is wanted, and the call succeeds. */
typedef bool call_piece_fn(void *ctx, const char *data, size_t n);

struct call {
    const char *method;
    const char *path; /* with its query, escaped */
    struct payload payload;
    const char *headers[CALL_MAX_HEADERS]; /* "Name: value"; NULL: none */
    double retry_s;       /* seconds to try again after 429 and 503; 0: not at all */
    bool repeats;         /* sent twice it has the effect of once, so it is also sent again when the
                           * connection breaks */
    bool at_once;         /* its body goes without the server being asked first (Expect), so libcurl
                           * itself may send it twice when a connection that was kept breaks */
    bool fresh;           /* over a new connection, so that this cannot happen */
    bool waits;           /* and when the server has never been reached */
    FILE *sink;           /* where the body of a good answer goes; NULL: to memory */
    call_piece_fn *piece; /* or what receives it as it comes */
    void *piece_ctx;
    int silence_s;  /* seconds without a byte after which the answer is given up; 0: no limit */
    double total_s; /* seconds for the whole of one try; 0: no limit */
};

struct answer {
    int status;
    char *data; /* by mem, NUL-terminated; NULL: empty */
    size_t n_data;
    bool is_json;
    bool is_stream; /* text/event-stream */
    bool timed_out; /* total_s, or the time to connect, has passed */
    int retry_after_s;
    int64_t version;        /* that has predicted; 0: the answer does not say */
    int64_t n_extrapolated; /* rows outside the range of the training rows; 0 likewise */
};

void answer_release(struct answer *answer);

/* What the endpoint points to must live as long as the connection. ERR_NOMEM. */
enum err_code connection_open(const struct endpoint *endpoint, struct connection **out,
                              struct err *err) MUST_CHECK;
/* The token to send with each request. ERR_INVALID: it cannot be one. ERR_NOMEM. */
enum err_code connection_set_token(struct connection *connection, const char *token,
                                   struct err *err) MUST_CHECK;
void connection_close(struct connection *connection);

/* Has anything ever been sent over it? It may have arrived. */
bool connection_reached(const struct connection *connection);

/*
 * ERR_OK: a 2xx status. ERR_CONFLICT: any other status; the message has title and detail of the
 * problem document, err its row and column, and `out` holds the document. ERR_INVALID (the server's
 * address), ERR_IO, ERR_NOMEM, ERR_FULL (the sink), ERR_CANCELLED (also: the sink's reader has
 * gone), ERR_CORRUPT (a page of HTML): there is no answer, and what came of it is dropped. The
 * caller releases `out` in each case.
 */
enum err_code connection_call(struct connection *connection, const struct call *call,
                              struct answer *out, struct err *err) MUST_CHECK;

/* Appends text percent-encoded, for a segment of a path or a value of a query. */
void connection_escape(struct textbuf *url, const char *text);

#endif
