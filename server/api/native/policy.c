/* SPDX-License-Identifier: Apache-2.0 */
/* Policies, which say when a model is trained again by itself: set, show, delete. */
#include "api/handlers.h"

#include "documents/policy_json.h"
#include "api/reply.h"
#include "base/mem.h"
#include "store/jobs/policy_store.h"

#include <string.h>

/* What the keeper has found; null until it has looked at the policy as changed at changed_ms. */
static void write_status(struct app *app, struct json_write *json, const char *model,
                         int64_t changed_ms)
{
    struct keeper_status status;
    if (app->keeper == NULL || !keeper_get_status(app->keeper, model, &status) ||
        status.looked_ms == 0 || status.changed_ms != changed_ms) {
        json_write_null(json, "status");
        return;
    }
    json_write_object(json, "status");
    reply_write_time(json, "looked", status.looked_ms);
    json_write_text(json, "waiting", status.waiting);
    reply_write_positive(json, "job", status.job);
    json_write_real(json, "drift_score", status.drift_score);
    json_write_real(json, "drift_baseline", status.drift_baseline);
    json_write_object_end(json);
}

static enum err_code reply_policy(struct app *app, const struct request *req, const char *model,
                                  struct response *res, struct err *err)
{
    char *document = NULL;
    int64_t changed_ms = 0;
    struct textbuf text = textbuf_in(req->arena);
    struct json_write json = json_write_to(&text);
    if (policy_store_get(app->db, model, &document, &changed_ms, err) != ERR_OK) {
        return err->code;
    }
    json_write_object(&json, NULL);
    json_write_text(&json, "model", model);
    reply_write_time(&json, "changed", changed_ms);
    json_write_raw(&json, "policy", document);
    mem_free(document);
    write_status(app, &json, model, changed_ms);
    json_write_object_end(&json);
    return reply_json(res, 200, &json, err);
}

enum err_code handle_policy_put(struct app *app, const struct request *req, struct response *res,
                                struct err *err)
{
    const char *model;
    struct policy_spec policy;
    struct textbuf document = textbuf_in(req->arena);
    if (reply_model_name(req->params[0], &model, err) != ERR_OK ||
        policy_json_parse(req->body, req->n_body, &policy, err) != ERR_OK) {
        return err->code;
    }
    policy_json_write(&document, &policy);
    policy_spec_release(&policy);
    if (textbuf_failed(&document)) {
        return err_set(err, ERR_NOMEM, "no memory for a policy");
    }
    if (policy_store_put(app->db, model, document.data, err) != ERR_OK) {
        return err->code;
    }
    if (app->keeper != NULL) {
        keeper_notify(app->keeper);
    }
    return reply_policy(app, req, model, res, err);
}

enum err_code handle_policy_get(struct app *app, const struct request *req, struct response *res,
                                struct err *err)
{
    const char *model;
    if (reply_model_name(req->params[0], &model, err) != ERR_OK) {
        return err->code;
    }
    return reply_policy(app, req, model, res, err);
}

enum err_code handle_policy_delete(struct app *app, const struct request *req, struct response *res,
                                   struct err *err)
{
    const char *model;
    if (reply_model_name(req->params[0], &model, err) != ERR_OK ||
        policy_store_delete(app->db, model, err) != ERR_OK) {
        return err->code;
    }
    res->status = 204;
    return ERR_OK;
}
