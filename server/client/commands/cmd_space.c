/* SPDX-License-Identifier: Apache-2.0 */
/* surrogated space: names, units, types and bounds of a model's inputs and outputs. */
#include "client/commands.h"

#include "client/files.h"
#include "client/listing.h"

#include <string.h>

/* "0.1 .. 2", or the values of a category. */
static const char *describe_values(struct client *client, const json_t *column)
{
    struct textbuf text = textbuf_in(&client->arena);
    const json_t *values = json_object_get(column, "values");
    const json_t *bounds = json_object_get(column, "bounds");
    const char *positive = json_is_true(json_object_get(column, "positive")) ? "above 0" : "";
    for (size_t i = 0; i < json_array_size(values); i++) {
        const char *value = json_string_value(json_array_get(values, i));
        textbuf_printf(&text, "%s%s", i > 0 ? ", " : "", value != NULL ? value : "?");
    }
    if (json_is_array(bounds)) {
        textbuf_printf(&text, "%.6g .. %.6g", json_number_value(json_array_get(bounds, 0)),
                       json_number_value(json_array_get(bounds, 1)));
    }
    textbuf_puts(&text, positive);
    return textbuf_failed(&text) ? "?" : text.data;
}

static void add_columns(struct client *client, struct table *table, const json_t *list,
                        const char *what)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *column = json_array_get(list, i);
        const json_t *distribution = json_object_get(column, "distribution");
        table_row(table);
        table_cell(table, 0, "%s %zu", what, i);
        table_cell(table, 1, "%s", client_member(client, column, "name"));
        table_cell(table, 2, "%s", client_member(client, column, "unit"));
        table_cell(table, 3, "%s", client_member(client, column, "type"));
        table_cell(table, 4, "%s", describe_values(client, column));
        table_cell(table, 5, "%s", client_member(client, distribution, "kind"));
        table_cell(table, 6, "%s", client_member(client, column, "default"));
    }
}

static enum err_code print_space(struct client *client, const json_t *doc, struct err *err)
{
    const json_t *space = json_object_get(doc, "space");
    struct table table =
        table_in(&client->arena, "COLUMN|NAME|UNIT|TYPE|VALUES|DISTRIBUTION|DEFAULT");
    add_columns(client, &table, json_object_get(space, "inputs"), "input");
    add_columns(client, &table, json_object_get(space, "outputs"), "output");
    return table_print(&table, stdout, err);
}

static enum err_code ask_and_print(struct client *client, const char *method, const char *path,
                                   const struct payload *payload, struct err *err)
{
    json_t *doc = NULL;
    if (client_ask(client, method, path, payload, &doc, err) == ERR_OK && doc != NULL) {
        err_kept(print_space(client, doc, err));
    }
    json_decref(doc);
    return err->code;
}

static enum err_code put_space(struct client *client, const char *path, const char *file,
                               struct err *err)
{
    struct input input;
    if (input_open(client, file, &input, err) != ERR_OK) {
        return err->code;
    }
    struct payload payload = {.type = "application/json", .file = input.file};
    err_kept(ask_and_print(client, "PUT", path, &payload, err));
    input_close(&input);
    return err->code;
}

enum err_code command_space(struct client *client, struct err *err)
{
    const char *given = args_word(client->args, 1);
    const char *name = args_word(client->args, 0);
    if (client_check_words(client, 1, 2, err) != ERR_OK) {
        return err->code;
    }
    char *path = client_path(client, "/v1/models/", name, "/space", NULL);
    if (given == NULL) {
        return ask_and_print(client, "GET", path, NULL, err);
    }
    if (strcmp(given, "none") != 0) {
        return put_space(client, path, given, err);
    }
    if (client_delete(client, path, err) == ERR_OK && !client->json) {
        printf("%s no longer has a space\n", name);
    }
    return err->code;
}
