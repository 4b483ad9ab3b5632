/* SPDX-License-Identifier: Apache-2.0 */
/* Errors as answers: problem+json (RFC 9457), with the one table from error codes to statuses. */
#ifndef ERRORS_H
#define ERRORS_H

#include "http/exchange.h"

/* The HTTP status of an error. */
int error_status(enum err_code code);

/* Fills the response. It cannot fail: when memory is short the body is a constant. */
void error_body_write(const struct err *err, struct arena *arena, struct response *res);

#endif
