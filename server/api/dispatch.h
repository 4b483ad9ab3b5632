/* SPDX-License-Identifier: Apache-2.0 */
/* Answers a request: finds the route, calls the handler, writes the error body, metrics and log. */
#ifndef DISPATCH_H
#define DISPATCH_H

#include "api/app.h"

/*
 * The functions of a daemon (http/daemon.h); ctx is a struct app. The head decides whether a
 * request is let in. Without dispatch_head, dispatch looks at the head itself; without
 * dispatch_over, what the request has cost is not charged.
 */
void dispatch_head(void *ctx, struct request *req, struct response *res);
void dispatch(void *ctx, struct request *req, struct response *res);
void dispatch_over(void *ctx, struct request *req);

/* A daemon_run_gathered; ctx is a struct app, the items are struct batch_item. In
 * native/run_place.c. */
void dispatch_gathered(void *ctx, void *const *items, int n);

/* A daemon_sent; ctx is a struct app. */
void dispatch_sent(void *ctx, const struct request *req);

/* The labels of the routes in metrics, in the order of the routes. */
const char *const *dispatch_labels(int *n);

#endif
