/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/json_stream.h"

#include <assert.h>
#include <string.h>

static void add_part(struct json_stream *stream, const struct json_part *part)
{
    assert(stream->n_parts < (int)(sizeof stream->parts / sizeof *stream->parts));
    stream->parts[stream->n_parts++] = *part;
}

void json_stream_init(struct json_stream *stream, struct arena *arena)
{
    stream->text = textbuf_in(arena);
    stream->json = json_write_to(&stream->text);
    stream->n_given = 0;
    stream->n_parts = 0;
    stream->part = 0;
    stream->at = 0;
    memset(stream->index, 0, sizeof stream->index);
    stream->n_spill = 0;
    stream->spill_at = 0;
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

void json_stream_value(struct json_stream *stream, const char *key, const double *values, int rank,
                       const size_t *shape)
{
    json_write_raw(&stream->json, key, ""); /* the tensor stands for it */
    add_written_text(stream);
    struct json_part part = {.values = values, .rank = rank, .len = 1};
    for (int k = 0; k < rank; k++) {
        part.shape[k] = shape[k];
        part.len *= shape[k];
    }
    add_part(stream, &part);
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
    to += numtext_write(part->values[stream->at], to);
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

/* Numbers of a tensor until the room or the tensor ends; one too long for the room is spilt. */
static size_t read_tensor(struct json_stream *stream, const struct json_part *part, char *out,
                          size_t size)
{
    size_t done = 0;
    while (stream->at < part->len && size - done >= sizeof stream->spill) {
        done += write_number(stream, part, out + done);
    }
    if (stream->at < part->len && done == 0) {
        stream->n_spill = write_number(stream, part, stream->spill);
        stream->spill_at = 0;
    }
    return done;
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
        if (stream->part == stream->n_parts) {
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
