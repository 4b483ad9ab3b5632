/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The library tells when a head is complete, not when it has begun, and resets its own timeout with
 * every byte. The kernel counts the bytes of a connection (tcp_info), so an idle one whose count
 * has grown since the last look is in the middle of a head. A client that has closed its end is
 * seen by reading ahead: no byte is left and the end has come. The library itself may miss that,
 * because it waits for an edge that came together with the last bytes.
 *
 * A socket that is no TCP socket has no such count; there only the library's timeout holds.
 */
#define _GNU_SOURCE /* TCP_INFO of linux/tcp.h */
#include "http/connections.h"

#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "tls/channel.h"
#include "tls/tls.h"

#define SECOND_NS  1000000000.0
#define MAX_RESTS  256  /* pieces of a body that are thrown away before its refusal is sent */
#define MIN_BUFFER 8192 /* bytes; half of what a connection has, the rest may hold the head */

void connections_add(struct connections *all, struct connection *connection, int fd, int64_t now_ns)
{
    *connection =
        (struct connection){.fd = fd, .since_ns = now_ns, .fresh = true, .after = all->head};
    if (all->head != NULL) {
        all->head->before = connection;
    }
    all->head = connection;
    all->n++;
}

void connections_remove(struct connections *all, struct connection *connection)
{
    if (connection->before != NULL) {
        connection->before->after = connection->after;
    } else {
        all->head = connection->after;
    }
    if (connection->after != NULL) {
        connection->after->before = connection->before;
    }
    all->n--;
}

void connection_enter(struct connection *connection, enum connection_state state, int64_t now_ns)
{
    connection->state = state;
    connection->fresh = connection->fresh && state <= CONNECTION_HEAD;
    connection->since_ns = now_ns;
    connection->moved_bytes = 0;
    connection->marked = false;
    connection->chunked = false;
    connection->moved = true;
    connection->stuck = false;
    connection->spared = false;
}

struct traffic {
    uint64_t received;
    uint64_t acknowledged; /* bytes of ours that the client's system has taken */
};

static bool read_traffic(int fd, struct traffic *traffic)
{
    struct tcp_info info = {.tcpi_state = 0};
    socklen_t len = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0 ||
        len < offsetof(struct tcp_info, tcpi_bytes_received) + sizeof info.tcpi_bytes_received) {
        return false;
    }
    *traffic = (struct traffic){info.tcpi_bytes_received, info.tcpi_bytes_acked};
    return true;
}

static bool is_read_ahead(const struct connection *c)
{
    return c->channel != NULL && tls_channel_n_ahead(c->channel) > 0;
}

bool connection_has_ended(const struct connection *c)
{
    char byte;
    if (is_read_ahead(c)) {
        return false;
    }
    ssize_t got = recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

static bool has_unread(const struct connection *c)
{
    char byte;
    return is_read_ahead(c) || recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

static bool is_unsent(int fd)
{
    int bytes = 0;
    return ioctl(fd, SIOCOUTQ, &bytes) == 0 && bytes > 0;
}

/* The bytes that min_rate demands in so much time. */
static uint64_t demanded(const struct connection_limits *limits, int64_t elapsed_ns)
{
    return (uint64_t)((double)limits->min_rate * (double)elapsed_ns / SECOND_NS);
}

static bool is_slow(const struct connection_limits *limits, int64_t elapsed_ns, uint64_t bytes)
{
    double least = (double)limits->min_rate * (double)(elapsed_ns - limits->grace_ns) / SECOND_NS;
    return elapsed_ns > limits->grace_ns && (double)bytes < least;
}

/* Has a head begun since the last look? The deadline runs from then. */
static void look_for_head(struct connection *c, int64_t now_ns)
{
    struct traffic traffic;
    if (!read_traffic(c->fd, &traffic)) {
        return;
    }
    if (!c->marked && c->since_ns + (int64_t)SECOND_NS > now_ns) {
        return; /* its next request may just be arriving, and the next look will see it */
    }
    bool begun = c->marked ? traffic.received != c->moved_bytes : c->fresh && traffic.received > 0;
    if (begun) {
        connection_enter(c, CONNECTION_HEAD, now_ns);
        return;
    }
    c->moved_bytes = traffic.received;
    c->marked = true;
}

static bool reads_too_slowly(struct connection *c, const struct connection_limits *limits,
                             int64_t now_ns)
{
    struct traffic traffic;
    if (!is_unsent(c->fd) || !read_traffic(c->fd, &traffic)) {
        /* All that was written has arrived: it is the server's turn. */
        c->since_ns = now_ns;
        c->marked = false;
        return false;
    }
    if (!c->marked) {
        c->moved_bytes = traffic.acknowledged;
        c->marked = true;
        return false;
    }
    uint64_t moved = traffic.acknowledged - c->moved_bytes;
    uint64_t due = demanded(limits, now_ns - c->since_ns);
    /* A fast beginning buys no time for a stall. */
    c->moved_bytes += moved > due ? moved - due : 0;
    return is_slow(limits, now_ns - c->since_ns, moved);
}

/*
 * Is it what keeps the library busy? No piece of it has come for a second at least, though it has
 * sent enough to fill the library's buffer.
 */
static bool spins(const struct connections *all, struct connection *c)
{
    struct traffic traffic;
    bool still = all->spins && c->chunked && !c->moved;
    c->moved = false;
    return still && (!read_traffic(c->fd, &traffic) || traffic.received >= MIN_BUFFER);
}

/*
 * The library has no word for it. What has arrived is read first, for a socket that is closed with
 * something left in it resets its client, which then may not see the answer. The library reads no
 * more of the session either, so what is read here need not be decrypted.
 */
static void tell_of_long_line(const struct connection *c)
{
    static const char problem[] =
        "{\"type\":\"about:blank\",\"title\":\"a limit is exceeded\",\"status\":400,"
        "\"detail\":\"a line between the chunks of the body is longer than 16384 bytes\"}";
    char answer[sizeof problem + 160];
    char rest[4096];
    int len = snprintf(answer, sizeof answer,
                       "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n"
                       "Content-Type: application/problem+json\r\nContent-Length: %zu\r\n\r\n%s",
                       sizeof problem - 1, problem);
    for (int n = 0; n < MAX_RESTS && recv(c->fd, rest, sizeof rest, MSG_DONTWAIT) > 0; n++) {
    }
    if (c->session != NULL) {
        tls_send_last(c->session, answer, (size_t)len);
    } else if (c->tls == NULL) {
        (void)send(c->fd, answer, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
}

static bool sends_too_slowly(struct connection *c, const struct connection_limits *limits,
                             int64_t now_ns)
{
    uint64_t due = demanded(limits, now_ns - c->since_ns);
    bool slow = is_slow(limits, now_ns - c->since_ns, c->moved_bytes);
    c->moved_bytes = c->moved_bytes > due ? due : c->moved_bytes;
    return slow;
}

/* Why the connection must end, or CONNECTION_N_ENDS. */
static enum connection_end judge(const struct connections *all, struct connection *c,
                                 int64_t now_ns)
{
    const struct connection_limits *limits = &all->limits;
    bool reading =
        c->state == CONNECTION_IDLE || c->state == CONNECTION_HEAD || c->state == CONNECTION_BODY;
    if (reading && connection_has_ended(c)) {
        return CONNECTION_END_GONE;
    }
    switch (c->state) {
    case CONNECTION_IDLE:
        look_for_head(c, now_ns);
        return CONNECTION_N_ENDS;
    case CONNECTION_HEAD:
        return now_ns - c->since_ns > limits->head_ns ? CONNECTION_END_HEAD : CONNECTION_N_ENDS;
    case CONNECTION_BODY:
        if (spins(all, c)) {
            tell_of_long_line(c);
            return CONNECTION_END_BODY;
        }
        return sends_too_slowly(c, limits, now_ns) ? CONNECTION_END_BODY : CONNECTION_N_ENDS;
    case CONNECTION_ANSWER:
        return reads_too_slowly(c, limits, now_ns) ? CONNECTION_END_ANSWER : CONNECTION_N_ENDS;
    case CONNECTION_WORK:
    case CONNECTION_STREAM:
    case CONNECTION_N_STATES:
        break;
    }
    return CONNECTION_N_ENDS;
}

static void cut(struct connection *c)
{
    c->cut = true;
    (void)shutdown(c->fd, SHUT_RDWR);
}

int connections_end_stuck(struct connections *all)
{
    int n_ended = 0;
    for (struct connection *c = all->head; c != NULL; c = c->after) {
        if (c->state != CONNECTION_BODY || !c->chunked || c->cut) {
            continue;
        }
        bool before = c->stuck;
        c->stuck = has_unread(c);
        if (before && c->stuck) {
            tell_of_long_line(c);
            cut(c);
            n_ended++;
        }
    }
    return n_ended;
}

void connections_sweep(struct connections *all, int64_t now_ns, struct connection_counts *counts)
{
    *counts = (struct connection_counts){.by_state = {0}};
    for (struct connection *c = all->head; c != NULL; c = c->after) {
        if (c->cut) {
            continue;
        }
        c->spared = false;
        enum connection_end end = judge(all, c, now_ns);
        counts->by_state[c->state]++;
        if (end != CONNECTION_N_ENDS) {
            counts->ended[end]++;
            cut(c);
        }
    }
}

/* Who has to go first when there is no room: a client that has never sent a whole head, then one
 * that keeps the server waiting for the rest of another, then one that has nothing to ask now. */
static int rank_for_shedding(const struct connection *c)
{
    if (c->cut || c->spared || (c->state != CONNECTION_IDLE && c->state != CONNECTION_HEAD)) {
        return 0;
    }
    return c->fresh ? 3 : c->state == CONNECTION_HEAD ? 2 : 1;
}

int connections_shed(struct connections *all, int n)
{
    int shed = 0;
    while (shed < n) {
        struct connection *first = NULL;
        int highest = 0;
        for (struct connection *c = all->head; c != NULL; c = c->after) {
            int rank = rank_for_shedding(c);
            if (rank > highest || (rank > 0 && rank == highest && c->since_ns < first->since_ns)) {
                first = c;
                highest = rank;
            }
        }
        if (first == NULL) {
            break;
        }
        if (has_unread(first)) {
            /* A request has come that the library has not had its turn for. */
            connection_enter(first, CONNECTION_HEAD, first->since_ns);
            first->spared = true;
            continue;
        }
        cut(first);
        shed++;
    }
    return shed;
}
