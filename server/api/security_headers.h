/* SPDX-License-Identifier: Apache-2.0 */
/* Headers that keep a browser from doing more with an answer than showing it. */
#ifndef SECURITY_HEADERS_H
#define SECURITY_HEADERS_H

#include "http/exchange.h"

/* Adds those that the handler has not set. What has an ETag may be kept by caches. */
void security_headers_add(struct response *res);

#endif
