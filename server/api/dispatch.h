/* SPDX-License-Identifier: Apache-2.0 */
/* From a request to its response: route, handler, error body, metrics, log. */
#ifndef DISPATCH_H
#define DISPATCH_H

#include "api/app.h"

/* A daemon_handler; ctx is a struct app. */
void dispatch(void *ctx, struct request *req, struct response *res);

/* Metric labels of the routes, in their order. */
const char *const *dispatch_labels(int *n);

#endif
