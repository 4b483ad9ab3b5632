/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A JSON text of a few words and large tensors, made while it is sent: the numbers are turned to
 * text as the client takes them, so an answer of any size needs no memory beyond its tensors.
 */
#ifndef JSON_STREAM_H
#define JSON_STREAM_H

#include "base/numtext.h"

#include <stddef.h>

#define JSON_STREAM_PARTS 112
#define JSON_STREAM_RANK  4

struct json_part {
    const char *text; /* or, when NULL, a tensor */
    size_t len;
    const double *values;
    int rank;
    size_t shape[JSON_STREAM_RANK];
};

struct json_stream {
    struct json_part parts[JSON_STREAM_PARTS];
    int n_parts;
    int part; /* where reading stands */
    size_t at;
    size_t index[JSON_STREAM_RANK];
    char spill[NUMTEXT_MAX + 2 * JSON_STREAM_RANK + 1]; /* of a number that did not fit */
    size_t n_spill;
    size_t spill_at;
};

/* A zeroed stream is empty. Both borrow until the last read. */
void json_stream_text(struct json_stream *stream, const char *text, size_t len);
/* values: finite, at least one; shape: [rank]. */
void json_stream_tensor(struct json_stream *stream, const double *values, int rank,
                        const size_t *shape);

/* No text of the stream is longer. */
size_t json_stream_bound(const struct json_stream *stream);

/* The next bytes, at most `size`; 0: the end. ctx is the stream. */
size_t json_stream_read(void *ctx, char *out, size_t size);

#endif
