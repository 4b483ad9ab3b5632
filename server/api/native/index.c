/* SPDX-License-Identifier: Apache-2.0 */
/* GET /: what the server is, and where to go from there. */
#include "api/handlers.h"

#include "api/reply.h"
#include "base/version.h"

static const struct {
    const char *name;
    const char *path;
} links[] = {{"models", "/v1/models"}, {"jobs", "/v1/jobs"},  {"predict", "/predict"},
             {"healthz", "/healthz"},  {"readyz", "/readyz"}, {"metrics", "/metrics"},
             {"status", "/v1/status"}};

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
