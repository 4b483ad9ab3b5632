/* SPDX-License-Identifier: Apache-2.0 */
/* A table that is sent in parts: all are read as the first was, with the same names. */
#ifndef CSV_HEAD_H
#define CSV_HEAD_H

#include "base/arena.h"
#include "base/err.h"
#include "client/connection.h"
#include "formats/text/text_dialect.h"

#include <stdbool.h>
#include <stddef.h>

struct csv_head {
    const char *type;            /* Content-Type of the next part */
    const char *before;          /* the line of names that it begins with; NULL: none */
    struct text_dialect dialect; /* what is known of the table so far */
    bool begun;                  /* there was a first part */
};

/* type: what the user says of the table, a Content-Type. ERR_INVALID. */
enum err_code csv_head_init(const char *type, struct csv_head *out, struct err *err) MUST_CHECK;

/*
 * The payload of the next part, of whole records. Strings of its head are in the arena. What the
 * server will refuse is left to the server. ERR_NOMEM.
 */
enum err_code csv_head_next(struct csv_head *head, const char *text, size_t len,
                            struct arena *arena, struct payload *out, struct err *err) MUST_CHECK;

#endif
