/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connections of one HTTP thread, looked through once a second for those that hold a place
 * without using it: a client that sends its request a byte at a time, has gone, or does not read
 * its answer. Such a connection is shut down; the HTTP library then closes it.
 *
 * Only the thread that serves the connections may call these functions, so there is no lock.
 */
#ifndef CONNECTIONS_H
#define CONNECTIONS_H

#include "access/peers.h"
#include "access/token.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum connection_state {
    CONNECTION_IDLE,   /* nothing of a request is there */
    CONNECTION_HEAD,   /* a part of a request's head has come */
    CONNECTION_BODY,   /* the body is being read */
    CONNECTION_WORK,   /* a handler has the request */
    CONNECTION_ANSWER, /* the answer is being sent */
    CONNECTION_STREAM, /* an answer without end: it may be silent */
    CONNECTION_N_STATES
};

struct tls;
struct tls_channel;

struct connection {
    int fd;
    struct peer peer;           /* its address */
    struct token_memory memory; /* of the last token */
    bool of_proxy;              /* it comes from a proxy that says for whom it asks */
    struct tls *tls; /* that its handshake takes the certificate from; NULL: plain HTTP */
    void *session; /* of GnuTLS, known once a body comes in chunks; NULL: plain HTTP, or none has */
    bool trusted;  /* the client needs no certificate, or has shown a good one */
    enum connection_state state;
    int64_t since_ns;     /* when the state began, as the sweep or the request saw it */
    uint64_t moved_bytes; /* BODY: received so far; else the socket's count when last looked at */
    bool marked;          /* IDLE, ANSWER: moved_bytes holds the socket's count */
    bool fresh;           /* has not had a whole head yet */
    bool chunked;         /* BODY: its length is not known */
    bool moved;           /* BODY: a piece has come since the last sweep, or it has just begun */
    bool stuck;           /* BODY: bytes of it lay unread when they were last looked for */
    bool spared;          /* its place was needed, but bytes of its had just come; until a sweep */
    bool cut;             /* shut down; the library has not closed it yet */
    struct tls_channel *channel; /* its own; NULL: plain HTTP, or there was no memory for it */
    bool listed;                 /* it may hold an answer (http/place.h) */
    struct connection *next_held;
    struct connection *before, *after;
};

struct connection_limits {
    int64_t head_ns;  /* for the head of a request, from its first byte */
    int64_t grace_ns; /* before a rate counts */
    int64_t min_rate; /* bytes a second of bodies and answers */
};

struct connections {
    struct connection *head; /* the newest */
    struct connection *held; /* those that may hold an answer */
    struct connection_limits limits;
    int n;
    /*
     * The library is kept busy with nothing. To 1.0.1 a chunk's line that fills the library's
     * buffer does that: the line is read again and again until the connection ends.
     */
    bool spins;
};

enum connection_end {
    CONNECTION_END_HEAD,   /* its head took too long */
    CONNECTION_END_BODY,   /* its body came too slowly */
    CONNECTION_END_ANSWER, /* its answer was read too slowly */
    CONNECTION_END_GONE,   /* the client had closed its end */
    CONNECTION_END_SHED,   /* it waited for a request, and its place was needed */
    CONNECTION_N_ENDS
};

/* What a sweep found and did. */
struct connection_counts {
    int by_state[CONNECTION_N_STATES];
    int ended[CONNECTION_N_ENDS];
};

void connections_add(struct connections *all, struct connection *connection, int fd,
                     int64_t now_ns);
void connections_remove(struct connections *all, struct connection *connection);

/* Has the client closed its end, and is nothing of it left to be read? Any thread, while the
 * connection is suspended. */
bool connection_has_ended(const struct connection *connection);

/* The request under way has come to a new state. */
void connection_enter(struct connection *connection, enum connection_state state, int64_t now_ns);

/*
 * For a library that is kept busy with nothing. A body in chunks of which bytes lie unread at two
 * calls, with turns of the library and no piece in between, is one that the library cannot read:
 * it is told so and shut down. Returns how many were. One whose bytes fill the library's buffer and
 * no more is left to the sweep.
 */
int connections_end_stuck(struct connections *all);

/* Shuts down what breaks a limit. */
void connections_sweep(struct connections *all, int64_t now_ns, struct connection_counts *counts);

/*
 * Shuts down up to `n` connections that wait for a request, but none whose next request has just
 * arrived and not been read: before others those that have never sent a whole head, and of equal
 * ones those that have waited longest. Returns how many.
 */
int connections_shed(struct connections *all, int n);

#endif
