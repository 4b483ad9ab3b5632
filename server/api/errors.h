/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors as answers, in the form that the clients of a route read, with the one table from error
 * codes to statuses.
 */
#ifndef ERRORS_H
#define ERRORS_H

#include "http/exchange.h"

/* The HTTP status of an error. */
int error_status(enum err_code code);

enum error_form {
    ERROR_PROBLEM, /* problem+json (RFC 9457) */
    ERROR_UMBRIDGE /* umbridge/umbridge_error.h */
};

/* The form of the errors of a path, without the server's base path. */
enum error_form error_form_of(const char *path);

/* Fills the response. It cannot fail: when memory is short the body is a constant. */
void error_body_write(const struct err *err, enum error_form form, struct arena *arena,
                      struct response *res);

#endif
