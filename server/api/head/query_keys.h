/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of a query: a misspelt one must not change what a request does. */
#ifndef QUERY_KEYS_H
#define QUERY_KEYS_H

#include "base/compiler.h"
#include "http/exchange.h"

/*
 * known: the keys that the route has, separated by blanks, or "*": its handler looks at them.
 * ERR_INVALID: another key, for which the near and the known ones are named, or one that is given
 * twice.
 */
enum err_code query_keys_check(const struct request *req, const char *known,
                               struct err *err) MUST_CHECK;

#endif
