/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors as UM-Bridge's clients expect them: {"error":{"type":"InvalidInput","message":".."}} and
 * nothing else, whatever went wrong, since they look into the body before they look at the status.
 */
#ifndef UMBRIDGE_ERROR_H
#define UMBRIDGE_ERROR_H

#include "base/err.h"
#include "formats/json_write.h"

#include <stdbool.h>

/* Is this the path of one of its routes? They are the ones that begin with a capital letter. */
bool umbridge_error_is_due(const char *path);

/* The status that the protocol has for an error, or else `usual`. */
int umbridge_error_status(enum err_code code, int usual);

/* The whole body. message: UTF-8. */
void umbridge_error_write(struct json_write *json, enum err_code code, const char *message);

#endif
