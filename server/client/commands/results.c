/* SPDX-License-Identifier: Apache-2.0 */
#include "client/commands/results.h"

#include "base/numtext.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define MAX_AXES 3

static const char *const parts[] = {"estimate", "sampling_error", "surrogate_error", "lower",
                                    "upper"};
#define N_PARTS ((int)(sizeof parts / sizeof *parts))

/* In quotes where CSV needs them. */
static void put_text(const char *text)
{
    bool quoted = strpbrk(text, ",\"\n\r") != NULL;
    fputs(quoted ? "\"" : "", stdout);
    for (; *text != '\0'; text++) {
        fputs(*text == '"' ? "\"" : "", stdout);
        fputc(*text, stdout);
    }
    fputs(quoted ? "\"" : "", stdout);
}

/* A number to its last bit, a label, or nothing for null. */
static void put_value(const json_t *value)
{
    char text[NUMTEXT_MAX];
    if (json_is_number(value)) {
        size_t len = numtext_write(json_number_value(value), text);
        fwrite(text, 1, len, stdout);
    } else if (json_is_string(value)) {
        put_text(json_string_value(value));
    }
}

struct line {
    const char *table;
    const json_t *at[MAX_AXES]; /* label or value along each axis */
    const json_t *axes;
};

static void put_line(const struct line *line, const json_t *const values[N_PARTS])
{
    put_text(line->table);
    for (size_t k = 0; k < MAX_AXES; k++) {
        fputc(',', stdout);
        if (k < json_array_size(line->axes)) {
            put_value(line->at[k]);
        }
    }
    for (int p = 0; p < N_PARTS; p++) {
        fputc(',', stdout);
        put_value(values[p]);
    }
    fputc('\n', stdout);
}

static void put_numbers(struct line *line, size_t axis, const json_t *const values[N_PARTS])
{
    const json_t *inner[N_PARTS];
    if (axis >= json_array_size(line->axes) || axis >= MAX_AXES) {
        put_line(line, values);
        return;
    }
    const json_t *of = json_array_get(line->axes, axis);
    const json_t *labels = json_object_get(of, "labels");
    const json_t *places = labels != NULL ? labels : json_object_get(of, "values");
    for (size_t i = 0; i < json_array_size(places); i++) {
        line->at[axis] = json_array_get(places, i);
        for (int p = 0; p < N_PARTS; p++) {
            inner[p] = json_array_get(values[p], i);
        }
        put_numbers(line, axis + 1, inner);
    }
}

static void put_table(const json_t *table)
{
    const json_t *values[N_PARTS];
    const char *name = json_string_value(json_object_get(table, "name"));
    struct line line = {.table = name != NULL ? name : "", .axes = json_object_get(table, "axes")};
    for (int p = 0; p < N_PARTS; p++) {
        values[p] = json_object_get(table, parts[p]);
    }
    put_numbers(&line, 0, values);
}

/* Some members of each object of a list, the first without a comma before it. */
static void put_members(const json_t *list, const char *const *members, size_t n)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        for (size_t k = 0; k < n; k++) {
            fputs(k > 0 ? "," : "", stdout);
            put_value(json_object_get(json_array_get(list, i), members[k]));
        }
        fputc('\n', stdout);
    }
}

/* Points to simulate next, with their ids if they have any. */
static void put_points(const json_t *doc, const json_t *points)
{
    const json_t *ids = json_object_get(doc, "ids");
    const json_t *space = json_object_get(json_object_get(doc, "request"), "space");
    const json_t *inputs = json_object_get(space, "inputs");
    if (json_array_size(points) == 0) {
        return;
    }
    fputs("id", stdout);
    for (size_t b = 0; b < json_array_size(inputs); b++) {
        fputc(',', stdout);
        put_value(json_object_get(json_array_get(inputs, b), "name"));
    }
    fputc('\n', stdout);
    for (size_t i = 0; i < json_array_size(points); i++) {
        const json_t *point = json_array_get(points, i);
        put_value(json_array_get(ids, i));
        for (size_t b = 0; b < json_array_size(point); b++) {
            fputc(',', stdout);
            put_value(json_array_get(point, b));
        }
        fputc('\n', stdout);
    }
}

/* Of a calibration: its parameters, or the waves of a history match; then what to simulate next.
 * False: it is none. */
static bool put_calibration(const json_t *doc)
{
    static const char *const of_parameters[] = {"name", "mean",     "std",
                                                "rhat", "ess_bulk", "ess_tail"};
    static const char *const of_waves[] = {"version", "share", "sampling_error", "lower", "upper"};
    const json_t *parameters = json_object_get(doc, "parameters");
    const json_t *waves = json_object_get(doc, "waves");
    if (parameters != NULL) {
        puts("parameter,mean,std,rhat,ess_bulk,ess_tail");
        put_members(parameters, of_parameters, sizeof of_parameters / sizeof *of_parameters);
        put_points(doc, json_object_get(json_object_get(doc, "next"), "points"));
    } else if (waves != NULL) {
        puts("version,share,sampling_error,lower,upper");
        put_members(waves, of_waves, sizeof of_waves / sizeof *of_waves);
        put_points(doc, json_object_get(doc, "points"));
    }
    return parameters != NULL || waves != NULL;
}

enum err_code result_print(struct client *client, const char *id, struct err *err)
{
    json_t *doc = NULL;
    char *path = client_path(client, "/v1/jobs/", id, "/result", NULL);
    if (client_ask(client, "GET", path, NULL, &doc, err) != ERR_OK || doc == NULL) {
        return err->code;
    }
    if (put_calibration(doc)) {
        json_decref(doc);
        return err->code;
    }
    const json_t *tables = client_list(doc, "tables", err);
    if (tables != NULL) {
        puts("table,axis_1,axis_2,axis_3,estimate,sampling_error,surrogate_error,lower,upper");
    }
    for (size_t i = 0; i < json_array_size(tables); i++) {
        put_table(json_array_get(tables, i));
    }
    json_decref(doc);
    return err->code;
}
