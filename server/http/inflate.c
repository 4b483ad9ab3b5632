/* SPDX-License-Identifier: Apache-2.0 */
#include "http/inflate.h"

#include <limits.h>

#include "formats/zlib_memory.h"

#define PIECE       ((size_t)64 * 1024)
#define WINDOW_BITS (15 + 16) /* the longest window, and the header of gzip */

/* Gives zlib the next bytes: it counts them with an unsigned. */
static void feed(z_stream *stream, const struct body *from, size_t *fed)
{
    size_t left = from->n - *fed;
    size_t size = left < UINT_MAX ? left : UINT_MAX;
    if (stream->avail_in == 0) {
        stream->next_in = (unsigned char *)from->data + *fed;
        stream->avail_in = (unsigned)size;
        *fed += size;
    }
}

static enum err_code refuse_status(int status, const struct body *from, size_t fed, struct err *err)
{
    if (status == Z_MEM_ERROR) {
        return err_set(err, ERR_NOMEM, "no memory for the body");
    }
    return fed == from->n && (status == Z_OK || status == Z_BUF_ERROR)
               ? err_set(err, ERR_SYNTAX, "the gzip body ends too early: it was cut")
               : err_set(err, ERR_SYNTAX, "the body is not gzip, or it is damaged");
}

/* A file of gzip may be several, one after another. */
static enum err_code inflate_all(z_stream *stream, const struct body *from, struct body *to,
                                 struct body_room *room, size_t *total, struct err *err)
{
    unsigned char *piece = mem_alloc(PIECE);
    size_t fed = 0;
    int status = Z_OK;
    if (piece == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the body");
    }
    do {
        feed(stream, from, &fed);
        stream->next_out = piece;
        stream->avail_out = (unsigned)PIECE;
        status = inflate(stream, Z_NO_FLUSH);
        size_t made = PIECE - stream->avail_out;
        *total += made;
        if (made > 0 && !body_append(to, room, (const char *)piece, made, err)) {
            break;
        }
        bool ended = stream->avail_in == 0 && fed == from->n;
        if (status == Z_STREAM_END && !ended) {
            status = inflateReset(stream);
        } else if (status != Z_STREAM_END && (status != Z_OK || (ended && made < PIECE))) {
            err_kept(refuse_status(status, from, fed, err));
        }
    } while (err->code == ERR_OK && status != Z_STREAM_END);
    mem_free(piece);
    return err->code;
}

enum err_code body_inflate(struct body *body, struct body_room *room, size_t *made, struct err *err)
{
    z_stream stream = ZLIB_MEMORY_STREAM;
    struct body plain = {.data = NULL};
    *made = 0;
    if (body->n == 0) {
        return err_set(err, ERR_SYNTAX, "the gzip body is empty");
    }
    if (inflateInit2(&stream, WINDOW_BITS) != Z_OK) {
        return err_set(err, ERR_NOMEM, "no memory for the body");
    }
    err_kept(inflate_all(&stream, body, &plain, room, made, err));
    (void)inflateEnd(&stream);
    if (err->code != ERR_OK) {
        body_release(&plain, room);
        return err->code;
    }
    body_release(body, room);
    plain.spare = body->spare;
    *body = plain;
    return ERR_OK;
}
