/* SPDX-License-Identifier: Apache-2.0 */
/* The head of a request as the HTTP library has read it, copied into the request. */
#ifndef HEAD_H
#define HEAD_H

#include "http/exchange.h"

struct MHD_Connection;

#define HEAD_MAX_QUERY 64 /* parameters of a query */

/*
 * Sets method, path, headers and query, in the request's arena. A bad escape and a query of too
 * many parameters set req->transport. False: memory is short.
 */
bool head_read(struct MHD_Connection *connection, const char *method, const char *url,
               struct request *req);

/*
 * For the library, which calls it with a request's target before it reads the query there. The
 * library keeps parameters in the same 16 KiB as the head. Where these do not suffice it means to
 * answer 431, but goes on as if it had not, and closes the connection without a word. So what
 * follows the first parameter beyond HEAD_MAX_QUERY is cut off, and head_read refuses the request.
 * NULL, always.
 */
void *head_cut_query(void *ctx, const char *target, struct MHD_Connection *connection);

#endif
