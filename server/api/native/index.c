/* SPDX-License-Identifier: Apache-2.0 */
/* GET /: what the server is, and where to go from there; GET /openapi.json: all of it. */
#include "api/handlers.h"

#include "api/reply.h"
#include "base/version.h"
#include "formats/media_type.h"
#include "openapi.h"

static const struct {
    const char *name;
    const char *path;
} links[] = {{"ui", "/ui/"},          {"models", "/v1/models"}, {"jobs", "/v1/jobs"},
             {"predict", "/predict"}, {"healthz", "/healthz"},  {"readyz", "/readyz"},
             {"metrics", "/metrics"}, {"status", "/v1/status"}, {"openapi", "/openapi.json"}};

/* A line for each, since people read it. The pages are those of the source. */
enum err_code handle_index(struct app *app, const struct request *req, struct response *res,
                           struct err *err)
{
    struct textbuf text = textbuf_in(req->arena);
    textbuf_puts(&text, "{\"name\":\"surrogated\",\n \"version\":\"" SURROGATED_VERSION "\",\n");
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        textbuf_printf(&text, " \"%s\":\"%s%s\",\n", links[i].name, config_base(app->config),
                       links[i].path);
    }
    textbuf_puts(&text, " \"docs\":[\"README.md\",\"schema/API.md\",\"core/SOLVERS.md\","
                        "\"deploy/README.md\"]}\n");
    return reply_text(res, "application/json", &text, err);
}

/* The text is part of the program: nothing is copied or made for a request. */
enum err_code handle_openapi(struct app *app, const struct request *req, struct response *res,
                             struct err *err)
{
    bool not_modified = false;
    if (reply_etag(req, res, OPENAPI_DIGEST, &not_modified, err) == ERR_OK && !not_modified) {
        res->status = 200;
        res->content_type = MEDIA_TYPE_JSON;
        res->body = openapi_json;
        res->n_body = OPENAPI_BYTES;
    }
    return err->code;
}
