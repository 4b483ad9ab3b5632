/* SPDX-License-Identifier: Apache-2.0 */
/* surrogated models: list, put, export and delete; cmd_versions.c has the rest. */
#include "client/commands.h"

#include "base/phrase.h"
#include "client/commands/cmd_versions.h"
#include "client/commands/confirm.h"
#include "client/files.h"
#include "client/listing.h"

#include <string.h>

static void fill_model(struct client *client, struct table *table, const json_t *row)
{
    const char *created = json_string_value(json_object_get(row, "created"));
    table_cell(table, 0, "%s", client_member(client, row, "name"));
    table_cell(table, 1, "%s", client_member(client, row, "default_version"));
    table_cell(table, 2, "%s", client_member(client, row, "versions"));
    table_cell(table, 3, "%s", client_member(client, row, "rows"));
    table_cell(table, 4, "%s", phrase_ago(created).text);
}

static enum err_code list_models(struct client *client, struct err *err)
{
    const struct listing listing = {.path = "/v1/models",
                                    .key = "models",
                                    .heads = "NAME|>DEFAULT|>VERSIONS|>ROWS|CREATED",
                                    .fill = fill_model};
    return listing_print(client, &listing, err);
}

static enum err_code register_model(struct client *client, struct err *err)
{
    json_t *doc = NULL;
    struct input input;
    bool keep = client->args->values[OPT_KEEP] != NULL;
    char *path = client_path(client, "/v1/models/", client_word(client, 1),
                             keep ? "?promote=false" : "", NULL);
    if (input_open(client, client_word(client, 2), &input, err) != ERR_OK) {
        return err->code;
    }
    struct payload payload = {.type = "application/json", .file = input.file};
    if (client_ask(client, "PUT", path, &payload, &doc, err) == ERR_OK && doc != NULL) {
        bool created = json_is_true(json_object_get(doc, "created"));
        printf("%s: version %s %s\n", client_word(client, 1), client_member(client, doc, "version"),
               created ? "registered" : "has this content already");
    }
    json_decref(doc);
    input_close(&input);
    return err->code;
}

/* --format json, which is the default, or binary. */
static enum err_code find_form(const struct client *client, bool *binary, struct err *err)
{
    const char *format = client->args->values[OPT_FORMAT];
    *binary = format != NULL && strcmp(format, "binary") == 0;
    if (format != NULL && !*binary && strcmp(format, options_formats[FORMAT_JSON]) != 0) {
        return err_set(err, ERR_INVALID,
                       "format is \"%.40s\"; a model is exported as json or binary", format);
    }
    return ERR_OK;
}

static enum err_code export_model(struct client *client, struct err *err)
{
    const char *version = client->args->n_words > 2 ? client_word(client, 2) : "@default";
    bool binary = false;
    if (find_form(client, &binary, err) != ERR_OK) {
        return err->code;
    }
    char *path = client_path(client, "/v1/models/", client_word(client, 1), "/versions/", version,
                             binary ? "/export?format=binary" : "/export", NULL);
    struct call call = {.method = "GET", .path = path};
    return files_save(client, &call, binary, err);
}

static enum err_code delete_model_or_version(struct client *client, struct err *err)
{
    const char *name = client_word(client, 1);
    const char *version = client_word(client, 2);
    bool one = client->args->n_words > 2;
    char *path = client_path(client, "/v1/models/", name, one ? "/versions/" : "", version, NULL);
    char *question =
        arena_printf(&client->arena, "delete model %s with all its versions and rows?", name);
    if (question == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the request");
    }
    if ((one || confirm(client, question, err) == ERR_OK) &&
        client_delete(client, path, err) == ERR_OK && !client->json) {
        printf(one ? "%s: version %s deleted\n" : "%s deleted%s\n", name, version);
    }
    return err->code;
}

static const struct verb verbs[] = {
    {"list", 1, 1, list_models},
    {"show", 2, 3, versions_show},
    {"put", 3, 3, register_model},
    {"export", 2, 3, export_model},
    {"default", 3, 3, versions_promote},
    {"promote", 3, 3, versions_promote},
    {"alias", 4, 4, versions_alias},
    {"unalias", 3, 3, versions_unalias},
    {"keep", 3, 3, versions_keep},
    {"policy", 2, 3, versions_policy},
    {"history", 2, 2, versions_history},
    {"compare", 4, 5, versions_compare},
    {"delete", 2, 3, delete_model_or_version},
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
