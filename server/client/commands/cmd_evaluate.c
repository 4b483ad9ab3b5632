/* SPDX-License-Identifier: Apache-2.0 */
/* surrogated evaluate and diagnostics: scores on given rows, and how the training went. */
#include "client/commands.h"

#include "base/phrase.h"
#include "client/files.h"
#include "client/listing.h"

#define FIRST_LEVEL 4 /* the columns before those of the levels: output, rmse, nll, crps */

/* ---- scores ---- */

/* "OUTPUT|>RMSE|>NLL|>CRPS|>WITHIN 50 %" and so on; NULL: memory was short. */
static char *make_heads(struct client *client, const json_t *coverage)
{
    struct textbuf heads = textbuf_in(&client->arena);
    textbuf_puts(&heads, "OUTPUT|>RMSE|>NLL|>CRPS");
    for (size_t k = 0; k < json_array_size(coverage); k++) {
        const json_t *level = json_object_get(json_array_get(coverage, k), "level");
        textbuf_printf(&heads, "|>WITHIN %.4g %%", 100.0 * json_number_value(level));
    }
    return textbuf_failed(&heads) ? NULL : heads.data;
}

/* An output without a name is called by its number, as in the columns of predictions. */
static void add_output(struct client *client, struct table *table, const json_t *output, size_t j)
{
    const char *name = json_string_value(json_object_get(output, "name"));
    const json_t *coverage = json_object_get(output, "coverage");
    table_row(table);
    if (name != NULL) {
        table_cell(table, 0, "%s", name);
    } else {
        table_cell(table, 0, "%zu", j);
    }
    table_cell(table, 1, "%s", client_member(client, output, "rmse"));
    table_cell(table, 2, "%s", client_member(client, output, "nll"));
    table_cell(table, 3, "%s", client_member(client, output, "crps"));
    for (int k = 0; k < (int)json_array_size(coverage) && FIRST_LEVEL + k < table->n_columns; k++) {
        const json_t *observed = json_object_get(json_array_get(coverage, (size_t)k), "observed");
        if (json_is_number(observed)) {
            table_cell(table, FIRST_LEVEL + k, "%.1f %%", 100.0 * json_number_value(observed));
        }
    }
}

/* The levels of the first output that has any. */
static const json_t *find_coverage(const json_t *outputs)
{
    const json_t *found = NULL;
    for (size_t j = 0; j < json_array_size(outputs) && !json_is_array(found); j++) {
        found = json_object_get(json_array_get(outputs, j), "coverage");
    }
    return found;
}

/* "3 of 50 runs failed; P(run succeeds): log loss 0.1, AUC 0.9" */
static void print_feasible(struct client *client, const json_t *doc)
{
    const json_t *feasible = json_object_get(doc, "feasible");
    const json_t *reason = json_object_get(feasible, "reason");
    if (feasible == NULL) {
        return;
    }
    printf("%s of %s failed; P(run succeeds): log loss %s, AUC %s",
           client_member(client, feasible, "failed"),
           phrase_count(json_integer_value(json_object_get(feasible, "rows")), "run").text,
           client_member(client, feasible, "log_loss"), client_member(client, feasible, "auc"));
    if (json_is_string(reason)) {
        printf(" (%s)", client_member(client, feasible, "reason"));
    }
    printf("\n");
}

static enum err_code print_scores(struct client *client, const json_t *doc, struct err *err)
{
    const json_t *outputs = client_list(doc, "outputs", err);
    const json_t *error = json_object_get(doc, "relative_error");
    const json_t *coverage = find_coverage(outputs);
    char *heads = make_heads(client, coverage);
    if (outputs == NULL || heads == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the output");
    }
    printf("%s, version %s, on %s: ", client_member(client, doc, "model"),
           client_member(client, doc, "version"),
           phrase_count(json_integer_value(json_object_get(doc, "rows")), "row").text);
    if (json_is_number(error)) {
        printf("relative error %.3g %%, ", 100.0 * json_number_value(error));
    }
    printf("NLL %s, CRPS %s of the ranges\n", client_member(client, doc, "nll"),
           client_member(client, doc, "crps"));
    print_feasible(client, doc);
    struct table table = table_in(&client->arena, heads);
    for (size_t j = 0; j < json_array_size(outputs); j++) {
        add_output(client, &table, json_array_get(outputs, j), j);
    }
    return table_print(&table, stdout, err);
}

static enum err_code evaluate_file(struct client *client, const struct call *call, struct err *err)
{
    struct answer answer;
    json_t *doc = NULL;
    if (client_call(client, call, &answer, err) == ERR_OK && !client->json &&
        client_parse(&answer, 0, &doc, err) == ERR_OK) {
        err_kept(print_scores(client, doc, err));
    }
    json_decref(doc);
    answer_release(&answer);
    return err->code;
}

/* "/evaluate", with its query. */
static char *evaluate_action(struct client *client)
{
    const char *outputs = client->args->values[OPT_OUTPUTS];
    bool missing = client->args->values[OPT_MISSING] != NULL;
    if (outputs != NULL) {
        return arena_printf(&client->arena,
                            "/evaluate?%soutputs=", missing ? "missing=allow&" : "");
    }
    return arena_printf(&client->arena, "/evaluate%s", missing ? "?missing=allow" : "");
}

/* "/v1/models/M" or "/v1/models/M/versions/V", then `action` and an escaped value. */
static char *action_path(struct client *client, const char *version, const char *action,
                         const char *value)
{
    return client_path(client, "/v1/models/", client_word(client, 0),
                       version != NULL ? "/versions/" : "", version != NULL ? version : "", action,
                       value, NULL);
}

enum err_code command_evaluate(struct client *client, struct err *err)
{
    const char *outputs = client->args->values[OPT_OUTPUTS];
    const char *name = args_word(client->args, 1);
    struct input input;
    struct call call = {.method = "POST"};
    if (client_check_words(client, 1, 2, err) != ERR_OK ||
        client_retry_s(client, &call.retry_s, err) != ERR_OK ||
        input_open(client, name != NULL ? name : "-", &input, err) != ERR_OK) {
        return err->code;
    }
    call.payload = (struct payload){.type = input.type, .file = input.file};
    const char *action = evaluate_action(client);
    call.path = action != NULL ? action_path(client, client->args->values[OPT_VERSION], action,
                                             outputs != NULL ? outputs : "")
                               : NULL;
    err_kept(evaluate_file(client, &call, err));
    input_close(&input);
    return err->code;
}

/* ---- diagnostics ---- */

enum err_code command_diagnostics(struct client *client, struct err *err)
{
    if (client_check_words(client, 1, 2, err) != ERR_OK) {
        return err->code;
    }
    return listing_describe(
        client, action_path(client, args_word(client->args, 1), "/diagnostics", ""), err);
}
