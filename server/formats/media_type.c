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
