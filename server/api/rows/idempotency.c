/* SPDX-License-Identifier: Apache-2.0 */
#include "api/rows/idempotency.h"

#include <stdbool.h>
#include <string.h>

static bool is_bare(char c)
{
    return c > 0x20 && c < 0x7f && c != '"' && c != '\\' && c != ',' && c != ';';
}

/* The next character of a quoted string; moves *at behind it. '\0': none that is allowed. */
static char next_quoted(const char **at)
{
    char c = *(*at)++;
    if (c == '\\') {
        c = *(*at)++;
        return c == '"' || c == '\\' ? c : '\0';
    }
    return c >= 0x20 && c < 0x7f ? c : '\0';
}

enum err_code idempotency_key_parse(const char *text, char *key, struct err *err)
{
    size_t len = 0;
    const char *at = text + strspn(text, " \t");
    bool quoted = *at == '"';
    bool good = true;
    at += quoted;
    while (good && (quoted ? *at != '"' : is_bare(*at))) {
        char c = quoted ? next_quoted(&at) : *at++;
        good = c != '\0' && len < IDEMPOTENCY_KEY_MAX;
        if (good) {
            key[len++] = c;
        }
    }
    if (good) {
        at += quoted;
        at += strspn(at, " \t");
        good = *at == '\0' && len > 0;
    }
    key[len] = '\0';
    return good ? ERR_OK
                : err_set(err, ERR_INVALID,
                          "Idempotency-Key must be one string in quotes, or a bare one without "
                          "blanks, of 1 to %d ASCII characters",
                          IDEMPOTENCY_KEY_MAX);
}
