/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies that were sent as gzip (RFC 1952). */
#ifndef INFLATE_H
#define INFLATE_H

#include "base/compiler.h"
#include "http/body.h"

/*
 * Replaces a body by what it is compressed from, which takes room like any body and may be no
 * longer than one: a few bytes that would grow to gigabytes stop at the limit. On an error the body
 * is as it was. ERR_SYNTAX: no gzip, damaged, cut, or followed by something else; ERR_TOO_LARGE,
 * ERR_BUSY, ERR_NOMEM as of body_append. *made: the bytes that were inflated, also on an error.
 */
enum err_code body_inflate(struct body *body, struct body_room *room, size_t *made,
                           struct err *err) MUST_CHECK;

#endif
