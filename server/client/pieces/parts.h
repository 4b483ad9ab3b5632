/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CSV of any length in parts of whole records: what a server takes in one request is bounded, and
 * so is the memory here. A part is given out as soon as it is complete, so that a program may
 * write one and wait for the answer before the next. The text is not read as numbers here.
 */
#ifndef PARTS_H
#define PARTS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define PARTS_MAX_BYTES ((size_t)16 * 1024 * 1024) /* of one part */

struct parts {
    FILE *file; /* borrowed */
    char *buffer;
    size_t len;        /* bytes in the buffer */
    size_t taken;      /* of them, in the part that was given out last */
    int64_t line;      /* that the part begins with, counted from 1 */
    int64_t n_records; /* of the part; 0: it has comments and empty lines only */
    bool begun;        /* past the place of a byte order mark */
    bool ended;
};

/* ERR_NOMEM. */
enum err_code parts_open(FILE *file, struct parts *out, struct err *err) MUST_CHECK;
void parts_release(struct parts *parts);

/*
 * The next part of at most max_records records, valid until the next call; *len is 0 at the end.
 * Quotes are those of formats/text_record.h. ERR_TOO_LARGE: a record longer than a part;
 * ERR_CORRUPT: the file cannot be read; ERR_CANCELLED.
 */
enum err_code parts_next(struct parts *parts, int64_t max_records, const char **text, size_t *len,
                         struct err *err) MUST_CHECK;

#endif
