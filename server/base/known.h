/* SPDX-License-Identifier: Apache-2.0 */
/* Messages about unknown names: each says which names are known, so that nobody has to guess. */
#ifndef KNOWN_H
#define KNOWN_H

#include "base/err.h"
#include "base/names.h"

#include <stdbool.h>
#include <stddef.h>

/* Writes "a, b and c" when the joining text is " and ". False when it does not fit: out then ends
 * behind a whole name. */
bool known_list(struct names names, const char *joining, char *out, size_t size);

/*
 * ERR_INVALID with `WHAT "name" is unknown (did you mean b?); a, b and c are known`; the question
 * only if a known name is near. When the names are too many for a message, it has the nearest one
 * alone, or as many as fit.
 */
enum err_code known_refuse(const char *what, const char *name, struct names known, struct err *err);

#endif
