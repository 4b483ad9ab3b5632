/* SPDX-License-Identifier: Apache-2.0 */
#include "api/access.h"

#include "api/token_table.h"
#include "base/address.h"
#include "base/clock.h"
#include "base/mem.h"

#include <string.h>
#include <strings.h>

#define NO_FILE "none"
#define SCHEME  "Bearer "

struct access {
    struct token_table *tokens;
    bool is_loopback; /* no address is one that others can reach */
    bool open_socket; /* the first that they can is a Unix socket */
    bool always;      /* tokens are needed even when there are none */
};

/* ---- beginning and end ---- */

static enum err_code check_start(const struct access *access, const struct config *config,
                                 struct err *err)
{
    if (token_table_has_good(access->tokens) || (access->is_loopback && !config->require_tokens)) {
        return ERR_OK;
    }
    if (config->require_tokens) {
        return err_set(err, ERR_INVALID,
                       "require_tokens is true, but there is no valid token; make one with "
                       "`surrogated token create --role admin --db FILE`");
    }
    if (!config->insecure) {
        return err_set(
            err, ERR_INVALID,
            "listen is %.60s, which others can reach%s%.8s, and there is no valid token; "
            "make one with `surrogated token create --role admin --db FILE`, or let "
            "anybody in with --insecure true",
            config->listen, access->open_socket ? " with socket_mode " : "",
            access->open_socket ? config->socket_mode : "");
    }
    return ERR_OK;
}

enum err_code access_new(const struct config *config, struct db *db, const struct log *log,
                         struct access **out, struct err *err)
{
    struct address_list addresses;
    unsigned mode;
    const char *path = strcmp(config->tokens_file, NO_FILE) != 0 ? config->tokens_file : NULL;
    if (address_list_parse(config->listen, &addresses, err) != ERR_OK ||
        address_mode_parse(config->socket_mode, &mode, err) != ERR_OK) {
        return err->code;
    }
    const struct address *open = address_list_find_open(&addresses, mode);
    struct access *access = mem_zalloc(sizeof *access);
    if (access == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for tokens");
    }
    access->is_loopback = open == NULL;
    access->open_socket = open != NULL && open->path[0] != '\0';
    access->always = config->require_tokens || !(access->is_loopback || config->insecure);
    if (token_table_new(db, path, log, &access->tokens, err) != ERR_OK ||
        check_start(access, config, err) != ERR_OK) {
        access_free(access);
        return err->code;
    }
    *out = access;
    return ERR_OK;
}

void access_free(struct access *access)
{
    if (access != NULL) {
        token_table_free(access->tokens);
        mem_free(access);
    }
}

void access_renew(struct access *access)
{
    if (access != NULL) {
        token_table_look(access->tokens);
    }
}

struct token_table *access_tokens(struct access *access)
{
    return access != NULL ? access->tokens : NULL;
}

/* ---- a request ---- */

/* The token that a header names, and whether it is that of the secret. */
static bool find_token(struct access *access, const char *header, struct token_proof *proof,
                       struct token *out)
{
    const char *id;
    const char *secret;
    size_t n;
    size_t n_scheme = sizeof SCHEME - 1;
    if (header == NULL || strncasecmp(header, SCHEME, n_scheme) != 0) {
        return false;
    }
    header += n_scheme;
    if (!token_split(header + strspn(header, " "), &id, &n, &secret)) {
        return false;
    }
    token_table_find(access->tokens, id, n, out);
    /* An unknown id takes as long as a wrong secret. */
    return token_has_secret(out, secret, proof) && out->id[0] != '\0';
}

/*
 * Finds the good token of a header, which the connection remembers from then on. It stays where it
 * is as long as the request. NULL: there is none, and err says why.
 */
static const struct token *look_up(struct access *access, const struct request *req,
                                   const char *header, size_t n, struct err *err)
{
    struct token found = {.id = ""};
    struct token_memory *memory = req->memory;
    if (!find_token(access, header, memory != NULL ? &memory->proof : NULL, &found)) {
        err_set(err, ERR_UNAUTHORIZED, "the token is not known here");
        return NULL;
    }
    if (memory != NULL) {
        token_memory_keep(memory, req->caller.generation, header, n, &found);
        return &memory->token;
    }
    struct token *kept = arena_alloc_array(req->arena, 1, sizeof *kept);
    if (kept == NULL) {
        err_set(err, ERR_NOMEM, "no memory for the request");
        return NULL;
    }
    *kept = found;
    return kept;
}

static enum err_code take_token(struct request *req, const struct token *token, struct err *err)
{
    struct caller *caller = &req->caller;
    bool ends = token->revoked_ms != 0 || token->expires_ms != 0;
    if (ends && !token_is_good(token, db_now_ms())) {
        return err_set(err, ERR_UNAUTHORIZED, "the token \"%s\" %s", token->id,
                       token->revoked_ms != 0 ? "was revoked" : "has expired");
    }
    caller->who = token->id;
    caller->models = strcmp(token->models, TOKEN_ALL_MODELS) != 0 ? token->models : NULL;
    caller->limits = &token->limits;
    caller->expires_ms = token->expires_ms;
    return ERR_OK;
}

bool access_asks(const struct access *access)
{
    return access != NULL &&
           (access->always || (!access->is_loopback && token_table_count(access->tokens) > 0));
}

enum err_code access_identify(struct access *access, struct request *req, enum role *role,
                              struct err *err)
{
    *role = ROLE_ADMIN;
    req->caller = (struct caller){.who = ACCESS_LOOPBACK, .role = role_name(ROLE_ADMIN)};
    if (access == NULL || (access->is_loopback && !access->always)) {
        return ERR_OK; /* whatever tokens there are */
    }
    token_table_refresh(access->tokens, clock_tick_ns());
    /* Before the token is looked up: a change in between is then seen by access_still_holds. */
    req->caller.generation = token_table_generation(access->tokens);
    if (!access_asks(access)) {
        req->caller.who = ACCESS_ANYBODY;
        return ERR_OK;
    }
    const char *header = request_header(req, "Authorization");
    if (header == NULL) {
        return err_set(err, ERR_UNAUTHORIZED,
                       "this server needs a token, in the header Authorization: Bearer TOKEN");
    }
    size_t n = strlen(header);
    const struct token *token =
        req->memory != NULL && token_memory_holds(req->memory, req->caller.generation, header, n)
            ? &req->memory->token
            : look_up(access, req, header, n, err);
    if (token == NULL || take_token(req, token, err) != ERR_OK) {
        return err->code;
    }
    *role = token->role;
    req->caller.role = role_name(token->role);
    return ERR_OK;
}

bool access_still_holds(const struct access *access, const struct request *req)
{
    if (access == NULL || (access->is_loopback && !access->always)) {
        return true;
    }
    return req->caller.generation == token_table_generation(access->tokens) &&
           (req->caller.expires_ms == 0 || db_now_ms() < req->caller.expires_ms);
}

bool access_sees(const struct request *req, const char *model)
{
    return req->caller.models == NULL || name_patterns_match(req->caller.models, model);
}

enum err_code access_check_model(const struct request *req, const char *model, struct err *err)
{
    if (!access_sees(req, model)) {
        return err_set(err, ERR_FORBIDDEN, "the token \"%s\" is not for the model %.64s",
                       req->caller.who, model);
    }
    return ERR_OK;
}
