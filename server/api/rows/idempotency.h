/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Idempotency-Key header (draft-ietf-httpapi-idempotency-key-header): a name that a client
 * gives to a request, so that the server does not do it twice when it is sent again.
 */
#ifndef IDEMPOTENCY_H
#define IDEMPOTENCY_H

#include "base/compiler.h"
#include "base/err.h"

#define IDEMPOTENCY_KEY_MAX 255 /* characters */

/*
 * A structured-field string (RFC 8941, section 3.3.3) without parameters, or, as many clients send
 * it, the bare key: visible ASCII without quotes, backslash, comma and semicolon. "a" and a are the
 * same key. key: [IDEMPOTENCY_KEY_MAX + 1]. ERR_INVALID.
 */
enum err_code idempotency_key_parse(const char *text, char *key, struct err *err) MUST_CHECK;

#endif
