/* SPDX-License-Identifier: Apache-2.0 */
/* When a model is trained again by itself: set, show, take away. */
#include "api/handlers.h"

#include "documents/policy_json.h"
#include "api/reply.h"
#include "base/mem.h"
#include "store/jobs/policy_store.h"

#include <math.h>
#include <string.h>

static void write_score(struct textbuf *text, const char *key, double value)
{
    textbuf_printf(text, ",\"%s\":", key);
    if (isfinite(value)) {
        textbuf_real(text, value);
    } else {
        textbuf_puts(text, "null");
    }
}

/* What the keeper has seen of the policy changed then; null until it has looked at that one. */
static void write_status(struct app *app, struct textbuf *text, const char *model,
                         int64_t changed_ms)
{
    struct keeper_status status;
    if (app->keeper == NULL || !keeper_get_status(app->keeper, model, &status) ||
        status.looked_ms == 0 || status.changed_ms != changed_ms) {
        textbuf_puts(text, ",\"status\":null");
        return;
    }
    textbuf_puts(text, ",\"status\":{\"looked\":");
    reply_time(text, status.looked_ms);
    textbuf_puts(text, ",\"waiting\":");
    textbuf_json_string(text, status.waiting);
    if (status.job > 0) {
        textbuf_printf(text, ",\"job\":%lld", (long long)status.job);
    } else {
        textbuf_puts(text, ",\"job\":null");
    }
    write_score(text, "drift_score", status.drift_score);
    write_score(text, "drift_baseline", status.drift_baseline);
    textbuf_puts(text, "}");
}

static enum err_code reply_policy(struct app *app, const struct request *req, const char *model,
                                  struct response *res, struct err *err)
{
    char *document = NULL;
    int64_t changed_ms = 0;
    struct textbuf text = textbuf_in(req->arena);
    if (policy_store_get(app->db, model, &document, &changed_ms, err) != ERR_OK) {
        return err->code;
    }
    textbuf_puts(&text, "{\"model\":");
    textbuf_json_string(&text, model);
    textbuf_puts(&text, ",\"changed\":");
    reply_time(&text, changed_ms);
    textbuf_puts(&text, ",\"policy\":");
    textbuf_puts(&text, document);
    mem_free(document);
    write_status(app, &text, model, changed_ms);
    textbuf_puts(&text, "}");
    return reply_json(res, 200, &text, err);
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
