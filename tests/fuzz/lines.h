/* SPDX-License-Identifier: Apache-2.0 */
/* Inputs that are lines of text, such as the headers of a request. */
#ifndef LINES_H
#define LINES_H

#include "http/exchange.h"

#include <string.h>

/* Cuts off the next line and returns it; "" when there is none any more. */
static inline char *next_line(char **rest)
{
    char *line = *rest;
    size_t len = strcspn(line, "\n");
    *rest = line + len;
    if (line[len] != '\0') {
        line[len] = '\0';
        *rest = line + len + 1;
    }
    return line;
}

/*
 * Reads "name:value" from each line up to an empty one. Nothing is trimmed: what the HTTP library
 * leaves in a value is for the target to say. A line without a colon is a name without a value.
 */
static inline int next_headers(char **rest, struct header *headers, int max)
{
    int n = 0;
    while (n < max) {
        char *line = next_line(rest);
        if (line[0] == '\0') {
            break;
        }
        char *colon = strchr(line, ':');
        const char *value = "";
        if (colon != NULL) {
            *colon = '\0';
            value = colon + 1;
        }
        headers[n++] = (struct header){line, value};
    }
    return n;
}

#endif
