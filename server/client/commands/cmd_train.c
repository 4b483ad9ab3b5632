/* SPDX-License-Identifier: Apache-2.0 */
/* surrogated train: makes the request from a file and from settings, sends it, follows the job. */
#include "client/commands.h"

#include "client/commands/requests.h"

#include <string.h>

#include "base/mem.h"

/* Is it a part of the request? Any other name without a dot is a setting of the solver. */
static bool is_top_level(const char *name)
{
    static const char *const names[] = {
        "solver",      "seed",         "precision", "priority", "promote",  "gate",
        "start",       "limits",       "prior",     "noise",    "split",    "scaling",
        "calibration", "architecture", "optimizer", "settings", "budget_s", "budget_fits",
        "auto",        "where",        NULL};
    for (int i = 0; names[i] != NULL; i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* A name without a dot that is no part of the request is a setting of the solver. */
static char *place_setting(struct client *client, char *name)
{
    return is_top_level(name) ? name : arena_printf(&client->arena, "settings.%s", name);
}

/* The server judges the number. */
static enum err_code set_budget(struct client *client, json_t *request, const char *seconds,
                                struct err *err)
{
    char *setting = arena_printf(&client->arena, "budget_s=%s", seconds);
    return setting != NULL ? request_apply(client, request, setting, NULL, err)
                           : err_set(err, ERR_NOMEM, "no memory for the request");
}

/* The request that the command line asks for; *out: JSON text by mem, NULL for an empty one. */
static enum err_code make_request(struct client *client, char **out, struct err *err)
{
    const struct args *args = client->args;
    const char *solver = args->values[OPT_SOLVER];
    json_t *request = NULL;
    if (request_read(client, &request, err) != ERR_OK) {
        goto done;
    }
    if (solver != NULL && json_object_set_new(request, "solver", json_string(solver)) != 0) {
        err_set(err, ERR_INVALID, "solver \"%.40s\" is not UTF-8", solver);
        goto done;
    }
    if (args->values[OPT_BUDGET] != NULL) {
        err_kept(set_budget(client, request, args->values[OPT_BUDGET], err));
    }
    if (err->code == ERR_OK) {
        err_kept(request_apply_all(client, request, 1, place_setting, err));
    }
    if (err->code == ERR_OK && json_object_size(request) > 0) {
        *out = json_dumps(request, JSON_COMPACT);
        if (*out == NULL) {
            err_set(err, ERR_NOMEM, "no memory for the request");
        }
    }
done:
    json_decref(request);
    return err->code;
}

enum err_code command_train(struct client *client, struct err *err)
{
    char *request = NULL;
    char *id = NULL;
    if (client_check_words(client, 1, 1 << 20, err) == ERR_OK &&
        make_request(client, &request, err) == ERR_OK &&
        request_queue(client, "/train", request, &id, err) == ERR_OK &&
        client->args->values[OPT_WAIT] != NULL) {
        err_kept(watch_job(client, id, err));
    }
    mem_free(request);
    return err->code;
}
