/* SPDX-License-Identifier: Apache-2.0 */
/* How good a version is, and how its training went. */
#include "api/handlers.h"

#include "api/reply.h"
#include "documents/choice_json.h"
#include "documents/model_json.h"
#include "documents/posterior_json.h"
#include "documents/quality_json.h"
#include "store/models/version_ref.h"

static void write_diagnostics(struct json_write *json, const struct served *served)
{
    const struct model *model = served->model;
    json_write_object(json, NULL);
    json_write_text(json, "model", served->name);
    json_write_int(json, "version", served->version);
    json_write_text(json, "solver", model->solver);
    json_write_int(json, "seed", model->seed);
    json_write_int(json, "draws", model->m);
    json_write_int(json, "parameters", model->net.n_params);
    posterior_json_write_kind(json, "posterior", model);
    model_json_write_names(json, model);
    model_json_summarise_noise(json, model);
    model_json_write_precision(json, model);
    quality_json_summarise_scores(json, "scores", model);
    quality_json_write_calibration_kind(json, "calibration", model);
    choice_json_write_of_model(json, "auto", model);
    quality_json_write_report(json, "report", &model->report);
    quality_json_write_warnings(json, "warnings", &model->report);
    json_write_object_end(json);
}

static enum err_code send_diagnostics(struct app *app, const struct request *req,
                                      struct response *res, const struct version_ref *version,
                                      struct err *err)
{
    const char *name;
    struct served *served = NULL;
    bool not_modified = false;
    struct textbuf text = textbuf_in(req->arena);
    struct json_write json = json_write_to(&text);
    if (reply_model_name(req->params[0], &name, err) != ERR_OK ||
        models_find(app->models, name, version, &served, err) != ERR_OK) {
        return err->code;
    }
    if (reply_etag(req, res, served->digest, &not_modified, err) == ERR_OK && !not_modified) {
        write_diagnostics(&json, served);
        err_kept(reply_json(res, 200, &json, err));
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
