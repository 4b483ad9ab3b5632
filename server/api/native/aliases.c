/* SPDX-License-Identifier: Apache-2.0 */
/* Aliases of versions, the default version and its history, and how many versions are kept. */
#include "api/handlers.h"

#include "api/reply.h"
#include "base/mem.h"
#include "store/models/alias_store.h"
#include "store/models/model_view.h"
#include "store/models/promotion_store.h"

#include <string.h>

#define PROMOTIONS_DEFAULT 50
#define PROMOTIONS_MAX     1000
#define KEEP_MAX           1000000

/* The value under the only key that the body may have. */
static enum err_code read_only_key(const struct request *req, const char *key, const json_t **value,
                                   struct err *err)
{
    const char *const keys[] = {key, NULL};
    json_t *body = NULL;
    if (json_read_parse(req->body, req->n_body, req->arena, &body, err) != ERR_OK ||
        json_read_check_keys(body, "body", keys, err) != ERR_OK) {
        return err->code;
    }
    *value = json_object_get(body, key);
    return ERR_OK;
}

/* ---- aliases ---- */

enum err_code handle_aliases_list(struct app *app, const struct request *req, struct response *res,
                                  struct err *err)
{
    struct model_view view = {.n_versions = 0};
    const char *name;
    struct textbuf text = textbuf_in(req->arena);
    struct json_write json = json_write_to(&text);
    if (reply_model_name(req->params[0], &name, err) != ERR_OK ||
        model_store_view(app->db, name, &view, err) != ERR_OK) {
        return err->code;
    }
    json_write_object(&json, NULL);
    json_write_text(&json, "model", name);
    reply_write_aliases(&json, "aliases", &view);
    json_write_object_end(&json);
    model_view_release(&view);
    return reply_json(res, 200, &json, err);
}

enum err_code handle_alias_put(struct app *app, const struct request *req, struct response *res,
                               struct err *err)
{
    const char *name;
    const char *alias = req->params[1];
    const json_t *value = NULL;
    struct version_ref ref;
    struct alias_put put = {.version = 0};
    struct textbuf text = textbuf_in(req->arena);
    struct json_write json = json_write_to(&text);
    if (reply_model_name(req->params[0], &name, err) != ERR_OK ||
        read_only_key(req, "version", &value, err) != ERR_OK ||
        reply_version(value, "version", &ref, err) != ERR_OK ||
        models_set_alias(app->models, name, alias, &ref, &put, err) != ERR_OK) {
        return err->code;
    }
    json_write_object(&json, NULL);
    json_write_text(&json, "model", name);
    json_write_text(&json, "alias", alias);
    json_write_int(&json, "version", put.version);
    reply_write_positive(&json, "before", put.before);
    json_write_object_end(&json);
    return reply_json(res, put.before == 0 ? 201 : 200, &json, err);
}

enum err_code handle_alias_delete(struct app *app, const struct request *req, struct response *res,
                                  struct err *err)
{
    const char *name;
    if (reply_model_name(req->params[0], &name, err) != ERR_OK ||
        models_delete_alias(app->models, name, req->params[1], err) != ERR_OK) {
        return err->code;
    }
    res->status = 204;
    return ERR_OK;
}

/* ---- the default ---- */

enum err_code handle_default_put(struct app *app, const struct request *req, struct response *res,
                                 struct err *err)
{
    const char *name;
    const json_t *value = NULL;
    struct version_ref ref;
    int64_t version = 0;
    struct textbuf text = textbuf_in(req->arena);
    struct json_write json = json_write_to(&text);
    if (reply_model_name(req->params[0], &name, err) != ERR_OK ||
        read_only_key(req, "version", &value, err) != ERR_OK ||
        reply_version(value, "version", &ref, err) != ERR_OK ||
        models_set_default(app->models, name, &ref, &version, err) != ERR_OK) {
        return err->code;
    }
    json_write_object(&json, NULL);
    json_write_text(&json, "model", name);
    json_write_int(&json, "default_version", version);
    json_write_object_end(&json);
    return reply_json(res, 200, &json, err);
}

static void write_promotion(struct json_write *json, const struct promotion_row *row)
{
    json_write_object(json, NULL);
    reply_write_time(json, "at", row->at_ms);
    reply_write_positive(json, "version", row->version);
    reply_write_positive(json, "previous", row->previous);
    json_write_text(json, "origin", row->origin);
    reply_write_positive(json, "job", row->job);
    json_write_text(json, "rows_used", row->rows_used[0] != '\0' ? row->rows_used : NULL);
    json_write_object_end(json);
}

enum err_code handle_promotions(struct app *app, const struct request *req, struct response *res,
                                struct err *err)
{
    const char *name;
    int64_t limit = PROMOTIONS_DEFAULT;
    struct promotion_row *rows = NULL;
    size_t n_rows = 0;
    struct textbuf text = textbuf_in(req->arena);
    struct json_write json = json_write_to(&text);
    if (reply_model_name(req->params[0], &name, err) != ERR_OK ||
        reply_query_int(req, "limit", 1, PROMOTIONS_MAX, &limit, err) != ERR_OK ||
        model_store_promotions(app->db, name, (size_t)limit, &rows, &n_rows, err) != ERR_OK) {
        return err->code;
    }
    json_write_object(&json, NULL);
    json_write_text(&json, "model", name);
    json_write_array(&json, "promotions");
    for (size_t i = 0; i < n_rows; i++) {
        write_promotion(&json, &rows[i]);
    }
    json_write_array_end(&json);
    json_write_object_end(&json);
    mem_free(rows);
    return reply_json(res, 200, &json, err);
}

/* ---- how many are kept ---- */

/* *keep: how many versions; 0, or null in JSON, for all. */
static enum err_code read_keep(const json_t *value, int64_t *keep, struct err *err)
{
    *keep = 0;
    if (json_is_null(value)) {
        return ERR_OK;
    }
    int64_t number = 0;
    bool whole = json_read_whole(value, &number);
    if (!whole || number < 0 || number > KEEP_MAX) {
        return err_set(err, ERR_INVALID,
                       "versions is %s; the number of the newest versions to keep is needed, at "
                       "most %d, or null for all",
                       value == NULL ? "missing"
                       : whole       ? "out of range"
                                     : json_read_kind(value),
                       KEEP_MAX);
    }
    *keep = number;
    return ERR_OK;
}

enum err_code handle_keep_put(struct app *app, const struct request *req, struct response *res,
                              struct err *err)
{
    const char *name;
    const json_t *value = NULL;
    int64_t keep = 0;
    int64_t n_deleted = 0;
    struct textbuf text = textbuf_in(req->arena);
    struct json_write json = json_write_to(&text);
    if (reply_model_name(req->params[0], &name, err) != ERR_OK ||
        read_only_key(req, "versions", &value, err) != ERR_OK ||
        read_keep(value, &keep, err) != ERR_OK ||
        models_set_keep(app->models, name, keep, &n_deleted, err) != ERR_OK) {
        return err->code;
    }
    json_write_object(&json, NULL);
    json_write_text(&json, "model", name);
    reply_write_positive(&json, "keep_versions", keep);
    json_write_int(&json, "deleted", n_deleted);
    json_write_object_end(&json);
    return reply_json(res, 200, &json, err);
}
