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

bool media_type_parameter(const char *value, const char *name, char *out, size_t size)
{
    const size_t len = strlen(name);
    const char *p = value != NULL ? value + strcspn(value, ";,") : "";
    while (*p == ';') {
        p += 1 + strspn(p + 1, " \t");
        const char *key = p;
        p += strcspn(p, "=;,");
        if (*p == '=') {
            bool found = (size_t)(p - key) == len && strncasecmp(key, name, len) == 0;
            p = read_value(p + 1, out, size);
            if (found) {
                return true;
            }
        }
        p += strspn(p, " \t");
    }
    return false;
}
