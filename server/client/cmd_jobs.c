/* SPDX-License-Identifier: Apache-2.0 */
/* surrogated jobs: list, show, curves, cancel. */
#include "client/commands.h"

#include "base/numtext.h"
#include "client/describe.h"
#include "client/table.h"

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

/* The server judges what the options say. */
static char *list_path(struct client *client)
{
    static const struct {
        enum option option;
        const char *name;
    } filters[] = {{OPT_MODEL, "model="}, {OPT_STATE, "state="}, {OPT_LIMIT, "limit="}};
    struct textbuf path = textbuf_in(&client->arena);
    const char *mark = "?";
    textbuf_puts(&path, "/v1/jobs");
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
        const char *value = client->args->values[filters[i].option];
        if (value != NULL) {
            textbuf_puts(&path, mark);
            textbuf_puts(&path, filters[i].name);
            connection_escape(&path, value);
            mark = "&";
        }
    }
    return textbuf_failed(&path) ? NULL : path.data;
}

static enum err_code list(struct client *client, struct err *err)
{
    json_t *doc = NULL;
    struct table table =
        table_in(&client->arena, ">ID|MODEL|STATE|>DONE|>VERSION|CREATED|>TOOK|MESSAGE");
    char *path = list_path(client);
    if (client_ask(client, "GET", path, NULL, &doc, err) != ERR_OK || doc == NULL) {
        return err->code;
    }
    const json_t *jobs = client_list(doc, "jobs", err);
    for (size_t i = 0; i < json_array_size(jobs); i++) {
        const json_t *job = json_array_get(jobs, i);
        add_row(client, &table, job);
    }
    if (jobs != NULL && !table_print(&table, stdout)) {
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

/* A number to its last bit; nothing for null. */
static void put_number(const json_t *value)
{
    char text[NUMTEXT_MAX];
    if (json_is_number(value)) {
        fwrite(text, 1, numtext_write(json_number_value(value), text), stdout);
    }
}

static enum err_code curves(struct client *client, struct err *err)
{
    json_t *doc = NULL;
    char *path = client_path(client, "/v1/jobs/", args_word(client->args, 1), "/curves", NULL);
    if (client_ask(client, "GET", path, NULL, &doc, err) != ERR_OK || doc == NULL) {
        return err->code;
    }
    const json_t *members = client_list(doc, "members", err);
    if (members != NULL) {
        puts("member,step,loss,validation_loss");
    }
    for (size_t i = 0; i < json_array_size(members); i++) {
        const json_t *member = json_array_get(members, i);
        const json_t *steps = json_object_get(member, "step");
        for (size_t j = 0; j < json_array_size(steps); j++) {
            put_number(json_object_get(member, "member"));
            fputc(',', stdout);
            put_number(json_array_get(steps, j));
            fputc(',', stdout);
            put_number(json_array_get(json_object_get(member, "loss"), j));
            fputc(',', stdout);
            put_number(json_array_get(json_object_get(member, "validation_loss"), j));
            fputc('\n', stdout);
        }
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
    static const struct verb verbs[] = {{"list", 1, 1, list},
                                        {"show", 2, 2, show},
                                        {"curves", 2, 2, curves},
                                        {"cancel", 2, 2, cancel}};
    return client_run_verb(client, verbs, sizeof verbs / sizeof *verbs, 0, err);
}
