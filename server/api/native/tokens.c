/* SPDX-License-Identifier: Apache-2.0 */
/* The tokens of the registry, for whoever has the role admin. */
#include "api/handlers.h"

#include "api/reply.h"
#include "base/mem.h"
#include "store/access/token_store.h"

#include <stdio.h>

static enum err_code read_request(const struct request *req, struct token *token, struct err *err)
{
    static const char *const keys[] = {"id", "role", "models", "expires",
#define LIMIT(name, key, max, verb, unit, help) key,
#include "access/limits.def"
#undef LIMIT
                                       NULL};
    json_t *doc;
    const char *id = "";
    const char *role = "";
    const char *models = TOKEN_ALL_MODELS;
    const char *expires = "never";
    if (json_read_parse(req->body, req->n_body, req->arena, &doc, err) != ERR_OK ||
        json_read_check_keys(doc, "the request", keys, err) != ERR_OK) {
        return err->code;
    }
    const struct json_members members = {doc, "the request", err};
    json_read_require(members, "role");
    json_read_text(members, "role", TOKEN_ID_CHARS, &role);
    json_read_text(members, "id", TOKEN_ID_CHARS, &id);
    json_read_text(members, "models", NAME_PATTERNS_CHARS, &models);
    json_read_text(members, "expires", TOKEN_ID_CHARS, &expires);
    for (enum limit limit = 0; limit < LIMIT_N; limit++) {
        json_read_int(members, limit_key(limit), 1, limit_max(limit), &token->limits.max[limit]);
    }
    if (err->code != ERR_OK || role_parse(role, &token->role, err) != ERR_OK) {
        return err->code;
    }
    if (!token_parse_time(expires, &token->expires_ms)) {
        return err_set(err, ERR_INVALID,
                       "expires is \"%.40s\"; 2027-01-31, 2027-01-31T18:00:00Z or never is needed",
                       expires);
    }
    snprintf(token->id, sizeof token->id, "%s", id);
    snprintf(token->models, sizeof token->models, "%s", models);
    return ERR_OK;
}

static void write_token(struct json_write *json, const struct token *token)
{
    json_write_text(json, "id", token->id);
    json_write_text(json, "role", role_name(token->role));
    json_write_text(json, "models", token->models);
    for (enum limit limit = 0; limit < LIMIT_N; limit++) {
        reply_write_positive(json, limit_key(limit), token->limits.max[limit]);
    }
    reply_write_time(json, "expires", token->expires_ms);
}

enum err_code handle_token_create(struct app *app, const struct request *req, struct response *res,
                                  struct err *err)
{
    struct token token = {.id = ""};
    char secret[TOKEN_TEXT_CHARS];
    struct textbuf text = textbuf_in(req->arena);
    struct json_write json = json_write_to(&text);
    if (read_request(req, &token, err) == ERR_OK && token_make(&token, secret, err) == ERR_OK &&
        token_store_add(app->db, &token, err) == ERR_OK) {
        access_renew(app->access);
        json_write_object(&json, NULL);
        write_token(&json, &token);
        json_write_text(&json, "token", secret);
        json_write_object_end(&json);
        err_kept(reply_json(res, 201, &json, err));
        res->holds_secret = true;
    }
    digest_forget(secret, sizeof secret);
    return err->code;
}

enum err_code handle_tokens_list(struct app *app, const struct request *req, struct response *res,
                                 struct err *err)
{
    struct token *tokens = NULL;
    size_t n = 0;
    struct textbuf text = textbuf_in(req->arena);
    struct json_write json = json_write_to(&text);
    if (token_store_list(app->db, &tokens, &n, err) == ERR_OK) {
        json_write_object(&json, NULL);
        json_write_array(&json, "tokens");
        for (size_t i = 0; i < n; i++) {
            json_write_object(&json, NULL);
            write_token(&json, &tokens[i]);
            reply_write_time(&json, "created", tokens[i].created_ms);
            reply_write_time(&json, "revoked", tokens[i].revoked_ms);
            json_write_object_end(&json);
        }
        json_write_array_end(&json);
        json_write_object_end(&json);
        err_kept(reply_json(res, 200, &json, err));
    }
    mem_free(tokens);
    return err->code;
}

/* What the request's own token may do. */
enum err_code handle_token_own(struct app *app, const struct request *req, struct response *res,
                               struct err *err)
{
    struct textbuf text = textbuf_in(req->arena);
    struct json_write json = json_write_to(&text);
    bool is_token = access_asks(app->access);
    json_write_object(&json, NULL);
    json_write_text(&json, "id", is_token ? req->caller.who : NULL);
    json_write_text(&json, "role", req->caller.role);
    json_write_text(&json, "models", req->caller.models != NULL ? req->caller.models : "*");
    reply_write_time(&json, "expires", req->caller.expires_ms);
    json_write_object_end(&json);
    return reply_json(res, 200, &json, err);
}

enum err_code handle_token_revoke(struct app *app, const struct request *req, struct response *res,
                                  struct err *err)
{
    if (token_store_revoke(app->db, req->params[0], err) != ERR_OK) {
        return err->code;
    }
    access_renew(app->access);
    res->status = 204;
    return ERR_OK;
}
