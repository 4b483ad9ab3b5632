/* SPDX-License-Identifier: Apache-2.0 */
#include "client/commands/requests.h"

#include <string.h>

#include "base/mem.h"
#include "client/files.h"
#include "formats/json_load.h"

static enum err_code no_memory(struct err *err)
{
    return err_set(err, ERR_NOMEM, "no memory for the request");
}

/* JSON if it reads as such, else a text: 0.1, true, [1,2], "x" and nuts. */
static json_t *read_value(const char *text)
{
    bool is_short = false;
    json_t *value = json_load_whole(text, strlen(text), JSON_DECODE_ANY, NULL, &is_short);
    return value != NULL || is_short ? value : json_string(text);
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

enum err_code request_apply(struct client *client, json_t *request, const char *setting,
                            request_place_fn *place, struct err *err)
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
    if (name != NULL && place != NULL && strchr(name, '.') == NULL) {
        name = place(client, name);
    }
    json_t *value = read_value(equals + 1);
    if (name == NULL || value == NULL) {
        json_decref(value);
        return no_memory(err);
    }
    return set_at_path(request, name, value, err);
}

enum err_code request_read(struct client *client, json_t **out, struct err *err)
{
    const char *name = client->args->values[OPT_REQUEST];
    struct input input;
    char *text = NULL;
    size_t len = 0;
    json_error_t problem;
    bool is_short = false;
    if (name == NULL) {
        *out = json_object();
        return *out != NULL ? ERR_OK : no_memory(err);
    }
    if (input_open(client, name, &input, err) != ERR_OK) {
        return err->code;
    }
    if (input_read(&input, &text, &len, err) == ERR_OK) {
        *out = json_load_whole(text, len, JSON_REJECT_DUPLICATES, &problem, &is_short);
        if (is_short) {
            err_kept(no_memory(err));
        } else if (*out == NULL) {
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

enum err_code request_apply_all(struct client *client, json_t *request, int first_word,
                                request_place_fn *place, struct err *err)
{
    const struct args *args = client->args;
    for (int i = 0; i < args->n_given && err->code == ERR_OK; i++) {
        if (args->given[i].option == OPT_SET) {
            err_kept(request_apply(client, request, args->given[i].value, place, err));
        }
    }
    /* People write --set a=1 b=2. */
    for (int i = first_word; i < args->n_words && err->code == ERR_OK; i++) {
        err_kept(request_apply(client, request, args->words[i], place, err));
    }
    return err->code;
}

/* The id of the job in an answer, which is told to people unless they follow the job anyway. */
static enum err_code report_queued(struct client *client, const struct answer *answer, char **id,
                                   struct err *err)
{
    json_t *doc = NULL;
    if (client_parse(answer, 0, &doc, err) != ERR_OK) {
        return err->code;
    }
    *id = arena_printf(&client->arena, "%s", client_member(client, doc, "id"));
    if (!json_is_integer(json_object_get(doc, "id"))) {
        err_set(err, ERR_CORRUPT, "the server's answer is not a job");
    } else if (*id == NULL) {
        no_memory(err);
    } else if (!client->json && client->args->values[OPT_WAIT] == NULL) {
        printf("job %s of %s is %s; `surrogated watch %s` follows it\n", *id,
               client_member(client, doc, "model"), client_member(client, doc, "state"), *id);
    }
    json_decref(doc);
    return err->code != ERR_OK ? err->code : client_flush(err);
}

enum err_code request_queue(struct client *client, const char *route, const char *request,
                            char **id, struct err *err)
{
    struct answer answer = {.status = 0};
    struct call call = {
        .method = "POST",
        .path = client_path(client, "/v1/models/", client_word(client, 0), route, NULL)};
    if (request != NULL) {
        call.payload = (struct payload){
            .type = "application/json", .bytes = request, .n_bytes = strlen(request)};
    }
    if (client_call(client, &call, &answer, err) == ERR_OK) {
        err_kept(report_queued(client, &answer, id, err));
    }
    answer_release(&answer);
    return err->code;
}
