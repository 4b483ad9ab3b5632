/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of the HTTP library as exchanges: each is collected as a whole and given to the handler,
 * whose answer is sent. Shared by all HTTP threads; each has a serve_thread besides.
 */
#ifndef SERVE_H
#define SERVE_H

#include "http/body.h"
#include "http/connections.h"
#include "http/daemon.h"
#include "access/peers.h"
#include "tls/tls.h"

#include <pthread.h>
#include <stdatomic.h>

struct MHD_Daemon;
struct worker;

struct serve {
    struct daemon_settings settings;
    struct tls *tls;    /* NULL: plain HTTP on all sockets */
    atomic_bool reload; /* the certificate's files are to be read again */
    struct body_room room;
    atomic_int active;       /* exchanges under way */
    atomic_int endless;      /* of them, with an endless answer */
    atomic_int connections;  /* given to a thread and not yet closed */
    atomic_llong refused;    /* connections of addresses that had too many */
    atomic_llong unreadable; /* requests of proxies with something for an address that is none */

    pthread_mutex_t lock;   /* guards what follows */
    struct exchange *spare; /* exchanges with their memory, for the next requests */
    int n_spare;
    int min_spare;   /* the fewest there were since serve_give_back was last called */
    long n_requests; /* since then */
};

/* Requests whose work waits for the end of the library's turn (gather.c). */
struct gathered {
    struct exchange *waiting[EXCHANGE_MAX_GATHERED];
    int n;
    int n_seen;  /* requests of this turn that could have been gathered */
    int expects; /* several in a turn, since there were not long ago; 0: it does not */
};

/* What one thread serves. Its fields are that thread's, but for `worker` and `tls`, which are set
 * once, and the count. */
struct serve_thread {
    struct serve *serve;
    struct worker *worker;
    struct tls *tls;    /* for its connections; NULL: plain HTTP */
    atomic_int n_given; /* connections given to this thread and not yet closed */
    struct connections connections;
    struct gathered gathered;
    bool ended;                      /* a connection has been closed since this was last false */
    struct connection_counts counts; /* of the last look */
    atomic_int by_state[CONNECTION_N_STATES]; /* counts of the last look, for other threads */
    atomic_llong ended_by[CONNECTION_N_ENDS]; /* closed since the start, for other threads */
    atomic_llong looked_ns;                   /* read by other threads too */
    bool keeps_certificate; /* this thread looks whether the certificate's files have changed */
};

/* ERR_INVALID (certificate), ERR_NOMEM. Settings are kept as they are: what they point to must
 * stay. */
enum err_code serve_init(struct serve *serve, const struct daemon_settings *settings,
                         struct err *err) MUST_CHECK;
void serve_release(struct serve *serve);

/* Frees the spare exchanges that no request has needed since the last call, or all of them when
 * there were few requests. Called once a second or so, on any thread. */
void serve_give_back(struct serve *serve);

/* The library's turn is over: runs what was gathered, and sends what was held. ctx: struct
 * serve_thread. */
void serve_end_turn(void *ctx);

/* An instance of the library for this thread, without a loop of its own; NULL: there is none.
 * ctx: struct serve_thread. */
struct MHD_Daemon *serve_open_library(void *ctx);

#endif
