/* SPDX-License-Identifier: Apache-2.0 */
#include "api/exports/version_lookup.h"

#include "api/reply.h"
#include "store/models/model_store.h"

enum err_code version_lookup(struct app *app, const struct request *req, struct model_view *view,
                             const struct version_row **row, struct err *err)
{
    const char *name;
    struct version_ref ref;
    if (reply_model_name(req->params[0], &name, err) != ERR_OK ||
        version_ref_parse(req->params[1], &ref, err) != ERR_OK ||
        model_store_view(app->db, name, view, err) != ERR_OK) {
        return err->code;
    }
    return model_view_find(view, &ref, row, err);
}
