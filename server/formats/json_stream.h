/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A JSON text of few words and large tensors whose numbers become text only as the client takes
 * them, so that an answer of any size needs no memory beyond its tensors.
 *
 *     json_stream_init(stream, arena);
 *     json_write_object(&stream->json, NULL);
 *     json_write_int(&stream->json, "version", 3);
 *     json_stream_value(stream, "mean", mean, 2, shape);
 *     json_write_object_end(&stream->json);
 *     json_stream_end(stream, err);
 *
 * Large arrays that json_write_reals and json_write_matrix are given become tensors, too: up to
 * JSON_STREAM_TENSORS in all, then they become text. They are borrowed until the last read.
 */
#ifndef JSON_STREAM_H
#define JSON_STREAM_H

#include "base/err.h"
#include "base/numtext.h"
#include "formats/json_write.h"

#include <stddef.h>

#define JSON_STREAM_TENSORS 64
#define JSON_STREAM_RANK    4

/* Where the numbers of a tensor come from that is not in memory: from `first` on of a sequence
 * whose meaning only the caller knows. */
struct json_feed {
    int sequence;
    size_t first;
};

struct json_part {
    const char *text; /* or, when NULL, a tensor */
    size_t len;
    const double *values; /* NULL: they are fed */
    struct json_feed feed;
    int rank;
    size_t shape[JSON_STREAM_RANK];
};

struct json_stream {
    struct json_write json; /* for all but the tensors; writes into text */
    struct textbuf text;
    size_t n_given; /* bytes of text that are parts already */
    struct json_part parts[2 * JSON_STREAM_TENSORS + 1];
    int n_parts;
    int n_tensors; /* of them */
    int part;      /* the one being read */
    size_t at;
    size_t index[JSON_STREAM_RANK];
    const double *fed; /* the next numbers of the present tensor, when it is fed .. */
    size_t n_fed;      /* .. and how many are there */
    char spill[NUMTEXT_MAX + 2 * JSON_STREAM_RANK + 1]; /* of a number that did not fit */
    size_t n_spill;
    size_t spill_at;
};

/* The stream stays where it is, for its writer points into it; its text goes into the arena. */
void json_stream_init(struct json_stream *stream, struct arena *arena);

/*
 * A tensor as the next value of stream->json, key as there; at most JSON_STREAM_TENSORS. values:
 * finite, at least one, borrowed until the last read; shape: [rank].
 */
void json_stream_value(struct json_stream *stream, const char *key, const double *values, int rank,
                       const size_t *shape);

/* The same for a tensor whose numbers are fed while it is read. */
void json_stream_fed(struct json_stream *stream, const char *key, struct json_feed feed, int rank,
                     const size_t *shape);

/* After the last value. ERR_NOMEM. */
enum err_code json_stream_end(struct json_stream *stream, struct err *err) MUST_CHECK;

/* No text of the stream is longer. */
size_t json_stream_bound(const struct json_stream *stream);

/*
 * The next bytes, at most `size`; 0: the end, or the next number has to be fed first. ctx is the
 * stream.
 */
size_t json_stream_read(void *ctx, char *out, size_t size);

/* Must numbers be fed before there is more to read? *next: the first of them. */
bool json_stream_needs(const struct json_stream *stream, struct json_feed *next);

/*
 * Feeds the n numbers that follow, which may be more than the present tensor has left. They are
 * borrowed until json_stream_needs says that more are needed.
 */
void json_stream_feed(struct json_stream *stream, const double *values, size_t n);

#endif
