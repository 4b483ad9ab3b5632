/* SPDX-License-Identifier: Apache-2.0 */
/* Errors as answers: the one table from codes to statuses, and problem+json (RFC 9457). */
#ifndef ERRORS_H
#define ERRORS_H

#include "http/exchange.h"

int error_status(enum err_code code);

/* Fills the response; never fails: without memory it has a constant body. */
void error_body_write(const struct err *err, struct arena *arena, struct response *res);

#endif
