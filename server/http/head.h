/* SPDX-License-Identifier: Apache-2.0 */
/* The head of a request as the HTTP library has read it, copied into the request. */
#ifndef HEAD_H
#define HEAD_H

#include "http/exchange.h"

struct MHD_Connection;

/*
 * Sets method, path, headers and query, in the request's arena. A bad escape sets req->transport.
 * False: memory is short.
 */
bool head_read(struct MHD_Connection *connection, const char *method, const char *url,
               struct request *req);

#endif
