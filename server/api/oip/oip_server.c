/* SPDX-License-Identifier: Apache-2.0 */
/* The Open Inference Protocol on the server as a whole: what it is, lives, and is ready for. */
#include "api/handlers.h"

#include "api/readiness.h"
#include "api/reply.h"
#include "base/mem.h"
#include "base/version.h"

enum err_code handle_oip_server(struct app *app, const struct request *req, struct response *res,
                                struct err *err)
{
    static const char *const extensions[] = {"binary_tensor_data", "model_repository", "statistics",
                                             "model_configuration", "parameters"};
    struct textbuf text = textbuf_in(req->arena);
    struct json_write json = json_write_to(&text);
    (void)app;
    json_write_object(&json, NULL);
    json_write_text(&json, "name", "surrogated");
    json_write_text(&json, "version", SURROGATED_VERSION);
    json_write_array(&json, "extensions");
    for (size_t i = 0; i < sizeof extensions / sizeof *extensions; i++) {
        json_write_text(&json, NULL, extensions[i]);
    }
    json_write_array_end(&json);
    json_write_object_end(&json);
    return reply_json(res, 200, &json, err);
}

/* The same with the slash that some clients put at the end. */
enum err_code handle_oip_server_slash(struct app *app, const struct request *req,
                                      struct response *res, struct err *err)
{
    return handle_oip_server(app, req, res, err);
}

static enum err_code reply_flag(const struct request *req, struct response *res, const char *key,
                                struct err *err)
{
    struct textbuf text = textbuf_in(req->arena);
    struct json_write json = json_write_to(&text);
    json_write_object(&json, NULL);
    json_write_bool(&json, key, true);
    json_write_object_end(&json);
    return reply_json(res, 200, &json, err);
}

enum err_code handle_oip_live(struct app *app, const struct request *req, struct response *res,
                              struct err *err)
{
    (void)app;
    return reply_flag(req, res, "live", err);
}

enum err_code handle_oip_ready(struct app *app, const struct request *req, struct response *res,
                               struct err *err)
{
    struct readiness readiness;
    if (readiness_check(app, &readiness, err) != ERR_OK) {
        return err->code;
    }
    if (readiness.n_reasons > 0) {
        return err_set(err, ERR_BUSY, "%s", readiness.reasons[0].text);
    }
    return reply_flag(req, res, "ready", err);
}

/* The names alone, as KServe lists them. */
enum err_code handle_oip_models(struct app *app, const struct request *req, struct response *res,
                                struct err *err)
{
    struct model_row *rows = NULL;
    size_t n_rows = 0;
    struct textbuf text = textbuf_in(req->arena);
    struct json_write json = json_write_to(&text);
    if (model_store_list(app->db, &rows, &n_rows, err) != ERR_OK) {
        return err->code;
    }
    json_write_object(&json, NULL);
    json_write_array(&json, "models");
    for (size_t i = 0; i < n_rows; i++) {
        if (access_sees(req, rows[i].model)) {
            json_write_text(&json, NULL, rows[i].model);
        }
    }
    json_write_array_end(&json);
    json_write_object_end(&json);
    mem_free(rows);
    return reply_json(res, 200, &json, err);
}
