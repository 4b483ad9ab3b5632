/* SPDX-License-Identifier: Apache-2.0 */
/* surrogated train: makes the request from a file and from settings, sends it, follows the job. */
#include "client/commands.h"

#include "client/files.h"

#include <string.h>

#include "base/mem.h"

/* Is it a part of the request? Any other name without a dot is a setting of the solver. */
static bool is_top_level(const char *name)
{
    static const char *const names[] = {"solver",      "seed",         "precision", "priority",
                                        "promote",     "gate",         "start",     "limits",
                                        "prior",       "noise",        "split",     "scaling",
                                        "calibration", "architecture", "optimizer", "settings",
                                        "budget_s",    "budget_fits",  "auto",      NULL};
    for (int i = 0; names[i] != NULL; i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

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

/* "epochs=300", "seed=1", "architecture.width=16". */
static enum err_code apply_setting(struct client *client, json_t *request, const char *setting,
                                   struct err *err)
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
    if (name != NULL && strchr(name, '.') == NULL && !is_top_level(name)) {
        name = arena_printf(&client->arena, "settings.%s", name);
    }
    json_t *value = read_value(equals + 1);
    if (name == NULL || value == NULL) {
        json_decref(value);
        return no_memory(err);
    }
    return set_at_path(request, name, value, err);
}

/* The server judges the number. */
static enum err_code set_budget(struct client *client, json_t *request, const char *seconds,
                                struct err *err)
{
    char *setting = arena_printf(&client->arena, "budget_s=%s", seconds);
    return setting != NULL ? apply_setting(client, request, setting, err) : no_memory(err);
}

static enum err_code read_request(struct client *client, json_t **out, struct err *err)
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

/* The request that the command line asks for; *out: JSON text by mem, NULL for an empty one. */
static enum err_code make_request(struct client *client, char **out, struct err *err)
{
    const struct args *args = client->args;
    const char *solver = args->values[OPT_SOLVER];
    json_t *request = NULL;
    if (read_request(client, &request, err) != ERR_OK) {
        goto done;
    }
    if (solver != NULL && json_object_set_new(request, "solver", json_string(solver)) != 0) {
        err_set(err, ERR_INVALID, "solver \"%.40s\" is not UTF-8", solver);
        goto done;
    }
    if (args->values[OPT_BUDGET] != NULL) {
        err_kept(set_budget(client, request, args->values[OPT_BUDGET], err));
    }
    for (int i = 0; i < args->n_given && err->code == ERR_OK; i++) {
        if (args->given[i].option == OPT_SET) {
            err_kept(apply_setting(client, request, args->given[i].value, err));
        }
    }
    /* People write --set a=1 b=2. */
    for (int i = 1; i < args->n_words && err->code == ERR_OK; i++) {
        err_kept(apply_setting(client, request, args->words[i], err));
    }
    if (err->code == ERR_OK && json_object_size(request) > 0) {
        *out = json_dumps(request, JSON_COMPACT);
        if (*out == NULL) {
            no_memory(err);
        }
    }
done:
    json_decref(request);
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

static enum err_code queue_job(struct client *client, const char *request, char **id,
                               struct err *err)
{
    struct answer answer = {.status = 0};
    struct call call = {
        .method = "POST",
        .path = client_path(client, "/v1/models/", client_word(client, 0), "/train", NULL)};
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

enum err_code command_train(struct client *client, struct err *err)
{
    char *request = NULL;
    char *id = NULL;
    if (client_check_words(client, 1, 1 << 20, err) == ERR_OK &&
        make_request(client, &request, err) == ERR_OK &&
        queue_job(client, request, &id, err) == ERR_OK && client->args->values[OPT_WAIT] != NULL) {
        err_kept(watch_job(client, id, err));
    }
    mem_free(request);
    return err->code;
}
