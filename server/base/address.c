/* SPDX-License-Identifier: Apache-2.0 */
#include "base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_PORT         65535
#define UNIX_PREFIX      "unix:"
#define LOOPBACK_NET     127           /* the first byte of IPv4 */
#define FOREIGN          "/@?#[]\\ \t" /* in no host; in a URL they would mean something else */
#define BLANKS           " \t"
#define MAX_TEXT         (ADDRESS_HOST_CHARS + ADDRESS_PORT_CHARS + 8)
#define OTHERS_MAY_WRITE 022u
#define OWNER_MAY        0600u

static bool is_port(const char *text)
{
    size_t len = strlen(text);
    return len > 0 && len < ADDRESS_PORT_CHARS && strspn(text, "0123456789") == len &&
           atoi(text) <= MAX_PORT;
}

const char *address_unix_path(const char *text)
{
    return strncmp(text, UNIX_PREFIX, sizeof UNIX_PREFIX - 1) == 0 ? text + sizeof UNIX_PREFIX - 1
                                                                   : NULL;
}

static enum err_code parse_path(const char *path, struct address *out, struct err *err)
{
    size_t len = strlen(path);
    if (path[0] != '/' || path[len - 1] == '/') {
        return err_set(err, ERR_INVALID,
                       "listen is \"" UNIX_PREFIX "%.60s\"; unix:/path/of/the/socket is needed",
                       path);
    }
    if (len >= ADDRESS_PATH_CHARS) {
        return err_set(err, ERR_INVALID,
                       "listen is \"" UNIX_PREFIX
                       "%.120s\": the path has %zu bytes, a socket's may "
                       "have %d",
                       path, len, ADDRESS_PATH_CHARS - 1);
    }
    *out = (struct address){.host = ""};
    memcpy(out->path, path, len + 1);
    return ERR_OK;
}

enum err_code address_parse(const char *text, struct address *out, struct err *err)
{
    struct address address = {.host = ""};
    const char *path = address_unix_path(text);
    if (path != NULL) {
        return parse_path(path, out, err);
    }
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
                       "to %d, or unix:/path",
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

/* ---- lists ---- */

/* The next item without the blanks around it; false: it is longer than any address. */
static bool next_item(const char **list, char out[MAX_TEXT])
{
    const char *text = *list + strspn(*list, BLANKS);
    size_t n = strcspn(text, ",");
    *list = text + n + (text[n] == ',');
    while (n > 0 && strchr(BLANKS, text[n - 1]) != NULL) {
        n--;
    }
    if (n >= MAX_TEXT) {
        return false;
    }
    memcpy(out, text, n);
    out[n] = '\0';
    return true;
}

enum err_code address_list_parse(const char *text, struct address_list *out, struct err *err)
{
    struct address_list list = {.n = 0};
    const char *rest = text;
    do {
        char item[MAX_TEXT];
        if (list.n == ADDRESS_LIST_MAX) {
            return err_set(err, ERR_INVALID, "listen has more than %d addresses", ADDRESS_LIST_MAX);
        }
        if (!next_item(&rest, item)) {
            return err_set(err, ERR_INVALID,
                           "listen is \"%.60s..\", which is too long for an address", text);
        }
        if (address_parse(item, &list.at[list.n++], err) != ERR_OK) {
            return err->code;
        }
    } while (*rest != '\0');
    *out = list;
    return ERR_OK;
}

enum err_code address_list_set_port(const char *from, const char *port, char *listen, size_t size,
                                    struct err *err)
{
    struct address_list list;
    size_t len = strlen(port);
    size_t used = 0;
    if (len < 1 || len >= ADDRESS_PORT_CHARS || strspn(port, "0123456789") != len ||
        strtoul(port, NULL, 10) > UINT16_MAX) {
        return err_set(err, ERR_INVALID, "%s is \"%.40s\"; a port from 0 to 65535 is needed", from,
                       port);
    }
    if (address_list_parse(listen, &list, err) != ERR_OK) {
        return err->code;
    }
    for (int i = 0; i < list.n && used < size; i++) {
        const struct address *at = &list.at[i];
        const char *comma = i > 0 ? "," : "";
        bool v6 = strchr(at->host, ':') != NULL;
        int n = at->path[0] != '\0'
                    ? snprintf(listen + used, size - used, "%s" UNIX_PREFIX "%s", comma, at->path)
                    : snprintf(listen + used, size - used, "%s%s%s%s:%s", comma, v6 ? "[" : "",
                               at->host, v6 ? "]" : "", port);
        used += (size_t)n;
    }
    return used < size ? ERR_OK : err_set(err, ERR_INVALID, "listen is too long");
}

enum err_code address_mode_parse(const char *text, unsigned *out, struct err *err)
{
    size_t len = strlen(text);
    unsigned long mode = strtoul(text, NULL, 8);
    if (len < 3 || len > 4 || strspn(text, "01234567") != len || mode > 0777 ||
        (mode & OWNER_MAY) != OWNER_MAY) {
        return err_set(err, ERR_INVALID,
                       "socket_mode is \"%.40s\"; octal digits from 0600 to 0777 are needed, such "
                       "as 0660, which let the owner read and write",
                       text);
    }
    *out = (unsigned)mode;
    return ERR_OK;
}

const struct address *address_list_find_open(const struct address_list *list, unsigned socket_mode)
{
    for (int i = 0; i < list->n; i++) {
        const struct address *at = &list->at[i];
        bool open = at->path[0] != '\0' ? (socket_mode & OTHERS_MAY_WRITE) != 0
                                        : !address_is_loopback(at->host);
        if (open) {
            return at;
        }
    }
    return NULL;
}

const struct address *address_list_find_unix(const struct address_list *list)
{
    for (int i = 0; i < list->n; i++) {
        if (list->at[i].path[0] != '\0') {
            return &list->at[i];
        }
    }
    return NULL;
}
