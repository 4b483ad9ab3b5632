/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_loadb that may run out of memory. jansson 2.14 goes on with half a token then and writes
 * beyond it; here the parse ends at the first allocation that fails, and all it had is given back.
 * For the client, whose values are in mem (json_read_leave); the server reads into arenas
 * (json_read.h).
 */
#ifndef JSON_LOAD_H
#define JSON_LOAD_H

#include "base/compiler.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* NULL: *is_short says that memory was, else *error what is wrong. error may be NULL. */
json_t *json_load_whole(const char *text, size_t len, size_t flags, json_error_t *error,
                        bool *is_short) MUST_CHECK;

#endif
