/* SPDX-License-Identifier: Apache-2.0 */
/* Models and versions: list, register, read, export, delete. */
#include "api/handlers.h"

#include "api/native/answer_room.h"
#include "api/reply.h"
#include "api/request_times.h"
#include "base/mem.h"
#include "base/mem_budget.h"
#include "documents/model_json.h"
#include "documents/quality_json.h"
#include "documents/space_json.h"
#include "formats/json_read.h"
#include "formats/model_file.h"
#include "jobs/model_space.h"
#include "store/jobs/job_read.h"
#include "store/models/model_store.h"
#include "store/models/model_view.h"

#include <stdio.h>
#include <string.h>

#define NUMBER_CHARS 22 /* of a number in a document, with its comma */
#define OTHER_ARRAYS 8  /* of a document beside those of its posterior */
#define ETAG_CHARS   80 /* "sha256-", 64 digits and the NUL */

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

/* When there is no memory for another model, the loaded versions are evicted and it is tried
 * again. */
static enum err_code parse_document(struct app *app, const struct request *req, struct model **out,
                                    struct err *err)
{
    if (model_json_parse(req->body, req->n_body, req->arena, out, err) == ERR_NOMEM) {
        models_evict_all(app->models, NULL);
        err_clear(err);
        err_kept(model_json_parse(req->body, req->n_body, req->arena, out, err));
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

/* The version that the path names: its row in the view, which the caller releases. */
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
    if (find_version(app, req, &view, &row, err) == ERR_OK &&
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

/* A document that is made from the model while it is sent; in the arena of its request. */
struct model_export {
    struct json_stream stream; /* first: the pointer to one is that to the other */
    struct answer_model model;
    struct answer_claim claim;
};

static void release_export(void *ctx)
{
    struct model_export *export = ctx;
    answer_room_release(&export->claim);
    answer_model_release(&export->model);
}

/* Numbers that become text at once, which is held until it is sent and twice while it grows: of a
 * mixture with more arrays than the stream has room for. */
static size_t held_chars(const struct model *model)
{
    bool few = 3 * model->gaussian.n_members < JSON_STREAM_TENSORS - OTHER_ARRAYS;
    return few ? 0 : 2 * NUMBER_CHARS * model_n_stored(model);
}

static enum err_code export_model(struct app *app, const struct request *req, struct served *served,
                                  struct response *res, struct err *err)
{
    struct model_export *export = arena_zalloc_array(req->arena, 1, sizeof *export);
    if (export == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the answer");
    }
    if (answer_model_hold(app, served, &export->model, err) == ERR_OK &&
        answer_room_claim(app, held_chars(served->model), &export->claim, err) == ERR_OK) {
        json_stream_init(&export->stream, req->arena);
        model_json_write(&export->stream.json, NULL, served->model);
        if (json_stream_end(&export->stream, err) == ERR_OK) {
            err_kept(reply_stream(res, &export->stream, req->arena, err));
        }
    }
    if (err->code != ERR_OK) {
        release_export(export);
        return err->code;
    }
    res->source.release = release_export;
    res->source.ctx = export;
    return ERR_OK;
}

/* A version as a file (formats/model_file.h); in the arena of its request. */
struct binary_export {
    unsigned char head[MODEL_FILE_HEAD_MAX];
    size_t n_head;
    unsigned char *content; /* mem */
    size_t n_content;
    size_t at; /* bytes that have been sent */
    struct answer_claim claim;
};

static size_t read_binary(void *ctx, char *out, size_t size)
{
    struct binary_export *export = ctx;
    size_t in_content = export->at > export->n_head ? export->at - export->n_head : 0;
    bool head = export->at < export->n_head;
    const unsigned char *from = head ? export->head + export->at : export->content + in_content;
    size_t left = head ? export->n_head - export->at : export->n_content - in_content;
    size_t n = left < size ? left : size;
    memcpy(out, from, n);
    export->at += n;
    return n;
}

static void release_binary(void *ctx)
{
    struct binary_export *export = ctx;
    mem_free(export->content);
    answer_room_release(&export->claim);
}

/* The bytes that are stored, which the store has compared with their digests. */
static enum err_code load_binary(struct app *app, const struct version_row *row,
                                 struct binary_export *export, struct err *err)
{
    void *content = NULL;
    if (answer_room_claim(app, (size_t)row->n_bytes, &export->claim, err) != ERR_OK ||
        model_store_load(app->db, row->model, row->version, &content, &export->n_content, err) !=
            ERR_OK) {
        return err->code;
    }
    export->content = content;
    struct model_file file = {
        .version = row->version, .content = content, .n_content = export->n_content};
    snprintf(file.model, sizeof file.model, "%s", row->model);
    return model_file_write_head(&file, export->head, &export->n_head, err);
}

static enum err_code export_binary(struct app *app, const struct request *req,
                                   const struct version_row *row, struct response *res,
                                   struct err *err)
{
    struct binary_export *export = arena_zalloc_array(req->arena, 1, sizeof *export);
    if (export == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the answer");
    }
    enum mem_kind kind = mem_kind_use(MEM_ANSWERS);
    err_kept(load_binary(app, row, export, err));
    mem_kind_use(kind);
    if (err->code != ERR_OK) {
        release_binary(export);
        return err->code;
    }
    res->status = 200;
    res->content_type = "application/octet-stream";
    res->source = (struct body_source){.read = read_binary,
                                       .release = release_binary,
                                       .ctx = export,
                                       .needs_no_body = true,
                                       .n_bytes = export->n_head + export->n_content};
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
    bool binary = format != NULL && strcmp(format, "binary") == 0;
    if (format != NULL && !binary && strcmp(format, "json") != 0) {
        return err_set(err, ERR_UNSUPPORTED,
                       "format \"%.40s\" is not supported, json and binary are", format);
    }
    if (find_version(app, req, &view, &row, err) != ERR_OK ||
        reply_etag(req, res, row->digest, &not_modified, err) != ERR_OK || not_modified) {
        goto done;
    }
    if (binary) {
        err_kept(export_binary(app, req, row, res, err));
    } else if (models_get(app->models, row->model, row->version, &served, err) == ERR_OK) {
        err_kept(export_model(app, req, served, res, err));
        served_unref(served);
    }
done:
    model_view_release(&view);
    return err->code;
}
