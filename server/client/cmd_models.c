/* SPDX-License-Identifier: Apache-2.0 */
/* surrogated models: list, show, put, export, delete; the rest is in cmd_versions.c. */
#include "client/commands.h"

#include "client/cmd_versions.h"
#include "client/confirm.h"
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

static enum err_code list(struct client *client, struct err *err)
{
    json_t *doc = NULL;
    struct table table = table_in(&client->arena, "NAME|>DEFAULT|>VERSIONS|>ROWS|CREATED");
    if (client_ask(client, "GET", "/v1/models", NULL, &doc, err) != ERR_OK || doc == NULL) {
        return err->code;
    }
    const json_t *rows = client_list(doc, "models", err);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        const char *created = json_string_value(json_object_get(row, "created"));
        table_row(&table);
        table_cell(&table, 0, "%s", member(client, row, "name"));
        table_cell(&table, 1, "%s", member(client, row, "default_version"));
        table_cell(&table, 2, "%s", member(client, row, "versions"));
        table_cell(&table, 3, "%s", member(client, row, "rows"));
        table_cell(&table, 4, "%s", table_ago(&client->arena, created));
    }
    if (rows != NULL) {
        err_kept(print_table(&table, err));
    }
    json_decref(doc);
    return err->code;
}

/* A version of a model by itself: all that the server tells of it. */
static enum err_code show_version(struct client *client, struct err *err)
{
    json_t *doc = NULL;
    char *path =
        client_path(client, "/v1/models/", word(client, 1), "/versions/", word(client, 2), NULL);
    if (client_ask(client, "GET", path, NULL, &doc, err) == ERR_OK && doc != NULL) {
        err_kept(describe_object(doc, &client->arena, stdout, err));
    }
    json_decref(doc);
    return err->code;
}

/* "@previous @prod" */
static const char *names_of(struct client *client, const json_t *doc, const json_t *row)
{
    struct textbuf text = textbuf_in(&client->arena);
    json_int_t previous =
        json_integer_value(json_object_get(json_object_get(doc, "model"), "previous_version"));
    const json_t *aliases = json_object_get(row, "aliases");
    if (previous != 0 && previous == json_integer_value(json_object_get(row, "version"))) {
        textbuf_puts(&text, "@previous");
    }
    for (size_t i = 0; i < json_array_size(aliases); i++) {
        const char *alias = json_string_value(json_array_get(aliases, i));
        textbuf_puts(&text, text.len > 0 ? " @" : "@");
        textbuf_puts(&text, alias != NULL ? alias : "?");
    }
    return textbuf_failed(&text) ? "?" : text.len > 0 ? text.data : "-";
}

static enum err_code show(struct client *client, struct err *err)
{
    json_t *doc = NULL;
    struct table table = table_in(&client->arena, ">VERSION|DEFAULT|NAMES|>SIZE|CREATED|ETAG|NOTE");
    if (client->args->n_words == 3) {
        return show_version(client, err);
    }
    char *path = client_path(client, "/v1/models/", word(client, 1), NULL);
    if (client_ask(client, "GET", path, NULL, &doc, err) != ERR_OK || doc == NULL) {
        return err->code;
    }
    const json_t *rows = client_list(doc, "versions", err);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        double bytes = json_number_value(json_object_get(row, "bytes"));
        const char *created = json_string_value(json_object_get(row, "created"));
        const char *damage = json_string_value(json_object_get(row, "damaged"));
        table_row(&table);
        table_cell(&table, 0, "%s", member(client, row, "version"));
        table_cell(&table, 1, "%s", member(client, row, "default"));
        table_cell(&table, 2, "%s", names_of(client, doc, row));
        table_cell(&table, 3, "%s", table_bytes(&client->arena, bytes));
        table_cell(&table, 4, "%s", table_ago(&client->arena, created));
        table_cell(&table, 5, "%.19s", member(client, row, "etag"));
        table_cell(&table, 6, "%s%s", damage != NULL ? "damaged: " : "",
                   damage != NULL ? damage : "");
    }
    if (rows != NULL) {
        err_kept(print_table(&table, err));
    }
    json_decref(doc);
    return err->code;
}

static enum err_code put(struct client *client, struct err *err)
{
    json_t *doc = NULL;
    struct input input;
    bool keep = client->args->values[OPT_KEEP] != NULL;
    char *path =
        client_path(client, "/v1/models/", word(client, 1), keep ? "?promote=false" : "", NULL);
    if (input_open(client, word(client, 2), &input, err) != ERR_OK) {
        return err->code;
    }
    struct payload payload = {.type = "application/json", .file = input.file};
    if (client_ask(client, "PUT", path, &payload, &doc, err) == ERR_OK && doc != NULL) {
        bool created = json_is_true(json_object_get(doc, "created"));
        printf("%s: version %s %s\n", word(client, 1), member(client, doc, "version"),
               created ? "registered" : "has this content already");
    }
    json_decref(doc);
    input_close(&input);
    return err->code;
}

static enum err_code export(struct client *client, struct err *err) {
    const char *version = client->args->n_words > 2 ? word(client, 2) : "@default";
    char *path = client_path(client, "/v1/models/", word(client, 1), "/versions/", version,
                             "/export", NULL);
    struct call call = {.method = "GET", .path = path};
    return files_save(client, &call, false, err);
}

static enum err_code delete_one(struct client *client, struct err *err)
{
    struct answer answer;
    bool one = client->args->n_words > 2;
    char *path = client_path(client, "/v1/models/", word(client, 1), one ? "/versions/" : "",
                             word(client, 2), NULL);
    char *question = arena_printf(&client->arena, "delete model %s with all its versions and rows?",
                                  word(client, 1));
    struct call call = {.method = "DELETE", .path = path};
    if (question == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the request");
    }
    if (!one && confirm(client, question, err) != ERR_OK) {
        return err->code;
    }
    if (client_call(client, &call, &answer, err) == ERR_OK && !client->json) {
        printf(one ? "%s: version %s deleted\n" : "%s deleted%s\n", word(client, 1),
               word(client, 2));
    }
    answer_release(&answer);
    return err->code;
}

static const struct verb verbs[] = {
    {"list", 1, 1, list},
    {"show", 2, 3, show},
    {"put", 3, 3, put},
    {"export", 2, 3, export},
    {"default", 3, 3, versions_promote},
    {"promote", 3, 3, versions_promote},
    {"alias", 4, 4, versions_alias},
    {"unalias", 3, 3, versions_unalias},
    {"keep", 3, 3, versions_keep},
    {"policy", 2, 3, versions_policy},
    {"history", 2, 2, versions_history},
    {"compare", 4, 5, versions_compare},
    {"delete", 2, 3, delete_one},
};

static bool is_verb(const char *text)
{
    bool found = false;
    for (size_t i = 0; text != NULL && i < sizeof verbs / sizeof *verbs; i++) {
        found = found || strcmp(verbs[i].name, text) == 0;
    }
    return found;
}

enum err_code command_models(struct client *client, struct err *err)
{
    const struct args *args = client->args;
    /* `models heat promote 3` is `models promote heat 3`. */
    if (!is_verb(args_word(args, 0)) && is_verb(args_word(args, 1))) {
        const char *name = args->words[0];
        args->words[0] = args->words[1];
        args->words[1] = name;
    }
    return client_run_verb(client, verbs, sizeof verbs / sizeof *verbs, 0, err);
}
