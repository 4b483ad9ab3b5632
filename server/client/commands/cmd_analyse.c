/* SPDX-License-Identifier: Apache-2.0 */
/* surrogated analyse, calibrate: makes the request, sends it, follows the job and prints what was
 * found. */
#include "client/commands.h"

#include <string.h>

#include "base/mem.h"
#include "client/commands/requests.h"
#include "client/commands/results.h"

/* "analyse M KIND": the kind may stand in the file as well. */
static bool gives_kind(struct client *client)
{
    return client->args->n_words > 1 && strchr(client_word(client, 1), '=') == NULL;
}

static enum err_code make_request(struct client *client, bool has_kind, char **out, struct err *err)
{
    json_t *request = NULL;
    bool kind = has_kind && gives_kind(client);
    if (request_read(client, &request, err) == ERR_OK && kind &&
        json_object_set_new(request, "kind", json_string(client_word(client, 1))) != 0) {
        err_set(err, ERR_INVALID, "\"%.40s\" is not UTF-8", client_word(client, 1));
    }
    if (err->code == ERR_OK &&
        request_apply_all(client, request, kind ? 2 : 1, NULL, err) == ERR_OK) {
        *out = json_dumps(request, JSON_COMPACT);
        if (*out == NULL) {
            err_set(err, ERR_NOMEM, "no memory for the request");
        }
    }
    json_decref(request);
    return err->code;
}

static enum err_code run(struct client *client, const char *route, bool has_kind, struct err *err)
{
    char *request = NULL;
    char *id = NULL;
    if (client_check_words(client, 1, 1 << 20, err) == ERR_OK &&
        make_request(client, has_kind, &request, err) == ERR_OK &&
        request_queue(client, route, request, &id, err) == ERR_OK &&
        client->args->values[OPT_WAIT] != NULL && watch_job(client, id, err) == ERR_OK) {
        err_kept(result_print(client, id, err));
    }
    mem_free(request);
    return err->code;
}

enum err_code command_analyse(struct client *client, struct err *err)
{
    return run(client, "/analyses", true, err);
}

enum err_code command_calibrate(struct client *client, struct err *err)
{
    return run(client, "/calibrations", false, err);
}
