/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the route of a table that a request means. */
#ifndef ROUTER_H
#define ROUTER_H

#include "http/exchange.h"

struct route {
    enum http_method method;
    const char *pattern; /* "/v1/models/{m}/data": a part in braces matches any one part */
};

/*
 * The index of the route; req->params are the parts of the path that stand for its braces. HEAD
 * finds the route of GET. ERR_NOT_FOUND: no route has this path. ERR_METHOD: the path has other
 * methods, and *allow lists them (in the request's arena).
 */
enum err_code router_find(const struct route *routes, int n_routes, struct request *req, int *index,
                          const char **allow, struct err *err) MUST_CHECK;

const char *http_method_name(enum http_method method);

#endif
