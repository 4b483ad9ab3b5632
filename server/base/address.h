/* SPDX-License-Identifier: Apache-2.0 */
/* Where a server listens, as settings write it: "127.0.0.1:8080", "localhost:80", "[::1]:8080". */
#ifndef ADDRESS_H
#define ADDRESS_H

#include "base/compiler.h"
#include "base/err.h"

#include <stdbool.h>
#include <sys/socket.h>

#define ADDRESS_HOST_CHARS 256
#define ADDRESS_PORT_CHARS 6

struct address {
    char host[ADDRESS_HOST_CHARS]; /* a name or a number, without the brackets of IPv6 */
    char port[ADDRESS_PORT_CHARS]; /* a number up to 65535 */
};

/*
 * Checks that the host may stand in a URL, not that it exists. ERR_INVALID, naming the setting
 * `listen`.
 */
enum err_code address_parse(const char *text, struct address *out, struct err *err) MUST_CHECK;

/* Is it a loopback address, which only this machine has? IPv4 may be mapped to IPv6. */
bool address_is_own(const struct sockaddr *address);

/* The same of text: is it "localhost" or the number of such an address? */
bool address_is_loopback(const char *host);

#endif
