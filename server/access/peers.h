/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each address holds and has used, so that one client cannot take everything: connections,
 * streams of events, requests. Addresses of this machine have no limit, for a proxy's clients all
 * come from one of them; of IPv6 the first 64 bits count, since one client has that many to choose
 * from.
 *
 * An address that holds nothing any more is forgotten when its place is needed, also while it still
 * owes something to a limit (access/limits.h): a client would need twice as many addresses as there
 * may be connections to profit from that.
 */
#ifndef PEERS_H
#define PEERS_H

#include "base/err.h"
#include "access/limits.h"

#include <stdbool.h>
#include <sys/socket.h>

#define PEER_BYTES      16
#define PEER_TEXT_CHARS (2 * PEER_BYTES + 1)

struct peer {
    unsigned char bytes[PEER_BYTES]; /* IPv4 mapped to IPv6; all zero: not limited */
};

struct peer peer_of(const struct sockaddr *address);
bool peer_is_limited(const struct peer *peer);
/* In hexadecimal, for a stored row. */
void peer_write(const struct peer *peer, char out[PEER_TEXT_CHARS]);

enum peer_count { PEER_CONNECTIONS, PEER_STREAMS, PEER_N_COUNTS };

struct peers;

/* Room for the addresses of so many connections. ERR_NOMEM. */
enum err_code peers_new(int max_connections, struct peers **out, struct err *err) MUST_CHECK;
void peers_free(struct peers *peers); /* NULL is fine */

/* All of these may be called by any thread. */

/* One more of what is counted; false: the address has max_each already. */
bool peers_add(struct peers *peers, const struct peer *peer, enum peer_count count, int max_each);
void peers_remove(struct peers *peers, const struct peer *peer, enum peer_count count);

/* Counts a request until peers_end. False: it must be refused, and nothing is counted. */
bool peers_admit(struct peers *peers, const struct peer *peer, const struct limits *limits,
                 struct excess *excess);
void peers_end(struct peers *peers, const struct peer *peer);

/* A request of the address had so many rows or bytes. */
void peers_charge(struct peers *peers, const struct peer *peer, const struct limits *limits,
                  enum limit limit, int64_t n);

#endif
