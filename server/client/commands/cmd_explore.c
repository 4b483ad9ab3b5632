/* SPDX-License-Identifier: Apache-2.0 */
/*
 * surrogated design, suggest and optimize: points of a model's space as CSV. The ids of points go
 * to standard error, so that standard output is a table of inputs.
 */
#include "client/commands.h"

#include "client/commands/requests.h"

#include "base/mem.h"

#include <string.h>

/* Names may need quotes, and numbers keep all their digits. */
static void print_field(const json_t *value, bool first)
{
    if (!first) {
        putchar(',');
    }
    if (json_is_string(value)) {
        const char *text = json_string_value(value);
        bool quoted = strpbrk(text, ",\"\n") != NULL;
        if (quoted) {
            putchar('"');
        }
        for (; *text != '\0'; text++) {
            if (*text == '"') {
                putchar('"');
            }
            putchar(*text);
        }
        if (quoted) {
            putchar('"');
        }
    } else if (json_is_integer(value)) {
        printf("%lld", (long long)json_integer_value(value));
    } else if (json_is_number(value)) {
        printf("%.17g", json_number_value(value));
    }
}

static void print_row(const json_t *row)
{
    for (size_t j = 0; j < json_array_size(row); j++) {
        print_field(json_array_get(row, j), j == 0);
    }
    putchar('\n');
}

static enum err_code print_points(const json_t *doc, const json_t *points, struct err *err)
{
    const json_t *ids = json_object_get(doc, "ids");
    if (!json_is_array(points)) {
        return err_set(err, ERR_CORRUPT, "the server's answer has no points");
    }
    print_row(json_object_get(json_object_get(doc, "names"), "inputs"));
    for (size_t i = 0; i < json_array_size(points); i++) {
        print_row(json_array_get(points, i));
    }
    if (client_flush(err) == ERR_OK && json_is_array(ids)) {
        fputs("ids ", stderr);
        for (size_t i = 0; i < json_array_size(ids); i++) {
            fprintf(stderr, "%s%lld", i > 0 ? "," : "",
                    (long long)json_integer_value(json_array_get(ids, i)));
        }
        fputc('\n', stderr);
    }
    return err->code;
}

/* Sends the request and reads the answer; *doc NULL: it has been printed as JSON. */
static enum err_code ask(struct client *client, const char *action, json_t **doc, struct err *err)
{
    json_t *request = NULL;
    *doc = NULL;
    if (client_check_words(client, 1, 1000, err) != ERR_OK ||
        request_read(client, &request, err) != ERR_OK ||
        request_apply_all(client, request, 1, NULL, err) != ERR_OK) {
        json_decref(request);
        return err->code;
    }
    char *text = json_dumps(request, JSON_COMPACT);
    if (text == NULL) {
        err_set(err, ERR_NOMEM, "no memory for the request");
    } else {
        struct payload payload = {
            .type = "application/json", .bytes = text, .n_bytes = strlen(text)};
        err_kept(
            client_ask(client, "POST",
                       client_path(client, "/v1/models/", client_word(client, 0), action, NULL),
                       &payload, doc, err));
    }
    mem_free(text);
    json_decref(request);
    return err->code;
}

static enum err_code ask_for_points(struct client *client, const char *action, struct err *err)
{
    json_t *doc = NULL;
    if (ask(client, action, &doc, err) == ERR_OK && doc != NULL) {
        err_kept(print_points(doc, json_object_get(doc, "points"), err));
    }
    json_decref(doc);
    return err->code;
}

enum err_code command_design(struct client *client, struct err *err)
{
    return ask_for_points(client, "/design", err);
}

enum err_code command_suggest(struct client *client, struct err *err)
{
    return ask_for_points(client, "/suggest", err);
}

static void print_optimum(struct client *client, const json_t *doc)
{
    const json_t *optimum = json_object_get(doc, "optimum");
    const json_t *names = json_object_get(json_object_get(doc, "names"), "inputs");
    const json_t *point = json_object_get(optimum, "point");
    const json_t *spread = json_object_get(json_object_get(doc, "draws"), "value");
    printf("value %s", client_member(client, optimum, "value"));
    if (json_is_object(spread)) {
        printf(" (over draws %s, standard deviation %s)", client_member(client, spread, "mean"),
               client_member(client, spread, "std"));
    }
    printf("%s\n", json_is_false(json_object_get(optimum, "holds"))
                       ? "; no point was found where all limits hold"
                       : "");
    for (size_t j = 0; j < json_array_size(point); j++) {
        const char *name = json_string_value(json_array_get(names, j));
        printf("%s = ", name != NULL ? name : "?");
        print_field(json_array_get(point, j), true);
        putchar('\n');
    }
}

enum err_code command_optimize(struct client *client, struct err *err)
{
    json_t *doc = NULL;
    if (ask(client, "/optimize", &doc, err) == ERR_OK && doc != NULL) {
        const json_t *front = json_object_get(doc, "front");
        if (json_is_object(front)) {
            err_kept(print_points(doc, json_object_get(front, "points"), err));
        } else {
            print_optimum(client, doc);
        }
    }
    json_decref(doc);
    return err->code;
}
