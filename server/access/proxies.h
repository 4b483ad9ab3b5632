/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proxies that are believed when they say for whom they ask. Each proxy on the way puts the address
 * that it was asked from behind those that were there before, so the list is read from its end, and
 * only as far as its addresses are such proxies: what stands before the first other address was
 * written by that client, who may write anything.
 */
#ifndef PROXIES_H
#define PROXIES_H

#include "base/compiler.h"
#include "base/err.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define PROXIES_MAX       64 /* items of the setting */
#define PROXIES_MAX_HOPS  32 /* proxies on the way of one request */
#define PROXIES_FORWARDED "Forwarded"
#define PROXIES_USUAL     "X-Forwarded-For"

struct proxy_net {
    unsigned char bytes[16]; /* IPv4 mapped to IPv6 */
    int n_bits;              /* of them, that an address of the net has in common */
};

struct proxies {
    struct proxy_net nets[PROXIES_MAX];
    int n;
    bool unix_sockets; /* whoever comes by a Unix socket is a proxy */
    bool forwarded;    /* they tell by Forwarded (RFC 7239), else by X-Forwarded-For */
};

/*
 * The settings `proxies` and `proxy_header`. list: addresses and nets such as 10.0.0.0/8, and
 * "unix:", separated by commas; "none". ERR_INVALID, naming the setting.
 */
enum err_code proxies_parse(const char *list, const char *header, struct proxies *out,
                            struct err *err) MUST_CHECK;

bool proxies_are_none(const struct proxies *proxies);

/* Is it the address of a proxy? */
bool proxies_trust(const struct proxies *proxies, const struct sockaddr *address);

union proxies_address {
    struct sockaddr any; /* family 0: not known */
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* An address as a header has it: with a port or without, IPv6 in brackets or not. */
struct proxies_hop {
    const char *text;
    size_t len;
};

/*
 * The client of a request that came from a proxy. hops: [n], as the header has them. False: one
 * that had to be read is no address, and *out is the proxy that wrote it, or not known if that is
 * the one that sent the request.
 */
bool proxies_find_client(const struct proxies *proxies, const struct proxies_hop *hops, int n,
                         union proxies_address *out);

#endif
