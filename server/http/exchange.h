/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request and a response, free of any library's types, so that handlers run in unit tests
 * without a socket. The daemon fills a request, calls one function, sends the response.
 *
 * Everything a request points to lives until the exchange is released; a handler allocates its
 * answer from the exchange's arena.
 */
#ifndef EXCHANGE_H
#define EXCHANGE_H

#include "arena.h"
#include "err.h"

#include <stdbool.h>
#include <stddef.h>

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_PUT, HTTP_DELETE, HTTP_OTHER };

struct header {
    const char *name;
    const char *value;
};

#define EXCHANGE_MAX_PARAMS  4
#define EXCHANGE_MAX_HEADERS 12

struct request {
    enum http_method method;
    const char *method_text;
    const char *path; /* percent-decoded, starts with '/' */
    const struct header *headers;
    int n_headers;
    const struct header *query; /* decoded key-value pairs of the query string */
    int n_query;
    const char *body; /* never NULL; has a NUL after n_body bytes */
    size_t n_body;
    const char *params[EXCHANGE_MAX_PARAMS]; /* parts of the path matched by the route's {x} */
    int n_params;
    struct arena *arena;  /* of this exchange */
    struct err transport; /* what went wrong before a handler could run; ERR_OK: nothing */
};

struct response {
    int status;               /* 0: nothing written yet */
    const char *content_type; /* constant or arena */
    const char *body;         /* arena or constant; may be NULL when n_body is 0 */
    size_t n_body;
    struct header headers[EXCHANGE_MAX_HEADERS];
    int n_headers;
};

/* Value of a header (case-insensitive name) or of a query key; NULL when absent. */
const char *request_header(const struct request *req, const char *name);
const char *request_query(const struct request *req, const char *key);

/* Decodes %xx in place; with `plus`, '+' is a blank. False on bad escapes, NUL or invalid UTF-8. */
bool percent_decode(char *text, bool plus) MUST_CHECK;

/* Is this well-formed UTF-8 (no surrogates, no overlong forms)? */
bool utf8_is_valid(const char *text, size_t len);

/* Adds a header to the response; the strings are borrowed. Past the limit it is a bug (assert). */
void response_header(struct response *res, const char *name, const char *value);

#endif
