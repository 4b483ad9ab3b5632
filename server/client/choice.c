/* SPDX-License-Identifier: Apache-2.0 */
#include "client/choice.h"

#include "client/describe.h"
#include "client/table.h"

#include <string.h>

/* "0.12 +- 0.03" of two members; an empty cell without numbers. */
static void fill_pair(struct table *table, int column, const json_t *value, const json_t *error)
{
    if (json_is_number(value) && json_is_number(error)) {
        table_cell(table, column, "%.3f +- %.3f", json_number_value(value),
                   json_number_value(error));
    } else if (json_is_number(value)) {
        table_cell(table, column, "%.3f", json_number_value(value));
    }
}

static void fill_line(struct table *table, struct arena *arena, const json_t *line)
{
    const json_t *seconds = json_object_get(line, "seconds");
    table_row(table);
    table_cell(table, 0, "%s", describe_member(arena, line, "name"));
    table_cell(table, 1, "%s", describe_member(arena, line, "outcome"));
    fill_pair(table, 2, json_object_get(line, "score"), json_object_get(line, "standard_error"));
    fill_pair(table, 3, json_object_get(line, "gap"), json_object_get(line, "gap_error"));
    if (json_is_number(seconds)) {
        table_cell(table, 4, "%.1f", json_number_value(seconds));
    }
    table_cell(table, 5, "%s", describe_member(arena, line, "why"));
}

enum err_code choice_print(const json_t *choice, struct arena *arena, FILE *out, struct err *err)
{
    const json_t *lines = json_object_get(choice, "candidates");
    const json_t *line;
    size_t i;
    if (!json_is_array(lines)) {
        return ERR_OK;
    }
    struct table table = table_in(arena, "CANDIDATE|OUTCOME|>SCORE|>BEHIND THE BEST|>SECONDS|WHY");
    json_array_foreach(lines, i, line)
    {
        fill_line(&table, arena, line);
    }
    return table_print(&table, out, err);
}

void choice_describe_current(const json_t *choice, char *out, size_t size)
{
    const char *current = json_string_value(json_object_get(choice, "current"));
    const json_t *lines = json_object_get(choice, "candidates");
    const json_t *line;
    size_t i;
    out[0] = '\0';
    if (current == NULL) {
        snprintf(out, size, "%s", json_is_array(lines) ? "the chosen one" : "");
        return;
    }
    json_array_foreach(lines, i, line)
    {
        const char *name = json_string_value(json_object_get(line, "name"));
        if (name != NULL && strcmp(name, current) == 0) {
            snprintf(out, size, "candidate %zu/%zu", i + 1, json_array_size(lines));
        }
    }
}
