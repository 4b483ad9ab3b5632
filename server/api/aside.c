/* SPDX-License-Identifier: Apache-2.0 */
#include "api/aside.h"

enum err_code aside_run(struct app *app, offload_fn *fn, void *ctx, const struct request *req,
                        struct response *res, struct err *err)
{
    /* Handlers may not change a request, but whoever puts it aside does. */
    struct request *whole = (struct request *)req;
    /* Before it is submitted: from then on the other thread may change the body. */
    const bool large = aside_is_large(req);
    if (!offload_submit(app->offload, fn, ctx, whole, res)) {
        return offload_run_here(fn, ctx, whole, res, err);
    }
    if (large) {
        metrics_add(&app->metrics->large_bodies, 1);
    }
    return ERR_OK;
}
