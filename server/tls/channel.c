/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* TCP_CORK */
#include "tls/channel.h"

#include <limits.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define HEAD_BYTES ((size_t)1024) /* reckoned for the head of an answer */
/* Bytes that are held, in several answers, before the socket is looked at again. Linux takes at
 * least 46 KB, of which much is overhead when answers are short. */
#define CREDIT_BYTES (2 * (TLS_CHANNEL_MAX_HELD + HEAD_BYTES))
/* For a system without memory for an answer. Others wait meanwhile, so it is short. */
#define FLUSH_TRIES  5
#define FLUSH_TRY_MS 20

/* ---- reading ---- */

static size_t give_kept(struct tls_channel *channel, void *out, size_t n, size_t n_kept)
{
    size_t given = n < n_kept ? n : n_kept;
    memcpy(out, channel->ahead + channel->begin, given);
    channel->begin += given;
    atomic_store_explicit(&channel->n_kept, n_kept - given, memory_order_relaxed);
    return given;
}

static ssize_t pull(gnutls_transport_ptr_t ptr, void *out, size_t n)
{
    struct tls_channel *channel = ptr;
    size_t n_kept = atomic_load_explicit(&channel->n_kept, memory_order_relaxed);
    if (n_kept > 0) {
        return (ssize_t)give_kept(channel, out, n, n_kept);
    }
    struct iovec parts[2] = {{out, n}, {channel->ahead, sizeof channel->ahead}};
    ssize_t got = readv(channel->fd, parts, 2);
    if (got > (ssize_t)n) {
        channel->begin = 0;
        atomic_store_explicit(&channel->n_kept, (size_t)got - n, memory_order_relaxed);
        return (ssize_t)n;
    }
    return got;
}

/* GnuTLS demands one beside a function that pulls. */
static int wait_to_pull(gnutls_transport_ptr_t ptr, unsigned ms)
{
    const struct tls_channel *channel = ptr;
    struct pollfd fd = {.fd = channel->fd, .events = POLLIN};
    int wait_ms = ms == GNUTLS_INDEFINITE_TIMEOUT || ms > INT_MAX ? -1 : (int)ms;
    return tls_channel_n_ahead(channel) > 0 ? 1 : poll(&fd, 1, wait_ms);
}

void tls_channel_init(struct tls_channel *channel, gnutls_session_t session, int fd)
{
    gnutls_transport_ptr_t in;
    gnutls_transport_ptr_t out;
    channel->session = session;
    channel->fd = fd;
    channel->holds = false;
    channel->uncorked = false;
    channel->doubts = false;
    channel->credit = 0;
    channel->begin = 0;
    atomic_init(&channel->n_kept, 0);
    gnutls_transport_get_ptr2(session, &in, &out);
    gnutls_transport_set_ptr2(session, channel, out);
    gnutls_transport_set_pull_function(session, pull);
    gnutls_transport_set_pull_timeout_function(session, wait_to_pull);
}

size_t tls_channel_n_ahead(const struct tls_channel *channel)
{
    return atomic_load_explicit(&channel->n_kept, memory_order_relaxed);
}

/* ---- writing ---- */

static bool is_empty(int fd)
{
    int n_unsent = 0;
    return ioctl(fd, SIOCOUTQ, &n_unsent) == 0 && n_unsent == 0;
}

void tls_channel_hold(struct tls_channel *channel, size_t n)
{
    if (channel->holds || n == 0 || n > TLS_CHANNEL_MAX_HELD) {
        return;
    }
    if (channel->credit < n + HEAD_BYTES && is_empty(channel->fd)) {
        channel->credit = CREDIT_BYTES;
        channel->doubts = true;
    }
    if (channel->credit >= n + HEAD_BYTES) {
        channel->credit -= n + HEAD_BYTES;
        channel->holds = true;
        gnutls_record_cork(channel->session);
    }
}

static bool wait_to_push(int fd)
{
    struct pollfd wait = {.fd = fd, .events = POLLOUT};
    return poll(&wait, 1, FLUSH_TRY_MS) >= 0 && (wait.revents & (POLLERR | POLLHUP)) == 0;
}

/*
 * The HTTP library corks the socket before the first short answer, and from then on believes that
 * it is corked; it says that an answer is over when it has handed over the body, which is too early
 * here, and the system would wait for more. Looked at again now and then, in case that another
 * version of the library does it more often.
 */
static void uncork_socket(struct tls_channel *channel)
{
    static const int off = 0;
    int corked = 0;
    channel->doubts = false;
    socklen_t n = sizeof corked;
    if (getsockopt(channel->fd, IPPROTO_TCP, TCP_CORK, &corked, &n) == 0 && corked != 0) {
        channel->uncorked = setsockopt(channel->fd, IPPROTO_TCP, TCP_CORK, &off, sizeof off) == 0;
    }
}

enum tls_flush tls_channel_flush(struct tls_channel *channel, bool complete)
{
    int sent = GNUTLS_E_AGAIN;
    if (!channel->holds) {
        return TLS_FLUSH_SENT;
    }
    for (int i = 0; i < FLUSH_TRIES; i++) {
        sent = gnutls_record_uncork(channel->session, 0);
        if (sent != GNUTLS_E_AGAIN && sent != GNUTLS_E_INTERRUPTED) {
            break;
        }
        channel->credit = 0;
        if (!wait_to_push(channel->fd)) {
            break;
        }
    }
    if (sent == 0 && !complete) {
        gnutls_record_cork(channel->session);
        return TLS_FLUSH_NOTHING;
    }
    channel->holds = false;
    if (!channel->uncorked || channel->doubts) {
        uncork_socket(channel);
    }
    return sent >= 0 ? TLS_FLUSH_SENT : TLS_FLUSH_FAILED;
}
