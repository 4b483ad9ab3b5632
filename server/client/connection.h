/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to a daemon, over libcurl. One connection is kept open between calls. Proxies of the
 * environment are not used: a daemon is a neighbour.
 *
 * Codes of errors here and in the commands stand for exit statuses (client.c): ERR_INVALID, the
 * command line is wrong; ERR_IO, the server cannot be reached; ERR_CANCELLED, Ctrl-C; any other,
 * the server refused or something failed.
 */
#ifndef CONNECTION_H
#define CONNECTION_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/textbuf.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct connection;

/* What is sent: `before`, then bytes or the file from where it stands, then `after`. */
struct payload {
    const char *type; /* its Content-Type; NULL: nothing is sent */
    const char *before;
    const char *bytes;
    size_t n_bytes;
    FILE *file; /* borrowed; read as it is sent, never held whole */
    const char *after;
};

#define CALL_MAX_HEADERS 3

/* Takes the next bytes of an answer's body; false: that was enough, the call ends well. */
typedef bool call_piece_fn(void *ctx, const char *data, size_t n);

struct call {
    const char *method;
    const char *path; /* with its query, escaped */
    struct payload payload;
    const char *headers[CALL_MAX_HEADERS]; /* "Name: value"; NULL: none */
    double retry_s;                        /* seconds to go on after 429 and 503; 0: not at all */
    bool repeats; /* twice has the effect of once: sent again too when a reached server goes away */
    FILE *sink;   /* where the body of a good answer goes; NULL: to memory */
    call_piece_fn *piece; /* or what takes it as it comes */
    void *piece_ctx;
    int silence_s; /* seconds without a byte after which the answer is given up; 0: none */
};

struct answer {
    int status;
    char *data; /* by mem, NUL-terminated; NULL: empty */
    size_t n_data;
    bool is_json;
    bool is_stream; /* text/event-stream */
    int retry_after_s;
};

void answer_release(struct answer *answer);

/* `server` is "http://host:port"; it must live as long. ERR_INVALID, ERR_NOMEM. */
enum err_code connection_open(const char *server, struct connection **out,
                              struct err *err) MUST_CHECK;
void connection_close(struct connection *connection);

/* Has anything been sent over it, ever? It may have arrived. */
bool connection_reached(const struct connection *connection);

/*
 * ERR_OK: a 2xx status. Any other is an error with the title, detail, row and column of the problem
 * document, and `out` holds that document. ERR_IO, ERR_NOMEM, ERR_FULL (the sink), ERR_CANCELLED
 * (also: the sink's reader has gone), ERR_CORRUPT (a page of HTML): without one, what came is
 * dropped. `out` is to be released in each case.
 */
enum err_code connection_call(struct connection *connection, const struct call *call,
                              struct answer *out, struct err *err) MUST_CHECK;

/* Appends text percent-encoded, fit for a segment of a path or a value of a query. */
void connection_escape(struct textbuf *url, const char *text);

#endif
