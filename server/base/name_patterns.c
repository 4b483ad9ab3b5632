/* SPDX-License-Identifier: Apache-2.0 */
#include "base/name_patterns.h"

#include <ctype.h>
#include <string.h>

bool name_patterns_are_valid(const char *patterns)
{
    size_t n = 0;
    while (isalnum((unsigned char)patterns[n]) ||
           (patterns[n] != '\0' && strchr("._-*?,", patterns[n]))) {
        n++;
    }
    return n > 0 && n <= NAME_PATTERNS_CHARS && patterns[n] == '\0';
}

/* Without recursion: after a mismatch it goes back to the last '*' and lets that take one more. */
static bool matches(const char *pattern, const char *end, const char *name)
{
    const char *star = NULL;
    const char *rest = NULL;
    while (*name != '\0') {
        if (pattern < end && *pattern == '*') {
            star = pattern++;
            rest = name;
        } else if (pattern < end && (*pattern == '?' || *pattern == *name)) {
            pattern++;
            name++;
        } else if (star != NULL) {
            pattern = star + 1;
            name = ++rest;
        } else {
            return false;
        }
    }
    while (pattern < end && *pattern == '*') {
        pattern++;
    }
    return pattern == end;
}

bool name_patterns_match(const char *patterns, const char *name)
{
    for (const char *at = patterns;; at++) {
        const char *end = at + strcspn(at, ",");
        if (end > at && matches(at, end, name)) {
            return true;
        }
        if (*end == '\0') {
            return false;
        }
        at = end;
    }
}
