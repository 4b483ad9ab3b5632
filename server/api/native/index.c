/* SPDX-License-Identifier: Apache-2.0 */
/* GET /: what the server is, and where to go from there. */
#include "api/handlers.h"

#include "api/reply.h"
#include "base/version.h"

/* A line for each, since people read it. The pages are those of the source. */
static const char index_format[] =
    "{\"name\":\"surrogated\",\n"
    " \"version\":\"%s\",\n"
    " \"models\":\"/v1/models\",\n"
    " \"jobs\":\"/v1/jobs\",\n"
    " \"predict\":\"/predict\",\n"
    " \"healthz\":\"/healthz\",\n"
    " \"readyz\":\"/readyz\",\n"
    " \"metrics\":\"/metrics\",\n"
    " \"status\":\"/v1/status\",\n"
    " \"docs\":[\"README.md\",\"schema/API.md\",\"core/SOLVERS.md\",\"deploy/README.md\"]}\n";

enum err_code handle_index(struct app *app, const struct request *req, struct response *res,
                           struct err *err)
{
    struct textbuf text = textbuf_in(req->arena);
    textbuf_printf(&text, index_format, SURROGATED_VERSION);
    return reply_text(res, "application/json", &text, err);
}
