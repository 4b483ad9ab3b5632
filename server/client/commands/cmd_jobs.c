/* SPDX-License-Identifier: Apache-2.0 */
/* surrogated jobs: list, show, curves, result, cancel. */
#include "client/commands.h"

#include "base/numtext.h"
#include "base/phrase.h"
#include "client/commands/results.h"
#include "client/describe.h"
#include "client/listing.h"

#include <string.h>
#include <time.h>

/* From its start to its end, or to now; "-" before it has started. */
static struct phrase time_taken(const json_t *job)
{
    double started = phrase_read_time(json_string_value(json_object_get(job, "started")));
    double finished = phrase_read_time(json_string_value(json_object_get(job, "finished")));
    if (started < 0.0) {
        return (struct phrase){.text = "-"};
    }
    double end = finished >= 0.0 ? finished : (double)time(NULL);
    return phrase_duration(end > started ? end - started : 0.0);
}

static void fill_job(struct client *client, struct table *table, const json_t *job)
{
    const json_t *fraction = json_object_get(json_object_get(job, "progress"), "fraction");
    table_cell(table, 0, "%s", client_member(client, job, "id"));
    table_cell(table, 1, "%s", client_member(client, job, "model"));
    table_cell(table, 2, "%s", client_member(client, job, "state"));
    if (json_is_number(fraction)) {
        table_cell(table, 3, "%.0f %%", 100.0 * json_number_value(fraction));
    }
    table_cell(table, 4, "%s", client_member(client, job, "version"));
    table_cell(table, 5, "%s", phrase_ago(json_string_value(json_object_get(job, "created"))).text);
    table_cell(table, 6, "%s", time_taken(job).text);
    table_cell(table, 7, "%s", describe_codes(&client->arena, json_object_get(job, "warnings")));
    table_cell(table, 8, "%s", client_member(client, job, "message"));
}

/* The server judges the values of the options. */
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

static enum err_code list_jobs(struct client *client, struct err *err)
{
    const struct listing listing = {
        .path = list_path(client),
        .key = "jobs",
        .heads = ">ID|MODEL|STATE|>DONE|>VERSION|CREATED|>TOOK|WARNINGS|MESSAGE",
        .fill = fill_job};
    return listing_print(client, &listing, err);
}

static enum err_code show_job(struct client *client, struct err *err)
{
    return listing_describe(client, client_path(client, "/v1/jobs/", client_word(client, 1), NULL),
                            err);
}

/* A number to its last bit; nothing for null, so that the field is empty. */
static void put_number(const json_t *value)
{
    char text[NUMTEXT_MAX];
    if (json_is_number(value)) {
        size_t len = numtext_write(json_number_value(value), text);
        fwrite(text, 1, len, stdout);
    }
}

static enum err_code print_curves(struct client *client, struct err *err)
{
    json_t *doc = NULL;
    char *path = client_path(client, "/v1/jobs/", client_word(client, 1), "/curves", NULL);
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

static enum err_code print_result(struct client *client, struct err *err)
{
    return result_print(client, client_word(client, 1), err);
}

static enum err_code cancel_job(struct client *client, struct err *err)
{
    json_t *doc = NULL;
    const char *id = client_word(client, 1);
    char *path = client_path(client, "/v1/jobs/", id, NULL);
    if (client_ask(client, "DELETE", path, NULL, &doc, err) == ERR_OK && doc != NULL) {
        const char *state = client_member(client, doc, "state");
        bool over = strcmp(state, "cancelled") == 0;
        printf(over ? "job %s is cancelled\n" : "job %s will stop after its current step\n", id);
    }
    json_decref(doc);
    return err->code;
}

enum err_code command_jobs(struct client *client, struct err *err)
{
    static const struct verb verbs[] = {{"list", 1, 1, list_jobs},
                                        {"show", 2, 2, show_job},
                                        {"curves", 2, 2, print_curves},
                                        {"result", 2, 2, print_result},
                                        {"cancel", 2, 2, cancel_job}};
    return client_run_verb(client, verbs, sizeof verbs / sizeof *verbs, 0, err);
}
