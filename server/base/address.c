/* SPDX-License-Identifier: Apache-2.0 */
#include "base/address.h"

#include <strings.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PORT     65535
#define LOOPBACK_NET 127         /* the first byte of IPv4 */
#define FOREIGN      "/@?#\\ \t" /* in no host; in a URL they would mean something else */

static bool is_port(const char *text)
{
    size_t len = strlen(text);
    return len > 0 && len < ADDRESS_PORT_CHARS && strspn(text, "0123456789") == len &&
           atoi(text) <= MAX_PORT;
}

enum err_code address_parse(const char *text, struct address *out, struct err *err)
{
    struct address address = {.host = ""};
    const char *host = text;
    const char *colon = strrchr(text, ':');
    size_t len = colon != NULL ? (size_t)(colon - text) : 0;
    if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
        host++;
        len -= 2;
    } else if (memchr(host, ':', len) != NULL) {
        len = 0; /* a bare IPv6 address: where would the port begin? */
    }
    if (len == 0 || len >= sizeof address.host || strcspn(host, FOREIGN) < len ||
        !is_port(colon + 1)) {
        return err_set(err, ERR_INVALID,
                       "listen is \"%.60s\"; host:port or [v6]:port is needed, with a port from 0 "
                       "to %d",
                       text, MAX_PORT);
    }
    memcpy(address.host, host, len);
    memcpy(address.port, colon + 1, strlen(colon + 1));
    *out = address;
    return ERR_OK;
}

bool address_is_own(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)address;
        return ntohl(v4->sin_addr.s_addr) >> 24 == LOOPBACK_NET;
    }
    if (address->sa_family != AF_INET6) {
        return false;
    }
    const struct in6_addr *v6 = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    return IN6_IS_ADDR_V4MAPPED(v6) ? v6->s6_addr[12] == LOOPBACK_NET : IN6_IS_ADDR_LOOPBACK(v6);
}

bool address_is_loopback(const char *host)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
        return address_is_own((const struct sockaddr *)&v4);
    }
    if (inet_pton(AF_INET6, host, &v6.sin6_addr) == 1) {
        return address_is_own((const struct sockaddr *)&v6);
    }
    return strcasecmp(host, "localhost") == 0;
}
