/* SPDX-License-Identifier: Apache-2.0 */
/* Every handler of routes.def. */
#ifndef HANDLERS_H
#define HANDLERS_H

#include "api/app.h"

#define ROUTE(method, pattern, handler, label, role, query)                                        \
    enum err_code handle_##handler(struct app *app, const struct request *req,                     \
                                   struct response *res, struct err *err);
#include "api/routes.def"
#undef ROUTE

#endif
