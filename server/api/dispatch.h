/* SPDX-License-Identifier: Apache-2.0 */
/* Answers a request: finds the route, calls the handler, writes the error body, metrics and log. */
#ifndef DISPATCH_H
#define DISPATCH_H

#include "api/app.h"

/* A daemon_handler; ctx is a struct app. */
void dispatch(void *ctx, struct request *req, struct response *res);

/* A daemon_sent; ctx is a struct app. */
void dispatch_sent(void *ctx, const struct request *req);

/* The labels of the routes in metrics, in the order of the routes. */
const char *const *dispatch_labels(int *n);

#endif
