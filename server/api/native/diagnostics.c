/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of how good a version is and how its training went. */
#include "api/handlers.h"

#include "api/reply.h"
#include "documents/model_json.h"
#include "documents/posterior_json.h"
#include "documents/quality_json.h"
#include "store/models/version_ref.h"

static void write_diagnostics(struct textbuf *text, const struct served *served)
{
    const struct model *model = served->model;
    textbuf_puts(text, "{\"model\":");
    textbuf_json_string(text, served->name);
    textbuf_printf(text, ",\"version\":%lld,\"solver\":", (long long)served->version);
    textbuf_json_string(text, model->solver);
    textbuf_printf(text, ",\"seed\":%lld,\"draws\":%d,\"parameters\":%d,\"posterior\":",
                   (long long)model->seed, model->m, model->net.n_params);
    posterior_json_write_kind(text, model);
    textbuf_puts(text, ",\"noise\":");
    model_json_write_noise(text, model);
    textbuf_puts(text, ",");
    model_json_write_precision(text, model);
    textbuf_puts(text, ",\"scores\":");
    quality_json_write_scores(text, model);
    textbuf_puts(text, ",\"calibration\":");
    quality_json_write_calibration_kind(text, model);
    textbuf_puts(text, ",\"report\":");
    quality_json_write_report(text, &model->report);
    textbuf_puts(text, ",\"warnings\":");
    quality_json_write_warnings(text, &model->report);
    textbuf_puts(text, "}");
}

static enum err_code send_diagnostics(struct app *app, const struct request *req,
                                      struct response *res, const struct version_ref *version,
                                      struct err *err)
{
    const char *name;
    struct served *served = NULL;
    bool not_modified = false;
    struct textbuf text = textbuf_in(req->arena);
    if (reply_model_name(req->params[0], &name, err) != ERR_OK ||
        models_find(app->models, name, version, &served, err) != ERR_OK) {
        return err->code;
    }
    if (reply_etag(req, res, served->digest, &not_modified, err) == ERR_OK && !not_modified) {
        write_diagnostics(&text, served);
        err_kept(reply_json(res, 200, &text, err));
    }
    served_unref(served);
    return err->code;
}

enum err_code handle_model_diagnostics(struct app *app, const struct request *req,
                                       struct response *res, struct err *err)
{
    struct version_ref version = {.kind = VERSION_DEFAULT};
    return send_diagnostics(app, req, res, &version, err);
}

enum err_code handle_version_diagnostics(struct app *app, const struct request *req,
                                         struct response *res, struct err *err)
{
    struct version_ref version;
    return version_ref_parse(req->params[1], &version, err) == ERR_OK
               ? send_diagnostics(app, req, res, &version, err)
               : err->code;
}
