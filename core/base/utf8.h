/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UTF8_H
#define UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Is this well-formed UTF-8 (no surrogates, no overlong forms)? */
bool utf8_is_valid(const char *text, size_t len);

#endif
