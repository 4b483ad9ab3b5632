/* SPDX-License-Identifier: Apache-2.0 */
#include "api/exports/exports.h"
#include "api/handlers.h"
#include "api/reply.h"
#include "api/exports/version_lookup.h"
#include "base/names.h"

/* The names of "format" in the query. */
enum { EXPORT_JSON, EXPORT_BINARY, EXPORT_SAFETENSORS, EXPORT_SAFETENSORS_FLAT };

static enum err_code read_format(const struct request *req, int *format, struct err *err)
{
    static const char *const formats[] = {"json", "binary", "safetensors", "safetensors_flat"};
    const char *text = request_query(req, "format");
    *format = text != NULL ? names_find((struct names){formats, 4}, text) : EXPORT_JSON;
    return *format >= 0 ? ERR_OK
                        : err_set(err, ERR_UNSUPPORTED,
                                  "format \"%.40s\" is not supported; json, binary, safetensors "
                                  "and safetensors_flat are",
                                  text);
}

/* What is made from the model in memory. */
static enum err_code export_model(struct app *app, const struct request *req,
                                  const struct version_row *row, int format, struct response *res,
                                  struct err *err)
{
    struct served *served = NULL;
    if (models_get(app->models, row->model, row->version, &served, err) != ERR_OK) {
        return err->code;
    }
    err_kept(format == EXPORT_JSON
                 ? export_document(app, req, served, res, err)
                 : export_tensors(app, req, served, format == EXPORT_SAFETENSORS_FLAT, res, err));
    served_unref(served);
    return err->code;
}

enum err_code handle_version_export(struct app *app, const struct request *req,
                                    struct response *res, struct err *err)
{
    int format = EXPORT_JSON;
    struct model_view view = {.n_versions = 0};
    const struct version_row *row = NULL;
    bool not_modified = false;
    if (read_format(req, &format, err) != ERR_OK) {
        return err->code;
    }
    if (version_lookup(app, req, &view, &row, err) == ERR_OK &&
        reply_etag(req, res, row->digest, &not_modified, err) == ERR_OK && !not_modified) {
        err_kept(format == EXPORT_BINARY ? export_binary(app, req, row, res, err)
                                         : export_model(app, req, row, format, res, err));
    }
    model_view_release(&view);
    return err->code;
}
