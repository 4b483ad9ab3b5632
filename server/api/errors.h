/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors as answers, with the one table from error codes to statuses. Each family of routes has a
 * form of its own, which clients of its protocol expect of every error, also of one that is found
 * before a handler runs.
 */
#ifndef ERRORS_H
#define ERRORS_H

#include "http/exchange.h"

/* The HTTP status of an error. */
int error_status(enum err_code code);

enum error_family {
    ERRORS_NATIVE,  /* problem+json (RFC 9457) */
    ERRORS_OIP,     /* {"error":"a text"}, of the Open Inference Protocol */
    ERRORS_UMBRIDGE /* {"error":{"type":..,"message":..}} (umbridge_error.h) */
};

/* The family of a path without the base path of the server. */
enum error_family error_family_of(const char *path);

/*
 * Fills the response. It cannot fail: when memory is short the body is a constant. `primary` is a
 * member of a problem document: the URL where a change may be sent; NULL: without it.
 */
void error_body_write(enum error_family family, const struct err *err, const char *primary,
                      struct arena *arena, struct response *res);

#endif
