/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies of gzip: a byte says what follows. 0: a body as it is, which is read like zlib's own
 * reader of files does; another: text that is compressed first, in as many files as the byte says,
 * and comes back.
 */
#include "driver.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/mem.h"
#include "http/inflate.h"

#define MAX_BODY    ((size_t)64 * 1024)
#define MAX_FILES   4
#define WINDOW_BITS (15 + 16)

const struct seed fuzz_seeds[] = {
    SEED("\x01x,y\n1,2\n"), SEED("\x03x,y\n1,2\n3,4\n5,6\n"),
    SEED("\0\x1f\x8b\x08\0\0\0\0\0\0\x03K\xae\0\0\xeb\x8c\x1b\xcb\x02\0\0\0"),
    SEED("\0\x1f\x8b\x08\x1c\0\0\0\0\0\x03\x02\0\0\0n\0c\0\x03\0\0\0\0\0\0\0\0\0"), SEEDS_END};

const struct seed fuzz_words[] = {SEED("\x1f\x8b\x08"), SEED("\x03\0\0\0\0\0\0\0\0\0"),
                                  SEED("\x01\x01\0\xfe\xff"), SEEDS_END};

/* Appends a file of gzip with the text to out. */
static size_t compress_one(const uint8_t *text, size_t len, unsigned char *out, size_t room)
{
    z_stream stream = {.next_in = (unsigned char *)text,
                       .avail_in = (unsigned)len,
                       .next_out = out,
                       .avail_out = (unsigned)room};
    if (deflateInit2(&stream, 6, Z_DEFLATED, WINDOW_BITS, 8, Z_DEFAULT_STRATEGY) != Z_OK ||
        deflate(&stream, Z_FINISH) != Z_STREAM_END) {
        abort();
    }
    size_t made = room - stream.avail_out;
    deflateEnd(&stream);
    return made;
}

static enum err_code inflate_copy(const void *bytes, size_t n, struct body *body,
                                  struct body_room *room)
{
    struct err err = ERR_INIT;
    if (n > 0 && !body_append(body, room, bytes, n, &err)) {
        abort();
    }
    size_t made = 0;
    if (err.code == ERR_OK && body_inflate(body, room, &made, &err) == ERR_OK && made != body->n) {
        abort();
    }
    return err.code;
}

/* Text in several files comes back as one. */
static void check_there_and_back(const uint8_t *text, size_t len, int n_files)
{
    struct body_room room = {.max_body = MAX_BODY, .max = 8 * MAX_BODY};
    struct body body = {.data = NULL};
    size_t size = 2 * len + 64 * MAX_FILES;
    unsigned char *packed = mem_alloc(size);
    size_t at = 0;
    for (int i = 0; i < n_files; i++) {
        size_t from = len * (size_t)i / (size_t)n_files;
        size_t until = len * ((size_t)i + 1) / (size_t)n_files;
        at += compress_one(text + from, until - from, packed + at, size - at);
    }
    if (inflate_copy(packed, at, &body, &room) != ERR_OK || body.n != len ||
        (len > 0 && memcmp(body.data, text, len) != 0)) {
        abort();
    }
    /* Cut anywhere, or followed by anything, it is refused. */
    struct body part = {.data = NULL};
    if (inflate_copy(packed, at - 1 - len % 8, &part, &room) != ERR_SYNTAX) {
        abort();
    }
    body_release(&part, &room);
    body_release(&body, &room);
    mem_free(packed);
    if (room.held != 0) {
        abort();
    }
}

/* The same by one call for each file; -1: it is not gzip, or too long. */
static long inflate_again(const uint8_t *bytes, size_t n, unsigned char *out)
{
    size_t made = 0;
    size_t at = 0;
    while (at < n) {
        z_stream stream = {.next_in = (unsigned char *)bytes + at,
                           .avail_in = (unsigned)(n - at),
                           .next_out = out + made,
                           .avail_out = (unsigned)(MAX_BODY + 1 - made)};
        if (inflateInit2(&stream, WINDOW_BITS) != Z_OK) {
            abort();
        }
        int status = inflate(&stream, Z_FINISH);
        at = n - stream.avail_in;
        made = MAX_BODY + 1 - stream.avail_out;
        inflateEnd(&stream);
        if (status != Z_STREAM_END || made > MAX_BODY) {
            return -1;
        }
    }
    return (long)made;
}

static void check_as_it_is(const uint8_t *bytes, size_t n)
{
    static unsigned char out[MAX_BODY + 1];
    struct body_room room = {.max_body = MAX_BODY, .max = 8 * MAX_BODY};
    struct body body = {.data = NULL};
    long wanted = n > 0 ? inflate_again(bytes, n, out) : -1;
    enum err_code code = inflate_copy(bytes, n, &body, &room);
    if ((code == ERR_OK) != (wanted >= 0) || (code != ERR_OK && body.n != n)) {
        abort();
    }
    if (wanted >= 0 &&
        (body.n != (size_t)wanted || (wanted > 0 && memcmp(body.data, out, body.n) != 0))) {
        abort();
    }
    body_release(&body, &room);
    if (room.held != 0) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0 && data[0] != 0) {
        check_there_and_back(data + 1, size - 1, 1 + data[0] % MAX_FILES);
    } else if (size > 0) {
        check_as_it_is(data + 1, size - 1);
    }
    return 0;
}
