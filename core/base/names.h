/* SPDX-License-Identifier: Apache-2.0 */
/* Enumerations by name, as documents and settings write them. */
#ifndef NAMES_H
#define NAMES_H

#include <stdbool.h>
#include <string.h>

/* *index <- where a name stands in a list of n; false, with *index unchanged, when it does not. */
static inline bool names_find(const char *const *names, int n, const char *name, int *index)
{
    for (int i = 0; i < n; i++) {
        if (strcmp(names[i], name) == 0) {
            *index = i;
            return true;
        }
    }
    return false;
}

/* Defines prefix_name(value) and prefix_find(name, &value) over an array of names. */
#define NAMES_DEFINE(prefix, type, names)                                                          \
    const char *prefix##_name(type value)                                                          \
    {                                                                                              \
        return names[value];                                                                       \
    }                                                                                              \
    bool prefix##_find(const char *name, type *value)                                              \
    {                                                                                              \
        int index = 0;                                                                             \
        bool found = names_find(names, (int)(sizeof names / sizeof *names), name, &index);         \
        *value = found ? (type)index : *value;                                                     \
        return found;                                                                              \
    }

#endif
