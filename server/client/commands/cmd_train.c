/* SPDX-License-Identifier: Apache-2.0 */
/* surrogated train: makes the request from a file and from settings, sends it, follows the job. */
#include "client/commands.h"

#include "client/request_args.h"

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

/* "epochs=300", "seed=1", "architecture.width=16". */
static enum err_code apply_setting(struct client *client, json_t *request, const char *setting,
                                   struct err *err)
{
    return request_args_apply(client, request, setting, is_top_level, err);
}

/* The server judges the number. */
static enum err_code set_budget(struct client *client, json_t *request, const char *seconds,
                                struct err *err)
{
    char *setting = arena_printf(&client->arena, "budget_s=%s", seconds);
    return setting != NULL ? apply_setting(client, request, setting, err) : no_memory(err);
}

/* The request that the command line asks for; *out: JSON text by mem, NULL for an empty one. */
static enum err_code make_request(struct client *client, char **out, struct err *err)
{
    const struct args *args = client->args;
    const char *solver = args->values[OPT_SOLVER];
    json_t *request = NULL;
    if (request_args_read(client, &request, err) != ERR_OK) {
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
