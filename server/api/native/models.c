/* SPDX-License-Identifier: Apache-2.0 */
/* Models and versions: list, register, read, export, delete. */
#include "api/handlers.h"

#include "api/reply.h"
#include "api/request_times.h"
#include "api/exports/version_lookup.h"
#include "base/mem.h"
#include "documents/model_json.h"
#include "documents/model_tensors.h"
#include "documents/quality_json.h"
#include "documents/space_json.h"
#include "formats/json_read.h"
#include "formats/media_type.h"
#include "jobs/model_space.h"
#include "store/jobs/job_read.h"
#include "store/models/model_store.h"
#include "store/models/model_view.h"

#include <stdio.h>
#include <string.h>

#define ETAG_CHARS 80 /* "sha256-", 64 digits and the NUL */

static void write_model_members(struct json_write *json, const struct model_row *row)
{
    json_write_text(json, "name", row->model);
    reply_write_positive(json, "default_version", row->default_version);
    reply_write_positive(json, "previous_version", row->previous_version);
    reply_write_positive(json, "keep_versions", row->keep_versions);
    json_write_int(json, "versions", row->n_versions);
    json_write_int(json, "rows", row->n_rows);
    reply_write_time(json, "created", row->created_ms);
}

/* The entity tag, without the quotes that it has in headers. */
static void write_etag(struct json_write *json, const char *digest)
{
    char tag[ETAG_CHARS];
    snprintf(tag, sizeof tag, "sha256-%s", digest);
    json_write_text(json, "etag", tag);
}

/* Members of a version. */
static void write_version_row(struct json_write *json, const struct version_row *row)
{
    json_write_int(json, "version", row->version);
    json_write_bool(json, "default", row->is_default);
    write_etag(json, row->digest);
    json_write_int(json, "bytes", row->n_bytes);
    reply_write_time(json, "created", row->created_ms);
    if (row->damaged) {
        json_write_text(json, "damaged", row->reason);
    }
}

/* The aliases of one version. */
static void write_aliases_of(struct json_write *json, const struct model_view *view,
                             int64_t version)
{
    json_write_array(json, "aliases");
    for (size_t i = 0; i < view->n_aliases; i++) {
        if (view->aliases[i].version == version) {
            json_write_text(json, NULL, view->aliases[i].alias);
        }
    }
    json_write_array_end(json);
}

enum err_code handle_models_list(struct app *app, const struct request *req, struct response *res,
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
            json_write_object(&json, NULL);
            write_model_members(&json, &rows[i]);
            json_write_object_end(&json);
        }
    }
    json_write_array_end(&json);
    json_write_object_end(&json);
    mem_free(rows);
    return reply_json(res, 200, &json, err);
}

/* Those of the default version. A version that cannot be read says nothing, and is described. */
static enum err_code write_default_warnings(struct app *app, struct json_write *json,
                                            const struct model_row *row, struct err *err)
{
    struct served *served = NULL;
    if (row->default_version == 0 ||
        models_get(app->models, row->model, row->default_version, &served, err) != ERR_OK) {
        json_write_null(json, "warnings");
        if (err->code == ERR_CORRUPT || err->code == ERR_NOT_FOUND) {
            err_clear(err);
        }
        return err->code;
    }
    quality_json_write_warnings(json, "warnings", &served->model->report);
    served_unref(served);
    return ERR_OK;
}

enum err_code handle_model_get(struct app *app, const struct request *req, struct response *res,
                               struct err *err)
{
    struct model_view view = {.n_versions = 0};
    struct model_space space = {.space = NULL};
    const char *name;
    struct textbuf text = textbuf_in(req->arena);
    struct json_write json = json_write_to(&text);
    if (reply_model_name(req->params[0], &name, err) != ERR_OK ||
        model_space_load(app->db, name, &space, err) != ERR_OK) {
        return err->code;
    }
    if (model_store_view(app->db, name, &view, err) != ERR_OK) {
        model_space_release(&space);
        return err->code;
    }
    json_write_object(&json, NULL);
    json_write_object(&json, "model");
    write_model_members(&json, &view.row);
    err_kept(write_default_warnings(app, &json, &view.row, err));
    json_write_object_end(&json);
    if (space.space != NULL) {
        space_json_write_names(&json, "names", space.space);
    }
    model_space_release(&space);
    if (err->code != ERR_OK) {
        model_view_release(&view);
        return err->code;
    }
    reply_write_aliases(&json, "aliases", &view);
    json_write_array(&json, "versions");
    for (size_t i = 0; i < view.n_versions; i++) {
        json_write_object(&json, NULL);
        write_version_row(&json, &view.versions[i]);
        write_aliases_of(&json, &view, view.versions[i].version);
        json_write_object_end(&json);
    }
    json_write_array_end(&json);
    json_write_object_end(&json);
    model_view_release(&view);
    return reply_json(res, 200, &json, err);
}

/* "promote" in the query; without it true. */
static enum err_code read_promote(const struct request *req, bool *promote, struct err *err)
{
    const char *text = request_query(req, "promote");
    *promote = text == NULL || strcmp(text, "true") == 0;
    if (!*promote && strcmp(text, "false") != 0) {
        return err_set(err, ERR_INVALID, "promote is \"%.40s\", true or false is needed", text);
    }
    return ERR_OK;
}

/* JSON, or safetensors. */
static enum err_code parse_body(const struct request *req, struct model **out, struct err *err)
{
    bool tensors = media_type_is(request_header(req, "Content-Type"), MEDIA_TYPE_SAFETENSORS);
    return tensors ? model_tensors_parse(req->body, req->n_body, req->arena, out, err)
                   : model_json_parse(req->body, req->n_body, req->arena, out, err);
}

/* When there is no memory for another model, the loaded versions are evicted and it is tried
 * again. */
static enum err_code parse_document(struct app *app, const struct request *req, struct model **out,
                                    struct err *err)
{
    if (parse_body(req, out, err) == ERR_NOMEM) {
        models_evict_all(app->models, NULL);
        err_clear(err);
        err_kept(parse_body(req, out, err));
    }
    return err->code;
}

enum err_code handle_model_put(struct app *app, const struct request *req, struct response *res,
                               struct err *err)
{
    const char *name;
    bool promote;
    struct model *model = NULL;
    struct put_result result;
    struct textbuf text = textbuf_in(req->arena);
    struct json_write json = json_write_to(&text);
    if (reply_model_name(req->params[0], &name, err) != ERR_OK ||
        read_promote(req, &promote, err) != ERR_OK ||
        parse_document(app, req, &model, err) != ERR_OK) {
        return err->code;
    }
    struct put_request put = {.model = name,
                              .promote = promote,
                              .if_match = request_header(req, "If-Match"),
                              .if_none_match = request_header(req, "If-None-Match")};
    request_times_parsed(req);
    enum err_code code = model_space_check_version(app->db, name, model, err);
    if (code == ERR_OK) {
        code = models_put(app->models, model, &put, &result, err);
    }
    if (code == ERR_OK) {
        code = model_space_adopt(app->db, name, model, err);
    }
    model_unref(model);
    if (code != ERR_OK) {
        return code;
    }
    char *location = arena_printf(req->arena, "%s/v1/models/%s/versions/%lld",
                                  config_base(app->config), name, (long long)result.version);
    char *etag = arena_printf(req->arena, "\"sha256-%s\"", result.digest);
    if (location == NULL || etag == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the answer");
    }
    response_header(res, "Location", location);
    response_header(res, "ETag", etag);
    json_write_object(&json, NULL);
    json_write_text(&json, "model", name);
    json_write_int(&json, "version", result.version);
    json_write_bool(&json, "created", result.created);
    write_etag(&json, result.digest);
    json_write_object_end(&json);
    return reply_json(res, result.created ? 201 : 200, &json, err);
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

static enum err_code write_version(struct app *app, struct json_write *json,
                                   const struct version_row *row, struct err *err)
{
    struct served *served = NULL;
    struct training_data data;
    if (job_store_training_data(app->db, row->model, row->version, &data, NULL, err) != ERR_OK) {
        return err->code;
    }
    json_write_object(json, NULL);
    json_write_text(json, "model", row->model);
    write_version_row(json, row);
    reply_write_training_data(json, "training_data", &data);
    if (!row->damaged) {
        if (models_get(app->models, row->model, row->version, &served, err) != ERR_OK) {
            return err->code;
        }
        model_json_write_summary(json, served->model);
        served_unref(served);
    }
    json_write_object_end(json);
    return ERR_OK;
}

enum err_code handle_version_get(struct app *app, const struct request *req, struct response *res,
                                 struct err *err)
{
    struct model_view view = {.n_versions = 0};
    const struct version_row *row = NULL;
    bool not_modified = false;
    struct textbuf text = textbuf_in(req->arena);
    struct json_write json = json_write_to(&text);
    if (version_lookup(app, req, &view, &row, err) == ERR_OK &&
        reply_etag(req, res, row->digest, &not_modified, err) == ERR_OK && !not_modified &&
        write_version(app, &json, row, err) == ERR_OK) {
        err_kept(reply_json(res, 200, &json, err));
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
