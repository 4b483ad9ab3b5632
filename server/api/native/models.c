/* SPDX-License-Identifier: Apache-2.0 */
/* Models and versions: list, register, read, export, delete. */
#include "api/handlers.h"

#include "api/reply.h"
#include "base/mem.h"
#include "documents/model_json.h"
#include "formats/json_read.h"
#include "store/jobs/job_read.h"
#include "store/models/model_store.h"
#include "store/models/model_view.h"

#include <string.h>

static void write_model_row(struct textbuf *text, const struct model_row *row)
{
    textbuf_puts(text, "{\"name\":");
    textbuf_json_string(text, row->model);
    reply_version_number(text, ",\"default_version\":", row->default_version);
    reply_version_number(text, ",\"previous_version\":", row->previous_version);
    reply_version_number(text, ",\"keep_versions\":", row->keep_versions);
    textbuf_printf(text,
                   ",\"versions\":%lld,\"rows\":%lld,\"created\":", (long long)row->n_versions,
                   (long long)row->n_rows);
    reply_time(text, row->created_ms);
    textbuf_puts(text, "}");
}

static void write_version_row(struct textbuf *text, const struct version_row *row)
{
    textbuf_printf(text, "\"version\":%lld,\"default\":%s,\"etag\":\"sha256-%s\",\"bytes\":%lld",
                   (long long)row->version, row->is_default ? "true" : "false", row->digest,
                   (long long)row->n_bytes);
    textbuf_puts(text, ",\"created\":");
    reply_time(text, row->created_ms);
    if (row->damaged) {
        textbuf_puts(text, ",\"damaged\":");
        textbuf_json_string(text, row->reason);
    }
}

/* What a version is called beside its number. */
static void write_names(struct textbuf *text, const struct model_view *view, int64_t version)
{
    bool first = true;
    textbuf_puts(text, ",\"aliases\":[");
    for (size_t i = 0; i < view->n_aliases; i++) {
        if (view->aliases[i].version == version) {
            textbuf_puts(text, first ? "" : ",");
            textbuf_json_string(text, view->aliases[i].alias);
            first = false;
        }
    }
    textbuf_puts(text, "]");
}

enum err_code handle_models_list(struct app *app, const struct request *req, struct response *res,
                                 struct err *err)
{
    struct model_row *rows = NULL;
    size_t n_rows = 0;
    struct textbuf text = textbuf_in(req->arena);
    if (model_store_list(app->db, &rows, &n_rows, err) != ERR_OK) {
        return err->code;
    }
    textbuf_puts(&text, "{\"models\":[");
    for (size_t i = 0; i < n_rows; i++) {
        textbuf_puts(&text, i > 0 ? "," : "");
        write_model_row(&text, &rows[i]);
    }
    textbuf_puts(&text, "]}");
    mem_free(rows);
    return reply_json(res, 200, &text, err);
}

enum err_code handle_model_get(struct app *app, const struct request *req, struct response *res,
                               struct err *err)
{
    struct model_view view = {.n_versions = 0};
    const char *name;
    struct textbuf text = textbuf_in(req->arena);
    if (reply_model_name(req->params[0], &name, err) != ERR_OK ||
        model_store_view(app->db, name, &view, err) != ERR_OK) {
        return err->code;
    }
    textbuf_puts(&text, "{\"model\":");
    write_model_row(&text, &view.row);
    textbuf_puts(&text, ",\"aliases\":");
    reply_aliases(&text, &view);
    textbuf_puts(&text, ",\"versions\":[");
    for (size_t i = 0; i < view.n_versions; i++) {
        textbuf_puts(&text, i > 0 ? ",{" : "{");
        write_version_row(&text, &view.versions[i]);
        write_names(&text, &view, view.versions[i].version);
        textbuf_puts(&text, "}");
    }
    textbuf_puts(&text, "]}");
    model_view_release(&view);
    return reply_json(res, 200, &text, err);
}

/* "promote" in the query: true (also without it) or false. */
static enum err_code read_promote(const struct request *req, bool *promote, struct err *err)
{
    const char *text = request_query(req, "promote");
    *promote = text == NULL || strcmp(text, "true") == 0;
    if (!*promote && strcmp(text, "false") != 0) {
        return err_set(err, ERR_INVALID, "promote is \"%.40s\", true or false is needed", text);
    }
    return ERR_OK;
}

enum err_code handle_model_put(struct app *app, const struct request *req, struct response *res,
                               struct err *err)
{
    const char *name;
    bool promote;
    struct model *model = NULL;
    struct put_result result;
    struct textbuf text = textbuf_in(req->arena);
    if (reply_model_name(req->params[0], &name, err) != ERR_OK ||
        read_promote(req, &promote, err) != ERR_OK ||
        model_json_parse(req->body, req->n_body, req->arena, &model, err) != ERR_OK) {
        return err->code;
    }
    struct put_request put = {.model = name,
                              .promote = promote,
                              .if_match = request_header(req, "If-Match"),
                              .if_none_match = request_header(req, "If-None-Match")};
    enum err_code code = models_put(app->models, model, &put, &result, err);
    model_unref(model);
    if (code != ERR_OK) {
        return code;
    }
    char *location =
        arena_printf(req->arena, "/v1/models/%s/versions/%lld", name, (long long)result.version);
    char *etag = arena_printf(req->arena, "\"sha256-%s\"", result.digest);
    if (location == NULL || etag == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the answer");
    }
    response_header(res, "Location", location);
    response_header(res, "ETag", etag);
    textbuf_puts(&text, "{\"model\":");
    textbuf_json_string(&text, name);
    textbuf_printf(&text, ",\"version\":%lld,\"created\":%s,\"etag\":\"sha256-%s\"}",
                   (long long)result.version, result.created ? "true" : "false", result.digest);
    return reply_json(res, result.created ? 201 : 200, &text, err);
}

enum err_code handle_model_delete(struct app *app, const struct request *req, struct response *res,
                                  struct err *err)
{
    const char *name;
    if (reply_model_name(req->params[0], &name, err) != ERR_OK ||
        models_delete(app->models, name, err) != ERR_OK) {
        return err->code;
    }
    res->status = 204;
    return ERR_OK;
}

/* A version named by the path, and its row in the view, which is the caller's to release. */
static enum err_code find_version(struct app *app, const struct request *req,
                                  struct model_view *view, const struct version_row **row,
                                  struct err *err)
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

static enum err_code write_version(struct app *app, struct textbuf *text,
                                   const struct version_row *row, struct err *err)
{
    struct served *served = NULL;
    struct training_data data;
    if (job_store_training_data(app->db, row->model, row->version, &data, NULL, err) != ERR_OK) {
        return err->code;
    }
    textbuf_puts(text, "{\"model\":");
    textbuf_json_string(text, row->model);
    textbuf_puts(text, ",");
    write_version_row(text, row);
    textbuf_puts(text, ",\"training_data\":");
    reply_training_data(text, &data);
    if (!row->damaged) {
        if (models_get(app->models, row->model, row->version, &served, err) != ERR_OK) {
            return err->code;
        }
        textbuf_puts(text, ",");
        model_json_write_summary(text, served->model);
        served_unref(served);
    }
    textbuf_puts(text, "}");
    return ERR_OK;
}

enum err_code handle_version_get(struct app *app, const struct request *req, struct response *res,
                                 struct err *err)
{
    struct model_view view = {.n_versions = 0};
    const struct version_row *row = NULL;
    bool not_modified = false;
    struct textbuf text = textbuf_in(req->arena);
    if (find_version(app, req, &view, &row, err) == ERR_OK &&
        reply_etag(req, res, row->digest, &not_modified, err) == ERR_OK && !not_modified &&
        write_version(app, &text, row, err) == ERR_OK) {
        err_kept(reply_json(res, 200, &text, err));
    }
    model_view_release(&view);
    return err->code;
}

enum err_code handle_version_delete(struct app *app, const struct request *req,
                                    struct response *res, struct err *err)
{
    const char *name;
    struct version_ref ref;
    if (reply_model_name(req->params[0], &name, err) != ERR_OK ||
        version_ref_parse(req->params[1], &ref, err) != ERR_OK ||
        models_delete_version(app->models, name, &ref, err) != ERR_OK) {
        return err->code;
    }
    res->status = 204;
    return ERR_OK;
}

enum err_code handle_version_export(struct app *app, const struct request *req,
                                    struct response *res, struct err *err)
{
    const char *format = request_query(req, "format");
    struct model_view view = {.n_versions = 0};
    const struct version_row *row = NULL;
    struct served *served = NULL;
    bool not_modified = false;
    struct textbuf text = textbuf_in(req->arena);
    if (format != NULL && strcmp(format, "json") != 0) {
        return err_set(err, ERR_UNSUPPORTED, "format \"%.40s\" is not supported, json is", format);
    }
    if (find_version(app, req, &view, &row, err) == ERR_OK &&
        reply_etag(req, res, row->digest, &not_modified, err) == ERR_OK && !not_modified &&
        models_get(app->models, row->model, row->version, &served, err) == ERR_OK) {
        model_json_write(&text, served->model);
        served_unref(served);
        err_kept(reply_json(res, 200, &text, err));
    }
    model_view_release(&view);
    return err->code;
}
