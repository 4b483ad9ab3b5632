/* SPDX-License-Identifier: Apache-2.0 */
/* Models and versions: list, register, read, export, promote, delete. */
#include "handlers.h"

#include "json_io.h"
#include "mem.h"
#include "model_json.h"
#include "reply.h"

#include <string.h>

static void write_model_row(struct textbuf *text, const struct model_row *row)
{
    textbuf_puts(text, "{\"name\":");
    textbuf_json_string(text, row->model);
    textbuf_puts(text, ",\"default_version\":");
    if (row->default_version > 0) {
        textbuf_printf(text, "%lld", (long long)row->default_version);
    } else {
        textbuf_puts(text, "null");
    }
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
    struct model_row row;
    struct version_row *versions = NULL;
    size_t n_versions = 0;
    const char *name;
    struct textbuf text = textbuf_in(req->arena);
    if (reply_model_name(req->params[0], &name, err) != ERR_OK ||
        model_store_get(app->db, name, &row, err) != ERR_OK ||
        model_store_versions(app->db, name, &versions, &n_versions, err) != ERR_OK) {
        return err->code;
    }
    textbuf_puts(&text, "{\"model\":");
    write_model_row(&text, &row);
    textbuf_puts(&text, ",\"versions\":[");
    for (size_t i = 0; i < n_versions; i++) {
        textbuf_puts(&text, i > 0 ? ",{" : "{");
        write_version_row(&text, &versions[i]);
        textbuf_puts(&text, "}");
    }
    textbuf_puts(&text, "]}");
    mem_free(versions);
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
    enum err_code code = registry_put(app->registry, model, &put, &result, err);
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
        registry_delete(app->registry, name, err) != ERR_OK) {
        return err->code;
    }
    res->status = 204;
    return ERR_OK;
}

/* A version named by the path, and its row in the store. */
static enum err_code find_version(struct app *app, const struct request *req, const char **name,
                                  struct version_row *row, struct err *err)
{
    struct version_row *rows = NULL;
    size_t n_rows = 0;
    int64_t version;
    if (reply_model_name(req->params[0], name, err) != ERR_OK ||
        reply_version(req->params[1], &version, err) != ERR_OK ||
        model_store_versions(app->db, *name, &rows, &n_rows, err) != ERR_OK) {
        return err->code;
    }
    bool found = false;
    for (size_t i = 0; i < n_rows && !found; i++) {
        if (version == 0 ? rows[i].is_default : rows[i].version == version) {
            *row = rows[i];
            found = true;
        }
    }
    mem_free(rows);
    return found ? ERR_OK
                 : err_set(err, ERR_NOT_FOUND, "model %s has no version %.40s", *name,
                           req->params[1]);
}

enum err_code handle_version_get(struct app *app, const struct request *req, struct response *res,
                                 struct err *err)
{
    const char *name;
    struct version_row row = {.version = 0};
    struct served *served = NULL;
    struct training_data data;
    bool not_modified = false;
    struct textbuf text = textbuf_in(req->arena);
    if (find_version(app, req, &name, &row, err) != ERR_OK ||
        reply_etag(req, res, row.digest, &not_modified, err) != ERR_OK || not_modified ||
        job_store_training_data(app->db, name, row.version, &data, NULL, err) != ERR_OK) {
        return err->code;
    }
    textbuf_puts(&text, "{\"model\":");
    textbuf_json_string(&text, name);
    textbuf_puts(&text, ",");
    write_version_row(&text, &row);
    textbuf_puts(&text, ",\"training_data\":");
    reply_training_data(&text, &data);
    if (!row.damaged) {
        if (registry_get(app->registry, name, row.version, &served, err) != ERR_OK) {
            return err->code;
        }
        textbuf_puts(&text, ",");
        model_json_write_summary(&text, served->model);
        served_unref(served);
    }
    textbuf_puts(&text, "}");
    return reply_json(res, 200, &text, err);
}

enum err_code handle_version_delete(struct app *app, const struct request *req,
                                    struct response *res, struct err *err)
{
    const char *name;
    struct version_row row = {.version = 0};
    if (find_version(app, req, &name, &row, err) != ERR_OK ||
        registry_delete_version(app->registry, name, row.version, err) != ERR_OK) {
        return err->code;
    }
    res->status = 204;
    return ERR_OK;
}

enum err_code handle_version_export(struct app *app, const struct request *req,
                                    struct response *res, struct err *err)
{
    const char *name;
    const char *format = request_query(req, "format");
    struct version_row row = {.version = 0};
    struct served *served = NULL;
    bool not_modified = false;
    struct textbuf text = textbuf_in(req->arena);
    if (format != NULL && strcmp(format, "json") != 0) {
        return err_set(err, ERR_UNSUPPORTED, "format \"%.40s\" is not supported, json is", format);
    }
    if (find_version(app, req, &name, &row, err) != ERR_OK ||
        reply_etag(req, res, row.digest, &not_modified, err) != ERR_OK || not_modified ||
        registry_get(app->registry, name, row.version, &served, err) != ERR_OK) {
        return err->code;
    }
    model_json_write(&text, served->model);
    served_unref(served);
    return reply_json(res, 200, &text, err);
}

enum err_code handle_default_put(struct app *app, const struct request *req, struct response *res,
                                 struct err *err)
{
    static const char *const keys[] = {"version", NULL};
    const char *name;
    json_t *body = NULL;
    int64_t version = 0;
    struct textbuf text = textbuf_in(req->arena);
    if (reply_model_name(req->params[0], &name, err) != ERR_OK ||
        json_io_parse(req->body, req->n_body, req->arena, &body, err) != ERR_OK) {
        return err->code;
    }
    if (json_io_check_keys(body, "body", keys, err) != ERR_OK ||
        json_io_get_int(body, "body", "version", true, 1, INT64_MAX, &version, err) != ERR_OK ||
        registry_set_default(app->registry, name, version, err) != ERR_OK) {
        return err->code;
    }
    textbuf_puts(&text, "{\"model\":");
    textbuf_json_string(&text, name);
    textbuf_printf(&text, ",\"default_version\":%lld}", (long long)version);
    return reply_json(res, 200, &text, err);
}
