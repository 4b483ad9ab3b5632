/* SPDX-License-Identifier: Apache-2.0 */
#include "client/commands/cmd_versions.h"

#include "base/phrase.h"
#include "client/describe.h"
#include "client/files.h"
#include "client/listing.h"
#include "formats/json_write.h"

#include <string.h>

/* `models show` asks for each version by itself, which the server must bring into memory for it. */
#define MAX_ASKED       20
#define MAX_ASKED_BYTES 2.5e8

/* ---- show ---- */

/* What the list of versions does not tell of one; NULL: it was not asked for. */
struct details {
    const char *solver;
    const char *error;
    const char *warnings;
};

/* "@previous @prod" */
static const char *names_of(struct client *client, const json_t *doc, const json_t *row)
{
    struct textbuf text = textbuf_in(&client->arena);
    json_int_t previous =
        json_integer_value(json_object_get(json_object_get(doc, "model"), "previous_version"));
    const json_t *aliases = json_object_get(row, "aliases");
    if (previous != 0 && previous == json_integer_value(json_object_get(row, "version"))) {
        textbuf_puts(&text, "@previous");
    }
    for (size_t i = 0; i < json_array_size(aliases); i++) {
        const char *alias = json_string_value(json_array_get(aliases, i));
        textbuf_puts(&text, text.len > 0 ? " @" : "@");
        textbuf_puts(&text, alias != NULL ? alias : "?");
    }
    return textbuf_failed(&text) ? "?" : text.len > 0 ? text.data : "-";
}

static char *version_path(struct client *client, const char *version)
{
    return client_path(client, "/v1/models/", client_word(client, 1), "/versions/", version, NULL);
}

/* A version that has gone meanwhile is no error. */
static enum err_code ask_for_details(struct client *client, const json_t *row, struct details *out,
                                     struct err *err)
{
    json_t *doc = NULL;
    char *path = version_path(client, client_member(client, row, "version"));
    if (client_ask(client, "GET", path, NULL, &doc, err) == ERR_OK) {
        const json_t *error = json_object_get(json_object_get(doc, "scores"), "relative_error");
        out->solver = client_member(client, doc, "solver");
        out->error = json_is_number(error)
                         ? arena_printf(&client->arena, "%.3g %%", 100.0 * json_number_value(error))
                         : "-";
        out->warnings = describe_codes(&client->arena, json_object_get(doc, "warnings"));
    } else if (err->code == ERR_CONFLICT) {
        err_clear(err);
    }
    json_decref(doc);
    return err->code;
}

/* Fills details, [n] as the rows, from the newest version on. *n_left: versions not asked for. */
static enum err_code collect_details(struct client *client, const json_t *rows,
                                     struct details *details, int64_t *n_left, struct err *err)
{
    double bytes_left = MAX_ASKED_BYTES;
    int asked_left = MAX_ASKED;
    *n_left = 0;
    for (size_t i = json_array_size(rows); i > 0 && err->code == ERR_OK; i--) {
        const json_t *row = json_array_get(rows, i - 1);
        bool in_memory = json_is_true(json_object_get(row, "default"));
        double bytes = json_number_value(json_object_get(row, "bytes"));
        if (!in_memory && (asked_left == 0 || bytes > bytes_left)) {
            ++*n_left;
            continue;
        }
        asked_left -= in_memory ? 0 : 1;
        bytes_left -= in_memory ? 0.0 : bytes;
        err_kept(ask_for_details(client, row, &details[i - 1], err));
    }
    return err->code;
}

static void add_version(struct client *client, struct table *table, const json_t *doc,
                        const json_t *row, const struct details *details)
{
    const char *created = json_string_value(json_object_get(row, "created"));
    const char *damage = json_string_value(json_object_get(row, "damaged"));
    table_row(table);
    table_cell(table, 0, "%s", client_member(client, row, "version"));
    table_cell(table, 1, "%s", client_member(client, row, "default"));
    table_cell(table, 2, "%s", names_of(client, doc, row));
    table_cell(table, 3, "%s", details->solver != NULL ? details->solver : "");
    table_cell(table, 4, "%s", details->error != NULL ? details->error : "");
    table_cell(table, 5, "%s", phrase_bytes(json_number_value(json_object_get(row, "bytes"))).text);
    table_cell(table, 6, "%s", phrase_ago(created).text);
    table_cell(table, 7, "%s", details->warnings != NULL ? details->warnings : "");
    table_cell(table, 8, "%s%s", damage != NULL ? "damaged: " : "", damage != NULL ? damage : "");
}

static enum err_code print_versions(struct client *client, const json_t *doc, struct err *err)
{
    struct table table = table_in(
        &client->arena, ">VERSION|DEFAULT|NAMES|SOLVER|>ERROR|>SIZE|CREATED|WARNINGS|NOTE");
    const json_t *rows = client_list(doc, "versions", err);
    size_t n = json_array_size(rows);
    int64_t n_left = 0;
    struct details *details = arena_zalloc_array(&client->arena, n + 1, sizeof *details);
    if (rows == NULL || details == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the output");
    }
    if (collect_details(client, rows, details, &n_left, err) != ERR_OK) {
        return err->code;
    }
    for (size_t i = 0; i < n; i++) {
        add_version(client, &table, doc, json_array_get(rows, i), &details[i]);
    }
    if (table_print(&table, stdout, err) == ERR_OK && n_left > 0) {
        fflush(stdout);
        fprintf(stderr,
                "surrogated: solver and error of %s that are old or large are left out; "
                "`surrogated models show M VERSION` shows them\n",
                phrase_count(n_left, "version").text);
    }
    return err->code;
}

enum err_code versions_show(struct client *client, struct err *err)
{
    json_t *doc = NULL;
    if (client->args->n_words == 3) {
        return listing_describe(client, version_path(client, client_word(client, 2)), err);
    }
    char *path = client_path(client, "/v1/models/", client_word(client, 1), NULL);
    if (client_ask(client, "GET", path, NULL, &doc, err) == ERR_OK && doc != NULL) {
        err_kept(print_versions(client, doc, err));
    }
    json_decref(doc);
    return err->code;
}

/* ---- names ---- */

/* {"key":value}: a number as it is, anything else as a text. */
static enum err_code put_one(struct client *client, const char *path, const char *key,
                             const char *value, json_t **doc, struct err *err)
{
    struct textbuf body = textbuf_in(&client->arena);
    struct json_write json = json_write_to(&body);
    json_write_object(&json, NULL);
    if (*value != '\0' && strlen(value) < 19 && value[strspn(value, "0123456789")] == '\0' &&
        (*value != '0' || value[1] == '\0')) {
        json_write_raw(&json, key, value);
    } else {
        json_write_text(&json, key, value);
    }
    json_write_object_end(&json);
    json_write_end(&json);
    if (textbuf_failed(&body)) {
        return err_set(err, ERR_NOMEM, "no memory for the request");
    }
    struct payload payload = {.type = "application/json", .bytes = body.data, .n_bytes = body.len};
    return client_ask(client, "PUT", path, &payload, doc, err);
}

enum err_code versions_promote(struct client *client, struct err *err)
{
    json_t *doc = NULL;
    const char *name = client_word(client, 1);
    char *path = client_path(client, "/v1/models/", name, "/default", NULL);
    if (put_one(client, path, "version", client_word(client, 2), &doc, err) == ERR_OK &&
        doc != NULL) {
        printf("%s: version %s is the default\n", name,
               client_member(client, doc, "default_version"));
    }
    json_decref(doc);
    return err->code;
}

enum err_code versions_alias(struct client *client, struct err *err)
{
    json_t *doc = NULL;
    const char *name = client_word(client, 1);
    const char *alias = client_word(client, 2);
    char *path = client_path(client, "/v1/models/", name, "/aliases/", alias, NULL);
    if (put_one(client, path, "version", client_word(client, 3), &doc, err) == ERR_OK &&
        doc != NULL) {
        const char *before = client_member(client, doc, "before");
        printf("%s: @%s is version %s", name, alias, client_member(client, doc, "version"));
        printf(strcmp(before, "-") == 0 ? "\n" : " (was %s)\n", before);
    }
    json_decref(doc);
    return err->code;
}

enum err_code versions_unalias(struct client *client, struct err *err)
{
    const char *name = client_word(client, 1);
    const char *alias = client_word(client, 2);
    char *path = client_path(client, "/v1/models/", name, "/aliases/", alias, NULL);
    if (client_delete(client, path, err) == ERR_OK && !client->json) {
        printf("%s: @%s is no longer an alias\n", name, alias);
    }
    return err->code;
}

enum err_code versions_keep(struct client *client, struct err *err)
{
    json_t *doc = NULL;
    const char *name = client_word(client, 1);
    bool all = strcmp(client_word(client, 2), "all") == 0;
    char *path = client_path(client, "/v1/models/", name, "/keep", NULL);
    if (put_one(client, path, "versions", all ? "0" : client_word(client, 2), &doc, err) ==
            ERR_OK &&
        doc != NULL) {
        const json_t *kept = json_object_get(doc, "keep_versions");
        json_int_t deleted = json_integer_value(json_object_get(doc, "deleted"));
        if (json_is_integer(kept)) {
            printf("%s: keeping the newest %s, %s deleted now\n", name,
                   phrase_count(json_integer_value(kept), "version").text,
                   phrase_count(deleted, "version").text);
        } else {
            printf("%s: keeping all versions\n", name);
        }
    }
    json_decref(doc);
    return err->code;
}

/* ---- the policy ---- */

static enum err_code set_policy(struct client *client, const char *path, const char *file,
                                struct err *err)
{
    json_t *doc = NULL;
    struct input input;
    if (input_open(client, file, &input, err) != ERR_OK) {
        return err->code;
    }
    struct payload payload = {.type = "application/json", .file = input.file};
    if (client_ask(client, "PUT", path, &payload, &doc, err) == ERR_OK && doc != NULL) {
        err_kept(describe_object(doc, &client->arena, stdout, err));
    }
    json_decref(doc);
    input_close(&input);
    return err->code;
}

/* Without a third word the policy is shown; with "none" it is removed, else set. */
enum err_code versions_policy(struct client *client, struct err *err)
{
    const char *name = client_word(client, 1);
    const char *given = args_word(client->args, 2);
    char *path = client_path(client, "/v1/models/", name, "/policy", NULL);
    if (given == NULL) {
        return listing_describe(client, path, err);
    }
    if (strcmp(given, "none") != 0) {
        return set_policy(client, path, given, err);
    }
    if (client_delete(client, path, err) == ERR_OK && !client->json) {
        printf("%s no longer has a policy\n", name);
    }
    return err->code;
}

/* ---- the history of the default ---- */

static void fill_promotion(struct client *client, struct table *table, const json_t *row)
{
    bool by_job = json_is_integer(json_object_get(row, "job"));
    table_cell(table, 0, "%s", phrase_ago(json_string_value(json_object_get(row, "at"))).text);
    table_cell(table, 1, "%s", client_member(client, row, "version"));
    table_cell(table, 2, "%s", client_member(client, row, "previous"));
    table_cell(table, 3, "%s%s%s", client_member(client, row, "origin"), by_job ? " " : "",
               by_job ? client_member(client, row, "job") : "");
    table_cell(table, 4, "%s", client_member(client, row, "rows_used"));
}

enum err_code versions_history(struct client *client, struct err *err)
{
    const struct listing listing = {
        .path = client_path(client, "/v1/models/", client_word(client, 1), "/promotions", NULL),
        .key = "promotions",
        .heads = "WHEN|>DEFAULT|>BEFORE|BY|COMPARED ON",
        .fill = fill_promotion};
    return listing_print(client, &listing, err);
}

/* ---- compare ---- */

static enum err_code print_scores(struct client *client, const json_t *versions, struct err *err)
{
    struct table table = table_in(&client->arena, ">VERSION|>ROWS|>RELATIVE ERROR|>NLL|>CRPS");
    for (size_t i = 0; i < json_array_size(versions); i++) {
        const json_t *row = json_array_get(versions, i);
        table_row(&table);
        table_cell(&table, 0, "%s", client_member(client, row, "version"));
        table_cell(&table, 1, "%s", client_member(client, row, "rows"));
        table_cell(&table, 2, "%s", client_member(client, row, "relative_error"));
        table_cell(&table, 3, "%s", client_member(client, row, "nll"));
        table_cell(&table, 4, "%s", client_member(client, row, "crps"));
    }
    return table_print(&table, stdout, err);
}

static enum err_code print_differences(struct client *client, const json_t *versions,
                                       struct err *err)
{
    static const char *const losses[] = {"squared_error", "nll", "crps"};
    struct table table =
        table_in(&client->arena, ">VERSION|LOSS|>DIFFERENCE|>STANDARD ERROR|>BETTER ROWS");
    for (size_t i = 1; i < json_array_size(versions); i++) {
        const json_t *row = json_array_get(versions, i);
        for (size_t k = 0; k < sizeof losses / sizeof *losses; k++) {
            const json_t *loss = json_object_get(json_object_get(row, "difference"), losses[k]);
            double better = json_number_value(json_object_get(loss, "better"));
            table_row(&table);
            table_cell(&table, 0, "%s", client_member(client, row, "version"));
            table_cell(&table, 1, "%s", losses[k]);
            table_cell(&table, 2, "%s", client_member(client, loss, "mean"));
            table_cell(&table, 3, "%s", client_member(client, loss, "standard_error"));
            if (json_is_object(loss)) {
                table_cell(&table, 4, "%.1f %%", 100.0 * better);
            } else {
                table_cell(&table, 4, "-");
            }
        }
    }
    return table_print(&table, stdout, err);
}

static enum err_code print_comparison(struct client *client, const struct payload *payload,
                                      struct err *err)
{
    json_t *doc = NULL;
    bool missing = client->args->values[OPT_MISSING] != NULL;
    char *path = client_path(client, "/v1/models/", client_word(client, 1),
                             "/compare?versions=", client_word(client, 2), ",",
                             client_word(client, 3), missing ? "&missing=allow" : "", "", NULL);
    if (client_ask(client, "POST", path, payload, &doc, err) != ERR_OK || doc == NULL) {
        return err->code;
    }
    const json_t *versions = client_list(doc, "versions", err);
    const json_t *warnings = json_object_get(doc, "warnings");
    for (size_t i = 0; i < json_array_size(warnings); i++) {
        fflush(stdout);
        fprintf(stderr, "surrogated: %s\n",
                client_member(client, json_array_get(warnings, i), "text"));
    }
    if (versions != NULL && print_scores(client, versions, err) == ERR_OK) {
        fputs("\n", stdout);
        err_kept(print_differences(client, versions, err));
    }
    json_decref(doc);
    return err->code;
}

enum err_code versions_compare(struct client *client, struct err *err)
{
    static const char stored[] = "{\"data\":{}}";
    struct input input;
    struct payload payload = {
        .type = "application/json", .bytes = stored, .n_bytes = sizeof stored - 1};
    if (client->args->n_words < 5) {
        return print_comparison(client, &payload, err);
    }
    if (input_open(client, client_word(client, 4), &input, err) != ERR_OK) {
        return err->code;
    }
    payload = (struct payload){.type = input.type, .file = input.file};
    err_kept(print_comparison(client, &payload, err));
    input_close(&input);
    return err->code;
}
