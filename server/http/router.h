/* SPDX-License-Identifier: Apache-2.0 */
/* Which route of a table a request means. */
#ifndef ROUTER_H
#define ROUTER_H

#include "http/exchange.h"

struct route {
    enum http_method method;
    const char *pattern; /* "/v1/models/{m}/data": a part in braces matches any one part */
};

/*
 * Index of the route, with the parts it matched in req->params; HEAD is taken as GET.
 * ERR_NOT_FOUND: no such path. ERR_METHOD: the path has other methods, listed in *allow (in the
 * request's arena).
 */
enum err_code router_find(const struct route *routes, int n_routes, struct request *req, int *index,
                          const char **allow, struct err *err) MUST_CHECK;

const char *http_method_name(enum http_method method);

#endif
