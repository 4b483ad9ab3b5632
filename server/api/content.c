/* SPDX-License-Identifier: Apache-2.0 */
#include "api/content.h"

#include "api/aside.h"

#include <strings.h>

/* A request whose body is inflated; in its arena. */
struct inflating {
    struct app *app;
    struct request *req;
    content_next_fn *next;
};

static enum err_code continue_request(void *ctx, struct response *res, struct err *err)
{
    struct inflating *work = ctx;
    return work->next(work->app, work->req, res, err);
}

static void forget_request(void *ctx)
{
    (void)ctx; /* it is in the request's arena */
}

/* On another thread. The connection's own goes on with the request. */
static enum err_code inflate_body(void *ctx, struct request *req, struct response *res,
                                  struct err *err)
{
    if (req->ops->inflate(req->exchange, err) == ERR_OK) {
        res->later = (struct later){.run = continue_request, .drop = forget_request, .ctx = ctx};
    }
    return err->code;
}

enum err_code content_decode(struct app *app, struct request *req, content_next_fn *next,
                             struct response *res, struct err *err)
{
    const char *encoding = request_header(req, "Content-Encoding");
    if (encoding == NULL || strcasecmp(encoding, "identity") == 0) {
        return next(app, req, res, err);
    }
    if ((strcasecmp(encoding, "gzip") != 0 && strcasecmp(encoding, "x-gzip") != 0) ||
        req->ops->inflate == NULL) {
        response_header(res, "Accept-Encoding", "gzip");
        return err_set(err, ERR_MEDIA_TYPE, "Content-Encoding: %.40s is not read; gzip is",
                       encoding);
    }
    struct inflating *work = arena_zalloc_array(req->arena, 1, sizeof *work);
    if (work == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the request");
    }
    *work = (struct inflating){app, req, next};
    return aside_run(app, inflate_body, work, req, res, err);
}
