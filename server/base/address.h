/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a server listens, as settings write it: "127.0.0.1:8080", "localhost:80", "[::1]:8080", or
 * "unix:/run/surrogated.sock" for a socket of the file system.
 */
#ifndef ADDRESS_H
#define ADDRESS_H

#include "base/compiler.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define ADDRESS_HOST_CHARS 256
#define ADDRESS_PORT_CHARS 6
#define ADDRESS_PATH_CHARS 108 /* what the system's address of a Unix socket has room for */

struct address {
    char host[ADDRESS_HOST_CHARS]; /* a name or a number, without the brackets of IPv6 */
    char port[ADDRESS_PORT_CHARS]; /* a number up to 65535 */
    char path[ADDRESS_PATH_CHARS]; /* of a Unix socket, absolute; "": there are host and port */
};

/*
 * Checks that the host may stand in a URL, not that it exists. ERR_INVALID, naming the setting
 * `listen`.
 */
enum err_code address_parse(const char *text, struct address *out, struct err *err) MUST_CHECK;

/* The path behind "unix:", or NULL when the text does not begin with that. */
const char *address_unix_path(const char *text);

/* Is it a loopback address, which only this machine has? IPv4 may be mapped to IPv6. */
bool address_is_own(const struct sockaddr *address);

/* The same of text: is it "localhost" or the number of such an address? */
bool address_is_loopback(const char *host);

/* ---- the setting `listen` as a list ---- */

#define ADDRESS_LIST_MAX 8

struct address_list {
    struct address at[ADDRESS_LIST_MAX];
    int n; /* at least one */
};

/* "127.0.0.1:8080, unix:/run/surrogated.sock". ERR_INVALID, naming `listen`. */
enum err_code address_list_parse(const char *text, struct address_list *out,
                                 struct err *err) MUST_CHECK;

/*
 * Writes the setting with another port in each address but those of Unix sockets. `from` names what
 * the port comes from. ERR_INVALID.
 */
enum err_code address_list_set_port(const char *from, const char *port, char *listen, size_t size,
                                    struct err *err) MUST_CHECK;

/* The setting `socket_mode`: octal digits. ERR_INVALID. */
enum err_code address_mode_parse(const char *text, unsigned *out, struct err *err) MUST_CHECK;

/*
 * The first of them that others than this machine and this user can reach: an address of a network
 * that is no loopback address, or a Unix socket whose mode lets the group or others write to it.
 * NULL: there is none.
 */
const struct address *address_list_find_open(const struct address_list *list, unsigned socket_mode);

/* The first Unix socket; NULL: there is none. */
const struct address *address_list_find_unix(const struct address_list *list);

#endif
