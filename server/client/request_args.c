/* SPDX-License-Identifier: Apache-2.0 */
#include "client/request_args.h"

#include "client/files.h"

#include <string.h>

#include "base/mem.h"

static enum err_code no_memory(struct err *err)
{
    return err_set(err, ERR_NOMEM, "no memory for the request");
}

/* JSON if it reads as such, else a text: 0.1, true, [1,2], "x" and nuts. */
static json_t *read_value(const char *text)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    return value != NULL ? value : json_string(text);
}

/* Sets the member at `name`, a path with dots such as "a.b.c"; objects missing on it are made. */
static enum err_code set_at_path(json_t *object, char *name, json_t *value, struct err *err)
{
    for (char *dot = strchr(name, '.'); dot != NULL; dot = strchr(name, '.')) {
        *dot = '\0';
        json_t *child = json_object_get(object, name);
        if (!json_is_object(child)) {
            child = json_object();
            if (json_object_set_new(object, name, child) != 0) {
                json_decref(value);
                return no_memory(err);
            }
        }
        object = child;
        name = dot + 1;
    }
    return json_object_set_new(object, name, value) == 0 ? ERR_OK : no_memory(err);
}

enum err_code request_args_apply(struct client *client, json_t *request, const char *setting,
                                 request_top_fn *is_top_level, struct err *err)
{
    const char *equals = strchr(setting, '=');
    json_t *text = json_string(setting);
    if (text == NULL) {
        return err_set(err, ERR_INVALID, "\"%.60s\" is not UTF-8", setting);
    }
    json_decref(text);
    if (equals == NULL || equals == setting || setting[0] == '.' || equals[-1] == '.') {
        return err_set(err, ERR_INVALID, "\"%.60s\" is not of the form NAME=VALUE", setting);
    }
    char *name = arena_strndup(&client->arena, setting, (size_t)(equals - setting));
    if (name != NULL && strchr(name, '.') == NULL && is_top_level != NULL && !is_top_level(name)) {
        name = arena_printf(&client->arena, "settings.%s", name);
    }
    json_t *value = read_value(equals + 1);
    if (name == NULL || value == NULL) {
        json_decref(value);
        return no_memory(err);
    }
    return set_at_path(request, name, value, err);
}

enum err_code request_args_read(struct client *client, json_t **out, struct err *err)
{
    const char *name = client->args->values[OPT_REQUEST];
    struct input input;
    char *text = NULL;
    size_t len = 0;
    json_error_t problem;
    if (name == NULL) {
        *out = json_object();
        return *out != NULL ? ERR_OK : no_memory(err);
    }
    if (input_open(client, name, &input, err) != ERR_OK) {
        return err->code;
    }
    if (input_read(&input, &text, &len, err) == ERR_OK) {
        *out = json_loadb(text, len, JSON_REJECT_DUPLICATES, &problem);
        if (*out == NULL) {
            err_set(err, ERR_INVALID, "%.80s, line %d: %.100s", input.name, problem.line,
                    problem.text);
        } else if (!json_is_object(*out)) {
            err_set(err, ERR_INVALID, "%.80s is not a JSON object", input.name);
        }
    }
    mem_free(text);
    input_close(&input);
    return err->code;
}

enum err_code request_args_make(struct client *client, json_t **out, struct err *err)
{
    const struct args *args = client->args;
    json_t *request = NULL;
    err_kept(request_args_read(client, &request, err));
    for (int i = 0; i < args->n_given && err->code == ERR_OK; i++) {
        if (args->given[i].option == OPT_SET) {
            err_kept(request_args_apply(client, request, args->given[i].value, NULL, err));
        }
    }
    for (int i = 1; i < args->n_words && err->code == ERR_OK; i++) {
        err_kept(request_args_apply(client, request, args->words[i], NULL, err));
    }
    if (err->code != ERR_OK) {
        json_decref(request);
        return err->code;
    }
    *out = request;
    return ERR_OK;
}
