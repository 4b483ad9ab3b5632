/* SPDX-License-Identifier: Apache-2.0 */
/* surrogated jobs: list, show, cancel. */
#include "commands.h"

#include "describe.h"
#include "table.h"

#include <string.h>
#include <time.h>

/* From its start to its end, or to now; "-" before it has started. */
static const char *time_taken(struct client *client, const json_t *job)
{
    double started = table_time(json_string_value(json_object_get(job, "started")));
    double finished = table_time(json_string_value(json_object_get(job, "finished")));
    if (started < 0.0) {
        return "-";
    }
    double end = finished >= 0.0 ? finished : (double)time(NULL);
    return table_duration(&client->arena, end > started ? end - started : 0.0);
}

static void add_row(struct client *client, struct table *table, const json_t *job)
{
    struct arena *arena = &client->arena;
    const json_t *fraction = json_object_get(json_object_get(job, "progress"), "fraction");
    const char *created = json_string_value(json_object_get(job, "created"));
    table_row(table);
    table_cell(table, 0, "%s", describe_member(arena, job, "id"));
    table_cell(table, 1, "%s", describe_member(arena, job, "model"));
    table_cell(table, 2, "%s", describe_member(arena, job, "state"));
    if (json_is_number(fraction)) {
        table_cell(table, 3, "%.0f %%", 100.0 * json_number_value(fraction));
    }
    table_cell(table, 4, "%s", describe_member(arena, job, "version"));
    table_cell(table, 5, "%s", table_ago(arena, created));
    table_cell(table, 6, "%s", time_taken(client, job));
    table_cell(table, 7, "%s", describe_member(arena, job, "message"));
}

static enum err_code list(struct client *client, struct err *err)
{
    const char *model = client->args->values[OPT_MODEL];
    json_t *doc = NULL;
    struct table table =
        table_in(&client->arena, ">ID|MODEL|STATE|>DONE|>VERSION|CREATED|>TOOK|MESSAGE");
    char *path = model != NULL ? client_path(client, "/v1/jobs?model=", model, NULL)
                               : client_path(client, "/v1/jobs", NULL);
    if (client_ask(client, "GET", path, NULL, &doc, err) != ERR_OK || doc == NULL) {
        return err->code;
    }
    const json_t *jobs = json_object_get(doc, "jobs");
    for (size_t i = 0; i < json_array_size(jobs); i++) {
        const json_t *job = json_array_get(jobs, i);
        add_row(client, &table, job);
    }
    if (!table_print(&table, stdout)) {
        err_set(err, ERR_NOMEM, "no memory for the output");
    }
    json_decref(doc);
    return err->code;
}

static enum err_code show(struct client *client, struct err *err)
{
    json_t *doc = NULL;
    char *path = client_path(client, "/v1/jobs/", args_word(client->args, 1), NULL);
    if (client_ask(client, "GET", path, NULL, &doc, err) == ERR_OK && doc != NULL) {
        err_kept(describe_object(doc, &client->arena, stdout, err));
    }
    json_decref(doc);
    return err->code;
}

static enum err_code cancel(struct client *client, struct err *err)
{
    json_t *doc = NULL;
    const char *id = args_word(client->args, 1);
    char *path = client_path(client, "/v1/jobs/", id, NULL);
    if (client_ask(client, "DELETE", path, NULL, &doc, err) == ERR_OK && doc != NULL) {
        const char *state = describe_member(&client->arena, doc, "state");
        bool over = strcmp(state, "cancelled") == 0;
        printf(over ? "job %s is cancelled\n" : "job %s stops at its next step\n", id);
    }
    json_decref(doc);
    return err->code;
}

enum err_code command_jobs(struct client *client, struct err *err)
{
    static const struct verb verbs[] = {
        {"list", 1, 1, list}, {"show", 2, 2, show}, {"cancel", 2, 2, cancel}};
    return client_run_verb(client, verbs, sizeof verbs / sizeof *verbs, 0, err);
}
