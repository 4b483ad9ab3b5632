/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listening socket and its threads: they collect each request as a whole, call one function and
 * send its answer. Only serve.c and worker.c know the HTTP library.
 */
#ifndef DAEMON_H
#define DAEMON_H

#include "access/proxies.h"
#include "base/log.h"
#include "http/exchange.h"

#include <stdatomic.h>

/*
 * Called on a pool thread; must fill the response, or put the request aside (req->later), and is
 * then called again. req->transport holds a failure that came before the call.
 */
typedef void daemon_handler(void *ctx, struct request *req, struct response *res);
/* Called once the whole answer to a request has been handed to the system. */
typedef void daemon_sent(void *ctx, const struct request *req);

/*
 * Called before it when the head has come and the body has not. A response with a status is sent at
 * once: the body is not read, and the connection ends if there is one.
 */
typedef void daemon_head(void *ctx, struct request *req, struct response *res);

/* Runs the items of requests that were gathered (exchange_ops.gather); on a pool thread. */
typedef void daemon_run_gathered(void *ctx, void *const *items, int n);

/* Called once the request is over, however it ended, also when its client had gone. */
typedef void daemon_over(void *ctx, struct request *req);

struct daemon_settings {
    int first_fd; /* as in listener.h */
    int n_fds;
    const char *listen; /* addresses, separated by commas; port 0: any free one */
    unsigned socket_mode;
    int n_threads;
    int max_connections;
    int max_peer_connections; /* of one address that is not this machine's */
    int idle_timeout_s;
    int head_timeout_s; /* from the first byte of a request to the end of its head */
    int min_rate;       /* bytes a second of bodies and answers, after as many seconds */
    size_t max_body_bytes;
    size_t bodies_bytes;  /* of all requests; past it 503 */
    const char *tls_cert; /* PEM files (tls/tls.h); "": no TLS. Unix sockets never have it */
    const char *tls_key;
    const char *tls_client_ca; /* "": clients need no certificate */
    struct log *log;
    const struct proxies *proxies; /* borrowed; NULL: there are none */
    struct peers *peers;           /* counts connections by address, borrowed; NULL: nothing does */
    daemon_head *head;             /* NULL: nothing to do */
    daemon_handler *handler;
    daemon_sent *sent;                 /* NULL: nobody wants to know */
    daemon_over *over;                 /* NULL: nothing to do */
    daemon_run_gathered *run_gathered; /* NULL: nothing is ever gathered */
    void *ctx;
};

struct daemon;

/* ERR_INVALID (address, certificate), ERR_CONFLICT (a Unix socket in use), ERR_IO (in use, no
 * permission), ERR_NOMEM. */
enum err_code daemon_start(const struct daemon_settings *settings, struct daemon **out,
                           struct err *err) MUST_CHECK;

/* Frees memory that is kept for requests and that none has needed since the last call. Any thread.
 */
void daemon_give_back(struct daemon *daemon);

/* Reads the certificate's files again. Any thread. */
void daemon_reload(struct daemon *daemon);

/* The port of its first TCP socket; 0: it has none. */
int daemon_port(const struct daemon *daemon);

/* How many connections were closed for each enum connection_end since the start. */
void daemon_count_ends(const struct daemon *daemon, atomic_llong *counts);
/* How many were refused since their address had too many. */
long long daemon_count_refused(const struct daemon *daemon);
/* Requests of proxies that name something for their client that is no address. */
long long daemon_count_unreadable(const struct daemon *daemon);

/* Open connections by enum connection_state (http/connections.h), as of the last look at them. */
void daemon_count_connections(const struct daemon *daemon, atomic_llong *counts);

/* False: one of its threads has had no turn for so long. */
bool daemon_is_responsive(const struct daemon *daemon, int64_t max_age_ns);

/* Waits at most so long for the requests under way, and a second for endless answers, which must
 * have been told to end; the handler should refuse new ones. */
void daemon_drain(struct daemon *daemon, int max_s);

/* Closes everything. No request may be suspended. NULL is fine, for daemon_drain too. */
void daemon_stop(struct daemon *daemon);

#endif
