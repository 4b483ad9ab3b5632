/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A short body is compressed at once. A longer one, or one that is made while it is sent, is read
 * in pieces of 64 KiB on the connection's thread, each of which a writer thread compresses (a
 * millisecond) while the connection is suspended.
 */
#include "api/compress.h"

#include <string.h>

#include "api/offload.h"
#include "base/mem_budget.h"
#include "formats/coding.h"
#include "formats/media_type.h"
#include "formats/zlib_memory.h"

/*
 * The fastest level: an answer of 2,000 rows becomes 48 % at level 1, at 10 ns a byte, and 45 % at
 * level 6, at 60. Half of the usual memory of zlib makes no difference to that.
 */
#define LEVEL        1
#define WINDOW_BITS  (14 + 16) /* 16 KiB, with the header of gzip */
#define MEMORY_LEVEL 7
#define PLAIN_BYTES  ((size_t)64 * 1024)
#define PACKED_BYTES ((size_t)64 * 1024)
#define MIN_ROOM     ((size_t)4096) /* for which a source is asked */

/* A body that is compressed while it is sent; in the request's arena, but for zlib's memory. */
struct packing {
    struct app *app;
    struct request *req;
    struct body_source plain_source; /* read NULL: what is in memory */
    const char *rest;                /* of that */
    size_t n_rest;
    struct offload_part *part; /* NULL: there is no other thread */
    z_stream z;
    char *plain; /* [PLAIN_BYTES] */
    size_t n_plain;
    bool is_last; /* nothing is behind it */
    char *packed; /* [PACKED_BYTES] */
    size_t n_packed;
    size_t packed_at;
    bool has_more; /* zlib has more than fitted */
    bool ended;
    bool failed;
};

/* ---- what is asked for ---- */

static bool is_text(const char *type)
{
    return type != NULL && (strncmp(type, "text/", 5) == 0 || strstr(type, "json") != NULL ||
                            strstr(type, "javascript") != NULL || strstr(type, "xml") != NULL);
}

static bool is_worth_it(const struct response *res)
{
    bool long_enough = res->source.read != NULL
                           ? !res->source.endless && (res->source.n_bytes == 0 ||
                                                      res->source.n_bytes >= COMPRESS_MIN_BYTES)
                           : res->n_body >= COMPRESS_MIN_BYTES;
    return long_enough && !res->holds_secret && is_text(res->content_type) &&
           !response_has(res, "Content-Encoding");
}

/* An encoded answer is another representation: its tag is the same only in meaning. */
static bool weaken_tag(const struct request *req, struct response *res)
{
    for (int i = 0; i < res->n_headers; i++) {
        struct header *header = &res->headers[i];
        if (header_is(header, "ETag") && header->value[0] == '"') {
            char *weak = arena_printf(req->arena, "W/%s", header->value);
            header->value = weak != NULL ? weak : header->value;
            return weak != NULL;
        }
    }
    return true;
}

/* ---- at once ---- */

static bool open_zlib(z_stream *z)
{
    enum mem_kind kind = mem_kind_use(MEM_ANSWERS);
    bool opened =
        deflateInit2(z, LEVEL, Z_DEFLATED, WINDOW_BITS, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) == Z_OK;
    mem_kind_use(kind);
    return opened;
}

/* False: the body stays as it is. */
static bool compress_here(const struct request *req, struct response *res)
{
    z_stream z = ZLIB_MEMORY_STREAM;
    char *out = arena_alloc(req->arena, res->n_body);
    if (out == NULL || !open_zlib(&z)) {
        return false;
    }
    z.next_in = (unsigned char *)res->body;
    z.avail_in = (unsigned)res->n_body;
    z.next_out = (unsigned char *)out;
    z.avail_out = (unsigned)res->n_body;
    bool shorter = deflate(&z, Z_FINISH) == Z_STREAM_END;
    size_t n = res->n_body - z.avail_out;
    (void)deflateEnd(&z);
    if (shorter) {
        res->body = out;
        res->n_body = n;
    }
    return shorter;
}

/* ---- while it is sent ---- */

/* On another thread, while the connection is suspended; or on its own. */
static void pack_piece(void *ctx)
{
    struct packing *p = ctx;
    if (!p->has_more) {
        p->z.next_in = (unsigned char *)p->plain;
        p->z.avail_in = (unsigned)p->n_plain;
    }
    p->z.next_out = (unsigned char *)p->packed;
    p->z.avail_out = (unsigned)PACKED_BYTES;
    int status = deflate(&p->z, p->is_last ? Z_FINISH : Z_NO_FLUSH);
    p->packed_at = 0;
    p->n_packed = PACKED_BYTES - p->z.avail_out;
    p->ended = status == Z_STREAM_END;
    p->has_more = !p->ended && p->z.avail_out == 0;
    p->failed = status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR;
    p->n_plain = p->has_more ? p->n_plain : 0;
}

/* What is in memory, like a source. */
static size_t read_rest(struct packing *p, char *out, size_t size)
{
    size_t n = p->n_rest < size ? p->n_rest : size;
    memcpy(out, p->rest, n);
    p->rest += n;
    p->n_rest -= n;
    return n;
}

/* 0: the piece is full, or nothing is behind it; else BODY_SOURCE_WAIT or BODY_SOURCE_FAILED. */
static size_t fill_piece(struct packing *p)
{
    const struct body_source *source = &p->plain_source;
    while (!p->is_last && PLAIN_BYTES - p->n_plain >= MIN_ROOM) {
        char *to = p->plain + p->n_plain;
        size_t room = PLAIN_BYTES - p->n_plain;
        size_t n =
            source->read != NULL ? source->read(source->ctx, to, room) : read_rest(p, to, room);
        if (n == BODY_SOURCE_WAIT || n == BODY_SOURCE_FAILED) {
            return n;
        }
        p->n_plain += n;
        p->is_last = n == 0;
    }
    return 0;
}

static size_t read_packed(void *ctx, char *out, size_t size)
{
    struct packing *p = ctx;
    while (p->packed_at == p->n_packed && !p->ended && !p->failed) {
        size_t wait = p->has_more ? 0 : fill_piece(p);
        if (wait != 0) {
            return wait;
        }
        if (p->part != NULL && offload_part_submit(p->app->offload, p->part)) {
            return BODY_SOURCE_WAIT;
        }
        pack_piece(p);
    }
    size_t left = p->n_packed - p->packed_at;
    size_t n = left < size ? left : size;
    memcpy(out, p->packed + p->packed_at, n);
    p->packed_at += n;
    return n == 0 && p->failed ? BODY_SOURCE_FAILED : n;
}

static void release_packing(void *ctx)
{
    struct packing *p = ctx;
    (void)deflateEnd(&p->z);
    if (p->plain_source.release != NULL) {
        p->plain_source.release(p->plain_source.ctx);
    }
    atomic_fetch_sub_explicit(&p->app->compressing, 1, memory_order_relaxed);
}

static bool take_place(struct app *app)
{
    if (atomic_fetch_add_explicit(&app->compressing, 1, memory_order_relaxed) <
        COMPRESS_MAX_STREAMS) {
        return true;
    }
    atomic_fetch_sub_explicit(&app->compressing, 1, memory_order_relaxed);
    return false;
}

/* False: the body stays as it is. */
static bool compress_later(struct app *app, struct request *req, struct response *res)
{
    struct packing *p = arena_zalloc_array(req->arena, 1, sizeof *p);
    char *buffers = p != NULL ? arena_alloc(req->arena, PLAIN_BYTES + PACKED_BYTES) : NULL;
    if (buffers == NULL || !take_place(app)) {
        return false;
    }
    p->z = (z_stream)ZLIB_MEMORY_STREAM;
    if (!open_zlib(&p->z)) {
        atomic_fetch_sub_explicit(&app->compressing, 1, memory_order_relaxed);
        return false;
    }
    p->app = app;
    p->req = req;
    p->plain_source = res->source;
    p->rest = res->body;
    p->n_rest = res->n_body;
    p->plain = buffers;
    p->packed = buffers + PLAIN_BYTES;
    p->part = offload_part_new(app->offload, pack_piece, p, req);
    res->body = NULL;
    res->n_body = 0;
    res->source = (struct body_source){.read = read_packed,
                                       .release = release_packing,
                                       .ctx = p,
                                       .needs_no_body = p->plain_source.needs_no_body};
    return true;
}

void compress_answer(struct app *app, struct request *req, struct response *res)
{
    if (res->source.read == NULL && res->n_body < COMPRESS_MIN_BYTES && res->status != 304) {
        return;
    }
    bool asked = coding_asks_for_gzip(request_header(req, "Accept-Encoding"));
    if (res->status == 304) {
        const char *known = request_header(req, "If-None-Match");
        if (asked && known != NULL && strstr(known, "W/") != NULL) {
            (void)weaken_tag(req, res);
        }
        return;
    }
    if (!is_worth_it(res)) {
        return;
    }
    response_header(res, "Vary", "Accept-Encoding");
    if (!asked || !weaken_tag(req, res)) {
        return;
    }
    bool at_once = res->source.read == NULL && res->n_body <= COMPRESS_HERE_BYTES;
    if (at_once ? compress_here(req, res) : compress_later(app, req, res)) {
        response_header(res, "Content-Encoding", "gzip");
    }
}
