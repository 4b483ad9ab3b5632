/* SPDX-License-Identifier: Apache-2.0 */
/* Which encodings of an answer a client takes (Accept-Encoding, RFC 9110, section 12.5.3). */
#ifndef CODING_H
#define CODING_H

#include <stdbool.h>

/*
 * Does the value of Accept-Encoding ask for gzip? It, x-gzip or "*" is in the list with a weight
 * above 0, and not below that of identity where this is named. What is not written as a weight
 * counts as 0. NULL: there is no header, and nothing is asked for.
 */
bool coding_asks_for_gzip(const char *value);

#endif
