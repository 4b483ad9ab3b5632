/* SPDX-License-Identifier: Apache-2.0 */
/* For whom a proxy asks, as the headers X-Forwarded-For or Forwarded (RFC 7239) of its request say.
 */
#ifndef FORWARDED_H
#define FORWARDED_H

#include "access/proxies.h"
#include "http/exchange.h"

/*
 * The client of a request that came from one of the proxies; family 0 when the headers name none.
 * False: they name something that is no address, as in proxies_find_client.
 */
bool forwarded_find_client(const struct proxies *proxies, const struct request *req,
                           union proxies_address *out);

#endif
