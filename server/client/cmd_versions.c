/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cmd_versions.h"

#include "client/describe.h"
#include "client/files.h"
#include "client/table.h"

#include <string.h>

static const char *word(const struct client *client, int i)
{
    const char *text = args_word(client->args, i);
    return text != NULL ? text : "";
}

static const char *member(struct client *client, const json_t *object, const char *key)
{
    return describe_member(&client->arena, object, key);
}

static enum err_code print_table(const struct table *table, struct err *err)
{
    return table_print(table, stdout) ? ERR_OK
                                      : err_set(err, ERR_NOMEM, "no memory for the output");
}

/* {"key":value}: a number as it is, anything else as a text. */
static enum err_code put_one(struct client *client, const char *path, const char *key,
                             const char *value, json_t **doc, struct err *err)
{
    struct textbuf body = textbuf_in(&client->arena);
    textbuf_printf(&body, "{\"%s\":", key);
    if (*value != '\0' && strlen(value) < 19 && value[strspn(value, "0123456789")] == '\0' &&
        (*value != '0' || value[1] == '\0')) {
        textbuf_puts(&body, value);
    } else {
        textbuf_json_string(&body, value);
    }
    textbuf_puts(&body, "}");
    if (textbuf_failed(&body)) {
        return err_set(err, ERR_NOMEM, "no memory for the request");
    }
    struct payload payload = {.type = "application/json", .bytes = body.data, .n_bytes = body.len};
    return client_ask(client, "PUT", path, &payload, doc, err);
}

enum err_code versions_promote(struct client *client, struct err *err)
{
    json_t *doc = NULL;
    char *path = client_path(client, "/v1/models/", word(client, 1), "/default", NULL);
    if (put_one(client, path, "version", word(client, 2), &doc, err) == ERR_OK && doc != NULL) {
        printf("%s: version %s is the default\n", word(client, 1),
               member(client, doc, "default_version"));
    }
    json_decref(doc);
    return err->code;
}

enum err_code versions_alias(struct client *client, struct err *err)
{
    json_t *doc = NULL;
    char *path =
        client_path(client, "/v1/models/", word(client, 1), "/aliases/", word(client, 2), NULL);
    if (put_one(client, path, "version", word(client, 3), &doc, err) == ERR_OK && doc != NULL) {
        const char *before = member(client, doc, "before");
        printf("%s: @%s is version %s", word(client, 1), word(client, 2),
               member(client, doc, "version"));
        printf(strcmp(before, "-") == 0 ? "\n" : ", before %s\n", before);
    }
    json_decref(doc);
    return err->code;
}

enum err_code versions_unalias(struct client *client, struct err *err)
{
    struct answer answer;
    struct call call = {.method = "DELETE",
                        .path = client_path(client, "/v1/models/", word(client, 1), "/aliases/",
                                            word(client, 2), NULL)};
    if (client_call(client, &call, &answer, err) == ERR_OK && !client->json) {
        printf("%s: @%s is no alias any more\n", word(client, 1), word(client, 2));
    }
    answer_release(&answer);
    return err->code;
}

enum err_code versions_keep(struct client *client, struct err *err)
{
    json_t *doc = NULL;
    bool all = strcmp(word(client, 2), "all") == 0;
    char *path = client_path(client, "/v1/models/", word(client, 1), "/keep", NULL);
    if (put_one(client, path, "versions", all ? "0" : word(client, 2), &doc, err) == ERR_OK &&
        doc != NULL) {
        long long deleted = json_integer_value(json_object_get(doc, "deleted"));
        const char *kept = member(client, doc, "keep_versions");
        printf(strcmp(kept, "-") == 0 ? "%s: all versions are kept\n"
                                      : "%s: the newest %s versions are kept, ",
               word(client, 1), kept);
        if (strcmp(kept, "-") != 0) {
            printf("%lld deleted now\n", deleted);
        }
    }
    json_decref(doc);
    return err->code;
}

/* Without a word it is shown, with `none` taken away, else put. */
enum err_code versions_policy(struct client *client, struct err *err)
{
    json_t *doc = NULL;
    struct answer answer;
    struct input input = {.file = NULL};
    const char *given = args_word(client->args, 2);
    char *path = client_path(client, "/v1/models/", word(client, 1), "/policy", NULL);
    if (given != NULL && strcmp(given, "none") == 0) {
        struct call call = {.method = "DELETE", .path = path};
        if (client_call(client, &call, &answer, err) == ERR_OK && !client->json) {
            printf("%s has no policy any more\n", word(client, 1));
        }
        answer_release(&answer);
        return err->code;
    }
    if (given != NULL && input_open(client, given, &input, err) != ERR_OK) {
        return err->code;
    }
    struct payload payload = {.type = "application/json", .file = input.file};
    if (client_ask(client, given != NULL ? "PUT" : "GET", path, given != NULL ? &payload : NULL,
                   &doc, err) == ERR_OK &&
        doc != NULL) {
        err_kept(describe_object(doc, &client->arena, stdout, err));
    }
    json_decref(doc);
    input_close(&input);
    return err->code;
}

enum err_code versions_history(struct client *client, struct err *err)
{
    json_t *doc = NULL;
    struct table table = table_in(&client->arena, "WHEN|>DEFAULT|>BEFORE|BY");
    char *path = client_path(client, "/v1/models/", word(client, 1), "/promotions", NULL);
    if (client_ask(client, "GET", path, NULL, &doc, err) != ERR_OK || doc == NULL) {
        return err->code;
    }
    const json_t *rows = client_list(doc, "promotions", err);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        const char *at = json_string_value(json_object_get(row, "at"));
        bool by_job = json_is_integer(json_object_get(row, "job"));
        table_row(&table);
        table_cell(&table, 0, "%s", table_ago(&client->arena, at));
        table_cell(&table, 1, "%s", member(client, row, "version"));
        table_cell(&table, 2, "%s", member(client, row, "previous"));
        table_cell(&table, 3, "%s%s%s", member(client, row, "origin"), by_job ? " " : "",
                   by_job ? member(client, row, "job") : "");
    }
    if (rows != NULL) {
        err_kept(print_table(&table, err));
    }
    json_decref(doc);
    return err->code;
}

/* ---- compare ---- */

static enum err_code print_scores(struct client *client, const json_t *versions, struct err *err)
{
    struct table table = table_in(&client->arena, ">VERSION|>ROWS|>RELATIVE ERROR|>NLL|>CRPS");
    for (size_t i = 0; i < json_array_size(versions); i++) {
        const json_t *row = json_array_get(versions, i);
        table_row(&table);
        table_cell(&table, 0, "%s", member(client, row, "version"));
        table_cell(&table, 1, "%s", member(client, row, "rows"));
        table_cell(&table, 2, "%s", member(client, row, "relative_error"));
        table_cell(&table, 3, "%s", member(client, row, "nll"));
        table_cell(&table, 4, "%s", member(client, row, "crps"));
    }
    return print_table(&table, err);
}

static enum err_code print_differences(struct client *client, const json_t *versions,
                                       struct err *err)
{
    static const char *const losses[] = {"squared_error", "nll", "crps"};
    struct table table =
        table_in(&client->arena, ">VERSION|LESS THE FIRST|>MEAN|>STANDARD ERROR|>BETTER ROWS");
    for (size_t i = 1; i < json_array_size(versions); i++) {
        const json_t *row = json_array_get(versions, i);
        for (size_t k = 0; k < sizeof losses / sizeof *losses; k++) {
            const json_t *loss = json_object_get(json_object_get(row, "difference"), losses[k]);
            double better = json_number_value(json_object_get(loss, "better"));
            table_row(&table);
            table_cell(&table, 0, "%s", member(client, row, "version"));
            table_cell(&table, 1, "%s", losses[k]);
            table_cell(&table, 2, "%s", member(client, loss, "mean"));
            table_cell(&table, 3, "%s", member(client, loss, "standard_error"));
            if (json_is_object(loss)) {
                table_cell(&table, 4, "%.1f %%", 100.0 * better);
            } else {
                table_cell(&table, 4, "-");
            }
        }
    }
    return print_table(&table, err);
}

static enum err_code ask(struct client *client, const struct payload *payload, struct err *err)
{
    json_t *doc = NULL;
    char *path = client_path(client, "/v1/models/", word(client, 1),
                             "/compare?versions=", word(client, 2), ",", word(client, 3), NULL);
    if (client_ask(client, "POST", path, payload, &doc, err) != ERR_OK || doc == NULL) {
        return err->code;
    }
    const json_t *versions = client_list(doc, "versions", err);
    const json_t *warnings = json_object_get(doc, "warnings");
    for (size_t i = 0; i < json_array_size(warnings); i++) {
        fflush(stdout);
        /* member() makes it harmless. */
        fprintf(stderr, "surrogated: %s\n", member(client, json_array_get(warnings, i), "text"));
    }
    if (versions != NULL && print_scores(client, versions, err) == ERR_OK) {
        fputs("\n", stdout);
        err_kept(print_differences(client, versions, err));
    }
    json_decref(doc);
    return err->code;
}

enum err_code versions_compare(struct client *client, struct err *err)
{
    static const char stored[] = "{\"data\":{}}";
    struct input input;
    struct payload payload = {
        .type = "application/json", .bytes = stored, .n_bytes = sizeof stored - 1};
    if (client->args->n_words < 5) {
        return ask(client, &payload, err);
    }
    if (input_open(client, word(client, 4), &input, err) != ERR_OK) {
        return err->code;
    }
    payload = (struct payload){.type = files_type(input.format), .file = input.file};
    err_kept(ask(client, &payload, err));
    input_close(&input);
    return err->code;
}
