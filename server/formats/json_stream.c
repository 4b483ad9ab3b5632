/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/json_stream.h"

#include <assert.h>
#include <string.h>

static void add_part(struct json_stream *stream, const struct json_part *part)
{
    assert(stream->n_parts < (int)(sizeof stream->parts / sizeof *stream->parts));
    stream->parts[stream->n_parts++] = *part;
}

/*
 * What the writer has put since the last part. A buffer that grows leaves its old bytes in the
 * arena, so earlier parts stay what they are.
 */
static void add_written_text(struct json_stream *stream)
{
    const struct textbuf *text = &stream->text;
    if (!textbuf_failed(text) && text->len > stream->n_given) {
        const struct json_part part = {.text = text->data + stream->n_given,
                                       .len = text->len - stream->n_given};
        add_part(stream, &part);
        stream->n_given = text->len;
    }
}

/* As what follows the text that has been written. */
static void add_tensor(struct json_stream *stream, struct json_part part, const size_t *shape)
{
    add_written_text(stream);
    part.len = 1;
    for (int k = 0; k < part.rank; k++) {
        part.shape[k] = shape[k];
        part.len *= shape[k];
    }
    add_part(stream, &part);
    stream->n_tensors++;
}

/* Large arrays of the writer become tensors too, while there is room in the list. */
static bool take_array(void *ctx, const double *values, size_t n, size_t k)
{
    struct json_stream *stream = ctx;
    const size_t shape[] = {n, k};
    if (stream->n_tensors == JSON_STREAM_TENSORS) {
        return false;
    }
    add_tensor(stream, (struct json_part){.values = values, .rank = n > 0 ? 2 : 1},
               n > 0 ? shape : shape + 1);
    return true;
}

void json_stream_init(struct json_stream *stream, struct arena *arena)
{
    stream->text = textbuf_in(arena);
    stream->json = json_write_to(&stream->text);
    stream->json.take = take_array;
    stream->json.take_ctx = stream;
    stream->n_given = 0;
    stream->n_parts = 0;
    stream->n_tensors = 0;
    stream->part = 0;
    stream->at = 0;
    memset(stream->index, 0, sizeof stream->index);
    stream->fed = NULL;
    stream->n_fed = 0;
    stream->n_spill = 0;
    stream->spill_at = 0;
}

void json_stream_value(struct json_stream *stream, const char *key, const double *values, int rank,
                       const size_t *shape)
{
    json_write_raw(&stream->json, key, ""); /* the tensor stands for it */
    add_tensor(stream, (struct json_part){.values = values, .rank = rank}, shape);
}

void json_stream_fed(struct json_stream *stream, const char *key, struct json_feed feed, int rank,
                     const size_t *shape)
{
    json_write_raw(&stream->json, key, "");
    add_tensor(stream, (struct json_part){.feed = feed, .rank = rank}, shape);
}

enum err_code json_stream_end(struct json_stream *stream, struct err *err)
{
    json_write_end(&stream->json);
    add_written_text(stream);
    return textbuf_failed(&stream->text) ? err_set(err, ERR_NOMEM, "no memory for the answer")
                                         : ERR_OK;
}

size_t json_stream_bound(const struct json_stream *stream)
{
    size_t bytes = 0;
    for (int i = 0; i < stream->n_parts; i++) {
        const struct json_part *part = &stream->parts[i];
        bytes += part->text != NULL ? part->len : part->len * sizeof stream->spill;
    }
    return bytes;
}

/* Numbers of the present tensor that are there. */
static size_t available(const struct json_stream *stream, const struct json_part *part)
{
    size_t left = part->len - stream->at;
    return part->values != NULL || stream->n_fed > left ? left : stream->n_fed;
}

/* The number at the present index with the brackets and comma that belong to it. */
static size_t write_number(struct json_stream *stream, const struct json_part *part, char *out)
{
    size_t *index = stream->index;
    char *to = out;
    if (stream->at > 0) {
        *to++ = ',';
    }
    for (int k = part->rank - 1; k >= 0 && index[k] == 0; k--) {
        *to++ = '[';
    }
    if (part->values != NULL) {
        to += numtext_write(part->values[stream->at], to);
    } else {
        to += numtext_write(*stream->fed++, to);
        stream->n_fed--;
    }
    int k = part->rank - 1;
    while (k >= 0 && ++index[k] == part->shape[k]) {
        index[k--] = 0;
        *to++ = ']';
    }
    stream->at++;
    return (size_t)(to - out);
}

static size_t copy_piece(const char *from, size_t left, char *out, size_t size)
{
    size_t n = left < size ? left : size;
    memcpy(out, from, n);
    return n;
}

/* Numbers of a tensor until the room or what is there ends; one too long for the room is spilt. */
static size_t read_tensor(struct json_stream *stream, const struct json_part *part, char *out,
                          size_t size)
{
    size_t done = 0;
    size_t n = available(stream, part);
    for (; n > 0 && size - done >= sizeof stream->spill; n--) {
        done += write_number(stream, part, out + done);
    }
    if (n > 0 && done == 0) {
        stream->n_spill = write_number(stream, part, stream->spill);
        stream->spill_at = 0;
    }
    return done;
}

bool json_stream_needs(const struct json_stream *stream, struct json_feed *next)
{
    const struct json_part *part = &stream->parts[stream->part];
    if (stream->part == stream->n_parts || part->text != NULL || part->values != NULL ||
        stream->spill_at < stream->n_spill || stream->at == part->len || stream->n_fed > 0) {
        return false;
    }
    *next = (struct json_feed){part->feed.sequence, part->feed.first + stream->at};
    return true;
}

void json_stream_feed(struct json_stream *stream, const double *values, size_t n)
{
    stream->fed = values;
    stream->n_fed = n;
}

size_t json_stream_read(void *ctx, char *out, size_t size)
{
    struct json_stream *stream = ctx;
    size_t done = 0;
    while (done < size) {
        if (stream->spill_at < stream->n_spill) {
            size_t n = copy_piece(stream->spill + stream->spill_at,
                                  stream->n_spill - stream->spill_at, out + done, size - done);
            stream->spill_at += n;
            done += n;
            continue;
        }
        struct json_feed next;
        if (stream->part == stream->n_parts || json_stream_needs(stream, &next)) {
            break;
        }
        const struct json_part *part = &stream->parts[stream->part];
        if (stream->at == part->len) {
            stream->part++;
            stream->at = 0;
            memset(stream->index, 0, sizeof stream->index);
        } else if (part->text != NULL) {
            size_t n = copy_piece(part->text + stream->at, part->len - stream->at, out + done,
                                  size - done);
            stream->at += n;
            done += n;
        } else {
            done += read_tensor(stream, part, out + done, size - done);
        }
    }
    return done;
}
