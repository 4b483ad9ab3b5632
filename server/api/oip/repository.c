/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model repository extension. Models come into the registry by the native API alone; a client
 * of this protocol may unload one, which frees its memory and keeps this protocol from serving it,
 * and load it again.
 */
#include "api/handlers.h"

#include "api/reply.h"
#include "base/mem.h"
#include "live/models_unload.h"

#include <stdio.h>

static const char *find_reason(struct app *app, const struct model_row *row)
{
    if (row->default_version == 0) {
        return "no version yet";
    }
    switch (models_state(app->models, row->model)) {
    case MODELS_UNLOADED:
        return "unloaded";
    case MODELS_BROKEN:
        return "the default version is damaged";
    case MODELS_READY:
    case MODELS_ABSENT: /* it has just come */
        break;
    }
    return "";
}

static void write_model(struct json_write *json, const struct model_row *row, const char *reason)
{
    char version[24] = "";
    if (row->default_version > 0) {
        snprintf(version, sizeof version, "%lld", (long long)row->default_version);
    }
    json_write_object(json, NULL);
    json_write_text(json, "name", row->model);
    json_write_text(json, "version", version);
    json_write_text(json, "state", reason[0] == '\0' ? "READY" : "UNAVAILABLE");
    json_write_text(json, "reason", reason);
    json_write_object_end(json);
}

/* The body may be empty; NULL then. */
static enum err_code read_body(const struct request *req, const char *const *keys,
                               const json_t **body, struct err *err)
{
    json_t *document = NULL;
    *body = NULL;
    if (req->n_body == 0) {
        return ERR_OK;
    }
    if (json_read_parse(req->body, req->n_body, req->arena, &document, err) != ERR_OK ||
        json_read_check_keys(document, "body", keys, err) != ERR_OK) {
        return err->code;
    }
    *body = document;
    return ERR_OK;
}

enum err_code handle_oip_index(struct app *app, const struct request *req, struct response *res,
                               struct err *err)
{
    static const char *const keys[] = {"ready", NULL};
    const json_t *body = NULL;
    bool ready = false;
    struct model_row *rows = NULL;
    size_t n_rows = 0;
    struct textbuf text = textbuf_in(req->arena);
    struct json_write json = json_write_to(&text);
    if (read_body(req, keys, &body, err) != ERR_OK ||
        (body != NULL &&
         json_read_bool((struct json_members){body, "body", err}, "ready", &ready) != ERR_OK) ||
        model_store_list(app->db, &rows, &n_rows, err) != ERR_OK) {
        return err->code;
    }
    json_write_array(&json, NULL);
    for (size_t i = 0; i < n_rows; i++) {
        const char *reason = find_reason(app, &rows[i]);
        if (access_sees(req, rows[i].model) && (!ready || reason[0] == '\0')) {
            write_model(&json, &rows[i], reason);
        }
    }
    json_write_array_end(&json);
    mem_free(rows);
    return reply_json(res, 200, &json, err);
}

static enum err_code reply_nothing(const struct request *req, struct response *res, struct err *err)
{
    struct textbuf text = textbuf_in(req->arena);
    struct json_write json = json_write_to(&text);
    json_write_object(&json, NULL);
    json_write_object_end(&json);
    return reply_json(res, 200, &json, err);
}

/* Parameters would bring a configuration or files of a model along. */
static enum err_code refuse_parameters(const json_t *body, struct err *err)
{
    const json_t *parameters = json_object_get(body, "parameters");
    if (parameters != NULL && (!json_is_object(parameters) || json_object_size(parameters) > 0)) {
        return err_set(err, ERR_UNSUPPORTED,
                       "load takes no parameters: models are registered by PUT /v1/models/{m}");
    }
    return ERR_OK;
}

enum err_code handle_oip_load(struct app *app, const struct request *req, struct response *res,
                              struct err *err)
{
    static const char *const keys[] = {"parameters", NULL};
    const char *name;
    const json_t *body = NULL;
    struct served *served = NULL;
    if (reply_model_name(req->params[0], &name, err) != ERR_OK ||
        read_body(req, keys, &body, err) != ERR_OK || refuse_parameters(body, err) != ERR_OK ||
        models_get(app->models, name, 0, &served, err) != ERR_OK) {
        return err->code;
    }
    served_unref(served);
    return models_end_unload(app->models, name, err) == ERR_OK ? reply_nothing(req, res, err)
                                                               : err->code;
}

/* No model here depends on another, so unload_dependents changes nothing. */
enum err_code handle_oip_unload(struct app *app, const struct request *req, struct response *res,
                                struct err *err)
{
    static const char *const keys[] = {"parameters", NULL};
    static const char *const parameter_keys[] = {"unload_dependents", NULL};
    const char *name;
    const json_t *body = NULL;
    if (reply_model_name(req->params[0], &name, err) != ERR_OK ||
        read_body(req, keys, &body, err) != ERR_OK) {
        return err->code;
    }
    const json_t *parameters = json_object_get(body, "parameters");
    if (parameters != NULL &&
        json_read_check_keys(parameters, "parameters", parameter_keys, err) != ERR_OK) {
        return err->code;
    }
    return models_unload(app->models, name, err) == ERR_OK ? reply_nothing(req, res, err)
                                                           : err->code;
}
