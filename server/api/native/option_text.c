/* SPDX-License-Identifier: Apache-2.0 */
#include "api/native/option_text.h"

#include <string.h>

/* A number as it is; anything else is left for the JSON reader to refuse. */
static void write_number(struct json_write *json, const char *key, const char *text)
{
    if (text[0] != '\0' && text[strspn(text, "0123456789.eE+-")] == '\0') {
        json_write_raw(json, key, text);
    } else {
        json_write_text(json, key, text);
    }
}

/* The parts of a list that commas separate. */
static void write_list(struct json_write *json, const char *key, enum option_form form, char *list)
{
    json_write_array(json, key);
    while (list != NULL) {
        char *comma = strchr(list, ',');
        if (comma != NULL) {
            *comma++ = '\0';
        }
        if (form == OPTION_NAMES) {
            json_write_text(json, NULL, list);
        } else {
            write_number(json, NULL, list);
        }
        list = comma;
    }
    json_write_array_end(json);
}

void option_text_write(struct json_write *json, const struct header *option, enum option_form form,
                       struct arena *arena)
{
    char *list;
    switch (form) {
    case OPTION_TEXT:
        json_write_text(json, option->name, option->value);
        break;
    case OPTION_NUMBER:
        write_number(json, option->name, option->value);
        break;
    case OPTION_NAMES:
    case OPTION_NUMBERS:
        list = arena_strndup(arena, option->value, strlen(option->value));
        json->text->failed |= list == NULL;
        write_list(json, option->name, form, list);
        break;
    }
}
