/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /ui/ and the files that it asks for. They are part of the program and hold nothing of the
 * registry: whoever opens the page needs no token for them, only for what they ask for.
 */
#include "api/handlers.h"

#include "api/reply.h"
#include "formats/coding.h"
#include "ui_files.h"

#include <stdlib.h>
#include <string.h>

#define PAGE "index.html"

/*
 * Nothing is run or shown but what this server sends: no inline script or style, no foreign host.
 * data: and blob: are pictures that the page itself makes when it exports a plot.
 */
#define POLICY                                                                                     \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "        \
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

static int compare_names(const void *name, const void *file)
{
    return strcmp(name, ((const struct ui_file *)file)->name);
}

static enum err_code send_file(const struct request *req, struct response *res, const char *name,
                               struct err *err)
{
    bool not_modified = false;
    const struct ui_file *file =
        bsearch(name, ui_files, UI_N_FILES, sizeof *ui_files, compare_names);
    if (file == NULL) {
        return err_set(err, ERR_NOT_FOUND, "the page has no file %.60s", name);
    }
    bool packed = coding_asks_for_gzip(request_header(req, "Accept-Encoding"));
    response_header(res, "Content-Security-Policy", POLICY);
    response_header(res, "Cache-Control", "no-cache");
    response_header(res, "Vary", "Accept-Encoding");
    if (reply_etag(req, res, file->digest, &not_modified, err) != ERR_OK || not_modified) {
        return err->code;
    }
    res->status = 200;
    res->content_type = file->type;
    res->body = packed ? file->packed : file->plain;
    res->n_body = packed ? file->n_packed : file->n_plain;
    if (packed) {
        response_header(res, "Content-Encoding", "gzip");
    }
    return ERR_OK;
}

enum err_code handle_ui_page(struct app *app, const struct request *req, struct response *res,
                             struct err *err)
{
    (void)app;
    return send_file(req, res, PAGE, err);
}

enum err_code handle_ui_file(struct app *app, const struct request *req, struct response *res,
                             struct err *err)
{
    (void)app;
    return send_file(req, res, req->params[0], err);
}

/* The page asks for its files beside itself, which needs the slash. */
enum err_code handle_ui_slash(struct app *app, const struct request *req, struct response *res,
                              struct err *err)
{
    const char *place = arena_printf(req->arena, "%s/ui/", config_base(app->config));
    if (place == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the answer");
    }
    response_header(res, "Location", place);
    res->status = 308;
    return ERR_OK;
}
