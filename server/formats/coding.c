/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/coding.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#define UNNAMED (-1)
#define FULL    1000 /* thousandths, the finest weight there is */

static const char *skip_blanks(const char *p)
{
    return p + strspn(p, " \t");
}

/* The weight behind "q=" in thousandths; 0 for what is none. */
static int read_weight(const char *p)
{
    int weight = *p == '1' ? FULL : 0;
    if (*p != '0' && *p != '1') {
        return 0;
    }
    p++;
    if (*p == '.') {
        int place = FULL / 10;
        for (p++; *p >= '0' && *p <= '9'; p++) {
            weight += place * (*p - '0');
            place /= 10;
        }
    }
    bool ends = strchr(" \t,;", *p) != NULL;
    return ends && weight <= FULL ? weight : 0;
}

/* Reads a member of the list: its name [*len] and its weight. Returns what follows it. */
static const char *read_member(const char *p, size_t *len, int *weight)
{
    *len = strcspn(p, " \t,;");
    *weight = FULL;
    p = skip_blanks(p + *len);
    while (*p == ';') {
        p = skip_blanks(p + 1);
        if ((*p == 'q' || *p == 'Q') && p[1] == '=') {
            *weight = read_weight(p + 2);
        }
        p += strcspn(p, ",;");
    }
    return p + strcspn(p, ",");
}

static bool is_named(const char *p, size_t len, const char *name)
{
    return len == strlen(name) && strncasecmp(p, name, len) == 0;
}

bool coding_asks_for_gzip(const char *value)
{
    int gzip = UNNAMED;
    int any = UNNAMED;
    int identity = UNNAMED;
    const char *p = value != NULL ? value : "";
    while (*p != '\0') {
        size_t len;
        int weight;
        p = skip_blanks(p);
        const char *next = read_member(p, &len, &weight);
        if (is_named(p, len, "gzip") || is_named(p, len, "x-gzip")) {
            gzip = weight;
        } else if (is_named(p, len, "*")) {
            any = weight;
        } else if (is_named(p, len, "identity")) {
            identity = weight;
        }
        p = *next == ',' ? next + 1 : next;
    }
    gzip = gzip == UNNAMED ? any : gzip;
    return gzip > 0 && gzip >= identity;
}
