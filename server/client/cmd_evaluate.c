/* SPDX-License-Identifier: Apache-2.0 */
/* surrogated evaluate and diagnostics: scores on given rows, and how the training went. */
#include "client/commands.h"

#include "client/describe.h"
#include "client/files.h"

/* The answer, described. */
static enum err_code show(struct client *client, const struct call *call, struct err *err)
{
    struct answer answer;
    json_t *doc = NULL;
    if (client_call(client, call, &answer, err) == ERR_OK && !client->json &&
        client_parse(&answer, 0, &doc, err) == ERR_OK) {
        err_kept(describe_object(doc, &client->arena, stdout, err));
    }
    json_decref(doc);
    answer_release(&answer);
    return err->code;
}

enum err_code command_evaluate(struct client *client, struct err *err)
{
    const char *outputs = client->args->values[OPT_OUTPUTS];
    struct input input;
    int64_t retry_s = 0;
    if (client_check_words(client, 1, 2, err) != ERR_OK ||
        args_int(client->args, OPT_RETRY, 0, 86400, 60, &retry_s, err) != ERR_OK) {
        return err->code;
    }
    const char *name = args_word(client->args, 1);
    if (input_open(client, name != NULL ? name : "-", &input, err) != ERR_OK) {
        return err->code;
    }
    const char *version = client->args->values[OPT_VERSION];
    struct call call = {.method = "POST",
                        .payload = {.type = files_type(input.format), .file = input.file},
                        .retry_s = (double)retry_s};
    call.path = client_path(client, "/v1/models/", args_word(client->args, 0),
                            version != NULL ? "/versions/" : "", version != NULL ? version : "",
                            outputs != NULL ? "/evaluate?outputs=" : "/evaluate",
                            outputs != NULL ? outputs : "", NULL);
    err_kept(show(client, &call, err));
    input_close(&input);
    return err->code;
}

enum err_code command_diagnostics(struct client *client, struct err *err)
{
    if (client_check_words(client, 1, 2, err) != ERR_OK) {
        return err->code;
    }
    const char *version = args_word(client->args, 1);
    struct call call = {.method = "GET",
                        .path = client_path(client, "/v1/models/", args_word(client->args, 0),
                                            version != NULL ? "/versions/" : "",
                                            version != NULL ? version : "", "/diagnostics", NULL)};
    return show(client, &call, err);
}
