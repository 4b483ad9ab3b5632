/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session of TLS and its socket, with fewer calls of the system than GnuTLS makes by itself: what
 * has arrived is read together, a short answer is sent as one record, and no byte waits for long.
 *
 * Reading. GnuTLS asks for the five bytes before a record and then for the record. Bytes behind
 * those that it asks for are read with them and kept. They are given out before the socket is read
 * again, and "nothing has come" is said only by the socket. To the HTTP library it looks as if the
 * bytes were still in the system, so it asks until it hears that. Whoever peeks into the socket
 * must ask here too.
 *
 * Writing. The HTTP library hands over the head of an answer and its body one after the other.
 * Between tls_channel_hold and tls_channel_flush GnuTLS keeps them. An answer is held only if it
 * is short and the socket is so empty that the system takes it as a whole, so a flush need not be
 * continued later.
 *
 * Only the thread that serves the connection may use a channel, except for tls_channel_n_ahead.
 */
#ifndef CHANNEL_H
#define CHANNEL_H

#include <gnutls/gnutls.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* Bytes of the longest body that is held. With its head it is less than a system's smallest buffer
 * for sending takes. */
#define TLS_CHANNEL_MAX_HELD ((size_t)4096)

/* Bytes that are read ahead. Requests for a few rows fit. There are so many for each connection. */
#define TLS_CHANNEL_AHEAD ((size_t)2048)

struct tls_channel {
    gnutls_session_t session;
    int fd;
    bool holds;           /* GnuTLS keeps what is sent */
    bool uncorked;        /* the socket, after the HTTP library had corked it */
    bool doubts;          /* whether it still is */
    size_t credit;        /* bytes that may be held before the socket is looked at again */
    size_t begin;         /* of the bytes that are kept, in `ahead` */
    atomic_size_t n_kept; /* bytes that have been read and not given out */
    unsigned char ahead[TLS_CHANNEL_AHEAD];
};

/* Before the handshake. The channel must stay where it is until the session ends. */
void tls_channel_init(struct tls_channel *channel, gnutls_session_t session, int fd);

/* Bytes that the socket no longer has and the session has not read yet. Any thread. */
size_t tls_channel_n_ahead(const struct tls_channel *channel);

/* An answer with a body of `n` bytes is going to be sent, and the connection stays. Does nothing if
 * that is better sent as it comes. */
void tls_channel_hold(struct tls_channel *channel, size_t n);

enum tls_flush {
    TLS_FLUSH_NOTHING, /* there was nothing, and what comes next is still held */
    TLS_FLUSH_SENT,    /* what comes next is no longer held */
    TLS_FLUSH_FAILED   /* the connection must be ended */
};

/* Sends what is held. `complete`: the answer is, so that nothing more of it has to be held. */
enum tls_flush tls_channel_flush(struct tls_channel *channel, bool complete);

#endif
