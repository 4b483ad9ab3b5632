/* SPDX-License-Identifier: Apache-2.0 */
#include "access/proxies.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NONE          "none"
#define UNIX_SOCKETS  "unix:"
#define BLANKS        " \t"
#define MAX_TEXT      (INET6_ADDRSTRLEN + 4) /* with the length of a net */
#define V4_IN_V6_BITS 96

static const unsigned char v4_in_v6[12] = {[10] = 0xff, [11] = 0xff};

/* The number of an address in 16 bytes; IPv4 is mapped to IPv6. */
static bool find_bytes(const struct sockaddr *address, unsigned char out[16])
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)address;
        memcpy(out, v4_in_v6, sizeof v4_in_v6);
        memcpy(out + sizeof v4_in_v6, &v4->sin_addr, sizeof v4->sin_addr);
        return true;
    }
    if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const void *)address;
        memcpy(out, &v6->sin6_addr, 16);
        return true;
    }
    return false;
}

/* A number without port and brackets. */
static bool parse_number(const char *text, size_t len, union proxies_address *out)
{
    char copy[INET6_ADDRSTRLEN];
    if (len == 0 || len >= sizeof copy) {
        return false;
    }
    memcpy(copy, text, len);
    copy[len] = '\0';
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, copy, &out->v4.sin_addr) == 1) {
        out->v4.sin_family = AF_INET;
        return true;
    }
    out->v6.sin6_family = inet_pton(AF_INET6, copy, &out->v6.sin6_addr) == 1 ? AF_INET6 : 0;
    return out->v6.sin6_family != 0;
}

/* ---- the settings ---- */

/* The bits of the net; -1: it is no length. */
static int parse_bits(const char *text, bool is_v4)
{
    size_t len = strlen(text);
    int max = is_v4 ? 32 : 128;
    int bits = len > 0 && len < 4 && strspn(text, "0123456789") == len ? atoi(text) : -1;
    return bits <= max ? bits : -1;
}

static bool has_bits_beyond(const struct proxy_net *net)
{
    for (int bit = net->n_bits; bit < 128; bit++) {
        if ((net->bytes[bit / 8] >> (7 - bit % 8) & 1) != 0) {
            return true;
        }
    }
    return false;
}

static enum err_code parse_net(char *text, struct proxy_net *out, struct err *err)
{
    union proxies_address address;
    char *slash = strchr(text, '/');
    size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);
    if (!parse_number(text, len, &address) || !find_bytes(&address.any, out->bytes)) {
        return err_set(err, ERR_INVALID,
                       "proxies: \"%s\" is no address; 192.0.2.1, 10.0.0.0/8, 2001:db8::/32 or "
                       "unix: is needed",
                       text);
    }
    bool is_v4 = address.any.sa_family == AF_INET;
    int bits = slash == NULL ? (is_v4 ? 32 : 128) : parse_bits(slash + 1, is_v4);
    if (bits < 1) {
        return err_set(err, ERR_INVALID, "proxies: \"%s\" needs a length from 1 to %d behind the /",
                       text, is_v4 ? 32 : 128);
    }
    out->n_bits = is_v4 ? V4_IN_V6_BITS + bits : bits;
    if (has_bits_beyond(out)) {
        return err_set(err, ERR_INVALID,
                       "proxies: \"%s\" has bits beyond its length; give the first address of the "
                       "net, or leave out the length for one address",
                       text);
    }
    return ERR_OK;
}

static enum err_code add_item(struct proxies *proxies, char *text, struct err *err)
{
    if (strcmp(text, UNIX_SOCKETS) == 0) {
        proxies->unix_sockets = true;
        return ERR_OK;
    }
    if (proxies->n == PROXIES_MAX) {
        return err_set(err, ERR_INVALID, "proxies has more than %d addresses", PROXIES_MAX);
    }
    return parse_net(text, &proxies->nets[proxies->n++], err);
}

enum err_code proxies_parse(const char *list, const char *header, struct proxies *out,
                            struct err *err)
{
    struct proxies proxies = {.n = 0};
    proxies.forwarded = strcasecmp(header, PROXIES_FORWARDED) == 0;
    if (!proxies.forwarded && strcasecmp(header, PROXIES_USUAL) != 0) {
        return err_set(err, ERR_INVALID,
                       "proxy_header is \"%.40s\"; " PROXIES_USUAL " or " PROXIES_FORWARDED
                       " is needed",
                       header);
    }
    const char *rest = strcmp(list, NONE) == 0 ? "" : list;
    while (*rest != '\0' && err->code == ERR_OK) {
        char item[MAX_TEXT];
        rest += strspn(rest, BLANKS);
        size_t n = strcspn(rest, ",");
        const char *next = rest + n + (rest[n] == ',');
        while (n > 0 && strchr(BLANKS, rest[n - 1]) != NULL) {
            n--;
        }
        n = n < sizeof item ? n : sizeof item - 1; /* longer than any address, so refused */
        memcpy(item, rest, n);
        item[n] = '\0';
        err_kept(add_item(&proxies, item, err));
        rest = next;
    }
    if (err->code == ERR_OK) {
        *out = proxies;
    }
    return err->code;
}

bool proxies_are_none(const struct proxies *proxies)
{
    return proxies->n == 0 && !proxies->unix_sockets;
}

/* ---- requests ---- */

static bool is_in_net(const struct proxy_net *net, const unsigned char bytes[16])
{
    int whole = net->n_bits / 8;
    int rest = net->n_bits % 8;
    return memcmp(net->bytes, bytes, (size_t)whole) == 0 &&
           (rest == 0 || (net->bytes[whole] ^ bytes[whole]) >> (8 - rest) == 0);
}

bool proxies_trust(const struct proxies *proxies, const struct sockaddr *address)
{
    unsigned char bytes[16];
    if (address->sa_family == AF_UNIX) {
        return proxies->unix_sockets;
    }
    if (!find_bytes(address, bytes)) {
        return false;
    }
    for (int i = 0; i < proxies->n; i++) {
        if (is_in_net(&proxies->nets[i], bytes)) {
            return true;
        }
    }
    return false;
}

static bool is_port(const char *text, size_t len)
{
    bool good = len > 1 && len <= 6 && text[0] == ':';
    for (size_t i = 1; good && i < len; i++) {
        good = text[i] >= '0' && text[i] <= '9';
    }
    return good;
}

static bool parse_hop(const struct proxies_hop *hop, union proxies_address *out)
{
    const char *text = hop->text;
    size_t len = hop->len;
    if (len > 0 && text[0] == '[') {
        const char *close = memchr(text, ']', len);
        size_t n = close != NULL ? (size_t)(close - text) - 1 : 0;
        return n > 0 && (n + 2 == len || is_port(close + 1, len - n - 2)) &&
               parse_number(text + 1, n, out) && out->any.sa_family == AF_INET6;
    }
    const char *colon = len > 0 ? memchr(text, ':', len) : NULL;
    size_t n = colon != NULL ? (size_t)(colon - text) : len;
    bool one_colon = colon != NULL && memchr(colon + 1, ':', len - n - 1) == NULL;
    if (one_colon) {
        return is_port(colon, len - n) && parse_number(text, n, out);
    }
    return parse_number(text, len, out);
}

bool proxies_find_client(const struct proxies *proxies, const struct proxies_hop *hops, int n,
                         union proxies_address *out)
{
    memset(out, 0, sizeof *out);
    for (int i = n - 1; i >= 0; i--) {
        union proxies_address hop;
        if (!parse_hop(&hops[i], &hop)) {
            return false;
        }
        *out = hop;
        if (!proxies_trust(proxies, &hop.any)) {
            break;
        }
    }
    return true;
}
