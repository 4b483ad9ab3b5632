/* SPDX-License-Identifier: Apache-2.0 */
/* Enumerations by name, as documents and settings write them. */
#ifndef NAMES_H
#define NAMES_H

#include <string.h>

/* The names of an enumeration, in the order of its values. */
struct names {
    const char *const *list; /* [n] */
    int n;
};

/* The value of a name; -1: unknown. */
static inline int names_find(struct names known, const char *name)
{
    for (int i = 0; i < known.n; i++) {
        if (strcmp(known.list[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

/* Defines prefix_known(): all of the names, from an array of them. */
#define NAMES_KNOWN(prefix, array)                                                                 \
    struct names prefix##_known(void)                                                              \
    {                                                                                              \
        return (struct names){array, (int)(sizeof array / sizeof *array)};                         \
    }

/* The same, and prefix_name(value). */
#define NAMES_DEFINE(prefix, type, array)                                                          \
    const char *prefix##_name(type value)                                                          \
    {                                                                                              \
        return array[value];                                                                       \
    }                                                                                              \
    NAMES_KNOWN(prefix, array)

#endif
