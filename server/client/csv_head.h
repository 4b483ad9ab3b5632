/* SPDX-License-Identifier: Apache-2.0 */
/* A table that is sent in parts: each is read as the first was, with the same names. */
#ifndef CSV_HEAD_H
#define CSV_HEAD_H

#include "base/arena.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct csv_head {
    const char *type;   /* Content-Type of the parts after the first */
    const char *before; /* the line of names that they begin with; NULL: none */
};

/*
 * From the first part; strings are in the arena. What the server will refuse is left to the server:
 * then the type is plain text/csv. ERR_NOMEM.
 */
enum err_code csv_head_read(const char *text, size_t len, struct arena *arena, struct csv_head *out,
                            struct err *err) MUST_CHECK;

#endif
