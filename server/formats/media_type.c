/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/media_type.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

bool media_type_is(const char *value, const char *type)
{
    size_t len = strlen(type);
    if (value == NULL) {
        return false;
    }
    value += strspn(value, " \t");
    /* What ends a type, the NUL of the value included, is one of these. */
    return strncasecmp(value, type, len) == 0 && strchr(" \t;,", value[len]) != NULL;
}

/* Copies the value that begins at `from` without its quotes; returns what follows it. */
static const char *read_value(const char *from, char *out, size_t size)
{
    size_t n = 0;
    bool quoted = *from == '"';
    const char *p = from + quoted;
    while (*p != '\0' && (quoted ? *p != '"' : strchr("; \t,", *p) == NULL)) {
        p += quoted && *p == '\\' && p[1] != '\0';
        if (n + 1 < size) {
            out[n++] = *p;
        }
        p++;
    }
    out[n] = '\0';
    return p + (quoted && *p == '"');
}

/* A parameter; its name is in the text that was read, its value in `value` [size]. */
struct parameter {
    const char *name;
    size_t len;
    char *value;
    size_t size;
};

/* The first parameter behind `from`, which is at a semicolon; NULL when there is none, or else what
 * follows it. */
static const char *next_parameter(const char *from, struct parameter *out)
{
    const char *p = from;
    while (*p == ';') {
        p += 1 + strspn(p + 1, " \t");
        out->name = p;
        p += strcspn(p, "=;,");
        out->len = (size_t)(p - out->name);
        if (*p == '=') {
            p = read_value(p + 1, out->value, out->size);
            return p + strspn(p, " \t");
        }
    }
    return NULL;
}

static const char *first_semicolon(const char *value)
{
    return value != NULL ? value + strcspn(value, ";,") : "";
}

static bool is_named(const struct parameter *parameter, const char *name)
{
    return parameter->len == strlen(name) &&
           strncasecmp(parameter->name, name, parameter->len) == 0;
}

bool media_type_parameter(const char *value, const char *name, char *out, size_t size)
{
    struct parameter parameter = {.value = out, .size = size};
    for (const char *p = next_parameter(first_semicolon(value), &parameter); p != NULL;
         p = next_parameter(p, &parameter)) {
        if (is_named(&parameter, name)) {
            return true;
        }
    }
    return false;
}

bool media_type_other_parameter(const char *value, const char *const *known, char *out, size_t size)
{
    char ignored[1];
    struct parameter parameter = {.value = ignored, .size = sizeof ignored};
    for (const char *p = next_parameter(first_semicolon(value), &parameter); p != NULL;
         p = next_parameter(p, &parameter)) {
        bool is_known = false;
        for (const char *const *name = known; *name != NULL; name++) {
            is_known = is_known || is_named(&parameter, *name);
        }
        if (!is_known) {
            size_t len = parameter.len < size - 1 ? parameter.len : size - 1;
            memcpy(out, parameter.name, len);
            out[len] = '\0';
            return true;
        }
    }
    return false;
}
