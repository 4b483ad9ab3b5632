/* SPDX-License-Identifier: Apache-2.0 */
/* Conditional requests (RFC 9110, section 13). */
#ifndef ETAG_H
#define ETAG_H

#include <stdbool.h>

/*
 * Does an If-Match or If-None-Match header list `tag`, which has its quotes? "*" stands for every
 * tag. Weak tags are compared by their opaque part.
 */
bool etag_matches(const char *header, const char *tag);

#endif
