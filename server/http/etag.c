/* SPDX-License-Identifier: Apache-2.0 */
#include "http/etag.h"

#include <string.h>

bool etag_matches(const char *header, const char *tag)
{
    size_t len = strlen(tag);
    const char *p = header + strspn(header, " \t");
    if (*p == '*') {
        return true;
    }
    while (*p != '\0') {
        p += strspn(p, " \t,");
        if (strncmp(p, "W/", 2) == 0) {
            p += 2;
        }
        if (strncmp(p, tag, len) == 0) {
            return true;
        }
        /* Skips this tag: a comma may stand inside its quotes. */
        if (*p == '"') {
            const char *close = strchr(p + 1, '"');
            p = close != NULL ? close + 1 : p + strlen(p);
        } else {
            p += strcspn(p, ",");
        }
    }
    return false;
}
