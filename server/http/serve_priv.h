/* SPDX-License-Identifier: Apache-2.0 */
/* A request while it is served, for the files that share the work: serve.c reads it and has it
 * answered, send.c sends the answer, spares.c keeps its memory for the next one, library.c is
 * called by the library. */
#ifndef SERVE_PRIV_H
#define SERVE_PRIV_H

#include "http/serve.h"

#include <microhttpd.h>

struct exchange {
    struct serve *serve;
    struct serve_thread *thread;
    struct connection *place;
    struct MHD_Connection *connection;
    struct arena arena;
    struct request req;
    union proxies_address
        client; /* for whom a proxy asks; family 0: it is not asking for another */
    struct peer client_peer;
    struct body_source source; /* while it is sent */
    struct body body;
    void *item; /* while it is gathered (gather.c) */
    bool answered;
    bool closes;             /* the connection ends with the answer */
    bool stays;              /* it is sure that it does not; known only over TLS */
    bool leaves_rest;        /* and its client may still be sending then */
    struct response refusal; /* answered to the head, while it waits for its turn; status 0: none */
    struct exchange *next;   /* while it is spare */
};

/* ---- spares.c ---- */

/* Either a spare exchange or a new one, empty but for its arena; NULL: no memory. */
struct exchange *exchange_get(struct serve *serve) MUST_CHECK;
void exchange_put(struct exchange *ex);
void exchange_free(struct exchange *ex);

/* ---- send.c ---- */

enum MHD_Result send_response(struct exchange *ex, const struct response *res) MUST_CHECK;

/* ---- gather.c ---- */

/* exchange_ops.gather */
bool gather_add(struct exchange *ex, void *item);
/* The exchange is over, and its item must not be run. Fine for one that was not gathered. */
void gather_drop(struct exchange *ex);

/* ---- serve.c: what the library calls ---- */

enum MHD_Result serve_request(void *ctx, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *size, void **state);
void serve_completed(void *ctx, struct MHD_Connection *connection, void **state,
                     enum MHD_RequestTerminationCode code);

#endif
