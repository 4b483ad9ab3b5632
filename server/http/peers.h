/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many connections each address holds, so that one client cannot take them all. Addresses of
 * this machine have no limit, because all clients of a proxy come from one of them. IPv6 addresses
 * count by their first 64 bits, because one client can choose the others freely.
 */
#ifndef PEERS_H
#define PEERS_H

#include "base/err.h"

#include <stdbool.h>
#include <sys/socket.h>

#define PEER_BYTES 16

struct peer {
    unsigned char bytes[PEER_BYTES]; /* IPv4 mapped to IPv6; all zero: not limited */
};

struct peer peer_of(const struct sockaddr *address);

struct peers;

/* Room for max_connections addresses; max_each: of one address. ERR_NOMEM. */
enum err_code peers_new(int max_connections, int max_each, struct peers **out,
                        struct err *err) MUST_CHECK;
void peers_free(struct peers *peers); /* NULL is fine */

/* One connection more; false: the address has as many as it may. Any thread. */
bool peers_add(struct peers *peers, const struct peer *peer);
void peers_remove(struct peers *peers, const struct peer *peer);

#endif
