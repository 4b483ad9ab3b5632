/* SPDX-License-Identifier: Apache-2.0 */
#include "token_command.h"

#include "base/mem.h"
#include "access/token.h"
#include "store/access/token_store.h"
#include "store/store.h"

#include <stdio.h>
#include <string.h>

#define EXIT_FAILED 1
#define EXIT_USAGE  2

static enum err_code open_file(const struct cli *cli, bool read_only, struct db **db,
                               struct err *err)
{
    struct db_settings settings = {.path = cli->config.db, .read_only = read_only};
    if (store_open(db, &settings, err) == ERR_CONFLICT) {
        err_prefix(err, "the tokens of a running server are changed by POST /v1/tokens");
    }
    return err->code;
}

static enum err_code read_limits(const struct cli *cli, struct limits *limits, struct err *err)
{
    for (enum limit limit = 0; limit < LIMIT_N; limit++) {
        const char *text = cli->limits[limit];
        if (text != NULL && !limit_parse(limit, text, &limits->max[limit])) {
            return err_set(err, ERR_INVALID, "%s is \"%.40s\"; %s, 1 to %lld, are needed",
                           limit_key(limit), text, limit_unit(limit), (long long)limit_max(limit));
        }
    }
    return ERR_OK;
}

static enum err_code read_options(const struct cli *cli, struct token *token, struct err *err)
{
    if (cli->role == NULL) {
        return err_set(err, ERR_INVALID, "token create needs --role ROLE");
    }
    if (role_parse(cli->role, &token->role, err) != ERR_OK) {
        return err->code;
    }
    if (cli->id != NULL && !token_id_is_valid(cli->id)) {
        return err_set(err, ERR_INVALID,
                       "id is \"%.40s\"; 1 to %d letters, digits and '-' are needed", cli->id,
                       TOKEN_ID_CHARS);
    }
    snprintf(token->id, sizeof token->id, "%s", cli->id != NULL ? cli->id : "");
    const char *models = cli->models != NULL ? cli->models : TOKEN_ALL_MODELS;
    if (!name_patterns_are_valid(models)) {
        return err_set(err, ERR_INVALID,
                       "models is \"%.60s\"; names with * and ?, separated by commas, are needed",
                       models);
    }
    snprintf(token->models, sizeof token->models, "%s", models);
    if (cli->expires != NULL && !token_parse_time(cli->expires, &token->expires_ms)) {
        return err_set(err, ERR_INVALID,
                       "expires is \"%.40s\"; 2027-01-31, 2027-01-31T18:00:00Z or never is needed",
                       cli->expires);
    }
    return read_limits(cli, &token->limits, err);
}

static enum err_code create_token(const struct cli *cli, struct err *err)
{
    struct token token = {.id = ""};
    struct db *db = NULL;
    char text[TOKEN_TEXT_CHARS];
    if (read_options(cli, &token, err) == ERR_OK && token_make(&token, text, err) == ERR_OK &&
        open_file(cli, false, &db, err) == ERR_OK && token_store_add(db, &token, err) == ERR_OK) {
        printf("%s\n", text);
        fprintf(stderr, "surrogated: token \"%s\" with the role %s; it is not shown again\n",
                token.id, role_name(token.role));
    }
    digest_forget(text, sizeof text);
    db_close(db);
    return err->code;
}

static enum err_code revoke_token(const struct cli *cli, struct err *err)
{
    struct db *db = NULL;
    if (open_file(cli, false, &db, err) == ERR_OK) {
        err_kept(token_store_revoke(db, cli->words[1], err));
    }
    db_close(db);
    return err->code;
}

static const char *state_of(const struct token *token)
{
    if (token->revoked_ms != 0) {
        return "revoked";
    }
    return token_is_good(token, db_now_ms()) ? "valid" : "expired";
}

static void print_token(const struct token *token)
{
    printf("%-*s %-8s %-8s %s", TOKEN_ID_CHARS, token->id, role_name(token->role), state_of(token),
           token->models);
    for (enum limit limit = 0; limit < LIMIT_N; limit++) {
        if (token->limits.max[limit] > 0) {
            printf(" %s=%lld", limit_key(limit), (long long)token->limits.max[limit]);
        }
    }
    printf("\n");
}

static enum err_code list_tokens(const struct cli *cli, struct err *err)
{
    struct token *tokens = NULL;
    size_t n = 0;
    struct db *db = NULL;
    if (open_file(cli, true, &db, err) == ERR_OK &&
        token_store_list(db, &tokens, &n, err) == ERR_OK) {
        printf("%-*s %-8s %-8s %s\n", TOKEN_ID_CHARS, "ID", "ROLE", "STATE", "MODELS, LIMITS");
        for (size_t i = 0; i < n; i++) {
            print_token(&tokens[i]);
        }
    }
    mem_free(tokens);
    db_close(db);
    return err->code;
}

static enum err_code run_verb(const struct cli *cli, struct err *err)
{
    const char *verb = cli->n_words > 0 ? cli->words[0] : "";
    if (strcmp(verb, "create") == 0 && cli->n_words == 1) {
        return create_token(cli, err);
    }
    if (strcmp(verb, "list") == 0 && cli->n_words == 1) {
        return list_tokens(cli, err);
    }
    if (strcmp(verb, "revoke") == 0 && cli->n_words == 2) {
        return revoke_token(cli, err);
    }
    return err_set(err, ERR_INVALID, "`surrogated token create`, `list` or `revoke ID` is needed");
}

int token_command_run(const struct cli *cli)
{
    struct err err = ERR_INIT;
    if (run_verb(cli, &err) == ERR_OK) {
        return fflush(stdout) == 0 ? 0 : EXIT_FAILED;
    }
    fprintf(stderr, "surrogated: %s\n", err_msg(&err));
    return err.code == ERR_INVALID ? EXIT_USAGE : EXIT_FAILED;
}
