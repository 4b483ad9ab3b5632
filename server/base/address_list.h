/* SPDX-License-Identifier: Apache-2.0 */
/* The setting `listen` as a list of addresses, and who can reach them. */
#ifndef ADDRESS_LIST_H
#define ADDRESS_LIST_H

#include "base/address.h"

#define ADDRESS_LIST_MAX 8

struct address_list {
    struct address at[ADDRESS_LIST_MAX];
    int n; /* at least one */
};

/* "127.0.0.1:8080, unix:/run/surrogated.sock". ERR_INVALID, naming `listen`. */
enum err_code address_list_parse(const char *text, struct address_list *out,
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
