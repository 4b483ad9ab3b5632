/* SPDX-License-Identifier: Apache-2.0 */
#include "api/aside.h"

#include "formats/media_type.h"

bool aside_is_large(const struct request *req)
{
    if (req->body[0] == 'P' && req->body[1] == 'K') {
        return true; /* zip: a few bytes may become many */
    }
    if (req->n_body <= ASIDE_TABLE_BYTES || req->n_body > ASIDE_BODY_BYTES) {
        return req->n_body > ASIDE_BODY_BYTES;
    }
    const char *type = request_header(req, "Content-Type");
    return media_type_is(type, MEDIA_TYPE_CSV) || media_type_is(type, MEDIA_TYPE_TSV);
}

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
        aside_count_large(app);
    }
    return ERR_OK;
}
