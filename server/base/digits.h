/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DIGITS_H
#define DIGITS_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

/* Reads a number from 1, written in digits alone: no sign, blank or leading zero. False: it is
 * not one. */
static inline bool digits_parse(const char *text, int64_t *out)
{
    char *end;
    if (text[0] < '1' || text[0] > '9') {
        return false;
    }
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (*end != '\0' || errno != 0) {
        return false;
    }
    *out = value;
    return true;
}

#endif
