/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request and a response without the types of any library, so that unit tests can call handlers
 * without a socket. The daemon fills a request, calls one function and sends the response.
 *
 * Everything a request points to lives until the exchange is released; a handler allocates its
 * answer in the exchange's arena.
 */
#ifndef EXCHANGE_H
#define EXCHANGE_H

#include "base/arena.h"
#include "base/err.h"
#include "access/limits.h"
#include "access/peers.h"
#include "access/token.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <strings.h>

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_PUT, HTTP_DELETE, HTTP_OTHER };

struct header {
    const char *name;
    const char *value;
};

#define EXCHANGE_MAX_PARAMS  4
#define EXCHANGE_MAX_HEADERS 24

struct response;

/*
 * A request put aside while another thread works for it. The handler fills response.later, calls
 * ops->suspend, hands the work over and returns without a status. Whoever finishes the work calls
 * ops->resume, once, on any thread. Then `run` continues the request in the thread that serves the
 * connection. If the client has gone by then, only `drop` is called.
 */
struct later {
    enum err_code (*run)(void *ctx, struct response *res, struct err *err); /* NULL: nothing */
    void (*drop)(void *ctx);
    void *ctx;
};

struct exchange;      /* the daemon's side of a request */
struct request_times; /* api/request_times.h */

#define EXCHANGE_MAX_GATHERED  32 /* items that are run together */
#define EXCHANGE_ADDRESS_CHARS 64
#define EXCHANGE_UNIX_ADDRESS  "unix" /* of every client of a Unix socket */

struct exchange_ops {
    void (*suspend)(struct exchange *exchange);
    void (*resume)(struct exchange *exchange);
    /*
     * Leaves an item to be run together with those of other requests that have come at the same
     * time. The request must then be put aside (struct later), without being suspended, and is
     * called again once the item has been run. False: no others are expected, and nothing was done.
     * NULL: it never can.
     */
    bool (*gather)(struct exchange *exchange, void *item);
    /* Has the client closed its end while the request was suspended? */
    bool (*gone)(const struct exchange *exchange);
    /* The address of the client, as a number; "" when it is not known. NULL: none ever is. */
    void (*address)(const struct exchange *exchange, char out[EXCHANGE_ADDRESS_CHARS]);
    /* Replaces the body, which is gzip, by what it holds (http/inflate.h). NULL: cannot. */
    enum err_code (*inflate)(struct exchange *exchange, struct err *err);
    /* Counts n bytes that the body grows to in the arena among the bodies, and to whom the request
     * is charged, until it is over. ERR_TOO_LARGE, ERR_BUSY (http/body.h). NULL: nobody counts. */
    enum err_code (*hold)(struct exchange *exchange, size_t n, struct err *err);
};

/* Who sends a request, as its head tells. */
struct caller {
    const char *who;             /* the id of a token, or a word for somebody without one */
    const char *models;          /* patterns of the models that it may name; NULL: all */
    const struct limits *limits; /* of the token; NULL: none */
    int64_t expires_ms;          /* when the token ends; 0: never */
    int64_t generation;          /* of the tokens among which it was found */
    const char *role;            /* a word: what it may do */
};

struct request {
    enum http_method method;
    const char *method_text;
    const char *path;       /* percent-decoded, starts with '/', without the server's base path */
    const char *given_path; /* the same as the client has it; NULL: no different */
    const struct header *headers;
    int n_headers;
    const struct header *query; /* decoded key-value pairs of the query string */
    int n_query;
    const char *body; /* never NULL; has a NUL after n_body bytes */
    size_t n_body;
    const char *params[EXCHANGE_MAX_PARAMS]; /* parts of the path that stand for the route's {x} */
    int n_params;
    struct arena *arena;  /* of this exchange */
    struct err transport; /* what failed before a handler could run; ERR_OK: nothing */

    const struct exchange_ops *ops; /* NULL: the request cannot be put aside */
    struct exchange *exchange;
    struct later later; /* set while it is put aside */
    int64_t arrived_ns; /* when all of it had arrived, by clock_ns */
    int route;
    struct request_times *times; /* NULL: its phases are not measured */

    bool admitted;    /* the head was looked at and let in: route and caller are known */
    bool audited;     /* it is in the audit log */
    unsigned counted; /* by which limits it is counted as under way (api/quota.h) */
    struct caller caller;
    struct token_memory *memory; /* of the connection's last token; NULL: it keeps none */
    const struct peer *peer; /* the client's address, while the exchange lives; NULL: not known */
    size_t n_received;       /* bytes of the body, kept or not, and those that were inflated */
    size_t n_charged;        /* of them, charged to the limits of token and address */
};

#define BODY_SOURCE_FAILED SIZE_MAX
#define BODY_SOURCE_WAIT   (SIZE_MAX - 1)

/* A body made while it is sent. */
struct body_source {
    /*
     * Writes the next bytes and returns how many; 0: the end. BODY_SOURCE_FAILED cuts the
     * connection, so that the client does not mistake what it has for the whole body.
     * BODY_SOURCE_WAIT: there is nothing yet; the source has called ops->suspend, and whoever has
     * more calls ops->resume, once, on any thread and perhaps before this call returns. Then the
     * source is read again. NULL: no source; the body is sent and the source released afterwards.
     */
    size_t (*read)(void *ctx, char *out, size_t size);
    void (*release)(void *ctx); /* called once, after the last read or a cut; may be NULL */
    void *ctx;                  /* lives as long as the exchange */
    bool endless;       /* it ends when the server says so: a stop waits for it only for a moment */
    bool needs_no_body; /* nothing of it points into the body of the request, which can be freed */
    uint64_t n_bytes;   /* of the whole body, when that is known beforehand; else 0 */
};

struct response {
    int status;               /* 0: nothing written yet */
    const char *content_type; /* constant or arena */
    const char *body;         /* arena or constant; may be NULL when n_body is 0 */
    size_t n_body;
    struct body_source source; /* instead of a body */
    struct header headers[EXCHANGE_MAX_HEADERS];
    int n_headers;
    struct later later; /* with status 0: the answer comes later */
    bool holds_secret;  /* it is not compressed, since its length would tell something of it */
};

/* Are they the same name, in whatever case? Most differ in their first letter. */
static inline bool header_is(const struct header *header, const char *name)
{
    return ((header->name[0] ^ name[0]) & ~('a' ^ 'A')) == 0 && strcasecmp(header->name, name) == 0;
}

/* Value of a header (case-insensitive name) or of a query key; NULL when absent. */
const char *request_header(const struct request *req, const char *name);
const char *request_query(const struct request *req, const char *key);

bool response_has(const struct response *res, const char *name);

/* Decodes %xx in place; '+' stays. False on bad escapes, NUL or invalid UTF-8. */
bool percent_decode(char *text) MUST_CHECK;

/* Adds a header; the strings are borrowed. More than EXCHANGE_MAX_HEADERS are a bug (assert). */
void response_header(struct response *res, const char *name, const char *value);

#endif
